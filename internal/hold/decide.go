package hold

import (
	"fmt"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// decide decides the calls of a choice that has finished, and releases what was held.
func (g *Gate) decide(dst []byte, c *choice, reason string) ([]byte, error) {
	for _, call := range c.calls {
		if call.Legacy {
			call.Index = len(c.calls) - 1 // after the others, whichever came first
		}
		call.complete(reason)
	}
	calls := make([]*Call, len(c.calls))
	for i, call := range c.calls {
		calls[i] = &call.Call
	}
	if err := g.core.DecideAll(calls); err != nil {
		return dst, err
	}
	for _, call := range c.calls {
		if call.Allowed {
			if err := call.rewrite(); err != nil {
				return dst, err
			}
			call.out = call.Index
			if !call.Legacy {
				call.out = c.rank(call)
			}
			c.left++
		}
	}
	if err := g.finishTurn(c, reason, calls); err != nil {
		return dst, err
	}
	for i := range c.pieces {
		var err error
		if dst, err = g.release(dst, c, &c.pieces[i]); err != nil {
			return dst, err
		}
	}
	for _, p := range c.pieces {
		g.core.Free(p.size)
	}
	c.pieces, c.calls, c.finished = nil, nil, true
	g.holding--
	return dst, nil
}

// rewrite sets the arguments with which an allowed call is released.
func (c *call) rewrite() error {
	if c.OutArguments == nil {
		return nil
	}
	whole, err := openaichat.ArgumentsText(&c.ToolCall, c.OutArguments)
	if err != nil {
		return fmt.Errorf("deciding the tool calls: %w", err)
	}
	if c.whole = whole; whole == nil {
		c.whole = []byte{}
	}
	return nil
}

// rank is how many calls of a list are released before one of them.
func (c *choice) rank(of *call) int {
	n := 0
	for _, call := range c.calls {
		if call == of {
			break
		}
		if call.Allowed && !call.Legacy {
			n++
		}
	}
	return n
}

// complete checks a call that is all there, and sets its arguments.
func (c *call) complete(reason string) {
	switch reason {
	case "tool_calls", "function_call", "stop":
	default:
		c.Malform("the answer was cut off before it was complete")
	}
	c.Custom = c.custom
	switch {
	case c.Tool == "":
		c.Malform("it names no tool")
	case c.Legacy:
	case c.ID == "":
		c.Malform("it has no id")
	case c.function && c.custom:
		c.Malform("it is of two types")
	case c.kind != "" && !(c.kind == "function" && c.function) && !(c.kind == "custom" && c.custom):
		c.Malform("it is of an unknown type")
	}
	switch {
	case c.given && c.custom:
		c.Arguments = llm.CustomArguments(c.arguments)
	case c.given:
		c.TakeArguments(c.arguments)
	default:
		c.Malform(NotObject)
	}
}

// release appends a held piece as it was decided, with text in the place of a denied call.
func (g *Gate) release(dst []byte, c *choice, p *piece) ([]byte, error) {
	if err := g.again.Parse(p.doc, g.limits); err != nil {
		return dst, &StreamError{Code: CodeInvalid, Reason: "a held event that cannot be read", Err: err}
	}
	held := &g.again
	ch := &held.Choices[0]
	changed, kept := c.stops(ch.Finish), 0
	for i, call := range p.calls {
		if call.Allowed {
			if call.whole != nil && call.begun == nil {
				call.begun = p
			}
			if call.goesOut(p) {
				kept++
			}
			changed = changed || call.out != call.Index || call.whole != nil || (call.OutID != "" && ch.Calls[i].ID != "")
			continue
		}
		changed = true
		if !call.replaced {
			call.replaced = true
			dst = g.appendRefusal(dst, held, c, call.Refusal)
		}
	}
	if !changed {
		c.saw(ch)
		return append(dst, p.raw...), nil
	}
	if kept == 0 && ch.Finish == "" && !held.Usage.Known {
		return dst, nil
	}
	out := held.Piece(0, openaichat.Piece{
		Text: !c.role, Calls: kept > 0, Finish: true, Stop: c.stops(ch.Finish), Usage: true,
		Keep: func(i int) (openaichat.Kept, bool) {
			call := p.calls[i]
			as := openaichat.Kept{Index: call.out, ID: call.OutID}
			if call.whole != nil {
				as.Whole, as.Text = &call.ToolCall, call.whole
			}
			return as, call.goesOut(p)
		},
	})
	c.saw(ch)
	return sse.AppendEvent(dst, p.name, out), nil
}

// goesOut tells whether something of a call goes out with a piece: of one with other arguments all of it goes with the
// first.
func (c *call) goesOut(p *piece) bool { return c.Allowed && (c.whole == nil || c.begun == p) }
