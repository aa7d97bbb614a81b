package openairesponses

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Gate is the gate of one stream; it is for one goroutine. The zero Gate is not usable.
type Gate struct {
	core   *hold.Core
	stream *hold.Stream
	limits strictjson.Limits
	event  openairesponses.Event // that is being read
	again  openairesponses.Event // that is being released

	items []*item
	calls []*call // in the order in which they began
	queue []piece // held
	texts *hold.Texts

	response string // its id
	named    bool   // events have names
	numbers  numbers
	usage    llm.Usage
	phase    phase
}

// phase is how far the response has come.
type phase byte

const (
	before phase = iota
	begun
	finished // its end was released
	closed   // [DONE] was, which some providers send
)

// numbers are the sequence numbers of what is released.
type numbers struct {
	there   bool
	last    int64
	shifted bool // an event was put in or left out
}

// next is the number of the next event, which had one of its own. early is one that goes on before others that are held.
func (n *numbers) next(own int64, early bool) int64 {
	if own < 0 {
		return own
	}
	if n.there && (early || n.shifted || own <= n.last) {
		own = n.last + 1
	}
	n.there, n.last = true, own
	return own
}

// added is the number of an event of our own.
func (n *numbers) added() int64 {
	n.shifted = true
	if !n.there {
		return -1
	}
	n.last++
	return n.last
}

// New makes the gate of one stream.
func New(c hold.Config) *Gate {
	g := &Gate{core: hold.NewCore(c)}
	g.limits, g.texts = g.core.Limits(), g.core.Texts(0)
	g.stream = hold.NewStream(hold.StreamConfig{MaxEvent: g.core.MaxEvent, Take: g.take, End: g.end, Forget: g.forget})
	return g
}

// Write takes the next bytes of the stream and appends to dst what may go on to the client. With an error too, what it
// appended may go on; nothing comes after that.
func (g *Gate) Write(dst, chunk []byte) ([]byte, error) { return g.stream.Write(dst, chunk) }

// Close says that the stream has ended, and appends to dst what that releases. It is an error when the response has not.
func (g *Gate) Close(dst []byte) ([]byte, error) { return g.stream.Close(dst) }

// Held tells whether a tool call is being held.
func (g *Gate) Held() bool { return len(g.queue) > 0 }

// Usage is what the stream said last of what it cost.
func (g *Gate) Usage() llm.Usage { return g.usage }

// Model is the model that answered, as the stream names it last; "" while it is not known.
func (g *Gate) Model() string { return g.core.ModelName() }

// UpstreamError tells whether the provider ended the stream by an error of its own, which was relayed.
func (g *Gate) UpstreamError() bool { return g.stream.Broken() }

func (g *Gate) end(dst []byte) ([]byte, error) {
	switch g.phase {
	case before:
		return dst, hold.Truncated("the stream ended before it said anything")
	case begun:
		return dst, hold.Truncated("the stream ended before its response did")
	}
	return dst, nil
}

func (g *Gate) forget() { g.items, g.calls, g.queue = nil, nil, nil }

// take takes one event, comment or blank line.
func (g *Gate) take(dst []byte, e sse.Event) ([]byte, error) {
	last := e.HasData && string(bytes.TrimSpace(e.Data)) == "[DONE]"
	switch {
	case g.phase == finished && last:
		g.phase = closed
		return append(dst, e.Raw...), nil
	case g.phase >= finished:
		if len(bytes.Trim(e.Raw, "\r\n")) == 0 {
			return dst, nil
		}
		return dst, hold.Invalid("the stream goes on after its response has ended")
	case last:
		return dst, hold.Truncated("the stream ended before its response did")
	case !e.HasData && e.Name != "":
		return dst, hold.Invalid("an event without data")
	case !e.HasData:
		return append(dst, e.Raw...), nil
	}
	ev := &g.event
	if err := ev.Parse(e.Data, g.limits); err != nil {
		return dst, unreadable("an event that cannot be read", err)
	}
	if !ev.Named(e.Name) { // some clients go by the one, some by the other
		return dst, hold.Invalid("an event whose name is not its type")
	}
	g.named = g.named || e.Name != ""
	return g.tell(dst, e)
}

func unreadable(reason string, err error) error {
	return &hold.StreamError{Code: hold.CodeInvalid, Reason: reason, Err: err}
}

// tell takes what an event tells.
func (g *Gate) tell(dst []byte, e sse.Event) ([]byte, error) {
	ev := &g.event
	if ev.Response.Usage.Known {
		g.usage = ev.Response.Usage
	}
	switch ev.Kind {
	case openairesponses.Idle:
		return g.send(dst, e, nil, nil), nil
	case openairesponses.Failure:
		return g.failure(dst, e)
	}
	if err := g.core.Answered(ev.Response.Model); err != nil {
		return dst, err
	}
	g.phase = begun
	switch ev.Kind {
	case openairesponses.Opening:
		if len(ev.Response.Items) > 0 || ev.Response.Says() {
			return dst, hold.Invalid("an output before it was said")
		}
		g.response = ev.Response.ID
		return g.send(dst, e, nil, nil), nil
	case openairesponses.Ending:
		return g.finish(dst, e)
	case openairesponses.Failing:
		return g.failing(dst, e)
	case openairesponses.ItemBegin:
		return g.begin(dst, e)
	}
	it, err := g.itemOf(ev)
	if err != nil || it == nil {
		if err == nil {
			dst = g.send(dst, e, nil, nil)
		}
		return dst, err
	}
	switch ev.Kind {
	case openairesponses.ItemEnd:
		return g.endItem(dst, e, it)
	case openairesponses.SaidDelta, openairesponses.SaidDone:
		return g.said(dst, e, it)
	case openairesponses.Progress:
		if it.call != nil {
			it.call.Malform("it runs inside the provider")
		}
		return g.put(dst, e, it, nil, 0)
	}
	return g.text(dst, e, it)
}

// itemOf finds the item that an event is of; nil when it is of none.
func (g *Gate) itemOf(ev *openairesponses.Event) (*item, error) {
	switch {
	case ev.Output < 0 && ev.Kind == openairesponses.Progress:
		return nil, nil
	case ev.Output >= len(g.items):
		return nil, hold.Invalid("an event of an item that has not begun")
	case g.items[ev.Output].ended:
		return nil, hold.Invalid("an event of an item that has ended")
	}
	it := g.items[ev.Output]
	if it.call != nil && ev.ItemID != "" && ev.ItemID != it.id {
		it.call.Malform("its id changes in the middle")
	}
	return it, nil
}

// send releases an event that is held by nothing; s has what changes in it.
func (g *Gate) send(dst []byte, e sse.Event, ev *openairesponses.Event, s *llm.Splices) []byte {
	if ev == nil {
		ev = &g.event
	}
	if s == nil {
		s = &llm.Splices{}
	}
	ev.Numbered(s, g.numbers.next(ev.Sequence, len(g.queue) > 0))
	if s.Len() == 0 {
		return append(dst, e.Raw...)
	}
	return sse.AppendEvent(dst, e.Name, s.Apply(ev.Doc))
}

// put releases an event of an item, or holds it when the item is held. more is how many bytes it adds to a call.
func (g *Gate) put(dst []byte, e sse.Event, it *item, s *llm.Splices, more int) ([]byte, error) {
	if !it.held {
		return g.send(dst, e, nil, s), nil
	}
	p := piece{of: it, kind: g.event.Kind, name: e.Name, own: g.event.Sequence}
	if s == nil || s.Len() == 0 {
		p.raw = bytes.Clone(e.Raw)
		if at := bytes.Index(p.raw, e.Data); at >= 0 {
			p.doc = p.raw[at : at+len(e.Data)]
		} else { // in several lines
			p.doc = bytes.Clone(e.Data)
			more += len(p.doc)
		}
	} else {
		p.doc = s.Apply(e.Data)
	}
	return dst, g.hold(p, more)
}

func (g *Gate) hold(p piece, more int) error {
	if p.size = len(p.raw) + more; p.raw == nil {
		p.size += len(p.doc)
	}
	if err := g.core.Hold(p.size); err != nil {
		return err
	}
	g.queue = append(g.queue, p)
	return nil
}
