package render

import (
	"unicode"
	"unicode/utf8"
)

// position is where in a text of Markdown something stands. The zero position is the beginning.
type position struct {
	block block
	last  rune // 0 at the beginning
	word  [6]byte
	n     int // letters before, as far as a scheme is told by them
}

// block is how far the beginning of a line has come.
type block byte

const (
	lineStart block = iota // nothing but blanks, or a list's marker
	digits                 // of a numbered list's marker
	marker                 // of a list: with a blank behind it, another block begins
	inLine
)

// step notes a character that was passed.
func (p *position) step(r rune) {
	p.last = r
	switch {
	case r >= utf8.RuneSelf || !unicode.IsLetter(r):
		p.n = 0
	case p.n < len(p.word):
		p.word[p.n] = byte(r) | 0x20
		p.n++
	}
	switch {
	case r == '\n':
		p.block = lineStart
	case p.block == lineStart && (r == ' ' || r == '\t'):
	case p.block == marker && (r == ' ' || r == '\t'):
		p.block = lineStart
	case p.block == lineStart && (r == '-' || r == '+' || r == '*' || r == '>'):
		p.block = marker
	case (p.block == lineStart || p.block == digits) && '0' <= r && r <= '9':
		p.block = digits
	case p.block == digits && (r == '.' || r == ')'):
		p.block = marker
	default:
		p.block = inLine
	}
}

// is tells whether the letters before are this word, in any case.
func (p *position) is(word string) bool { return string(p.word[:p.n]) == word }

func isBlank(r rune) bool { return r == 0 || r == ' ' || r == '\n' || r == '\t' }

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
