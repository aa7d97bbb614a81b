package openairesponses

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/sse"
)

// finish takes the end of the response: it decides the calls, tells of the turn, and releases what was held and the end.
func (g *Gate) finish(dst []byte, e sse.Event) ([]byte, error) {
	a := &g.event.Response
	dst, err := g.flushAll(dst, true)
	if err != nil {
		return dst, err
	}
	var s llm.Splices
	repeated, err := g.match(&s)
	if err != nil {
		return dst, err
	}
	cut := a.Cut() || g.event.Type != "response.completed"
	calls := make([]*hold.Call, len(g.calls))
	for i, c := range g.calls {
		c.complete(cut)
		calls[i] = &c.Call
	}
	if err := g.core.DecideAll(calls); err != nil {
		return dst, err
	}
	for _, c := range g.calls {
		if !c.Allowed {
			c.text.Add([]byte(c.Refusal))
		}
	}
	if err := g.texts.Finish(a.TurnReason(), calls); err != nil {
		return dst, err
	}
	for i := range g.queue {
		if dst, err = g.release(dst, &g.queue[i]); err != nil {
			return dst, err
		}
		g.core.Free(g.queue[i].size)
	}
	g.queue = nil
	if err := g.rewrite(&s, repeated); err != nil {
		return dst, err
	}
	dst = g.send(dst, e, nil, &s)
	g.forget()
	g.phase = finished
	return dst, nil
}

// match finds the item that each one of the response's output repeats, and refuses what it says otherwise. One that was
// never said before is a call of its own, or texts. What changes in texts goes into s.
func (g *Gate) match(s *llm.Splices) ([]*item, error) {
	a := &g.event.Response
	repeated := make([]*item, len(a.Items))
	for i := range a.Items {
		as := &a.Items[i]
		it := g.repeats(as, i, len(a.Items))
		if it == nil {
			it = &item{index: i, kind: as.Kind, typ: as.Type, id: as.ID, ended: true}
			if as.Kind == openairesponses.CallItem {
				if err := g.late(it, as); err != nil {
					return nil, err
				}
			}
		}
		if it.told || it.typ != as.Type || it.kind != as.Kind {
			return nil, hold.Invalid("an item that is said again, otherwise")
		}
		it.told = true
		if c := it.call; c != nil && c.ended {
			again := *as
			again.Call.Malformed = ""
			again.Complete(a.Doc, false, g.limits)
			c.agree(&c.end, &again)
			if !bytes.Equal(again.Call.Arguments, c.Arguments) || again.Call.Malformed != c.end.Call.Malformed {
				c.Malform(otherwise)
			}
		}
		if _, err := g.repeatInto(nil, it, as, s); err != nil {
			return nil, err
		}
		repeated[i] = it
	}
	return repeated, nil
}

// repeats finds the item that one of the response's output repeats: in its place when all are there, else by its id.
func (g *Gate) repeats(as *openairesponses.Item, i, all int) *item {
	if all == len(g.items) {
		return g.items[i]
	}
	for _, it := range g.items {
		if it.id == as.ID && as.ID != "" && !it.told {
			return it
		}
	}
	return nil
}

// late takes a call that only the end of the response says.
func (g *Gate) late(it *item, as *openairesponses.Item) error {
	if err := g.core.Count(); err != nil {
		return err
	}
	c := &call{Call: hold.Call{ToolCall: as.Call}, begin: *as, end: *as, ended: true, text: g.texts.Begin("content")}
	c.Index = len(g.calls)
	c.end.Complete(g.event.Response.Doc, false, g.limits)
	c.Arguments = c.end.Call.Arguments
	if c.end.Call.Malformed != "" {
		c.Malform(c.end.Call.Malformed)
	}
	c.begin.Keep(g.event.Response.Doc)
	c.message = openairesponses.MessageID(as, g.response, it.index)
	it.call = c
	g.sameID(it)
	g.calls = append(g.calls, c)
	return nil
}

// rewrite puts the output as it was released into the end of the response.
func (g *Gate) rewrite(s *llm.Splices, repeated []*item) error {
	a := &g.event.Response
	for i, it := range repeated {
		c, as := it.call, &a.Items[i]
		switch {
		case c == nil:
		case !c.Allowed:
			s.Replace(as.Span, openairesponses.AppendMessage(nil, c.message, c.Refusal))
		default:
			if err := as.Rename(s, c.OutID, c.OutArguments); err != nil {
				return unwritable(err)
			}
		}
	}
	if s.Len() > 0 && a.Says() {
		g.event.SetSummed(s, g.summed(repeated))
	}
	return nil
}

// summed is what was shown of all messages.
func (g *Gate) summed(repeated []*item) []byte {
	var out []byte
	a := &g.event.Response
	for i, it := range repeated {
		if it.call != nil && !it.call.Allowed {
			out = append(out, it.call.Refusal...)
		}
		for k := range a.Items[i].Texts {
			t := &a.Items[i].Texts[k]
			shown := openairesponses.TextOf(a.Doc, t.Span)
			if x := it.texts[t.Key()]; x != nil {
				if again, err := x.shows(shown); err == nil {
					shown = again
				}
			}
			if t.Member == "content" {
				out = append(out, shown...)
			}
		}
	}
	return out
}

// failing relays that the response failed, without anything in it that was not released, and ends the stream.
func (g *Gate) failing(dst []byte, e sse.Event) ([]byte, error) {
	dst, err := g.flushAll(dst, false)
	if err != nil {
		return dst, err
	}
	var s llm.Splices
	a := &g.event.Response
	gone := make([]bool, len(a.Items))
	var texts llm.Splices
	for i := range a.Items {
		it := g.repeats(&a.Items[i], i, len(a.Items))
		gone[i] = it == nil || it.held || !it.ended || it.told || it.typ != a.Items[i].Type || it.kind != a.Items[i].Kind
		if gone[i] {
			continue
		}
		it.told = true
		if _, err := g.repeatInto(nil, it, &a.Items[i], &texts); err != nil {
			gone[i] = true
		}
	}
	if texts.Len() > 0 || a.Says() { // it says of some text what was not shown
		for i := range gone {
			gone[i] = true
		}
		g.event.SetSummed(&s, nil)
	}
	g.event.Drop(&s, func(i int) bool { return gone[i] })
	g.drop()
	dst = g.send(dst, e, nil, &s)
	g.stream.Break()
	g.forget()
	return dst, nil
}

// drop lets go of what is held.
func (g *Gate) drop() {
	g.numbers.shifted = g.numbers.shifted || len(g.queue) > 0
	g.queue = nil
}

// failure relays an error of the stream, and ends it.
func (g *Gate) failure(dst []byte, e sse.Event) ([]byte, error) {
	dst, err := g.flushAll(dst, false)
	if err != nil {
		return dst, err
	}
	g.drop()
	dst = g.send(dst, e, nil, nil)
	g.stream.Break()
	g.forget()
	return dst, nil
}
