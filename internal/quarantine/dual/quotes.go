package dual

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoteWindow is how much of content in a row makes a quotation.
const quoteWindow = 16

// quotes finds planned questions that quote content. The privileged model is shown none, so an honest one cannot; what it has
// from the brief (the person's own words, which a result may repeat) is no quotation.
type quotes struct {
	brief    string
	contents [][]byte
}

func newQuotes(b Brief) quotes {
	var said strings.Builder
	for _, text := range append([]string{b.Request, privilegedSystem}, b.Tools...) {
		said.WriteString(text)
		said.WriteByte(0)
	}
	for _, t := range b.History {
		said.WriteString(t.Text)
		said.WriteByte(0)
	}
	var out quotes
	for _, r := range b.Results {
		said.Write(r.Clearance) // its typed values
		said.WriteByte(0)
		out.contents = append(out.contents, r.Content)
	}
	out.brief = said.String()
	return out
}

// in tells whether a question's texts have a window of content that the brief does not say.
func (q quotes) in(question Question) bool {
	windows := map[[quoteWindow]byte]bool{}
	for _, text := range append([]string{question.Ask, question.Pattern}, question.Options...) {
		for i := 0; i+quoteWindow <= len(text); i++ {
			// What stands around a word, such as the space before a date of the brief, quotes nobody.
			if w := text[i : i+quoteWindow]; !strings.Contains(q.brief, strings.TrimFunc(w, beside)) {
				windows[[quoteWindow]byte([]byte(w))] = true
			}
		}
	}
	if len(windows) == 0 {
		return false
	}
	var filter sieve
	for w := range windows {
		filter.add(hashOf(w[:]))
	}
	for _, content := range q.contents {
		if holds(content, windows, &filter) {
			return true
		}
	}
	return false
}

func beside(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != utf8.RuneError }

// The hash of a window rolls along the content, and a sieve of all hashes spares most look-ups.
const base = 0x9E3779B97F4A7C15 | 1

type sieve [1 << 10]uint64

func (s *sieve) add(h uint64)      { h >>= 48; s[h>>6] |= 1 << (h & 63) }
func (s *sieve) has(h uint64) bool { h >>= 48; return s[h>>6]&(1<<(h&63)) != 0 }

func hashOf(window []byte) (h uint64) {
	for _, c := range window {
		h = h*base + uint64(c) + 1
	}
	return h
}

func holds(content []byte, windows map[[quoteWindow]byte]bool, filter *sieve) bool {
	if len(content) < quoteWindow {
		return false
	}
	power := uint64(1)
	for range quoteWindow {
		power *= base
	}
	h := hashOf(content[:quoteWindow])
	for end := quoteWindow; ; end++ {
		if filter.has(h) && windows[[quoteWindow]byte(content[end-quoteWindow:end])] {
			return true
		}
		if end == len(content) {
			return false
		}
		h = h*base + uint64(content[end]) + 1 - power*(uint64(content[end-quoteWindow])+1)
	}
}
