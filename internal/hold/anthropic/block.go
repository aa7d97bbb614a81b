package anthropic

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm/anthropic"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// block is what the gate knows of one block.
type block struct {
	index int
	kind  string
	held  bool // its beginning is held, and so is the rest
	call  *call
	text  *hold.Text // nil when nobody looks at it
	shown bool       // it said what the model thought
}

// call is one tool call being put together.
type call struct {
	hold.Call
	arguments []byte
	given     bool // its beginning has arguments
	ended     bool
}

// piece is one held event.
type piece struct {
	of   *block
	stop bool   // the end of it
	raw  []byte // as it goes out when nothing changes
	doc  []byte // its data, where that may change
	size int    // bytes, with those that it added to its call's arguments
}

// block takes an event of a block.
func (g *Gate) block(dst []byte, e sse.Event) ([]byte, error) {
	ev := &g.event
	if ev.Type == anthropic.BlockStart {
		return g.begin(dst, e)
	}
	b := g.open[ev.Index]
	if b == nil {
		return dst, hold.Invalid("an event of a block that is not there")
	}
	if ev.Type == anthropic.BlockStop {
		delete(g.open, b.index)
		return g.stop(dst, e, b)
	}
	if !anthropic.Takes(b.kind, ev.Delta) {
		return dst, hold.Invalid("a delta that does not go with its block")
	}
	if c := b.call; c != nil {
		if c.given && len(ev.Fragment) > 0 {
			c.Malform("its arguments come twice")
		}
		c.arguments = append(c.arguments, ev.Fragment...)
		return g.put(dst, e, b, e.Raw, len(ev.Fragment))
	}
	return g.filter(dst, e, b, ev.Fragment)
}

// begin takes the beginning of a block.
func (g *Gate) begin(dst []byte, e sse.Event) ([]byte, error) {
	ev := &g.event
	if ev.Index != g.next {
		return dst, hold.Invalid("a block that is not the next one")
	}
	if ev.Model != "" { // another model goes on
		if err := g.core.Answered(ev.Model); err != nil {
			return dst, err
		}
	}
	b := &block{index: ev.Index, kind: ev.Kind, held: len(g.calls) > 0}
	g.open[b.index] = b
	g.next++
	switch {
	case anthropic.IsCall(b.kind):
		if err := g.core.Count(); err != nil {
			return dst, err
		}
		ev.Call.Index = len(g.calls)
		b.call = &call{Call: hold.Call{ToolCall: ev.Call}, given: len(ev.Args) > 0, arguments: bytes.Clone(ev.Args)}
		b.held, b.text = true, g.texts.Begin("text") // for what may stand in its place
		g.calls = append(g.calls, b.call)
		return g.put(dst, e, b, e.Raw, len(ev.Args))
	case !g.core.LooksAtTexts():
	case b.kind == "text":
		b.text = g.texts.Begin("text")
	case b.kind == "thinking" || b.kind == "redacted_thinking":
		b.text = g.texts.Begin("thinking")
	}
	return g.filter(dst, e, b, ev.Text)
}

// filter takes an event with text in it, or without any.
func (g *Gate) filter(dst []byte, e sse.Event, b *block, said []byte) ([]byte, error) {
	ev := &g.event
	switch {
	case b.text == nil:
	case b.kind != "text":
		b.text.Add(said)
		if b.shown = b.shown || len(said) > 0; !b.shown { // the text is not shown, but the model reads it
			b.text.Add(ev.Signature)
		}
	case len(said) > 0:
		if shown := b.text.Write(said, false); !bytes.Equal(shown, said) {
			return g.put(dst, e, b, sse.AppendEvent(nil, e.Name, ev.WithText(shown)), 0)
		}
	}
	return g.put(dst, e, b, e.Raw, 0)
}

// stop takes the end of a block. What its filter had held back comes before.
func (g *Gate) stop(dst []byte, e sse.Event, b *block) ([]byte, error) {
	switch {
	case b.call != nil:
		b.call.ended = true
	case b.text == nil || b.kind != "text":
	case b.held:
		raw := append(b.flush(nil), e.Raw...)
		return g.put(dst, e, b, raw, 0)
	default:
		dst = b.flush(dst)
	}
	return g.put(dst, e, b, e.Raw, 0)
}

// flush closes the block's filter, and appends what it had held back.
func (b *block) flush(dst []byte) []byte {
	if shown := b.text.Close(); len(shown) > 0 {
		dst = anthropic.AppendText(dst, b.index, shown)
	}
	return dst
}

// put releases an event of a block, or holds it when the block is held. more is how many bytes it adds to a call.
func (g *Gate) put(dst []byte, e sse.Event, b *block, raw []byte, more int) ([]byte, error) {
	if !b.held {
		return append(dst, raw...), nil
	}
	p := piece{of: b, raw: bytes.Clone(raw), stop: g.event.Type == anthropic.BlockStop}
	p.size = len(p.raw) + more
	if b.call != nil && g.event.Type == anthropic.BlockStart {
		p.doc = bytes.Clone(e.Data)
		p.size += len(p.doc)
	}
	if err := g.core.Hold(p.size); err != nil {
		return dst, err
	}
	g.queue = append(g.queue, p)
	return dst, nil
}

// finish decides the calls of the message, tells of the turn, and releases what was held.
func (g *Gate) finish(dst []byte, reason string) ([]byte, error) {
	for _, b := range g.open {
		if b.call == nil {
			return dst, hold.Invalid("the reason to stop within a block")
		}
	}
	calls := make([]*hold.Call, len(g.calls))
	for i, c := range g.calls {
		c.complete(reason)
		calls[i] = &c.Call
	}
	if err := g.core.DecideAll(calls); err != nil {
		return dst, err
	}
	left := 0
	for _, c := range calls {
		if c.Allowed {
			left++
		}
	}
	for _, p := range g.queue {
		if p.doc != nil && !p.of.call.Allowed {
			p.of.text.Add([]byte(p.of.call.Refusal))
		}
	}
	g.stops = len(calls) > 0 && left == 0
	shown := reason
	if instead, stops := anthropic.Stops(reason); stops && g.stops {
		shown = instead
	}
	if err := g.texts.Finish(shown, calls); err != nil {
		return dst, err
	}
	for i := range g.queue {
		var err error
		if dst, err = g.release(dst, &g.queue[i]); err != nil {
			return dst, err
		}
		g.core.Free(g.queue[i].size)
	}
	g.forget()
	return dst, nil
}

// complete checks a call that is all there, and sets its arguments.
func (c *call) complete(reason string) {
	switch {
	case !anthropic.Complete(reason):
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

// release appends a held piece as it was decided.
func (g *Gate) release(dst []byte, p *piece) ([]byte, error) {
	c := p.of.call
	switch {
	case c == nil, c.Allowed && c.OutID == "" && c.OutArguments == nil:
		return append(dst, p.raw...), nil
	case p.doc == nil && c.Allowed && (c.OutArguments == nil || p.stop):
		return append(dst, p.raw...), nil
	case p.doc == nil:
		return dst, nil
	case !c.Allowed:
		return anthropic.AppendBlock(dst, p.of.index, c.Refusal), nil
	}
	if err := g.again.Parse(p.doc, g.limits); err != nil {
		return dst, &hold.StreamError{Code: hold.CodeInvalid, Reason: "a held event that cannot be read", Err: err}
	}
	dst = sse.AppendEvent(dst, anthropic.BlockStart, g.again.WithCall(c.OutID, c.OutArguments != nil))
	if c.OutArguments != nil {
		dst = anthropic.AppendArguments(dst, p.of.index, c.OutArguments)
	}
	return dst, nil
}
