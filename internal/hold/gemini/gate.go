package gemini

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/gemini"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Gate is the gate of one stream; it is for one goroutine. The zero Gate is not usable.
type Gate struct {
	core   *hold.Core
	stream *hold.Stream
	answer gemini.Response // the event that is being read

	candidates map[int]*candidate
	order      []*candidate // in which they began
	holding    int          // candidates of which something is held
	early      []byte       // events before the first that names a model; none has a candidate
	blocked    bool         // the prompt was refused: there is no answer
	crlf       bool         // the last event's lines end by CRLF

	usage llm.Usage
}

// New makes the gate of one stream.
func New(c hold.Config) *Gate {
	g := &Gate{core: hold.NewCore(c), candidates: map[int]*candidate{}}
	g.stream = hold.NewStream(hold.StreamConfig{MaxEvent: g.core.MaxEvent, Take: g.event, End: g.end, Forget: g.forget})
	return g
}

// Write takes the next bytes of the stream and appends to dst what may go on to the client. With an error too, what it
// appended may go on; nothing comes after that.
func (g *Gate) Write(dst, chunk []byte) ([]byte, error) { return g.stream.Write(dst, chunk) }

// Close says that the stream has ended, and appends to dst what that releases. It is an error when the stream cannot
// have been complete: every candidate has to have finished, unless the prompt was blocked.
func (g *Gate) Close(dst []byte) ([]byte, error) { return g.stream.Close(dst) }

// Held tells whether a tool call is being held.
func (g *Gate) Held() bool { return g.holding > 0 }

// Usage is what the stream said last of what it cost.
func (g *Gate) Usage() llm.Usage { return g.usage }

// Model is the model that answered, as the stream names it last; "" while it is not known.
func (g *Gate) Model() string { return g.core.ModelName() }

// UpstreamError tells whether the provider ended the stream by an error of its own, which was relayed.
func (g *Gate) UpstreamError() bool { return g.stream.Broken() }

func (g *Gate) end(dst []byte) ([]byte, error) {
	if len(g.order) == 0 && !g.blocked {
		return dst, hold.Truncated("the stream ended before it said anything")
	}
	for _, c := range g.order {
		if !c.finished {
			return dst, hold.Truncated("the stream ended before its answer did")
		}
	}
	return g.known(dst, true)
}

func (g *Gate) forget() {
	g.candidates, g.order, g.early, g.holding = nil, nil, nil, 0
}

// event takes one event, comment or blank line.
func (g *Gate) event(dst []byte, e sse.Event) ([]byte, error) {
	switch {
	case e.Name != "" && e.Name != "message" && e.Name != "error":
		return dst, hold.Invalid("an event of an unknown name")
	case !e.HasData && e.Name != "":
		return dst, hold.Invalid("an event without data")
	case !e.HasData:
		return append(dst, e.Raw...), nil
	}
	g.crlf = bytes.HasSuffix(e.Raw, []byte("\r\n"))
	a := &g.answer
	err := a.ParseEvent(e.Data, g.core.Limits())
	if err != nil {
		return dst, &hold.StreamError{Code: hold.CodeInvalid, Reason: "an event that cannot be read", Err: err}
	}
	if a.Usage.Known {
		g.usage = a.Usage
	}
	if a.Model != "" {
		if err := g.core.Answered(a.Model); err != nil {
			return dst, err
		}
	}
	if a.Error {
		return g.upstreamError(dst, a, e)
	}
	g.blocked = g.blocked || a.Blocked
	if !g.core.Asked() && len(a.Candidates) == 0 {
		if err := g.core.Hold(len(e.Raw)); err != nil {
			return dst, err
		}
		g.early = append(g.early, e.Raw...)
		return dst, nil
	}
	if dst, err = g.known(dst, len(a.Candidates) > 0); err != nil {
		return dst, err
	}
	return g.dealOut(dst, a, e)
}

// known releases the events that waited for the model's name, once it is told or cannot wait any longer.
func (g *Gate) known(dst []byte, must bool) ([]byte, error) {
	if must && !g.core.Asked() {
		if err := g.core.Answered(""); err != nil {
			return dst, err
		}
	}
	if g.core.Asked() && len(g.early) > 0 {
		dst = append(dst, g.early...)
		g.core.Free(len(g.early))
		g.early = nil
	}
	return dst, nil
}

// upstreamError relays the provider's own error and ends the stream. An answer beside it is none: what it says of a call
// was not decided, and what it says besides is not complete.
func (g *Gate) upstreamError(dst []byte, a *gemini.Response, e sse.Event) ([]byte, error) {
	dst, err := g.known(dst, false)
	if err != nil {
		return dst, err
	}
	if len(a.Candidates) > 0 {
		return dst, hold.Invalid("an error beside an answer")
	}
	for _, c := range g.order {
		if !c.finished {
			dst = g.flush(dst, c, a, nil)
		}
	}
	g.stream.Break()
	g.forget()
	return append(dst, e.Raw...), nil
}

// dealOut releases or holds the candidates of one event, in order.
func (g *Gate) dealOut(dst []byte, a *gemini.Response, e sse.Event) ([]byte, error) {
	whole := true // nothing is held or split
	for k := range a.Candidates {
		c, err := g.candidate(a.Candidates[k].Index)
		if err != nil {
			return dst, err
		}
		if err := g.admits(c, &a.Candidates[k]); err != nil {
			return dst, err
		}
		if len(c.held) > 0 || len(a.Candidates[k].Calls) > 0 {
			whole = false
		}
	}
	if !whole && len(a.Candidates) > 1 {
		for k := range a.Candidates {
			one, err := parse(a.Only(k))
			if err != nil {
				return dst, err
			}
			if dst, err = g.deal(dst, one, sse.Event{Name: e.Name}); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	if whole {
		return g.pass(dst, a, e)
	}
	return g.deal(dst, a, e)
}

// pass releases an event without calls, whose texts are filtered.
func (g *Gate) pass(dst []byte, a *gemini.Response, e sse.Event) ([]byte, error) {
	doc := a.Doc
	for k := range a.Candidates {
		is := &a.Candidates[k]
		c := g.candidates[is.Index]
		dst = g.flush(dst, c, a, is)
		if g.core.LooksAtTexts() {
			var err error
			if doc, err = revise(a, doc, k, c); err != nil {
				return dst, err
			}
		}
		c.saw(is)
		if is.Reason != "" && !c.finished {
			if err := c.texts.Finish(is.Reason, nil); err != nil {
				return dst, err
			}
			c.finished = true
		}
	}
	return g.append(dst, a, e, doc), nil
}

// parse reads a piece of an event that was read, or all of it again: with what was written into it, it may be larger than the
// limit.
func parse(doc []byte) (*gemini.Response, error) {
	a := &gemini.Response{}
	if err := a.ParseEvent(doc, strictjson.Limits{}); err != nil { // cannot be
		return nil, &hold.StreamError{Code: hold.CodeInvalid, Reason: "a piece of an event that cannot be read", Err: err}
	}
	return a, nil
}

// revise filters the texts of the k-th candidate in a document that may have changed since it was read.
func revise(a *gemini.Response, doc []byte, k int, c *candidate) ([]byte, error) {
	if !bytes.Equal(doc, a.Doc) { // by the candidate before
		var err error
		if a, err = parse(doc); err != nil {
			return nil, err
		}
	}
	return a.Revise(k, gemini.Revision{Text: c.text, Redact: c.changed})
}

// append appends a document as an event: as it came when it is the one that came.
func (g *Gate) append(dst []byte, a *gemini.Response, e sse.Event, doc []byte) []byte {
	if len(e.Raw) > 0 && (len(doc) == len(a.Doc) && bytes.Equal(doc, a.Doc)) {
		return append(dst, e.Raw...)
	}
	return gemini.AppendEvent(dst, e.Name, doc, g.crlf)
}
