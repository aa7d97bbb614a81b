package project

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// Skeleton is a projected result: everything of its clearance but the names of the references. Nobody changes one.
type Skeleton struct {
	References []Reference
	Values     []Typed
	Bits       budget.Bits // what the clearance says of the content
	Kind       Kind        // what the content was read as
	Size       int64       // the content's length, rounded up to a power of 16; -1 when it is not shown

	parts []string // the fields' bytes before, between and behind the references
}

// Reference is a value, or a name, that no model reads.
type Reference struct {
	At   string // where exactly it stood; it holds names that the content chose, and is for minting alone
	Path string // the same in known names: "$.issues[].title"; "*" is a name that is not known
	Text string
	Kind ValueKind // a List or an Object is JSON in Text
	Name bool      // it is a name, not a value
}

// Typed is a value that a model reads.
type Typed struct {
	Path string
	JSON string
	Bits budget.Bits
}

// Answer is the answer to a question about the content, in the words that the question allows.
type Answer struct {
	Question string
	Answer   string // "unknown" when there is none
}

// Unknown is the answer that is none.
const Unknown = "unknown"

// The statuses of a clearance; one whose fields are all there has none.
const (
	Withheld  = "withheld"  // something failed
	Exhausted = "exhausted" // it would have said more than the budget has left
)

func (w *walk) done(kind Kind) *Skeleton {
	w.out.parts = append(w.out.parts, string(w.text))
	w.out.Bits, w.out.Kind = w.spent, kind
	out := w.out
	return &out
}

// Clearance writes what the model reads in place of the content. tool is the verified name of the tool, or nothing: a name that
// nobody vouches for is content. name gives the name of the i-th reference, never twice the same. The same
// arguments give the same bytes.
func (s *Skeleton) Clearance(tool string, name func(i int) string, answers []Answer, status string) []byte {
	size := 96 + len(tool)
	for _, p := range s.parts {
		size += len(p) + 24
	}
	out := make([]byte, 0, size)
	out = append(out, `{"yellowjack":"clearance"`...)
	if tool != "" && len(tool) <= maxTool && visible(tool) {
		out = AppendString(append(out, `,"tool":`...), tool)
	}
	if s.Size >= 0 {
		out = strconv.AppendInt(append(out, `,"bytes":`...), s.Size, 10)
	}
	out = append(out, `,"fields":`...)
	for i, p := range s.parts {
		out = append(out, p...)
		if i < len(s.References) {
			out = AppendString(out, name(i))
		}
	}
	if len(answers) > 0 {
		out = append(out, `,"answers":[`...)
		for i, a := range answers {
			if i > 0 {
				out = append(out, ',')
			}
			out = AppendString(append(out, `{"question":`...), a.Question)
			out = append(AppendString(append(out, `,"answer":`...), a.Answer), '}')
		}
		out = append(out, ']')
	}
	if status != "" {
		out = AppendString(append(out, `,"status":`...), status)
	}
	return append(out, '}')
}

// maxTool bounds a tool's name.
const maxTool = 256

// Nothing is the clearance of a result that is withheld altogether: not even a reference to it is there.
func Nothing(tool, status string) []byte {
	s := Skeleton{Size: -1, parts: []string{"null"}}
	return s.Clearance(tool, nil, nil, status)
}
