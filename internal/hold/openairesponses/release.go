package openairesponses

import (
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/sse"
)

func unwritable(err error) error { return fmt.Errorf("deciding the tool calls: %w", err) }

// release appends a held piece as it was decided.
func (g *Gate) release(dst []byte, p *piece) ([]byte, error) {
	c := p.of.call
	switch {
	case c == nil, c.Allowed && c.OutID == "" && c.OutArguments == nil:
		return g.sendPiece(dst, p, nil, nil)
	case !c.Allowed:
		if !c.answered {
			c.answered = true
			m := openairesponses.Message{ID: c.message, Text: c.Refusal, Index: p.of.index, Name: g.named, Next: g.numbers.added}
			return m.Append(dst), nil
		}
		g.numbers.shifted = true
		return dst, nil
	}
	ev := &g.again
	if err := ev.Parse(p.doc, g.limits); err != nil {
		return dst, unreadable("a held event that cannot be read", err)
	}
	var s llm.Splices
	goes, err := c.changed(ev, &s)
	if err != nil {
		return dst, unwritable(err)
	}
	if !goes {
		g.numbers.shifted = true
		return dst, nil
	}
	return g.sendPiece(dst, p, ev, &s)
}

// changed gives a piece of an allowed call the id and the arguments that were decided, and tells whether it goes out:
// arguments that are others go with the first piece of them.
func (c *call) changed(ev *openairesponses.Event, s *llm.Splices) (bool, error) {
	switch ev.Kind {
	case openairesponses.ItemBegin:
		if c.OutArguments != nil && c.begin.IsText() && c.pieces > 0 {
			ev.Item.Empty(s)
			return true, ev.Item.Rename(s, c.OutID, nil)
		}
		if c.OutArguments != nil && c.begin.IsText() && len(c.begin.Said) == 0 {
			return true, ev.Item.Rename(s, c.OutID, nil)
		}
		return true, ev.Item.Rename(s, c.OutID, c.OutArguments)
	case openairesponses.ItemEnd:
		return true, ev.Item.Rename(s, c.OutID, c.OutArguments)
	}
	if c.OutArguments == nil {
		return true, nil
	}
	if c.typed() {
		return ev.Kind == openairesponses.Progress, nil // the beginning has them
	}
	text := c.OutArguments
	if c.Custom {
		input, ok := llm.CustomInput(text)
		if !ok {
			return false, fmt.Errorf("the arguments of a custom tool's call have no input")
		}
		text = input
	}
	switch ev.Kind {
	case openairesponses.SaidDone:
		ev.SetWhole(s, text)
	case openairesponses.SaidDelta:
		if c.released {
			return false, nil
		}
		c.released = true
		ev.SetDelta(s, text)
	}
	return true, nil
}

// sendPiece appends a held piece, with what changes in it; ev is nil while it was not read again.
func (g *Gate) sendPiece(dst []byte, p *piece, ev *openairesponses.Event, s *llm.Splices) ([]byte, error) {
	var number int64
	if p.added && p.own >= 0 {
		number = g.numbers.added()
	} else {
		g.numbers.shifted = g.numbers.shifted || p.added
		number = g.numbers.next(p.own, false)
	}
	if number != p.own && ev == nil {
		ev = &g.again
		if err := ev.Parse(p.doc, g.limits); err != nil {
			return dst, unreadable("a held event that cannot be read", err)
		}
	}
	if s == nil {
		s = &llm.Splices{}
	}
	if ev != nil {
		ev.Numbered(s, number)
	}
	if s.Len() == 0 && p.raw != nil {
		return append(dst, p.raw...), nil
	}
	return sse.AppendEvent(dst, p.name, s.Apply(p.doc)), nil
}
