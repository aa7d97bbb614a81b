package openaichat

import (
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// Piece says what of a chunk goes into a piece of it. A piece is a chunk of one choice; what it keeps, it keeps byte for
// byte.
type Piece struct {
	Text   bool // the delta's members that are no calls
	Calls  bool // the calls that Keep wants
	Finish bool // finish_reason; else null
	Stop   bool // finish_reason becomes "stop"
	Usage  bool // usage; else null

	// Keep tells how the choice's i-th call goes out, and whether it does; nil keeps all as they are.
	Keep func(i int) (Kept, bool)

	// Said tells what the i-th call has said before and does not say again; nil takes nothing away.
	Said []Said
}

// Kept is how a fragment of a call goes out.
type Kept struct {
	Index int
	ID    string        // in the place of its id, where it has one; "" keeps that
	Whole *llm.ToolCall // goes out in its place, all at once; nil keeps the fragment
	Text  []byte        // the arguments of Whole, as they stand on the wire
}

// Said are members of a call that clients put together from all fragments of it: most take the one that is there, but
// many append each to what they had, so that a name that comes twice is another name to them.
type Said struct{ ID, Type, Name bool }

// Piece returns the chunk's k-th choice as a chunk of its own; the document itself when nothing changes. The log
// probabilities, which may repeat what a call says, go only where all of its calls go.
func (c *Chunk) Piece(k int, p Piece) []byte {
	var s llm.Splices
	ch := &c.Choices[k]
	if len(c.Choices) > 1 {
		spans := make([]llm.Span, len(c.Choices))
		for i := range c.Choices {
			spans[i] = c.Choices[i].span
		}
		s.Remove(spans, func(i int) bool { return i != k })
	}
	kept := c.pieceOfDelta(&s, ch, p)
	switch {
	case ch.Finish == "" || (p.Finish && !p.Stop):
	case p.Finish:
		s.Replace(ch.finish, []byte(`"stop"`))
	default:
		s.Replace(ch.finish, []byte("null"))
	}
	if ch.logprobs.Len() > 0 && (kept < len(ch.Calls) || len(ch.edits) > 0) {
		s.Replace(ch.logprobs, []byte("null"))
	}
	if c.usage.Len() > 0 && !p.Usage {
		s.Replace(c.usage, []byte("null"))
	}
	return s.Apply(c.Doc)
}

// pieceOfDelta takes out of the delta what does not belong to the piece, and tells how many calls do.
func (c *Chunk) pieceOfDelta(s *llm.Splices, ch *ChunkChoice, p Piece) (kept int) {
	gone := make([]bool, len(ch.entries))
	tools, legacy := false, false // that stay
	for i, d := range ch.Calls {
		as, keep := Kept{Index: d.Index}, p.Calls
		if keep && p.Keep != nil {
			as, keep = p.Keep(i)
		}
		if !keep {
			if !d.Legacy {
				gone[d.entry] = true
			}
			continue
		}
		kept++
		if tools, legacy = tools || !d.Legacy, legacy || d.Legacy; as.Whole != nil {
			c.replaceCall(s, ch, &ch.Calls[i], as)
			continue
		}
		if !d.Legacy && as.Index != d.Index {
			s.Replace(d.index, strconv.AppendInt(nil, int64(as.Index), 10))
		}
		said := Said{}
		if i < len(p.Said) {
			said = p.Said[i]
		}
		if as.ID != "" && d.ID != "" && !said.ID {
			replaceID(s, d.outer, as.ID)
		}
		said.remove(s, d.outer)
		said.remove(s, d.inner)
	}
	if tools {
		s.Remove(ch.entries, func(i int) bool { return gone[i] })
	}
	members := make([]llm.Span, len(ch.members))
	for i, m := range ch.members {
		members[i] = m.span
	}
	s.Remove(members, func(i int) bool {
		switch ch.members[i].kind {
		case memberTools:
			return !tools
		case memberLegacy:
			return !legacy
		default:
			return !p.Text
		}
	})
	if p.Text {
		for _, e := range ch.edits {
			s.Replace(e.Span, e.Text)
		}
	}
	return kept
}

func replaceID(s *llm.Splices, members []callMember, id string) {
	for _, m := range members {
		if m.kind == callID {
			s.Replace(m.span, appendQuoted([]byte(`"id":`), id))
		}
	}
}

// replaceCall puts a whole call in the place of a fragment of it, with those members of the fragment that are none of a
// call's own (a signature of what the model thought, …).
func (c *Chunk) replaceCall(s *llm.Splices, ch *ChunkChoice, d *CallDelta, as Kept) {
	part, arguments := typeFunction, "arguments"
	if as.Whole.Custom {
		part, arguments = typeCustom, "input"
	}
	body := append(appendQuoted([]byte(`{"name":`), as.Whole.Tool), `,"`+arguments+`":`...)
	body = append(appendQuoted(body, as.Text), '}')
	if d.Legacy {
		for _, m := range ch.members {
			if m.kind == memberLegacy {
				s.Replace(m.span, append([]byte(`"function_call":`), body...))
			}
		}
		return
	}
	id := as.Whole.ID
	if as.ID != "" {
		id = as.ID
	}
	out := strconv.AppendInt([]byte(`{"index":`), int64(as.Index), 10)
	out = appendQuoted(append(out, `,"id":`...), id)
	out = append(out, `,"type":"`+part+`","`+part+`":`...)
	out = append(out, body...)
	for _, m := range d.outer {
		if m.kind == callOther {
			out = append(append(out, ','), m.span.Of(c.Doc)...)
		}
	}
	s.Replace(ch.entries[d.entry], append(out, '}'))
}

// TextOf appends what a text in the delta says.
func (c *Chunk) TextOf(dst []byte, d TextDelta) []byte { return appendTextOf(dst, c.Doc, d.span) }

// AppendDetails appends what the model thought, where the choice's delta has it as llm.AppendDetails reads it; member is the
// name that it stands under.
func (c *Chunk) AppendDetails(dst []byte, ch *ChunkChoice) (text []byte, member string) {
	if ch.details.Len() == 0 {
		return dst, ""
	}
	return llm.AppendDetails(dst, ch.details.Of(c.Doc)), detailsMember
}

// SetText puts another text in the place of one in the choice's delta, in every piece that has it.
func (ch *ChunkChoice) SetText(d TextDelta, text []byte) {
	ch.edits = append(ch.edits, llm.Splice{Span: d.span, Text: appendQuoted(nil, text)})
}

// Edited tells whether a text of the choice was set.
func (ch *ChunkChoice) Edited() bool { return len(ch.edits) > 0 }

// remove takes the members out that were said before.
func (said Said) remove(s *llm.Splices, members []callMember) {
	if said == (Said{}) {
		return
	}
	spans := make([]llm.Span, len(members))
	for i, m := range members {
		spans[i] = m.span
	}
	s.Remove(spans, func(i int) bool {
		switch members[i].kind {
		case callID:
			return said.ID
		case callType:
			return said.Type
		case callName:
			return said.Name
		default:
			return false
		}
	})
}

// AppendText appends an event with assistant text of our own in the stream that the chunk is of: same id, model and
// creation time. member is that of a TextDelta.
func (c *Chunk) AppendText(dst []byte, choice int, role bool, member, text string) []byte {
	doc := make([]byte, 0, 256+len(text))
	doc = append(doc, '{')
	doc = c.appendMember(doc, "id", c.id)
	doc = append(doc, `"object":"chat.completion.chunk",`...)
	doc = c.appendMember(doc, "created", c.created)
	doc = c.appendMember(doc, "model", c.Model)
	doc = append(doc, `"choices":[{"index":`...)
	doc = strconv.AppendInt(doc, int64(choice), 10)
	doc = append(doc, `,"delta":{`...)
	if role {
		doc = append(doc, `"role":"assistant",`...)
	}
	if member == "thinking" { // stands in a content that is a list
		doc = append(doc, `"content":[{"type":"thinking","thinking":[{"type":"text","text":`...)
		doc = append(appendQuoted(doc, text), "}]}]"...)
	} else {
		doc = append(append(append(doc, '"'), member...), `":`...)
		doc = appendQuoted(doc, text)
	}
	doc = append(doc, `},"finish_reason":null}]}`...)
	return sse.AppendData(dst, doc)
}

func (c *Chunk) appendMember(dst []byte, name string, value llm.Span) []byte {
	if value.Len() == 0 {
		return dst
	}
	dst = append(append(append(dst, '"'), name...), `":`...)
	return append(append(dst, value.Of(c.Doc)...), ',')
}

// appendQuoted appends text as a JSON string; what is not UTF-8 in it is replaced.
func appendQuoted[T ~string | ~[]byte](dst []byte, text T) []byte { return llm.AppendQuoted(dst, text) }

// AppendError appends the event by which a stream ends in the middle: body is an object with an error in it, as a
// refused request gets it. No [DONE] follows one.
func AppendError(dst, body []byte) []byte { return sse.AppendData(dst, body) }

// WithoutCalls returns the chunk without any call in it; the document itself when there is none and no text was set.
func (c *Chunk) WithoutCalls() []byte {
	var s llm.Splices
	for i := range c.Choices {
		ch := &c.Choices[i]
		if len(ch.Calls) == 0 && !ch.Edited() {
			continue
		}
		c.pieceOfDelta(&s, ch, Piece{Text: true})
		if ch.logprobs.Len() > 0 {
			s.Replace(ch.logprobs, []byte("null"))
		}
	}
	return s.Apply(c.Doc)
}
