package strictjson

import (
	"bytes"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// plain is the byte that an escape of two bytes stands for.
var plain = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// AppendUnquote appends the text of a string literal that a Reader has read: nothing is validated again but what must be
// for decoding. Most of a text has no escape, and is copied in runs.
func AppendUnquote(dst, literal []byte) ([]byte, error) {
	if len(literal) < 2 || literal[0] != '"' || literal[len(literal)-1] != '"' {
		return dst, ErrSyntax
	}
	rest := literal[1 : len(literal)-1]
	dst = slices.Grow(dst, len(rest))
	for {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return append(dst, rest...), nil
		}
		dst = append(dst, rest[:at]...)
		rest = rest[at:]
		if len(rest) > 1 && short[rest[1]] {
			dst = append(dst, plain[rest[1]])
			rest = rest[2:]
			continue
		}
		n := escape(rest)
		if n == 0 {
			return dst, ErrSyntax
		}
		first, _ := hex4(rest)
		r := rune(first)
		if n > 6 {
			second, _ := hex4(rest[6:])
			r = utf16.DecodeRune(r, rune(second))
		}
		dst = utf8.AppendRune(dst, r)
		rest = rest[n:]
	}
}

// EndOfString is the index of the closing quote of the string literal that opens at i, in JSON that a Reader has read.
func EndOfString(v []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(v[i:], '"')
		slashes := 0
		for v[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
}
