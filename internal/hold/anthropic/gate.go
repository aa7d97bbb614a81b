package anthropic

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/anthropic"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Gate is the gate of one stream; it is for one goroutine. The zero Gate is not usable.
type Gate struct {
	core   *hold.Core
	stream *hold.Stream
	limits strictjson.Limits
	event  anthropic.Event // that is being read
	again  anthropic.Event // that is being released

	open  map[int]*block // blocks that have begun and not ended
	next  int            // the index of the next block
	queue []piece        // held
	calls []*call        // held; nil when none was made
	texts *hold.Texts
	stops bool // calls were made, and none is left

	phase phase
	usage llm.Usage
}

// phase is how far the message has come.
type phase byte

const (
	before   phase = iota
	begun          // there may be blocks
	finished       // it has its reason to stop
	done
)

// New makes the gate of one stream.
func New(c hold.Config) *Gate {
	g := &Gate{core: hold.NewCore(c), open: map[int]*block{}}
	g.limits, g.texts = g.core.Limits(), g.core.Texts(0)
	g.stream = hold.NewStream(hold.StreamConfig{MaxEvent: g.core.MaxEvent, Take: g.take, End: g.end, Forget: g.forget})
	return g
}

// Write takes the next bytes of the stream and appends to dst what may go on to the client. With an error too, what it
// appended may go on; nothing comes after that.
func (g *Gate) Write(dst, chunk []byte) ([]byte, error) { return g.stream.Write(dst, chunk) }

// Close says that the stream has ended, and appends to dst what that releases. It is an error when the message has not.
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
	case done:
		return dst, nil
	case before:
		return dst, hold.Truncated("the stream ended before it said anything")
	default:
		return dst, hold.Truncated("the stream ended before its message did")
	}
}

func (g *Gate) forget() { g.open, g.queue, g.calls = nil, nil, nil }

// take takes one event, comment or blank line.
func (g *Gate) take(dst []byte, e sse.Event) ([]byte, error) {
	switch {
	case g.phase == done:
		if len(bytes.Trim(e.Raw, "\r\n")) == 0 {
			return dst, nil
		}
		return dst, hold.Invalid("the stream goes on after its message has ended")
	case !e.HasData && e.Name != "":
		return dst, hold.Invalid("an event without data")
	case !e.HasData:
		return append(dst, e.Raw...), nil
	}
	ev := &g.event
	if err := ev.Parse(e.Data, g.limits); err != nil {
		return dst, &hold.StreamError{Code: hold.CodeInvalid, Reason: "an event that cannot be read", Err: err}
	}
	if e.Name != ev.Type { // some clients go by the one, some by the other
		return dst, hold.Invalid("an event whose name is not its type")
	}
	g.usage = ev.Usage(g.usage, g.limits)
	switch ev.Type {
	case anthropic.Ping:
		return append(dst, e.Raw...), nil
	case anthropic.Failure:
		return g.upstreamError(dst, e.Raw), nil
	case anthropic.MessageStart:
		if g.phase != before {
			return dst, hold.Invalid("a message within a message")
		}
		g.phase = begun
		if err := g.core.Answered(ev.Model); err != nil {
			return dst, err
		}
		return append(dst, e.Raw...), nil
	}
	if g.phase == before {
		return dst, hold.Invalid("an event before its message")
	}
	switch ev.Type {
	case anthropic.MessageDelta:
		return g.messageDelta(dst, e)
	case anthropic.MessageStop:
		if g.phase != finished {
			return dst, hold.Truncated("the message ended without a reason")
		}
		g.phase = done
		return append(dst, e.Raw...), nil
	}
	if g.phase != begun {
		return dst, hold.Invalid("a block after the reason to stop")
	}
	return g.block(dst, e)
}

// upstreamError relays the provider's own error, without any call, and ends the stream.
func (g *Gate) upstreamError(dst, raw []byte) []byte {
	for i := range g.next {
		if b := g.open[i]; b != nil && b.text != nil && !b.held {
			dst = b.flush(dst)
		}
	}
	g.stream.Break()
	g.forget()
	return append(dst, raw...)
}

// messageDelta takes the reason to stop, or what else is said of the message as a whole.
func (g *Gate) messageDelta(dst []byte, e sse.Event) ([]byte, error) {
	reason := g.event.Stop
	if reason == "" {
		return append(dst, e.Raw...), nil
	}
	if g.phase == begun {
		var err error
		if dst, err = g.finish(dst, reason); err != nil {
			return dst, err
		}
		g.phase = finished
	}
	if instead, stops := anthropic.Stops(reason); stops && g.stops {
		return sse.AppendEvent(dst, e.Name, g.event.WithStop(instead)), nil
	}
	return append(dst, e.Raw...), nil
}
