package hold

import (
	"bytes"
	"errors"
	"hash/maphash"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Config says how much a Gate may hold and who decides. A zero limit takes its default.
type Config struct {
	MaxHeld  int // bytes of held events and of the calls' arguments (default 16 MiB)
	MaxEvent int // bytes of one event (default 1 MiB)
	MaxCalls int // calls of one stream (default 128)
	MaxText  int // bytes of the texts that are kept for Finish (default 4 MiB); one that is over it is not kept
	Choices  int // how many choices were asked for (default 1)

	// Decide decides all calls of one choice, in order; none of them is Malformed. When it fails, none is released and
	// the Gate fails with its error. A Gate without it denies.
	Decide func(calls []llm.ToolCall) ([]llm.Verdict, error)

	// Model is told which model answers, before any choice is released; "" when the stream does not say. It is told
	// again if the stream later names another. When it fails, the Gate fails with its error.
	Model func(name string) error

	// Text makes the filter of each text of a choice: of its content, of what the model thinks, of a refusal. What a filter
	// holds back comes out when another text follows, and before the choice finishes. A Gate without it changes no text.
	Text func(choice int) TextFilter

	// Finish is told of each choice when it has finished: after its calls are decided, before any of them is released and
	// before its finish_reason. When it fails, neither is, and the Gate fails with its error.
	Finish func(turn llm.Turn) error

	// Refuse is told of each call that is Malformed and gives the text that stands in its place. Without it there is a
	// text that names the tool and the reason.
	Refuse func(call llm.ToolCall) string
}

const (
	defaultHeld  = 16 << 20 // a fragment of a few letters comes in an event of some 300 bytes
	defaultEvent = 1 << 20
	defaultCalls = 128
	defaultText  = 4 << 20
)

// Gate is the gate of one stream; it is for one goroutine. The zero Gate is not usable.
type Gate struct {
	cfg    Config
	events *sse.Reader
	limits strictjson.Limits
	chunk  openaichat.Chunk // the event that is being read
	again  openaichat.Chunk // the held event that is being released
	said   []openaichat.Said

	modelRaw []byte // the model as it stood in the last event that named one
	model    string
	asked    bool   // Model was told something
	early    []byte // events before the first that names a model; none has a choice

	choices map[int]*choice
	last    *choice         // the choice of the last event
	ids     map[uint64]bool // hashes of the calls' ids, which may be long
	seed    maphash.Seed
	calls   int // so far
	held    int // bytes
	holding int // choices with held events

	before, after []byte // of the text that is being filtered
	kept          int    // bytes of texts

	usage llm.Usage
	phase phase
	err   error
}

// phase is how far the stream has come.
type phase byte

const (
	open   phase = iota
	done         // [DONE] was released; anything after it is an error
	broken       // the provider's own error was released; anything after it is dropped
)

// New makes the gate of one stream.
func New(c Config) *Gate {
	if c.MaxHeld <= 0 {
		c.MaxHeld = defaultHeld
	}
	if c.MaxEvent <= 0 {
		c.MaxEvent = defaultEvent
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = defaultCalls
	}
	if c.MaxText <= 0 {
		c.MaxText = defaultText
	}
	if c.Choices <= 0 {
		c.Choices = 1
	}
	return &Gate{
		cfg: c, events: sse.NewReader(c.MaxEvent), limits: strictjson.Limits{MaxBytes: c.MaxEvent}, seed: maphash.MakeSeed(),
	}
}

// Write takes the next bytes of the stream and appends to dst what may go on to the client. With an error too, what it
// appended may go on; nothing comes after that.
func (g *Gate) Write(dst, chunk []byte) ([]byte, error) {
	if g.err != nil || g.phase == broken {
		return dst, g.err
	}
	g.events.Feed(chunk)
	return g.drain(dst)
}

func (g *Gate) drain(dst []byte) ([]byte, error) {
	for g.phase != broken {
		e, ok, err := g.events.Next()
		if err != nil {
			return dst, g.fail(broke(err))
		}
		if !ok {
			break
		}
		if dst, err = g.event(dst, e); err != nil {
			return dst, g.fail(err)
		}
	}
	return dst, nil
}

// Close says that the stream has ended, and appends to dst what that releases. It is an error when the stream cannot
// have been complete: some providers leave [DONE] out, but every choice has to have finished.
func (g *Gate) Close(dst []byte) ([]byte, error) {
	if g.err != nil || g.phase == broken {
		return dst, g.err
	}
	if err := g.events.Close(); err != nil {
		return dst, g.fail(broke(err))
	}
	dst, err := g.drain(dst)
	if err != nil || g.phase != open {
		return dst, err
	}
	if len(g.choices) == 0 {
		return dst, g.fail(truncated("the stream ended before it said anything"))
	}
	for _, c := range g.choices {
		if !c.finished {
			return dst, g.fail(truncated("the stream ended before its answer did"))
		}
	}
	g.phase = done
	return dst, nil
}

func (g *Gate) fail(err error) error {
	g.err = err
	g.choices, g.early = nil, nil
	g.held, g.holding, g.last = 0, 0, nil
	return err
}

// broke is a StreamError for what the reader of events says.
func broke(err error) error {
	out := &StreamError{Code: CodeInvalid, Reason: "the stream cannot be read", Err: err}
	switch {
	case errors.Is(err, sse.ErrTruncated):
		out = &StreamError{Code: CodeTruncated, Reason: "the stream ended within an event", Err: ErrTruncated}
	case errors.Is(err, sse.ErrTooLarge):
		out.Code = CodeTooLarge
	}
	return out
}

// event takes one event, comment or blank line.
func (g *Gate) event(dst []byte, e sse.Event) ([]byte, error) {
	if g.phase == done {
		if len(bytes.Trim(e.Raw, "\r\n")) == 0 {
			return dst, nil
		}
		return dst, invalid("the stream goes on after [DONE]")
	}
	if e.Name != "" && e.Name != "message" && e.Name != "error" {
		return dst, invalid("an event of an unknown name")
	}
	switch {
	case !e.HasData && e.Name != "":
		return dst, invalid("an event without data")
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
		return dst, truncated("the stream ended within a tool call")
	}
	dst, err := g.known(dst, true)
	if err != nil {
		return dst, err
	}
	g.phase = done
	return append(dst, raw...), nil
}

// Held tells whether a tool call is being held.
func (g *Gate) Held() bool { return g.holding > 0 }

// Usage is what the stream said last of what it cost.
func (g *Gate) Usage() llm.Usage { return g.usage }

// Model is the model that answered, as the stream names it last; "" while it is not known.
func (g *Gate) Model() string { return g.model }

// UpstreamError tells whether the provider ended the stream by an error of its own, which was relayed.
func (g *Gate) UpstreamError() bool { return g.phase == broken }
