package provider

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// The wire's types, in the order in which OpenRouter writes them.
type (
	apiError struct {
		Error  errorBody `json:"error"`
		UserID string    `json:"user_id,omitempty"`
	}
	errorBody struct {
		Message  string         `json:"message"`
		Code     int            `json:"code"`
		Metadata map[string]any `json:"metadata,omitempty"`
	}
	completion struct {
		ID       string     `json:"id"`
		Provider string     `json:"provider"`
		Model    string     `json:"model"`
		Object   string     `json:"object"`
		Created  int        `json:"created"`
		Choices  []choice   `json:"choices"`
		System   any        `json:"system_fingerprint,omitzero"`
		Usage    *usage     `json:"usage,omitempty"`
		Error    *errorBody `json:"error,omitempty"`
	}
	choice struct {
		Index        int      `json:"index"`
		Message      *content `json:"message,omitempty"`
		Delta        *content `json:"delta,omitempty"`
		Logprobs     *int     `json:"logprobs"`
		FinishReason *string  `json:"finish_reason"`
		NativeReason *string  `json:"native_finish_reason"`
	}
	content struct {
		Role         string     `json:"role,omitempty"`
		Content      *string    `json:"content,omitempty"`
		Refusal      *string    `json:"refusal,omitempty"`
		FunctionCall *function  `json:"function_call,omitempty"`
		ToolCalls    []toolCall `json:"tool_calls,omitempty"`
	}
	toolCall struct {
		Index    *int      `json:"index,omitempty"`
		ID       string    `json:"id,omitempty"`
		Type     string    `json:"type,omitempty"`
		Function *function `json:"function,omitempty"`
		Custom   *custom   `json:"custom,omitempty"`
	}
	function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	}
	custom struct {
		Name  string `json:"name,omitempty"`
		Input string `json:"input"`
	}
	usage struct {
		Prompt     int            `json:"prompt_tokens"`
		Completion int            `json:"completion_tokens"`
		Total      int            `json:"total_tokens"`
		Cost       float64        `json:"cost"`
		InDetails  map[string]int `json:"prompt_tokens_details"`
		OutDetails map[string]int `json:"completion_tokens_details"`
	}
)

// of returns the calls of one choice.
func (s *script) of(choice int) []call {
	var out []call
	for _, c := range s.calls {
		if c.choice < 0 || c.choice == choice {
			out = append(out, c)
		}
	}
	return out
}

// reason is a choice's finish_reason.
func (s *script) reason(choice int) string {
	calls := s.of(choice)
	switch {
	case s.finish != "":
		return s.finish
	case len(calls) > 0 && calls[0].kind == "legacy":
		return "function_call"
	case len(calls) > 0:
		return "tool_calls"
	}
	return "stop"
}

func (s *script) base(req *request, object string) completion {
	model := req.Model
	if s.model != "" {
		model = s.model
	}
	return completion{ID: "gen-1700000000-" + req.id(), Provider: "Fake", Model: model, Object: object, Created: 1700000000}
}

func (s *script) usage(req *request) *usage {
	out := len(strings.Join(s.texts, " ")) / 4
	for _, c := range s.calls {
		out += (len(c.name) + len(c.args)) / 4
	}
	in := len(req.raw) / 4
	return &usage{
		Prompt: in, Completion: out, Total: in + out, Cost: float64(in+4*out) / 4e6,
		InDetails: map[string]int{"cached_tokens": 0}, OutDetails: map[string]int{"reasoning_tokens": 0},
	}
}

// wire is a call as it stands in a whole answer.
func (c call) wire(choice, index int) toolCall {
	t := toolCall{ID: fmt.Sprintf("call_%d_%d", choice, index), Type: c.kind}
	if c.kind == "custom" {
		t.Custom = &custom{Name: c.name, Input: c.args}
	} else {
		t.Function = &function{Name: c.name, Arguments: c.args}
	}
	return t
}

// whole answers at once.
func (s *script) whole(w http.ResponseWriter, req *request) error {
	c := s.base(req, "chat.completion")
	c.System = json.RawMessage("null") // a whole answer always has it
	for i := range req.N {
		m := &content{Role: "assistant"}
		if text := strings.Join(s.texts, " "); text != "" {
			m.Content = &text
		}
		for n, call := range s.of(i) {
			if call.kind == "legacy" {
				m.FunctionCall = &function{Name: call.name, Arguments: call.args}
			} else {
				m.ToolCalls = append(m.ToolCalls, call.wire(i, n))
			}
		}
		reason := s.reason(i)
		c.Choices = append(c.Choices, choice{Index: i, Message: m, FinishReason: &reason, NativeReason: &reason})
	}
	if !s.noUsage {
		c.Usage = s.usage(req)
	}
	c.Error = s.midError
	return s.sendWhole(w, c)
}

// sendWhole sends an answer, or the body that the script has in its place.
func (s *script) sendWhole(w http.ResponseWriter, answer any) error {
	body := []byte(s.rawBody)
	if s.rawBody == "" {
		var err error
		if body, err = json.Marshal(answer); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", s.media("application/json"))
	s.headers(w)
	out := s.encoded(w)
	w.WriteHeader(http.StatusOK)
	if s.midReset {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush() // so that half of it arrives
		abort(w)
	}
	if _, err := out.Write(body); err != nil {
		return errGone
	}
	if err := out.Close(); err != nil {
		return errGone
	}
	s.trailers(w)
	return nil
}

func (s *script) media(fallback string) string {
	if s.mediaType != "" {
		return s.mediaType
	}
	return fallback
}

// headers are what providers send besides; none of it is for us.
func (s *script) headers(w http.ResponseWriter) {
	w.Header().Set("X-Generation-Id", "gen-1700000000-fake")
	w.Header().Set("Cache-Control", "no-cache")
	if s.trailer {
		w.Header().Set("Trailer", "X-Fake-Trailer")
	}
}

func (s *script) trailers(w http.ResponseWriter) {
	if s.trailer {
		w.Header().Set("X-Fake-Trailer", "1")
	}
}

// encoded is where the body goes: compressed when the script says so, whatever the request asked for.
func (s *script) encoded(w http.ResponseWriter) io.WriteCloser {
	if !s.gzip {
		return plain{w}
	}
	w.Header().Set("Content-Encoding", "gzip")
	return gzip.NewWriter(w)
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// chatError is an error as OpenRouter says it.
func chatError(status int, message string) any {
	return apiError{Error: errorBody{
		Message: message, Code: status, Metadata: map[string]any{"provider_name": "Fake", "raw": "the fake provider was told to"},
	}, UserID: "user_fake"}
}

// misbehave does what replaces an answer, with errors in the form of an API; false is: go on and answer.
func (s *script) misbehave(w http.ResponseWriter, r *http.Request, failure func(status int, message string) any) (bool, error) {
	switch {
	case s.reset:
		abort(w)
	case s.hangs == "before":
		<-r.Context().Done()
		return true, errGone
	case s.redirect != "":
		http.Redirect(w, r, s.redirect, http.StatusFound)
	case s.empty:
		w.WriteHeader(s.status)
	case s.status != 0:
		if s.retry != "" {
			w.Header().Set("Retry-After", s.retry)
			w.Header().Set("X-RateLimit-Reset", "1700000060000")
		}
		message := s.statusMsg
		if message == "" {
			message = "Provider returned error"
		}
		writeJSON(w, s.status, failure(s.status, message))
	default:
		return false, nil
	}
	return true, nil
}

// abort resets the connection: the other side sees no end but an error.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not an end
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}
