package rpc

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// A message is read strictly once, when it arrives (Parse). What is looked up in it afterwards goes over the same bytes without
// judging them again: a call looks some twenty times, and each time the strict reader would be over all that stands before. What the
// strict reader would refuse is not found here, or found as far as it can be told; nothing else comes of it (FuzzScan).

// scan calls f with the members of an object, until f says that it is enough. It is false when the object is none, as far as it was
// read.
func scan(object []byte, f func(name, value strictjson.Span) (more bool)) bool {
	i := space(object, 0)
	if i >= len(object) || object[i] != '{' {
		return false
	}
	i = space(object, i+1)
	if i < len(object) && object[i] == '}' {
		return true
	}
	for i < len(object) && object[i] == '"' {
		name := strictjson.Span{Start: i, End: over(object, i)}
		i = space(object, name.End)
		if i >= len(object) || object[i] != ':' {
			return false
		}
		i = space(object, i+1)
		value := strictjson.Span{Start: i, End: over(object, i)}
		if value.Len() == 0 {
			return false
		}
		if !f(name, value) {
			return true
		}
		i = space(object, value.End)
		switch {
		case i >= len(object):
			return false
		case object[i] == '}':
			return true
		case object[i] != ',':
			return false
		}
		i = space(object, i+1)
	}
	return false
}

// is tells whether a name as it is written is another one, decoded.
func is(written []byte, name string) bool {
	if len(written) < 2 || written[len(written)-1] != '"' {
		return false
	}
	if bytes.IndexByte(written, '\\') < 0 {
		return string(written[1:len(written)-1]) == name
	}
	decoded, err := strictjson.AppendUnquote(nil, written)
	return err == nil && string(decoded) == name
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// over is the end of the value that begins at i; i itself when there is none.
func over(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return overText(b, i)
	case '{', '[':
		return overNested(b, i)
	}
	for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] != ':' { // a number or a word
		i++
	}
	return i
}

func overText(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(b)
}

func overNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = overText(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}
