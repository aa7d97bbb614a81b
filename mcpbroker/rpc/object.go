package rpc

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// errObject is what members are to be taken out of and is no object.
var errObject = errors.New("rpc: not an object")

// Find is the span of the member that a path of names leads to, in an object that Parse has read. Nothing is there when a step of
// the path is missing or no object.
func Find(object []byte, path ...string) (strictjson.Span, bool) {
	span := strictjson.Span{End: len(object)}
	for _, name := range path {
		inner, ok := member(span.Of(object), name)
		if !ok {
			return strictjson.Span{}, false
		}
		span = strictjson.Span{Start: span.Start + inner.Start, End: span.Start + inner.End}
	}
	return span, true
}

// Raw is the value that a path leads to, as it is written; nil when there is none.
func Raw(object []byte, path ...string) []byte {
	span, ok := Find(object, path...)
	if !ok {
		return nil
	}
	return span.Of(object)
}

// Text is the string that a path leads to.
func Text(object []byte, path ...string) (string, bool) { return String(Raw(object, path...)) }

// String decodes a JSON string.
func String(raw []byte) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' || overText(raw, 0) != len(raw) {
		return "", false
	}
	text, err := strictjson.AppendUnquote(nil, raw)
	return string(text), err == nil
}

// limits bound what is read again: Parse has held the whole document to its own.
var limits = strictjson.Limits{MaxBytes: 1 << 30, MaxDepth: 1000}

func member(object []byte, name string) (span strictjson.Span, ok bool) {
	scan(object, func(written, value strictjson.Span) bool {
		if is(written.Of(object), name) {
			span, ok = value, true
		}
		return !ok
	})
	return span, ok
}

// Members calls f with each member of an object: its decoded name and its value as it is written.
func Members(object []byte, f func(name string, value []byte) error) error {
	r := strictjson.NewReader(object, limits)
	defer r.Close()
	return r.Object(nil, func(m strictjson.Member) error {
		s, err := r.Skip()
		if err != nil {
			return err
		}
		return f(m.Name, s.Of(object))
	})
}

// Elements calls f with each element of a list as it is written.
func Elements(list []byte, f func(i int, value []byte) error) error {
	r := strictjson.NewReader(list, limits)
	defer r.Close()
	return r.Array(func(i int) error {
		s, err := r.Skip()
		if err != nil {
			return err
		}
		return f(i, s.Of(list))
	})
}

// Edit changes members of one object by splicing; everything else stays byte for byte.
type Edit struct {
	object  []byte
	splices llm.Splices
	added   []byte
	removed map[string]bool
	err     error
}

// Change begins an edit of an object.
func Change(object []byte) *Edit { return &Edit{object: object} }

// Set puts a value (raw JSON) at a path whose last step may be missing and is then added at the end of its object; a path of more
// than one step must exist up to there, or nothing is changed and Bytes fails.
func (e *Edit) Set(value []byte, path ...string) *Edit {
	if span, ok := Find(e.object, path...); ok {
		e.splices.Replace(span, value)
		return e
	}
	if len(path) == 1 {
		e.added = append(llm.AppendQuoted(append(e.added, ','), path[0]), ':')
		e.added = append(e.added, value...)
		return e
	}
	inner, ok := Find(e.object, path[:len(path)-1]...)
	if !ok {
		e.err = errors.New("rpc: there is no object to put a member into")
		return e
	}
	changed, err := Change(inner.Of(e.object)).Set(value, path[len(path)-1]).Bytes()
	if err != nil {
		e.err = err
		return e
	}
	e.splices.Replace(inner, changed)
	return e
}

// SetText is Set with a string.
func (e *Edit) SetText(text string, path ...string) *Edit {
	return e.Set(llm.AppendQuoted(nil, text), path...)
}

// Remove takes top-level members out.
func (e *Edit) Remove(names ...string) *Edit {
	if e.removed == nil {
		e.removed = map[string]bool{}
	}
	for _, n := range names {
		e.removed[n] = true
	}
	return e
}

// Bytes is the changed object; the object itself when nothing changed.
func (e *Edit) Bytes() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	out := e.splices.Apply(e.object)
	if len(e.removed) > 0 {
		var err error
		if out, err = without(out, e.removed); err != nil {
			return nil, err
		}
	}
	if e.added == nil {
		return out, nil
	}
	end := len(out) - 1
	for end > 0 && out[end] != '}' { // whitespace after the object
		end--
	}
	added := e.added
	if empty(out) {
		added = added[1:]
	}
	return append(append(append(make([]byte, 0, len(out)+len(added)), out[:end]...), added...), '}'), nil
}

// without is the object less some of its members.
func without(object []byte, names map[string]bool) ([]byte, error) {
	var spans []strictjson.Span
	var gone []bool
	found := false
	whole := scan(object, func(written, value strictjson.Span) bool {
		one := false
		for name := range names {
			one = one || is(written.Of(object), name)
		}
		spans = append(spans, strictjson.Span{Start: written.Start, End: value.End})
		gone = append(gone, one)
		found = found || one
		return true
	})
	switch {
	case !whole:
		return nil, errObject
	case !found:
		return object, nil
	}
	var s llm.Splices
	s.Remove(spans, func(i int) bool { return gone[i] })
	return s.Apply(object), nil
}

func empty(object []byte) bool {
	none := true
	scan(object, func(_, _ strictjson.Span) bool {
		none = false
		return false
	})
	return none
}
