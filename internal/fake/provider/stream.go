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
	return s.send(w, r, req, (*streamer).play)
}

// send plays a stream.
func (s *script) send(w http.ResponseWriter, r *http.Request, req *request, play func(*streamer) error) error {
	w.Header().Set("Content-Type", s.media("text/event-stream"))
	s.headers(w)
	out := s.encoded(w)
	w.WriteHeader(http.StatusOK)
	st := &streamer{s: s, req: req, w: w, out: out, r: r}
	err := play(st)
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
	for _, piece := range st.s.said() {
		if err := st.chunk(choice, &content{Content: &piece}, ""); err != nil {
			return err
		}
	}
	return nil
}

// said is the text in the pieces in which it is sent.
func (s *script) said() []string {
	var out []string
	for n, t := range s.texts {
		if n > 0 {
			t = " " + t
		}
		size := 0
		if s.chunks > 0 {
			size = max(1, (len(t)+s.chunks-1)/s.chunks)
		}
		for t != "" {
			end := size
			if size == 0 {
				if end = 1 + strings.IndexByte(t[1:], ' '); end == 0 {
					end = len(t)
				}
			}
			var piece string
			piece, t = cut(t, end)
			out = append(out, piece)
		}
	}
	return out
}

// cut cuts a piece off, never within a letter.
func cut(text string, size int) (piece, rest string) {
	size = min(size, len(text))
	for size < len(text) && !utf8.RuneStart(text[size]) {
		size++
	}
	return text[:size], text[size:]
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
	first := len(*rest) == len(c.args)
	var piece string
	piece, *rest = cut(*rest, st.s.fragmentOf(c.args))
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

// fragmentOf is how long the pieces of arguments are.
func (s *script) fragmentOf(arguments string) int {
	if s.fragment > 0 {
		return s.fragment
	}
	return max(1, (len(arguments)+1)/2)
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
