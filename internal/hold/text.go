package hold

import (
	"bytes"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// TextFilter rewrites one text as it streams.
type TextFilter = llm.TextFilter

// text is one text of a choice as it streams: its content, what the model thinks, …
type text struct {
	member      string
	filter      TextFilter // nil when it is closed, or nothing is filtered
	shown, said []byte     // kept for Finish
	parted      bool       // shown is not said; else only shown is kept
	cut         bool       // over the limit: neither is kept
}

// rewrites tells whether texts are looked at.
func (g *Gate) rewrites() bool { return g.cfg.Text != nil || g.cfg.Finish != nil }

// filter puts the texts of a choice's delta through their filters, and sets those that change. What a filter had held
// back of a text that another one follows, or the end, comes out before, in events of its own.
func (g *Gate) filter(dst []byte, c *choice, ch *openaichat.ChunkChoice, ends bool) []byte {
	if !g.rewrites() {
		return dst
	}
	if ends || len(ch.Texts) > 0 {
		dst = g.flush(dst, c, func(t *text) bool { return !goesOn(ch, t.member, 0) })
	}
	for i, d := range ch.Texts {
		t := c.text(d.Member)
		if t.filter == nil && g.cfg.Text != nil { // one that was closed begins anew
			t.filter = g.cfg.Text(c.index)
		}
		g.before = g.chunk.TextOf(g.before[:0], d)
		if t.filter == nil {
			g.keep(t, g.before, g.before)
			continue
		}
		g.after = t.filter.Write(g.after[:0], g.before)
		if ends && !goesOn(ch, d.Member, i+1) {
			g.after = t.filter.Close(g.after)
			t.filter = nil
		}
		g.keep(t, g.after, g.before)
		if !bytes.Equal(g.before, g.after) {
			ch.SetText(d, g.after)
		}
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

// text finds or begins a text of a choice.
func (c *choice) text(member string) *text {
	for i := range c.texts {
		if c.texts[i].member == member {
			return &c.texts[i]
		}
	}
	c.texts = append(c.texts, text{member: member})
	return &c.texts[len(c.texts)-1]
}

// flush closes the texts of a choice that are chosen, and appends what was held back of them.
func (g *Gate) flush(dst []byte, c *choice, chosen func(t *text) bool) []byte {
	for i := range c.texts {
		t := &c.texts[i]
		if t.filter == nil || !chosen(t) {
			continue
		}
		g.after = t.filter.Close(g.after[:0])
		t.filter = nil
		if len(g.after) == 0 {
			continue
		}
		g.keep(t, g.after, nil)
		dst = g.chunk.AppendText(dst, c.index, !c.role, t.member, string(g.after))
		c.role, c.said = true, c.said || t.member == "content" || t.member == "refusal"
	}
	return dst
}

// flushAll closes every text, before a stream ends by an error of the provider's.
func (g *Gate) flushAll(dst []byte) []byte {
	for i := range g.cfg.Choices {
		if c := g.choices[i]; c != nil {
			dst = g.flush(dst, c, func(*text) bool { return true })
		}
	}
	return dst
}

// keep remembers what was shown of a text, and what was said, for Finish.
func (g *Gate) keep(t *text, shown, said []byte) {
	if g.cfg.Finish == nil || t.cut {
		return
	}
	if !t.parted && !bytes.Equal(shown, said) {
		t.parted = true
		t.said = bytes.Clone(t.shown)
		g.kept += len(t.said)
	}
	t.shown = append(t.shown, shown...)
	g.kept += len(shown)
	if t.parted {
		t.said = append(t.said, said...)
		g.kept += len(said)
	}
	if g.kept > g.cfg.MaxText {
		g.kept -= len(t.shown) + len(t.said)
		t.shown, t.said, t.cut = nil, nil, true
	}
}

// finishTurn tells Finish of a choice that is about to finish; its calls are decided.
func (g *Gate) finishTurn(c *choice, reason string) error {
	if g.cfg.Finish == nil {
		return nil
	}
	turn := llm.Turn{Choice: c.index, Reason: reason}
	if c.stops(reason) {
		turn.Reason = "stop"
	}
	for _, call := range c.calls {
		if call.allowed {
			turn.Calls = append(turn.Calls, call.ToolCall)
			continue
		}
		// The text in its place goes on behind what was said, as appendRefusal writes it.
		t := c.text("content")
		between := []byte(call.text)
		if c.said || len(t.shown) > 0 {
			between = append([]byte("\n\n"), between...)
		}
		g.keep(t, between, between)
	}
	for i := range c.texts {
		t := &c.texts[i]
		said := t.said
		if !t.parted {
			said = t.shown
		}
		turn.Texts = append(turn.Texts, llm.TurnText{Member: t.member, Shown: string(t.shown), Said: string(said), Cut: t.cut})
		g.kept -= len(t.shown) + len(t.said)
	}
	c.texts = nil
	if err := g.cfg.Finish(turn); err != nil {
		return fmt.Errorf("the released turn: %w", err)
	}
	return nil
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
