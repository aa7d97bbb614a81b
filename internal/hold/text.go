package hold

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// filter puts the texts of a choice's delta through their filters, and sets those that change. What a filter had held
// back of a text that another one follows, or the end, comes out before, in events of its own.
func (g *Gate) filter(dst []byte, c *choice, ch *openaichat.ChunkChoice, ends bool) []byte {
	if !g.core.LooksAtTexts() {
		return dst
	}
	if ends || len(ch.Texts) > 0 {
		dst = g.flush(dst, c, func(member string) bool { return !goesOn(ch, member, 0) })
	}
	for i, d := range ch.Texts {
		g.before = g.chunk.TextOf(g.before[:0], d)
		shown := c.texts.Of(d.Member).Write(g.before, ends && !goesOn(ch, d.Member, i+1))
		if !bytes.Equal(g.before, shown) {
			ch.SetText(d, shown)
		}
	}
	if thought, member := g.chunk.AppendDetails(g.before[:0], ch); len(thought) > 0 {
		c.texts.Of(member).Add(thought)
		g.before = thought
	}
	return dst
}

// goesOn tells whether a delta has more of a text from its i-th on.
func goesOn(ch *openaichat.ChunkChoice, member string, i int) bool {
	for _, d := range ch.Texts[i:] {
		if d.Member == member {
			return true
		}
	}
	return false
}

// flush closes the texts of a choice that are chosen, and appends what was held back of them.
func (g *Gate) flush(dst []byte, c *choice, chosen func(member string) bool) []byte {
	for t := range c.texts.Open {
		if !chosen(t.Member()) {
			continue
		}
		if shown := t.Close(); len(shown) > 0 {
			dst = g.chunk.AppendText(dst, c.index, !c.role, t.Member(), string(shown))
			c.role, c.said = true, c.said || t.Member() == "content" || t.Member() == "refusal"
		}
	}
	return dst
}

// flushAll closes every text, before a stream ends by an error of the provider's.
func (g *Gate) flushAll(dst []byte) []byte {
	for i := range g.core.Choices {
		if c := g.choices[i]; c != nil {
			dst = g.flush(dst, c, func(string) bool { return true })
		}
	}
	return dst
}

// finishTurn tells Finish of a choice that is about to finish; its calls are decided.
func (g *Gate) finishTurn(c *choice, reason string, calls []*Call) error {
	if g.core.Finish == nil {
		return nil
	}
	if c.stops(reason) {
		reason = "stop"
	}
	for _, call := range calls {
		if call.Allowed {
			continue
		}
		// The text in its place goes on behind what was said, as appendRefusal writes it.
		t := c.texts.Of("content")
		if c.said || t.Shows() {
			t.Add([]byte("\n\n"))
		}
		t.Add([]byte(call.Refusal))
	}
	return c.texts.Finish(reason, calls)
}

// appendRefusal appends the text in the place of a call.
func (g *Gate) appendRefusal(dst []byte, held *openaichat.Chunk, c *choice, say string) []byte {
	if c.said {
		say = "\n\n" + say
	}
	dst = held.AppendText(dst, c.index, !c.role, "content", say)
	c.role, c.said = true, true
	return dst
}

// sendPiece releases a piece of a chunk: the event as it came when the piece is all of it.
func (g *Gate) sendPiece(dst []byte, c *openaichat.Chunk, e sse.Event, k int, p openaichat.Piece) []byte {
	doc := c.Piece(k, p)
	if len(doc) == len(c.Doc) && &doc[0] == &c.Doc[0] {
		return append(dst, e.Raw...)
	}
	return sse.AppendEvent(dst, e.Name, doc)
}
