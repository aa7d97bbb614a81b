package hold

import (
	"bytes"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// data takes one chunk.
func (g *Gate) data(dst []byte, e sse.Event) ([]byte, error) {
	c := &g.chunk
	if err := g.answeredBy(c); err != nil {
		return dst, err
	}
	if c.Usage.Known {
		g.usage = c.Usage
	}
	if c.Error {
		return g.upstreamError(dst, e)
	}
	if !g.core.Asked() && len(c.Choices) == 0 {
		if err := g.core.Hold(len(e.Raw)); err != nil {
			return dst, err
		}
		g.early = append(g.early, e.Raw...)
		return dst, nil
	}
	dst, err := g.known(dst, len(c.Choices) > 0)
	if err != nil {
		return dst, err
	}
	return g.dealOut(dst, e)
}

// answeredBy tells of the model's name when it is new.
func (g *Gate) answeredBy(c *openaichat.Chunk) error {
	raw := c.Model.Of(c.Doc)
	if len(raw) == 0 || bytes.Equal(raw, g.modelRaw) {
		return nil
	}
	if err := g.core.Answered(c.ModelName()); err != nil {
		return err
	}
	g.modelRaw = append(g.modelRaw[:0], raw...)
	return nil
}

// known releases the events that waited for the model's name, once it is told or cannot wait any longer.
func (g *Gate) known(dst []byte, must bool) ([]byte, error) {
	if must {
		if err := g.core.Answered(""); err != nil {
			return dst, err
		}
	}
	if g.core.Asked() && len(g.early) > 0 {
		dst = append(dst, g.early...)
		g.core.Free(len(g.early))
		g.early = nil
	}
	return dst, nil
}

// upstreamError relays the provider's own error, without any call, and ends the stream.
func (g *Gate) upstreamError(dst []byte, e sse.Event) ([]byte, error) {
	c := &g.chunk
	dst, err := g.known(dst, len(c.Choices) > 0)
	if err != nil {
		return dst, err
	}
	changed := false
	for i := range c.Choices {
		ch := &c.Choices[i]
		st, err := g.choice(ch.Index)
		if err != nil {
			return dst, err
		}
		dst = g.filter(dst, st, ch, true)
		changed = changed || len(ch.Calls) > 0 || ch.Edited()
	}
	dst = g.flushAll(dst)
	if changed {
		dst = sse.AppendEvent(dst, e.Name, c.WithoutCalls())
	} else {
		dst = append(dst, e.Raw...)
	}
	g.stream.Break()
	g.forget()
	return dst, nil
}

// dealOut releases or holds the choices of one chunk, in order.
func (g *Gate) dealOut(dst []byte, e sse.Event) ([]byte, error) {
	c := &g.chunk
	whole := true // nothing is held, split or changed
	for i := range c.Choices {
		ch := &c.Choices[i]
		st, err := g.choice(ch.Index)
		if err != nil {
			return dst, err
		}
		if slices.ContainsFunc(c.Choices[:i], func(other openaichat.ChunkChoice) bool { return other.Index == ch.Index }) {
			return dst, Invalid("a choice twice in one event")
		}
		if err := g.admits(st, ch); err != nil {
			return dst, err
		}
		before := len(dst)
		dst = g.filter(dst, st, ch, ch.Finish != "")
		if len(ch.Calls) > 0 || (ch.Finish != "" && st.called) || ch.Edited() || len(dst) > before {
			whole = false
		}
	}
	for i := range c.Choices {
		var err error
		if whole {
			err = g.pass(&c.Choices[i])
		} else {
			dst, err = g.dealChoice(dst, e, i)
		}
		if err != nil {
			return dst, err
		}
	}
	if whole {
		dst = append(dst, e.Raw...)
	}
	return dst, nil
}

// pass notes a choice of an event that goes on as it came, before it does.
func (g *Gate) pass(ch *openaichat.ChunkChoice) error {
	st := g.choices[ch.Index]
	if ch.Finish != "" && !st.finished {
		if err := g.finishTurn(st, ch.Finish, nil); err != nil {
			return err
		}
		st.finished = true
	}
	st.saw(ch)
	return nil
}

// dealChoice releases what is text in the k-th choice and holds the rest; the finish_reason releases it.
func (g *Gate) dealChoice(dst []byte, e sse.Event, k int) ([]byte, error) {
	c := &g.chunk
	ch := &c.Choices[k]
	st := g.choices[ch.Index]
	last := k == len(c.Choices)-1
	calls := len(ch.Calls) > 0
	switch {
	case st.finished: // more after the end: no text and no calls, perhaps the reason once more
		st.saw(ch)
		return g.sendPiece(dst, c, e, k, openaichat.Piece{Text: true, Finish: true, Stop: st.stops(ch.Finish), Usage: last}), nil
	case !calls && (ch.Finish == "" || !st.called):
		if err := g.pass(ch); err != nil {
			return dst, err
		}
		return g.sendPiece(dst, c, e, k, openaichat.Piece{Text: true, Finish: true, Usage: last}), nil
	case ch.Text:
		st.saw(ch)
		dst = g.sendPiece(dst, c, e, k, openaichat.Piece{Text: true})
	}
	if err := g.hold(st, e, k, openaichat.Piece{Text: !ch.Text, Calls: true, Finish: true, Usage: last}); err != nil {
		return dst, err
	}
	if ch.Finish == "" {
		return dst, nil
	}
	return g.decide(dst, st, ch.Finish)
}
