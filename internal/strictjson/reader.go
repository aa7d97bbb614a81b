package strictjson

import (
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader walks one complete document. It is used by one goroutine; after an error every call returns that error.
type Reader struct {
	doc    []byte
	pos    int // after what was read last
	done   bool
	open   []frame  // what the reader is in
	names  [][]byte // of the objects among it, each after those of the ones around it
	limits Limits
	err    error
}

// readers is a pool, not state: what a reader was before does not show.
var readers = sync.Pool{New: func() any { return new(Reader) }}

// maxPooled is how many names a reader may have had room for and be kept.
const maxPooled = 1 << 10

// NewReader starts reading doc, which nobody may change until Close.
func NewReader(doc []byte, l Limits) *Reader {
	r := readers.Get().(*Reader)
	r.doc, r.limits = doc, l.orDefault()
	if len(doc) > r.limits.MaxBytes {
		r.err = &Error{Offset: r.limits.MaxBytes, Reason: ErrSize.Error(), kind: ErrSize}
	}
	return r
}

// Close gives the reader back. Spans and texts stay valid.
func (r *Reader) Close() {
	if cap(r.names) > maxPooled || cap(r.open) > maxPooled {
		return
	}
	clear(r.names[:cap(r.names)]) // forgets the document
	clear(r.open[:cap(r.open)])
	*r = Reader{open: r.open[:0], names: r.names[:0]}
	readers.Put(r)
}

// Kind tells the kind of the next value.
func (r *Reader) Kind() Kind {
	if r.err != nil {
		return None
	}
	p := r.ahead()
	if p < 0 || p >= len(r.doc) {
		return None
	}
	switch c := r.doc[p]; {
	case c == '-', c >= '0' && c <= '9':
		return Number
	case c == '"', c == '{', c == '[', c == 't', c == 'f', c == 'n':
		return Kind(c)
	}
	return None
}

// Fail is an error at the reader's position; the reader is broken from then on.
func (r *Reader) Fail(kind error, reason string) error {
	if r.err == nil {
		r.err = &Error{Offset: r.pos, Path: printable(r.pointer(false)), Reason: reason, kind: kind}
	}
	return r.err
}

// broken is the error of a document that cannot be read further.
func (r *Reader) broken() error {
	if r.err == nil {
		r.err = r.explain()
	}
	return r.err
}

// pointer points to what was read last, or to the value that comes next.
func (r *Reader) pointer(next bool) jsontext.Pointer {
	var at jsontext.Pointer
	for i := range r.open {
		f := &r.open[i]
		n := f.n
		if next && i == len(r.open)-1 && !f.object {
			n++
		}
		switch {
		case n == 0:
		case !f.object:
			at = at.AppendToken(strconv.Itoa(n - 1))
		default:
			name, err := unquote(f.name.Of(r.doc))
			if err != nil {
				return at
			}
			at = at.AppendToken(name)
		}
	}
	return at
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
	level := len(r.open)
	for {
		if end, closes := r.element(); closes {
			return r.leave(end)
		}
		if !r.member() {
			return r.broken()
		}
		span := r.open[level-1].name
		name, err := known.find(span.Of(r.doc))
		if err != nil {
			return r.Fail(err, err.Error())
		}
		if err := f(Member{Name: name, NameSpan: span}); err != nil {
			return r.stop(err)
		}
		if err := r.settle(level, span.End); err != nil {
			return err
		}
	}
}

// Array calls f for each element of the next value, which must be an array. f reads exactly one value, or none.
func (r *Reader) Array(f func(i int) error) error {
	if err := r.enter(Array, "must be an array"); err != nil {
		return err
	}
	level := len(r.open)
	for i := 0; ; i++ {
		end, closes := r.element()
		if closes {
			return r.leave(end)
		}
		before := r.pos
		if err := f(i); err != nil {
			return r.stop(err)
		}
		if err := r.settle(level, before); err != nil {
			return err
		}
		if r.open[level-1].n != i+1 {
			return r.Fail(errMisuse, errMisuse.Error())
		}
	}
}

func (r *Reader) enter(k Kind, otherwise string) error {
	if err := r.want(k, otherwise); err != nil {
		return err
	}
	if len(r.open) >= r.limits.MaxDepth {
		return r.Fail(ErrDepth, ErrDepth.Error())
	}
	if !r.push(r.ahead()) {
		return r.broken()
	}
	return nil
}

// leave closes what was entered, whose bracket stands at end.
func (r *Reader) leave(end int) error {
	if r.err != nil {
		return r.err
	}
	r.pop(end)
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
	if len(r.open) != level {
		return r.Fail(errMisuse, errMisuse.Error())
	}
	if r.pos == before {
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
		r.err = &Error{Offset: r.Next(), Path: printable(r.pointer(true)), Reason: otherwise, kind: ErrType}
		return r.err
	}
}

// Skip reads over one value, validating all of it.
func (r *Reader) Skip() (Span, error) {
	if r.err != nil {
		return Span{}, r.err
	}
	if f := len(r.open) - 1; f >= 0 && r.open[f].object && !r.open[f].named {
		return Span{}, r.Fail(errMisuse, errMisuse.Error()) // a callback that reads a second value
	}
	span, deepest, ok := r.value()
	switch {
	case !ok:
		return Span{}, r.broken()
	case len(r.open)+deepest > r.limits.MaxDepth:
		return Span{}, r.Fail(ErrDepth, ErrDepth.Error())
	}
	return span, nil
}

// End checks that nothing but whitespace is left.
func (r *Reader) End() error {
	if r.err != nil {
		return r.err
	}
	if !r.done || len(r.open) > 0 || r.space(r.pos) < len(r.doc) {
		return r.Fail(ErrTrailing, ErrTrailing.Error())
	}
	return nil
}

// Offset is where the reader stands: after what it read last.
func (r *Reader) Offset() int { return r.pos }

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
