package hold

import (
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// decide decides the calls of a choice that has finished, and releases what was held.
func (g *Gate) decide(dst []byte, c *choice, reason string) ([]byte, error) {
	for _, call := range c.calls {
		if call.Legacy {
			call.Index = len(c.calls) - 1 // after the others, whichever came first
		}
		call.complete(reason)
	}
	g.unique(c)
	if err := g.ask(c); err != nil {
		return dst, err
	}
	for _, call := range c.calls {
		if call.allowed {
			call.out = call.Index
			if !call.Legacy {
				call.out = c.rank(call)
			}
			c.left++
		}
	}
	if err := g.finishTurn(c, reason); err != nil {
		return dst, err
	}
	for i := range c.pieces {
		var err error
		if dst, err = g.release(dst, c, &c.pieces[i]); err != nil {
			return dst, err
		}
	}
	for _, p := range c.pieces {
		g.held -= p.size
	}
	c.pieces, c.calls, c.finished = nil, nil, true
	g.holding--
	return dst, nil
}

// rank is how many calls of a list are released before one of them.
func (c *choice) rank(of *call) int {
	n := 0
	for _, call := range c.calls {
		if call == of {
			break
		}
		if call.allowed && !call.Legacy {
			n++
		}
	}
	return n
}

// unique refuses calls that share an id with another one of the stream: both, unless one has been decided already.
func (g *Gate) unique(c *choice) {
	first := map[string]*call{}
	for _, call := range c.calls {
		if call.ID == "" {
			continue
		}
		before := first[call.ID]
		if before != nil {
			before.malformed(sameID)
		}
		if before != nil || g.ids[maphash.String(g.seed, call.ID)] {
			call.malformed(sameID)
		}
		first[call.ID] = call
	}
	if g.ids == nil {
		g.ids = make(map[uint64]bool, len(first))
	}
	for id := range first {
		g.ids[maphash.String(g.seed, id)] = true
	}
}

const sameID = "its id is that of another call"

// complete checks a call that is all there, and sets its arguments.
func (c *call) complete(reason string) {
	switch reason {
	case "tool_calls", "function_call", "stop":
	default:
		c.malformed("the answer was cut off before it was complete")
	}
	c.Custom = c.custom
	switch {
	case c.Tool == "":
		c.malformed("it names no tool")
	case c.Legacy:
	case c.ID == "":
		c.malformed("it has no id")
	case c.function && c.custom:
		c.malformed("it is of two types")
	case c.kind != "" && !(c.kind == "function" && c.function) && !(c.kind == "custom" && c.custom):
		c.malformed("it is of an unknown type")
	}
	switch {
	case c.given && c.custom:
		c.Arguments = llm.CustomArguments(c.arguments)
	case c.given && len(c.arguments) == 0:
		c.Arguments = []byte("{}") // as providers write, and clients read, that there are none
	case !c.given || strictjson.CheckObject(c.arguments, strictjson.Limits{}) != nil:
		c.malformed("its arguments are not one JSON object")
	default:
		c.Arguments = c.arguments
	}
}

// ask asks for the verdicts on a choice's calls, all at once.
func (g *Gate) ask(c *choice) error {
	batch := make([]llm.ToolCall, 0, len(c.calls))
	for _, call := range c.calls {
		if call.Malformed == "" {
			batch = append(batch, call.ToolCall)
		}
	}
	verdicts := make([]llm.Verdict, len(batch))
	if len(batch) > 0 && g.cfg.Decide != nil {
		var err error
		if verdicts, err = g.cfg.Decide(batch); err != nil {
			return fmt.Errorf("deciding the tool calls: %w", err)
		}
		if len(verdicts) != len(batch) {
			return fmt.Errorf("deciding the tool calls: %d verdicts on %d calls", len(verdicts), len(batch))
		}
	}
	for _, call := range c.calls {
		if call.Malformed != "" {
			call.text = g.refusal(call.ToolCall)
			continue
		}
		v := verdicts[0]
		verdicts = verdicts[1:]
		if err := call.settle(v); err != nil {
			return fmt.Errorf("deciding the tool calls: %w", err)
		}
	}
	return nil
}

// settle takes the verdict on a call.
func (c *call) settle(v llm.Verdict) error {
	if c.allowed, c.text = v.Allow, v.Text; !c.allowed {
		if c.text == "" {
			c.text = refusalText(c.ToolCall, "it is not allowed")
		}
		return nil
	}
	if v.ID != c.ID {
		c.id = v.ID
	}
	if v.Arguments == nil {
		return nil
	}
	whole, err := openaichat.ArgumentsText(&c.ToolCall, v.Arguments)
	if c.whole = whole; err == nil && whole == nil {
		c.whole = []byte{}
	}
	return err
}

// refusal is the text in the place of a malformed call.
func (g *Gate) refusal(c llm.ToolCall) string {
	if g.cfg.Refuse != nil {
		if text := g.cfg.Refuse(c); text != "" {
			return text
		}
	}
	return refusalText(c, c.Malformed)
}

// maxName is how much of a tool's name, which is the model's text, a refusal repeats.
const maxName = 64

func refusalText(c llm.ToolCall, reason string) string {
	if c.Tool == "" {
		return "A tool call was refused: " + reason + "."
	}
	name := c.Tool
	if len(name) > maxName {
		name = name[:maxName]
	}
	return "The call of the tool " + strconv.QuoteToASCII(name) + " was refused: " + reason + "."
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
		if call.allowed {
			if call.whole != nil && call.begun == nil {
				call.begun = p
			}
			if call.goesOut(p) {
				kept++
			}
			changed = changed || call.out != call.Index || call.whole != nil || (call.id != "" && ch.Calls[i].ID != "")
			continue
		}
		changed = true
		if !call.replaced {
			call.replaced = true
			dst = g.appendRefusal(dst, held, c, call.text)
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
			as := openaichat.Kept{Index: call.out, ID: call.id}
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
func (c *call) goesOut(p *piece) bool { return c.allowed && (c.whole == nil || c.begun == p) }
