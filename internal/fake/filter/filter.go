// Package filter is a text filter for tests: it writes the value of each reference in the place of its name, as the one
// that resolves references does, but knows every name.
//
// A name is "$ref_" and four letters; its value is the letters in upper case between angle brackets and with a quote
// after them, so that it is longer than the name and has to be escaped. What may be the beginning of a name is held back
// until it is told. All does the same to a whole text, in another way, for a test to compare with.
package filter

import (
	"bytes"
	"regexp"
)

const (
	prefix  = "$ref_"
	letters = 4
)

// Filter is the filter of one text. The zero Filter is ready.
type Filter struct{ held []byte }

// Write implements llm.TextFilter.
func (f *Filter) Write(dst, text []byte) []byte {
	for _, c := range text {
		f.held = append(f.held, c)
		for !possible(f.held) { // what is left may begin a name
			dst, f.held = append(dst, f.held[0]), f.held[1:]
		}
		if len(f.held) == len(prefix)+letters {
			dst = append(append(append(dst, '<'), bytes.ToUpper(f.held[len(prefix):])...), `>"`...)
			f.held = f.held[:0]
		}
	}
	return dst
}

// Close implements llm.TextFilter.
func (f *Filter) Close(dst []byte) []byte {
	dst, f.held = append(dst, f.held...), nil
	return dst
}

func possible(b []byte) bool {
	for i, c := range b {
		if i < len(prefix) && c != prefix[i] || i >= len(prefix) && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// All is what a whole text becomes.
func All(text string) string {
	return regexp.MustCompile(`\$ref_[a-z]{4}`).ReplaceAllStringFunc(text, func(name string) string {
		return "<" + string(bytes.ToUpper([]byte(name[len(prefix):]))) + `>"`
	})
}
