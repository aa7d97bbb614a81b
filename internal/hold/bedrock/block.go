package bedrock

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/awsevent"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm/bedrock"
)

// block is what the gate knows of one block.
type block struct {
	index int
	kind  bedrock.Kind
	held  bool // its beginning is held, and so is the rest
	call  *call
	text  *hold.Text // nil when nobody looks at it
	shown bool       // it said what the model thought
}

// call is one tool call being put together.
type call struct {
	hold.Call
	arguments []byte
	ended     bool
}

// piece is one held message.
type piece struct {
	of      *block
	kind    string // the event's type
	raw     []byte // as it goes out when nothing changes
	headers []byte // of the beginning of a call, whose payload may change
	payload []byte
	size    int // bytes, with those that it added to its call's arguments
}

// block takes an event of a block.
func (g *Gate) block(dst []byte, m awsevent.Message) ([]byte, error) {
	ev := &g.event
	b := g.open[ev.Index]
	switch {
	case ev.Type == bedrock.BlockStart && b != nil:
		return dst, hold.Invalid("a block that begins twice")
	case ev.Type == bedrock.BlockStop && b == nil:
		return dst, hold.Invalid("the end of a block that is not there")
	case ev.Type == bedrock.BlockStop:
		delete(g.open, b.index)
		return g.end(dst, m, b)
	case b == nil:
		var err error
		if b, err = g.begin(ev.Index); err != nil {
			return dst, err
		}
	}
	if ev.Type == bedrock.BlockStart {
		if ev.Kind == bedrock.CallBlock {
			return g.beginCall(dst, m, b)
		}
		g.settle(b, ev.Kind)
		return g.put(dst, m, b, m.Raw, 0)
	}
	if b.kind == bedrock.NoKind && ev.Kind != bedrock.CallBlock {
		g.settle(b, ev.Kind)
	}
	goes := b.kind == ev.Kind || b.kind == bedrock.ServerBlock && ev.Kind == bedrock.CallBlock
	if !goes {
		return dst, hold.Invalid("a delta that does not go with its block")
	}
	if b.call != nil {
		b.call.arguments = append(b.call.arguments, ev.Fragment...)
		return g.put(dst, m, b, m.Raw, len(ev.Fragment))
	}
	return g.filter(dst, m, b)
}

// begin begins a block.
func (g *Gate) begin(index int) (*block, error) {
	if index < g.next {
		return nil, hold.Invalid("a block that is not the next one")
	}
	b := &block{index: index, held: len(g.calls) > 0}
	g.open[index] = b
	g.next = index + 1
	return b, nil
}

// settle says what a block is.
func (g *Gate) settle(b *block, kind bedrock.Kind) {
	b.kind = kind
	switch {
	case kind == bedrock.ServerBlock:
		g.server = true
	case !g.core.LooksAtTexts():
	case kind == bedrock.TextBlock:
		b.text = g.texts.Begin(bedrock.TextMember)
	case kind == bedrock.ThoughtBlock:
		b.text = g.texts.Begin(bedrock.ReasoningMember)
	}
}

// beginCall begins a call, from which on everything is held.
func (g *Gate) beginCall(dst []byte, m awsevent.Message, b *block) ([]byte, error) {
	if err := g.core.Count(); err != nil {
		return dst, err
	}
	ev := &g.event
	ev.Call.Index = len(g.calls)
	b.kind, b.held = bedrock.CallBlock, true
	b.call = &call{Call: hold.Call{ToolCall: ev.Call}}
	b.text = g.texts.Begin(bedrock.TextMember) // for what may stand in its place
	g.calls = append(g.calls, b.call)
	return g.put(dst, m, b, m.Raw, 0)
}

// filter takes a delta that is no call's.
func (g *Gate) filter(dst []byte, m awsevent.Message, b *block) ([]byte, error) {
	ev := &g.event
	said := ev.Fragment
	switch {
	case b.text == nil:
	case b.kind == bedrock.ThoughtBlock:
		b.text.Add(said)
		if b.shown = b.shown || len(said) > 0; !b.shown { // the text is not shown, but the model reads it
			b.text.Add(ev.Signature)
		}
	case ev.IsText() && len(said) > 0:
		if shown := b.text.Write(said, false); !bytes.Equal(shown, said) {
			g.changed = true
			return g.put(dst, m, b, awsevent.AppendWith(nil, m.Headers, ev.WithText(shown)), 0)
		}
	}
	return g.put(dst, m, b, m.Raw, 0)
}

// end takes the end of a block. What its filter had held back comes before.
func (g *Gate) end(dst []byte, m awsevent.Message, b *block) ([]byte, error) {
	if b.call != nil {
		b.call.ended = true
		return g.put(dst, m, b, m.Raw, 0)
	}
	return g.put(dst, m, b, append(b.flush(nil), m.Raw...), 0)
}

// flush closes the filter of a block of text, and appends what it had held back.
func (b *block) flush(dst []byte) []byte {
	if b.text == nil || b.kind != bedrock.TextBlock {
		return dst
	}
	if shown := b.text.Close(); len(shown) > 0 {
		dst = bedrock.AppendText(dst, b.index, shown)
	}
	return dst
}

// put releases a message of a block, or holds it when the block is held. more is how many bytes it adds to a call.
func (g *Gate) put(dst []byte, m awsevent.Message, b *block, raw []byte, more int) ([]byte, error) {
	if !b.held {
		return append(dst, raw...), nil
	}
	p := piece{of: b, kind: g.event.Type, raw: bytes.Clone(raw)}
	p.size = len(p.raw) + more
	if b.call != nil && p.kind == bedrock.BlockStart {
		p.headers, p.payload = bytes.Clone(m.Headers), bytes.Clone(m.Payload)
		p.size += len(p.headers) + len(p.payload)
	}
	if err := g.core.Hold(p.size); err != nil {
		return dst, err
	}
	g.queue = append(g.queue, p)
	return dst, nil
}
