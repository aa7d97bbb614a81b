package gemini

import (
	"bytes"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Outcome is what becomes of a call. The zero Outcome refuses it.
type Outcome struct {
	Allowed   bool
	ID        string // "" keeps its own, or none
	Arguments []byte // nil keeps its own byte for byte
	Refusal   string // what stands in its place
	Signed    []byte // the member that goes with it, as Signatures gives it; nil: none
}

// Revision is what a part becomes, asked in the order of the parts.
type Revision struct {
	Call func(call int) Outcome // by its index in Response.Calls
	// Text gives what is shown of a text; last tells that nothing more of it follows. nil changes none.
	Text func(kind PartKind, said []byte, last bool) []byte
	// Redact tells that something of the candidate was changed before: what repeats it, token by token, leaves.
	Redact bool
}

// Revise is the document as the client may see it, with the k-th candidate as the revision says; the document itself when
// nothing changes. An error is arguments that no client could read.
func (a *Response) Revise(k int, v Revision) ([]byte, error) {
	var s llm.Splices
	if err := a.revise(&s, &a.Candidates[k], v); err != nil {
		return nil, err
	}
	return s.Apply(a.Doc), nil
}

func (a *Response) revise(s *llm.Splices, c *Candidate, v Revision) error {
	before := s.Len()
	for i := range c.Parts {
		switch p := &c.Parts[i]; p.Kind {
		case CallPart:
			if err := a.reviseCall(s, p, v.Call(p.Call)); err != nil {
				return err
			}
		case TextPart, ThoughtPart:
			if v.Text == nil {
				continue
			}
			said := a.Text(nil, p)
			if shown := v.Text(p.Kind, said, a.closes(c, i)); !bytes.Equal(shown, said) {
				s.Replace(p.text, llm.AppendQuoted(nil, shown))
			}
		}
	}
	if (v.Redact || s.Len() > before) && c.logprobs.Len() > 0 {
		// They may repeat, token by token, what a denied call said, or a text before it was filtered.
		s.Replace(c.logprobs, []byte("null"))
	}
	return nil
}

// closes tells that of the text in a part nothing more follows.
func (a *Response) closes(c *Candidate, i int) bool {
	for _, next := range c.Parts[i+1:] {
		if next.Kind != EmptyPart {
			return next.Kind != c.Parts[i].Kind
		}
	}
	return c.Reason != "" || a.complete
}

// reviseCall makes of a call what was decided.
func (a *Response) reviseCall(s *llm.Splices, p *Part, o Outcome) error {
	at, call := a.places[p.Call], &a.Calls[p.Call]
	if !o.Allowed {
		s.Replace(p.span, textPart([]byte(o.Refusal), o.Signed))
		return nil
	}
	open := llm.Span{Start: at.object.Start + 1, End: at.object.Start + 1}
	var add []byte // it has a name, so that something follows
	switch {
	case o.ID == "" || o.ID == call.ID:
	case at.id.Len() > 0:
		s.Replace(at.id, llm.AppendQuoted(nil, o.ID))
	default:
		add = append(llm.AppendQuoted([]byte(`"id":`), o.ID), ',')
	}
	if o.Arguments != nil {
		if err := strictjson.CheckObject(o.Arguments, strictjson.Limits{}); err != nil {
			return fmt.Errorf("gemini: the arguments of a call: %w", err)
		}
		if at.arguments.Len() > 0 {
			s.Replace(at.arguments, o.Arguments)
		} else {
			add = append(append(append(add, `"args":`...), o.Arguments...), ',')
		}
	}
	if add != nil {
		s.Replace(open, add)
	}
	if len(o.Signed) > 0 && p.signed.Len() == 0 {
		end := llm.Span{Start: p.span.End - 1, End: p.span.End - 1}
		s.Replace(end, append([]byte(","), o.Signed...))
	}
	return nil
}

// Signed is the member that signs a part; empty when there is none.
func (a *Response) Signed(p *Part) []byte { return p.signed.Of(a.Doc) }

// Signatures says which signature goes with each call of a candidate, given which are denied and the one that each came
// with: its own, but that of a denied call goes over to the first one that is released, if this has none.
func Signatures(denied []bool, signed [][]byte) [][]byte {
	out := append([][]byte(nil), signed...)
	from := -1
	for i := range signed {
		if denied[i] {
			if from < 0 && len(signed[i]) > 0 {
				from = i
			}
			continue
		}
		if from >= 0 && len(signed[i]) == 0 {
			out[i], out[from] = signed[from], nil
		}
		break
	}
	return out
}

// Only is the document with none but the k-th candidate.
func (a *Response) Only(k int) []byte {
	var s llm.Splices
	spans := make([]llm.Span, len(a.Candidates))
	for i := range a.Candidates {
		spans[i] = a.Candidates[i].span
	}
	s.Remove(spans, func(i int) bool { return i != k })
	return s.Apply(a.Doc)
}

// Split cuts the document of one candidate in two before the i-th part. What it says besides goes with the second.
func (a *Response) Split(i int) (head, tail []byte) {
	c := &a.Candidates[0]
	parts, members := make([]llm.Span, len(c.Parts)), make([]llm.Span, len(c.members))
	for k := range c.Parts {
		parts[k] = c.Parts[k].span
	}
	for k := range c.members {
		members[k] = c.members[k].span
	}
	var first, second llm.Splices
	first.Remove(parts, func(k int) bool { return k >= i })
	first.Remove(members, func(k int) bool { return c.members[k].name != "content" && c.members[k].name != "index" })
	second.Remove(parts, func(k int) bool { return k < i })
	return first.Apply(a.Doc), second.Apply(a.Doc)
}

// AppendText appends the data of an event with a text of our own in the stream that the answer is of.
func (a *Response) AppendText(dst []byte, candidate int, kind PartKind, text []byte) []byte {
	dst = llm.AppendQuoted(append(dst, `{"candidates":[{"content":{"parts":[{"text":`...), text)
	if kind == ThoughtPart {
		dst = append(dst, `,"thought":true`...)
	}
	dst = fmt.Appendf(dst, `}],"role":"model"},"index":%d}]`, candidate)
	for _, m := range []llm.Span{a.version, a.id} {
		if m.Len() > 0 {
			dst = append(append(dst, ','), m.Of(a.Doc)...)
		}
	}
	return append(dst, '}')
}

// AppendEvent appends an event, whose lines end by CRLF or by LF. The API's end by CRLF, and one of Google's SDKs looks for
// blank lines of one kind before those of the other: a stream may not mix them, but for its end.
func AppendEvent(dst []byte, name string, data []byte, crlf bool) []byte {
	if !crlf {
		return sse.AppendEvent(dst, name, data)
	}
	return append(dst, bytes.ReplaceAll(sse.AppendEvent(nil, name, data), []byte("\n"), []byte("\r\n"))...)
}

// AppendError appends the event by which a stream ends in the middle: body is an object with an error in it, as a refused
// request gets it. Its lines end by CRLF, which is the end that is read behind either.
func AppendError(dst, body []byte) []byte { return AppendEvent(dst, "", body, true) }
