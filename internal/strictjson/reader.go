package strictjson

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader walks one complete document. It is used by one goroutine; after an error every call returns that error.
type Reader struct {
	dec    jsontext.Decoder
	src    bytes.Buffer
	doc    []byte
	limits Limits
	depth  int
	err    error
}

// readers is a pool, not state: what a reader was before does not show.
var readers = sync.Pool{New: func() any { return new(Reader) }}

// maxPooled is the document after which a reader is not kept: its table of names may have grown with it.
const maxPooled = 1 << 20

// NewReader starts reading doc, which nobody may change until Close.
func NewReader(doc []byte, l Limits) *Reader {
	r := readers.Get().(*Reader)
	r.doc, r.limits = doc, l.orDefault()
	if len(doc) > r.limits.MaxBytes {
		r.err = &Error{Offset: r.limits.MaxBytes, Reason: ErrSize.Error(), kind: ErrSize}
	}
	// jsontext reads a bytes.Buffer in place and never writes to it.
	r.src = *bytes.NewBuffer(doc)
	r.dec.Reset(&r.src)
	return r
}

// Close gives the reader back. Spans and texts stay valid.
func (r *Reader) Close() {
	r.src = bytes.Buffer{}
	r.dec.Reset(&r.src) // forgets the document
	big := len(r.doc) > maxPooled
	r.doc, r.depth, r.err = nil, 0, nil
	if !big {
		readers.Put(r)
	}
}

// Kind tells the kind of the next value.
func (r *Reader) Kind() Kind {
	if r.err != nil {
		return None
	}
	switch k := Kind(r.dec.PeekKind()); k {
	case Null, True, False, String, Number, Object, Array:
		return k
	}
	return None
}

// Fail is an error at the reader's position; the reader is broken from then on.
func (r *Reader) Fail(kind error, reason string) error {
	if r.err == nil {
		r.err = &Error{Offset: int(r.dec.InputOffset()), Path: printable(r.dec.StackPointer()), Reason: reason, kind: kind}
	}
	return r.err
}

func (r *Reader) broken(err error) error {
	if r.err == nil {
		r.err = asError(err, int(r.dec.InputOffset()))
	}
	return r.err
}

// Member is one name of an object, with the reader positioned at its value.
type Member struct {
	Name     string // decoded; no allocation when it is a known one
	NameSpan Span   // quotes included
}

// Object calls f for each member of the next value, which must be an object. f reads exactly one value, or none: then
// it is skipped. A name that differs only by case from one in known is an error; known may be nil.
func (r *Reader) Object(known *Names, f func(Member) error) error {
	if err := r.enter(Object, "must be an object"); err != nil {
		return err
	}
	level := r.dec.StackDepth()
	for r.dec.PeekKind() != '}' {
		raw, err := r.dec.ReadValue()
		if err != nil {
			return r.broken(err)
		}
		end := int(r.dec.InputOffset())
		name, err := known.find(raw)
		if err != nil {
			return r.Fail(err, err.Error())
		}
		if err := f(Member{Name: name, NameSpan: Span{end - len(raw), end}}); err != nil {
			return r.stop(err)
		}
		if err := r.settle(level, end); err != nil {
			return err
		}
		if _, n := r.dec.StackIndex(level); n%2 != 0 {
			return r.Fail(errMisuse, errMisuse.Error())
		}
	}
	return r.leave()
}

// Array calls f for each element of the next value, which must be an array. f reads exactly one value, or none.
func (r *Reader) Array(f func(i int) error) error {
	if err := r.enter(Array, "must be an array"); err != nil {
		return err
	}
	level := r.dec.StackDepth()
	for i := 0; r.dec.PeekKind() != ']'; i++ {
		before := int(r.dec.InputOffset())
		if err := f(i); err != nil {
			return r.stop(err)
		}
		if err := r.settle(level, before); err != nil {
			return err
		}
		if _, n := r.dec.StackIndex(level); n != int64(i)+1 {
			return r.Fail(errMisuse, errMisuse.Error())
		}
	}
	return r.leave()
}

func (r *Reader) enter(k Kind, otherwise string) error {
	if err := r.want(k, otherwise); err != nil {
		return err
	}
	if r.depth++; r.depth > r.limits.MaxDepth {
		return r.Fail(ErrDepth, ErrDepth.Error())
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return r.broken(err)
	}
	return nil
}

func (r *Reader) leave() error {
	if r.err != nil {
		return r.err
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return r.broken(err)
	}
	r.depth--
	return nil
}

// stop remembers a callback's error: whatever it was, the walk is over.
func (r *Reader) stop(err error) error {
	if r.err == nil {
		r.err = err
	}
	return err
}

// settle skips the value that a callback left unread.
func (r *Reader) settle(level, before int) error {
	if r.err != nil {
		return r.err
	}
	if r.dec.StackDepth() != level {
		return r.Fail(errMisuse, errMisuse.Error())
	}
	if int(r.dec.InputOffset()) == before {
		_, err := r.Skip()
		return err
	}
	return nil
}

// want checks the next value's kind.
func (r *Reader) want(k Kind, otherwise string) error {
	if r.err != nil {
		return r.err
	}
	switch got := r.Kind(); got {
	case k:
		return nil
	case None:
		// Not a value at all: let the tokenizer say what it is.
		_, err := r.Skip()
		if err == nil {
			return r.Fail(ErrSyntax, ErrSyntax.Error())
		}
		return err
	default:
		r.err = &Error{Offset: r.Next(), Path: printable(r.pending()), Reason: otherwise, kind: ErrType}
		return r.err
	}
}

// pending points to the value that comes next, where StackPointer points to what was read last.
func (r *Reader) pending() jsontext.Pointer {
	at := r.dec.StackPointer()
	if kind, n := r.dec.StackIndex(r.dec.StackDepth()); kind == '[' {
		if n > 0 {
			at = at.Parent()
		}
		at = at.AppendToken(strconv.FormatInt(n, 10))
	}
	return at
}

// Skip reads over one value, validating all of it.
func (r *Reader) Skip() (Span, error) {
	if r.err != nil {
		return Span{}, r.err
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		return Span{}, r.broken(err)
	}
	if (v[0] == '{' || v[0] == '[') && tooDeep(v, r.limits.MaxDepth-r.depth) {
		return Span{}, r.Fail(ErrDepth, ErrDepth.Error())
	}
	end := int(r.dec.InputOffset())
	return Span{end - len(v), end}, nil
}

// End checks that nothing but whitespace is left.
func (r *Reader) End() error {
	if r.err != nil {
		return r.err
	}
	switch _, err := r.dec.ReadToken(); {
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	default:
		return r.Fail(ErrTrailing, ErrTrailing.Error())
	}
}

// Offset is where the reader stands: after what it read last.
func (r *Reader) Offset() int { return int(r.dec.InputOffset()) }

// Next is where the next value begins, for a caller that wants the span of a value that it reads piece by piece.
func (r *Reader) Next() int {
	i := r.Offset()
	for i < len(r.doc) {
		switch r.doc[i] {
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
		default:
			return i
		}
	}
	return i
}

// tooDeep tells whether a valid composite has more than max levels. Counting brackets with the vector instructions
// answers for almost every document; only one with that many brackets is scanned.
func tooDeep(v []byte, max int) bool {
	if bytes.Count(v, []byte("{"))+bytes.Count(v, []byte("[")) <= max {
		return false
	}
	depth := 0
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '{', '[':
			if depth++; depth > max {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			i = endOfString(v, i)
		}
	}
	return false
}

// endOfString is the index of the closing quote of the valid string that opens at i.
func endOfString(v []byte, i int) int {
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
