package llm

import (
	"cmp"
	"slices"
)

// Splice replaces a span of a document.
type Splice struct {
	Span
	Text []byte
}

// Splices collects the changes of one document. The zero value changes nothing.
type Splices struct{ list []Splice }

// Replace puts text in the place of span. Spans must not overlap.
func (s *Splices) Replace(span Span, text []byte) { s.list = append(s.list, Splice{span, text}) }

// Len is how many changes there are.
func (s *Splices) Len() int { return len(s.list) }

// Apply returns doc with the changes made; doc itself when there are none. doc is not changed.
func (s *Splices) Apply(doc []byte) []byte {
	if len(s.list) == 0 {
		return doc
	}
	slices.SortStableFunc(s.list, func(a, b Splice) int { return cmp.Compare(a.Start, b.Start) })
	size := len(doc)
	for _, c := range s.list {
		size += len(c.Text) - c.Len()
	}
	out := make([]byte, 0, size)
	at := 0
	for _, c := range s.list {
		out = append(append(out, doc[at:c.Start]...), c.Text...)
		at = c.End
	}
	return append(out, doc[at:]...)
}

// Remove takes elements out of a list (an array's elements or an object's members, each from its first byte to its last
// one): the ones that gone tells, and the commas that they leave over.
func (s *Splices) Remove(elements []Span, gone func(i int) bool) {
	for i := 0; i < len(elements); i++ {
		if !gone(i) {
			continue
		}
		j := i
		for j+1 < len(elements) && gone(j+1) {
			j++
		}
		cut := Span{Start: elements[i].Start, End: elements[j].End}
		switch {
		case j+1 < len(elements): // up to the element that stays
			cut.End = elements[j+1].Start
		case i > 0: // from the end of the one that stays
			cut.Start = elements[i-1].End
		}
		s.Replace(cut, nil)
		i = j
	}
}
