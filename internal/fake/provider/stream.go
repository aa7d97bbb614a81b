package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// errEnded is a stream that the script ends here.
var errEnded = errors.New("provider: the script ends the stream")

// streamer writes one stream.
type streamer struct {
	s   *script
	req *request
	w   http.ResponseWriter
	out interface{ Write([]byte) (int, error) }
	r   *http.Request
}

// stream answers by events.
func (s *script) stream(w http.ResponseWriter, r *http.Request, req *request) error {
	w.Header().Set("Content-Type", s.media("text/event-stream"))
	s.headers(w)
	out := s.encoded(w)
	w.WriteHeader(http.StatusOK)
	st := &streamer{s: s, req: req, w: w, out: out, r: r}
	err := st.play()
	if err != nil && !errors.Is(err, errEnded) {
		return err
	}
	if err := out.Close(); err != nil {
		return errGone
	}
	s.trailers(w)
	return nil
}

func (st *streamer) play() error {
	s := st.s
	if err := st.comment(); err != nil {
		return err
	}
	if s.events != nil {
		for _, e := range s.events {
			if err := st.event([]byte(e)); err != nil {
				return err
			}
		}
		return st.done()
	}
	empty := ""
	for i := range st.req.N {
		if err := st.chunk(i, &content{Role: "assistant", Content: &empty}, ""); err != nil {
			return err
		}
	}
	for i := range st.req.N {
		if err := st.text(i); err != nil {
			return err
		}
	}
	if err := st.mishap(); err != nil {
		return err
	}
	for i := range st.req.N {
		if err := st.calls(i); err != nil {
			return err
		}
	}
	return st.finish()
}

// text sends a choice's text, by words or in as many chunks as the script says.
func (st *streamer) text(choice int) error {
	for n, t := range st.s.texts {
		if n > 0 {
			t = " " + t
		}
		size := 0
		if st.s.chunks > 0 {
			size = max(1, (len(t)+st.s.chunks-1)/st.s.chunks)
		}
		for t != "" {
			cut := size
			if size == 0 {
				if cut = 1 + strings.IndexByte(t[1:], ' '); cut == 0 {
					cut = len(t)
				}
			}
			cut = min(cut, len(t))
			for cut < len(t) && !utf8.RuneStart(t[cut]) {
				cut++
			}
			piece := t[:cut]
			if err := st.chunk(choice, &content{Content: &piece}, ""); err != nil {
				return err
			}
			t = t[cut:]
		}
	}
	return nil
}

// mishap is what the script has happen between text and calls.
func (st *streamer) mishap() error {
	switch s := st.s; {
	case s.midError != nil:
		// OpenRouter says an error in mid-stream in a chunk of its own, whose choice finishes with "error".
		reason := "error"
		c := s.base(st.req, "chat.completion.chunk")
		c.Error = s.midError
		empty := ""
		c.Choices = []choice{{Delta: &content{Content: &empty}, FinishReason: &reason, NativeReason: &reason}}
		if err := st.json(c); err != nil {
			return err
		}
		return errEnded
	case s.midReset:
		abort(st.w)
	case s.hangs == "mid":
		<-st.r.Context().Done()
		return errGone
	case s.truncate == "text":
		return errEnded
	}
	return nil
}

// calls sends a choice's calls: the heads first and then the arguments by turns, as parallel calls may come, or one call
// after the other.
func (st *streamer) calls(choice int) error {
	calls := st.s.of(choice)
	rest := make([]string, len(calls))
	for i, c := range calls {
		if err := st.chunk(choice, c.head(choice, i), ""); err != nil {
			return err
		}
		rest[i] = c.args
		for st.s.oneByOne && rest[i] != "" {
			if err := st.piece(choice, i, c, &rest[i]); err != nil {
				return err
			}
		}
	}
	for more := true; more; {
		more = false
		for i, c := range calls {
			if rest[i] == "" {
				continue
			}
			if err := st.piece(choice, i, c, &rest[i]); err != nil {
				return err
			}
			more = more || rest[i] != ""
		}
	}
	return nil
}

// piece sends the next piece of a call's arguments.
func (st *streamer) piece(choice, index int, c call, rest *string) error {
	size := st.s.fragment
	if size <= 0 {
		size = max(1, (len(c.args)+1)/2)
	}
	first := len(*rest) == len(c.args)
	cut := min(size, len(*rest))
	for cut < len(*rest) && !utf8.RuneStart((*rest)[cut]) {
		cut++
	}
	piece := (*rest)[:cut]
	*rest = (*rest)[cut:]
	if err := st.chunk(choice, c.delta(index, piece), ""); err != nil {
		return err
	}
	if first {
		if st.s.truncate == "call" {
			return errEnded
		}
		return pause(st.r.Context(), st.s.hold)
	}
	return nil
}

func (c call) head(choice, index int) *content {
	if c.kind == "legacy" {
		return &content{FunctionCall: &function{Name: c.name}}
	}
	bare := c
	bare.args = ""
	t := bare.wire(choice, index)
	t.Index = &index
	return &content{ToolCalls: []toolCall{t}}
}

func (c call) delta(index int, piece string) *content {
	switch c.kind {
	case "legacy":
		return &content{FunctionCall: &function{Arguments: piece}}
	case "custom":
		return &content{ToolCalls: []toolCall{{Index: &index, Custom: &custom{Input: piece}}}}
	}
	return &content{ToolCalls: []toolCall{{Index: &index, Function: &function{Arguments: piece}}}}
}

// finish ends every choice, says the usage in a chunk that repeats the first choice's finish, and ends the stream.
func (st *streamer) finish() error {
	empty := ""
	for i := range st.req.N {
		if err := st.chunk(i, &content{Content: &empty}, st.s.reason(i)); err != nil {
			return err
		}
	}
	if !st.s.noUsage {
		c := st.s.base(st.req, "chat.completion.chunk")
		reason := st.s.reason(0)
		c.Choices = []choice{{Delta: &content{Role: "assistant", Content: &empty}, FinishReason: &reason, NativeReason: &reason}}
		c.Usage = st.s.usage(st.req)
		if err := st.json(c); err != nil {
			return err
		}
	}
	return st.done()
}

func (st *streamer) done() error {
	if st.s.truncate == "done" {
		return errEnded
	}
	return st.event([]byte("[DONE]"))
}

// chunk sends one delta of one choice.
func (st *streamer) chunk(index int, delta *content, reason string) error {
	c := st.s.base(st.req, "chat.completion.chunk")
	ch := choice{Index: index, Delta: delta}
	if reason != "" {
		ch.FinishReason, ch.NativeReason = &reason, &reason
	}
	c.Choices = []choice{ch}
	return st.json(c)
}

func (st *streamer) json(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.event(data)
}

func (st *streamer) event(data []byte) error {
	if st.s.comments {
		if err := st.comment(); err != nil {
			return err
		}
	}
	if err := st.write(fmt.Appendf(nil, "data: %s\n\n", data)); err != nil {
		return err
	}
	return pause(st.r.Context(), st.s.pace)
}

func (st *streamer) comment() error { return st.write([]byte(": OPENROUTER PROCESSING\n\n")) }

// write sends one event at once.
func (st *streamer) write(b []byte) error {
	if st.s.crlf {
		b = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}
	if _, err := st.out.Write(b); err != nil {
		return errGone
	}
	if f, ok := st.out.(interface{ Flush() error }); ok { // gzip
		if err := f.Flush(); err != nil {
			return errGone
		}
	}
	if err := http.NewResponseController(st.w).Flush(); err != nil || st.r.Context().Err() != nil {
		return errGone
	}
	return nil
}
