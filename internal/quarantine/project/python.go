package project

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pythonReader reads a literal as repr writes it: what a framework sends that turned a dict into a text without a thought.
type pythonReader struct {
	s string
	b *bounds
}

func parsePython(content []byte, b *bounds) (Value, error) {
	r := pythonReader{s: string(bytes.TrimSpace(content)), b: b}
	v, err := r.value()
	if err == nil && r.s != "" {
		err = errStructure
	}
	return v, err
}

func (r *pythonReader) space() { r.s = strings.TrimLeft(r.s, " \t\r\n") }

// take reads c, and the white space around it.
func (r *pythonReader) take(c byte) bool {
	r.space()
	if r.s == "" || r.s[0] != c {
		return false
	}
	r.s = r.s[1:]
	r.space()
	return true
}

func (r *pythonReader) value() (v Value, err error) {
	if err := r.b.enter(); err != nil {
		return v, err
	}
	defer r.b.leave()
	if r.space(); r.s == "" {
		return v, errStructure
	}
	switch r.s[0] {
	case '{':
		return r.dict()
	case '[':
		return r.list('[', ']')
	case '(':
		return r.list('(', ')')
	case '\'', '"':
		text, err := r.quoted()
		return Value{Kind: String, Text: text}, err
	}
	end := strings.IndexAny(r.s, ",:]}) \t\r\n")
	if end < 0 {
		end = len(r.s)
	}
	word := r.s[:end]
	r.s = r.s[end:]
	switch {
	case word == "None":
		return Value{Kind: Null}, nil
	case word == "True", word == "False":
		return Value{Kind: Bool, Text: strings.ToLower(word)}, nil
	case isNumber(word):
		return Value{Kind: Number, Text: word}, nil
	}
	return v, errStructure
}

func (r *pythonReader) list(opens, closes byte) (Value, error) {
	v := Value{Kind: List}
	r.take(opens)
	for !r.take(closes) {
		if len(v.Items) > 0 {
			if !r.take(',') {
				return v, errStructure
			}
			if r.take(closes) { // (1,)
				break
			}
		}
		item, err := r.value()
		if err != nil {
			return v, err
		}
		v.Items = append(v.Items, item)
	}
	return v, nil
}

func (r *pythonReader) dict() (Value, error) {
	v := Value{Kind: Object}
	r.take('{')
	for !r.take('}') {
		if len(v.Members) > 0 && !r.take(',') {
			return v, errStructure
		}
		name, err := r.value()
		if err != nil || name.Kind == List || name.Kind == Object || !r.take(':') {
			return v, errStructure
		}
		value, err := r.value()
		if err != nil {
			return v, err
		}
		v.Members = append(v.Members, Member{Name: name.text(), Value: value})
	}
	if !unique(v.Members) {
		return v, errStructure
	}
	return v, nil
}

func (r *pythonReader) quoted() (string, error) {
	quote := r.s[0]
	var out strings.Builder
	for i := 1; i < len(r.s); i++ {
		switch c := r.s[i]; c {
		case quote:
			r.s = r.s[i+1:]
			return out.String(), nil
		case '\n':
			return "", errStructure
		case '\\':
			n, ok := r.escape(&out, r.s[i+1:])
			if !ok {
				return "", errStructure
			}
			i += n
		default:
			out.WriteByte(c)
		}
	}
	return "", errStructure
}

// escape decodes what follows a backslash, and says how long that is.
func (r *pythonReader) escape(out *strings.Builder, s string) (int, bool) {
	if s == "" {
		return 0, false
	}
	if at := strings.IndexByte(`\'"nrt`, s[0]); at >= 0 {
		out.WriteByte("\\'\"\n\r\t"[at])
		return 1, true
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if width == 0 || len(s) <= width {
		return 0, false
	}
	code, err := strconv.ParseUint(s[1:1+width], 16, 32)
	if err != nil || code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
		return 0, false
	}
	out.WriteRune(rune(code))
	return 1 + width, true
}
