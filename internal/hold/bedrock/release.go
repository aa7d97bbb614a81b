package bedrock

import (
	"github.com/yellowjack/yellowjack/internal/awsevent"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm/bedrock"
)

// finish decides the calls of the message, tells of the turn, and releases what was held. shown is the reason to stop as
// the client sees it.
func (g *Gate) finish(dst []byte, reason string) (out []byte, shown string, err error) {
	if reason == bedrock.ToolUseReason && g.server && len(g.calls) == 0 {
		// A client that does not know such calls takes them for its own.
		return dst, "", hold.Invalid("a turn that ends to make calls, and has only the provider's own")
	}
	for _, b := range g.open {
		if b.call == nil {
			return dst, "", hold.Invalid("the reason to stop within a block")
		}
	}
	calls := make([]*hold.Call, len(g.calls))
	for i, c := range g.calls {
		c.complete(reason)
		calls[i] = &c.Call
	}
	if err := g.core.DecideAll(calls); err != nil {
		return dst, "", err
	}
	left := 0
	for _, c := range calls {
		if c.Allowed {
			left++
		}
		g.changed = g.changed || !c.Allowed || c.OutID != "" || c.OutArguments != nil
	}
	for _, p := range g.queue {
		if p.payload != nil && !p.of.call.Allowed {
			p.of.text.Add([]byte(p.of.call.Refusal))
		}
	}
	shown = reason
	if instead, stops := bedrock.Stops(reason); stops && len(calls) > 0 && left == 0 {
		shown = instead
	}
	if err := g.texts.Finish(shown, calls); err != nil {
		return dst, "", err
	}
	for i := range g.queue {
		if dst, err = g.release(dst, &g.queue[i]); err != nil {
			return dst, "", err
		}
		g.core.Free(g.queue[i].size)
	}
	g.forget()
	return dst, shown, nil
}

// complete checks a call that is all there, and sets its arguments.
func (c *call) complete(reason string) {
	switch {
	case !bedrock.Complete(reason):
		c.Malform("the answer was cut off before it was complete")
	case !c.ended:
		c.Malform("it never ended")
	case c.Tool == "":
		c.Malform("it names no tool")
	case c.ID == "":
		c.Malform("it has no id")
	}
	c.TakeArguments(c.arguments)
}

// release appends a held message as it was decided.
func (g *Gate) release(dst []byte, p *piece) ([]byte, error) {
	c, first := p.of.call, p.kind == bedrock.BlockStart
	switch {
	case c == nil:
		return append(dst, p.raw...), nil
	case !c.Allowed && first:
		return bedrock.AppendBlock(dst, p.of.index, c.Refusal), nil
	case !c.Allowed:
		return dst, nil
	case c.OutArguments != nil && p.kind == bedrock.BlockDelta:
		return dst, nil
	case first && c.OutID != "":
		if err := g.again.Parse([]byte(p.kind), p.payload, g.limits); err != nil { // cannot be: it was read
			return dst, &hold.StreamError{Code: hold.CodeInvalid, Reason: "a held event that cannot be read", Err: err}
		}
		dst = awsevent.AppendWith(dst, p.headers, g.again.WithID(c.OutID))
	default:
		dst = append(dst, p.raw...)
	}
	if first && c.OutArguments != nil {
		dst = bedrock.AppendArguments(dst, p.of.index, c.OutArguments)
	}
	return dst, nil
}
