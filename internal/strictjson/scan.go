package strictjson

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// The tokenizer. It takes exactly what jsontext takes, with duplicate names and invalid UTF-8 refused (a fuzz target holds
// it to that); it is here because a document is mostly text, and text can be looked through eight bytes at a time. It says
// only that something is wrong: explain has jsontext say what.

// frame is an array or object that is open.
type frame struct {
	object bool
	named  bool // a name was read and its value was not
	n      int  // elements, or members, that have begun
	name   Span // the last one read
	base   int  // where this object's names begin in Reader.names
	many   map[string]struct{}
}

// maxOpen is how deep anything may be nested at all, which is jsontext's own bound.
const maxOpen = 10000

// fewNames is how many names of an object are compared one by one.
const fewNames = 24

// space returns the first byte at or after p that is no whitespace.
func (r *Reader) space(p int) int {
	for p < len(r.doc) && (r.doc[p] == ' ' || r.doc[p] == '\n' || r.doc[p] == '\t' || r.doc[p] == '\r') {
		p++
	}
	return p
}

// at tells whether a byte stands at p.
func (r *Reader) at(p int, c byte) bool { return p < len(r.doc) && r.doc[p] == c }

// ahead is where the next value begins, or -1 where there can be none.
func (r *Reader) ahead() int {
	p := r.space(r.pos)
	if len(r.open) == 0 {
		if r.done {
			return -1
		}
		return p
	}
	switch f := &r.open[len(r.open)-1]; {
	case f.object && (!f.named || !r.at(p, ':')):
		return -1
	case f.object:
		return r.space(p + 1)
	case f.n == 0:
		return p
	case r.at(p, ','):
		return r.space(p + 1)
	}
	return -1
}

// begin notes that a value begins.
func (r *Reader) begin() {
	if len(r.open) == 0 {
		r.done = true
		return
	}
	f := &r.open[len(r.open)-1]
	if f.named = false; !f.object {
		f.n++
	}
}

// push opens the array or object at p.
func (r *Reader) push(p int) bool {
	if len(r.open) >= maxOpen {
		return false
	}
	r.begin()
	r.open = append(r.open, frame{object: r.doc[p] == '{', base: len(r.names)})
	r.pos = p + 1
	return true
}

// pop closes the innermost one, whose bracket stands at p.
func (r *Reader) pop(p int) {
	f := &r.open[len(r.open)-1]
	r.names = r.names[:f.base]
	f.many = nil
	r.open = r.open[:len(r.open)-1]
	r.pos = p + 1
}

// element looks at what comes in the innermost array or object: its end, where it is, or something further.
func (r *Reader) element() (end int, closes bool) {
	f := &r.open[len(r.open)-1]
	p := r.space(r.pos)
	if f.object {
		return p, r.at(p, '}')
	}
	return p, r.at(p, ']')
}

// member reads the name of the next member of the innermost object.
func (r *Reader) member() bool {
	f := &r.open[len(r.open)-1]
	p := r.space(r.pos)
	if f.n > 0 {
		if !r.at(p, ',') {
			return false
		}
		p = r.space(p + 1)
	}
	if !r.at(p, '"') {
		return false
	}
	end := r.text(p)
	if end < 0 {
		return false
	}
	f.n++
	f.named, f.name = true, Span{p, end}
	r.pos = end
	return r.unique(f)
}

// unique tells whether an object's last name is none that it had. Names are compared decoded.
func (r *Reader) unique(f *frame) bool {
	name := r.doc[f.name.Start+1 : f.name.End-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var err error
		if name, err = AppendUnquote(nil, f.name.Of(r.doc)); err != nil {
			return false
		}
	}
	before := r.names[f.base:]
	r.names = append(r.names, name)
	if f.many == nil && len(before) < fewNames {
		for _, other := range before {
			if string(other) == string(name) {
				return false
			}
		}
		return true
	}
	if f.many == nil {
		f.many = make(map[string]struct{}, 2*fewNames)
		for _, other := range before {
			f.many[string(other)] = struct{}{}
		}
	}
	_, had := f.many[string(name)]
	f.many[string(name)] = struct{}{}
	return !had
}

// value reads the next value whole. deepest is how many levels were open in it at once.
func (r *Reader) value() (span Span, deepest int, ok bool) {
	level := len(r.open)
	start := r.ahead()
	if start < 0 {
		return Span{}, 0, false
	}
	for p := start; ; {
		if p = r.one(p); p < 0 {
			return Span{}, 0, false
		}
		deepest = max(deepest, len(r.open)-level)
		for len(r.open) > level {
			end, closes := r.element()
			if !closes {
				break
			}
			r.pop(end)
		}
		if len(r.open) == level {
			return Span{start, r.pos}, deepest, true
		}
		if r.open[len(r.open)-1].object && !r.member() {
			return Span{}, 0, false
		}
		if p = r.ahead(); p < 0 {
			return Span{}, 0, false
		}
	}
}

// one reads the scalar at p, or opens the array or object there. It returns -1 where there is none of these.
func (r *Reader) one(p int) int {
	if p >= len(r.doc) {
		return -1
	}
	end := -1
	switch c := r.doc[p]; {
	case c == '"':
		end = r.text(p)
	case c == '{', c == '[':
		if !r.push(p) {
			return -1
		}
		return p
	case c == '-', c >= '0' && c <= '9':
		end = r.number(p)
	case c == 't':
		end = r.word(p, "true")
	case c == 'f':
		end = r.word(p, "false")
	case c == 'n':
		end = r.word(p, "null")
	}
	if end >= 0 {
		r.begin()
		r.pos = end
	}
	return end
}

func (r *Reader) word(p int, word string) int {
	if end := p + len(word); end <= len(r.doc) && string(r.doc[p:end]) == word {
		return end
	}
	return -1
}

// number returns the end of the number at p (RFC 8259, section 6), or -1.
func (r *Reader) number(p int) int {
	digits := func() bool {
		from := p
		for p < len(r.doc) && r.doc[p] >= '0' && r.doc[p] <= '9' {
			p++
		}
		return p > from
	}
	if r.at(p, '-') {
		p++
	}
	if r.at(p, '0') {
		p++
	} else if !digits() {
		return -1
	}
	if r.at(p, '.') {
		p++
		if !digits() {
			return -1
		}
	}
	if r.at(p, 'e') || r.at(p, 'E') {
		p++
		if r.at(p, '+') || r.at(p, '-') {
			p++
		}
		if !digits() {
			return -1
		}
	}
	return p
}

const (
	each  = 0x0101010101010101 // one in every byte
	highs = 0x80 * each
)

// text returns the end of the string at p, quotes included, or -1.
func (r *Reader) text(p int) int {
	doc := r.doc
	for p++; ; {
		for p+8 <= len(doc) {
			// The high bit of the lowest byte in which one is set is right: it is a quote, a backslash, a control
			// character or no ASCII. (A borrow can only set bits above that one.)
			x := binary.LittleEndian.Uint64(doc[p:])
			quote, slash := x^'"'*each, x^'\\'*each
			special := (x - ' '*each | (quote-each)&^quote | (slash-each)&^slash | x) & highs
			if special != 0 {
				p += bits.TrailingZeros64(special) / 8
				break
			}
			p += 8
		}
		if p >= len(doc) {
			return -1
		}
		switch c := doc[p]; {
		case c == '\\' && p+1 < len(doc) && short[doc[p+1]]:
			p += 2
		case c == '"':
			return p + 1
		case c < ' ':
			return -1
		case c == '\\':
			n := escape(doc[p:])
			if n == 0 {
				return -1
			}
			p += n
		case c < utf8.RuneSelf:
			p++
		default:
			_, n := utf8.DecodeRune(doc[p:])
			if n == 1 {
				return -1
			}
			p += n
		}
	}
}

// short are the characters that make an escape of two bytes.
var short = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// escape is the length of the \u that b begins with, 0 when it is none. A surrogate comes with its other half.
func escape(b []byte) int {
	first, ok := hex4(b)
	switch {
	case !ok, first >= 0xdc00 && first < 0xe000:
		return 0
	case first < 0xd800 || first >= 0xe000:
		return 6
	}
	second, ok := hex4(b[6:])
	if !ok || second < 0xdc00 || second >= 0xe000 {
		return 0
	}
	return 12
}

// hex4 reads \uXXXX.
func hex4(b []byte) (v uint16, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint16(c)
	}
	return v, true
}

// explain says what is wrong with a document that the tokenizer does not take: jsontext reads it from its beginning and
// names rule and place.
func (r *Reader) explain() error {
	dec := jsontext.NewDecoder(bytes.NewReader(r.doc))
	for {
		if _, err := dec.ReadToken(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return asError(err, int(dec.InputOffset()))
		}
		if int(dec.InputOffset()) > r.pos && dec.StackDepth() == 0 {
			// A value that it takes, and we do not: not to be taken all the same.
			return &Error{Offset: r.pos, Reason: ErrSyntax.Error(), kind: ErrSyntax}
		}
	}
}
