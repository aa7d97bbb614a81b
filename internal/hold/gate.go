package hold

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Gate is the gate of one stream; it is for one goroutine. The zero Gate is not usable.
type Gate struct {
	core   *Core
	stream *Stream
	limits strictjson.Limits
	chunk  openaichat.Chunk // the event that is being read
	again  openaichat.Chunk // the held event that is being released
	said   []openaichat.Said

	modelRaw []byte // the model as it stood in the last event that named one
	early    []byte // events before the first that names a model; none has a choice

	choices map[int]*choice
	last    *choice // the choice of the last event
	holding int     // choices with held events
	before  []byte  // of the text that is being filtered

	usage llm.Usage
	done  bool // [DONE] was released; anything after it is an error
}

// New makes the gate of one stream.
func New(c Config) *Gate {
	g := &Gate{core: NewCore(c)}
	g.limits = g.core.Limits()
	g.stream = NewStream(StreamConfig{MaxEvent: g.core.MaxEvent, Take: g.event, End: g.end, Forget: g.forget})
	return g
}

// Write takes the next bytes of the stream and appends to dst what may go on to the client. With an error too, what it
// appended may go on; nothing comes after that.
func (g *Gate) Write(dst, chunk []byte) ([]byte, error) { return g.stream.Write(dst, chunk) }

// Close says that the stream has ended, and appends to dst what that releases. It is an error when the stream cannot
// have been complete: some providers leave [DONE] out, but every choice has to have finished.
func (g *Gate) Close(dst []byte) ([]byte, error) { return g.stream.Close(dst) }

func (g *Gate) end(dst []byte) ([]byte, error) {
	if g.done {
		return dst, nil
	}
	if len(g.choices) == 0 {
		return dst, Truncated("the stream ended before it said anything")
	}
	for _, c := range g.choices {
		if !c.finished {
			return dst, Truncated("the stream ended before its answer did")
		}
	}
	g.done = true
	return dst, nil
}

func (g *Gate) forget() {
	g.choices, g.early = nil, nil
	g.holding, g.last = 0, nil
}

// event takes one event, comment or blank line.
func (g *Gate) event(dst []byte, e sse.Event) ([]byte, error) {
	if g.done {
		if len(bytes.Trim(e.Raw, "\r\n")) == 0 {
			return dst, nil
		}
		return dst, Invalid("the stream goes on after [DONE]")
	}
	if e.Name != "" && e.Name != "message" && e.Name != "error" {
		return dst, Invalid("an event of an unknown name")
	}
	switch {
	case !e.HasData && e.Name != "":
		return dst, Invalid("an event without data")
	case !e.HasData:
		return append(dst, e.Raw...), nil
	case string(bytes.TrimSpace(e.Data)) == "[DONE]":
		return g.finish(dst, e.Raw)
	}
	if err := g.chunk.Parse(e.Data, g.limits); err != nil {
		return dst, &StreamError{Code: CodeInvalid, Reason: "an event that cannot be read", Err: err}
	}
	return g.data(dst, e)
}

// finish takes [DONE].
func (g *Gate) finish(dst, raw []byte) ([]byte, error) {
	if g.holding > 0 {
		return dst, Truncated("the stream ended within a tool call")
	}
	dst, err := g.known(dst, true)
	if err != nil {
		return dst, err
	}
	g.done = true
	return append(dst, raw...), nil
}

// Held tells whether a tool call is being held.
func (g *Gate) Held() bool { return g.holding > 0 }

// Usage is what the stream said last of what it cost.
func (g *Gate) Usage() llm.Usage { return g.usage }

// Model is the model that answered, as the stream names it last; "" while it is not known.
func (g *Gate) Model() string { return g.core.ModelName() }

// UpstreamError tells whether the provider ended the stream by an error of its own, which was relayed.
func (g *Gate) UpstreamError() bool { return g.stream.Broken() }
