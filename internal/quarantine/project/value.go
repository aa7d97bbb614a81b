package project

import (
	"strings"
	"unicode/utf8"
)

// ValueKind says what a Value is.
type ValueKind uint8

// The kinds of values.
const (
	Null ValueKind = iota + 1
	Bool
	Number
	String
	List
	Object
)

// Value is a parsed result, whatever it was written in.
type Value struct {
	Kind    ValueKind
	Text    string // of a string; "true" or "false"; a number as JSON writes it
	Items   []Value
	Members []Member
}

// Member is one name of an object, with its value.
type Member struct {
	Name  string
	Value Value
}

// text is the value as the text that a reference to it stands for.
func (v *Value) text() string {
	switch v.Kind {
	case List, Object:
		return string(v.appendJSON(nil))
	case Null:
		return "null"
	}
	return v.Text
}

// appendJSON appends the value as JSON.
func (v *Value) appendJSON(dst []byte) []byte {
	switch v.Kind {
	case Bool, Number:
		return append(dst, v.Text...)
	case String:
		return AppendString(dst, v.Text)
	case List:
		dst = append(dst, '[')
		for i := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.Items[i].appendJSON(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i := range v.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, v.Members[i].Name), ':')
			dst = v.Members[i].Value.appendJSON(dst)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// AppendString appends a JSON string. Line separators are escaped too, and nothing else that need not be.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r < 0x20 || r == 0x7f || r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// isNumber tells whether text is a number as JSON writes one.
func isNumber(text string) bool {
	digits := func() bool {
		n := 0
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n > 0
	}
	text = strings.TrimPrefix(text, "-")
	if len(text) > 1 && text[0] == '0' && '0' <= text[1] && text[1] <= '9' || !digits() {
		return false
	}
	if after, ok := strings.CutPrefix(text, "."); ok {
		if text = after; !digits() {
			return false
		}
	}
	if text != "" && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if text != "" && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if !digits() {
			return false
		}
	}
	return text == ""
}
