package bedrock

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/awsevent"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/bedrock"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Gate is the gate of one stream; it is for one goroutine. The zero Gate is not usable.
type Gate struct {
	core   *hold.Core
	frames *awsevent.Reader
	limits strictjson.Limits
	event  bedrock.Event // that is being read
	again  bedrock.Event // that is being released

	open    map[int]*block // blocks that have begun and not ended
	next    int            // the least index of the next block
	queue   []piece        // held
	calls   []*call        // held; nil when none was made
	texts   *hold.Texts
	server  bool // the provider called a tool of its own
	changed bool // the client does not see all as the provider said it

	phase  phase
	usage  llm.Usage
	broken bool // the provider's own error was relayed
	err    error
}

// phase is how far the message has come.
type phase byte

const (
	before   phase = iota
	begun          // there may be blocks
	finished       // it has its reason to stop
	done           // and its account
)

// New makes the gate of one stream.
func New(c hold.Config) *Gate {
	g := &Gate{core: hold.NewCore(c), open: map[int]*block{}}
	g.limits, g.texts = g.core.Limits(), g.core.Texts(0)
	g.frames = awsevent.NewReader(g.core.MaxEvent)
	return g
}

// Write takes the next bytes of the stream and appends to dst what may go on to the client. With an error too, what it
// appended may go on; nothing comes after that.
func (g *Gate) Write(dst, chunk []byte) ([]byte, error) {
	if g.err != nil || g.broken {
		return dst, g.err
	}
	g.frames.Feed(chunk)
	for !g.broken {
		m, ok, err := g.frames.Next()
		if err != nil {
			return dst, g.fail(unreadable(err))
		}
		if !ok {
			break
		}
		if dst, err = g.take(dst, m); err != nil {
			return dst, g.fail(err)
		}
	}
	return dst, nil
}

// Close says that the stream has ended, and appends to dst what that releases. It is an error when the message has not.
func (g *Gate) Close(dst []byte) ([]byte, error) {
	if g.err != nil || g.broken {
		return dst, g.err
	}
	if err := g.frames.Close(); err != nil {
		return dst, g.fail(unreadable(err))
	}
	switch g.phase {
	case before:
		return dst, g.fail(hold.Truncated("the stream ended before it said anything"))
	case begun:
		return dst, g.fail(hold.Truncated("the stream ended before its message did"))
	}
	g.phase = done
	return dst, nil
}

// Held tells whether a tool call is being held.
func (g *Gate) Held() bool { return len(g.queue) > 0 }

// Usage is what the stream said of what it cost.
func (g *Gate) Usage() llm.Usage { return g.usage }

// Model is the model that answered, where a router says so; "" else.
func (g *Gate) Model() string { return g.core.ModelName() }

// UpstreamError tells whether the provider ended the stream by an error of its own, which was relayed.
func (g *Gate) UpstreamError() bool { return g.broken }

func (g *Gate) fail(err error) error {
	g.err = err
	g.forget()
	return err
}

func (g *Gate) forget() { g.open, g.queue, g.calls = nil, nil, nil }

// unreadable is a StreamError for what the reader of messages says.
func unreadable(err error) error {
	switch {
	case errors.Is(err, awsevent.ErrTruncated):
		return &hold.StreamError{Code: hold.CodeTruncated, Reason: "the stream ended within an event", Err: hold.ErrTruncated}
	case errors.Is(err, awsevent.ErrTooLarge):
		return &hold.StreamError{Code: hold.CodeTooLarge, Reason: "the stream cannot be read", Err: err}
	}
	return &hold.StreamError{Code: hold.CodeInvalid, Reason: "the stream cannot be read", Err: err}
}

// take takes one message.
func (g *Gate) take(dst []byte, m awsevent.Message) ([]byte, error) {
	if g.phase == done {
		return dst, hold.Invalid("the stream goes on after its message has ended")
	}
	switch string(m.Text(bedrock.MessageType)) {
	case bedrock.IsException, bedrock.IsError:
		return g.upstreamError(dst, m.Raw), nil
	case bedrock.IsEvent:
	default:
		return dst, hold.Invalid("a message of an unknown type")
	}
	if string(m.Text(bedrock.ContentType)) != bedrock.JSON {
		return dst, hold.Invalid("an event that is no JSON")
	}
	ev := &g.event
	if err := ev.Parse(m.Text(bedrock.EventType), m.Payload, g.limits); err != nil {
		return dst, &hold.StreamError{Code: hold.CodeInvalid, Reason: "an event that cannot be read", Err: err}
	}
	switch {
	case g.phase == before && ev.Type == bedrock.MessageStart:
		g.phase = begun
		if err := g.core.Answered(""); err != nil {
			return dst, err
		}
		return append(dst, m.Raw...), nil
	case g.phase == before:
		return dst, hold.Invalid("an event before its message")
	case ev.Type == bedrock.MessageStart:
		return dst, hold.Invalid("a message within a message")
	case g.phase == begun && ev.Type == bedrock.MessageStop:
		return g.stop(dst, m)
	case g.phase == finished && ev.Type == bedrock.Metadata:
		return g.account(dst, m)
	case g.phase == begun && ev.Type != bedrock.Metadata:
		return g.block(dst, m)
	}
	return dst, hold.Invalid("an event that has no place there")
}

// upstreamError relays the provider's own error, without any call, and ends the stream.
func (g *Gate) upstreamError(dst, raw []byte) []byte {
	for i := range g.next {
		if b := g.open[i]; b != nil && !b.held {
			dst = b.flush(dst)
		}
	}
	g.broken = true
	g.forget()
	return append(dst, raw...)
}

// stop takes the reason to stop: the calls are decided, and what was held goes out before it.
func (g *Gate) stop(dst []byte, m awsevent.Message) ([]byte, error) {
	reason := g.event.Stop
	dst, shown, err := g.finish(dst, reason)
	if err != nil {
		return dst, err
	}
	g.phase = finished
	if shown == reason {
		shown = ""
	}
	if shown == "" && !(g.changed && g.event.Repeats()) {
		return append(dst, m.Raw...), nil
	}
	return awsevent.AppendWith(dst, m.Headers, g.event.WithStop(shown, g.changed)), nil
}

// account takes what comes behind the message: what it cost, and how it came about.
func (g *Gate) account(dst []byte, m awsevent.Message) ([]byte, error) {
	ev := &g.event
	if ev.Usage.Known {
		g.usage = ev.Usage
	}
	g.phase = done
	if ev.Model != "" {
		if err := g.core.Answered(ev.Model); err != nil {
			return dst, err
		}
	}
	if g.changed && ev.Repeats() {
		return awsevent.AppendWith(dst, m.Headers, ev.WithStop("", true)), nil
	}
	return append(dst, m.Raw...), nil
}
