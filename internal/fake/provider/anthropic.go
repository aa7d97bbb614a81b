package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// The wire's types of Anthropic's Messages, in the order in which the API writes them.
type (
	messageAnswer struct {
		ID           string        `json:"id"`
		Type         string        `json:"type"`
		Role         string        `json:"role"`
		Model        string        `json:"model"`
		Content      []any         `json:"content"`
		StopReason   *string       `json:"stop_reason"`
		StopSequence *string       `json:"stop_sequence"`
		Usage        *messageUsage `json:"usage,omitempty"`
	}
	messageUsage struct {
		Input      int `json:"input_tokens"`
		CacheWrite int `json:"cache_creation_input_tokens"`
		CacheRead  int `json:"cache_read_input_tokens"`
		Output     int `json:"output_tokens"`
	}
	textBlock struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	thinkingBlock struct {
		Type      string `json:"type"`
		Thinking  string `json:"thinking"`
		Signature string `json:"signature"`
	}
	toolUseBlock struct {
		Type  string          `json:"type"`
		ID    string          `json:"id"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	}
	messageError struct {
		Type      string           `json:"type"`
		Error     messageErrorBody `json:"error"`
		RequestID string           `json:"request_id,omitempty"`
	}
	messageErrorBody struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
)

// signature is what the provider signs its thoughts with.
const signature = "RmFrZVNpZ25hdHVyZQ=="

// failureOf is an error as Anthropic says it.
func failureOf(status int, message string) any {
	kind, known := map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
		413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error",
	}[status]
	if !known {
		kind = "api_error"
	}
	return messageError{Type: "error", Error: messageErrorBody{Type: kind, Message: message}, RequestID: "req_fake"}
}

// readMessages reads a request to the Messages API as one of a chat: what a tool answered is a message of its own.
func readMessages(body []byte) (*request, error) {
	var in struct {
		Model    string
		Stream   bool
		System   json.RawMessage
		Messages []message
		Tools    []struct{ Type, Name string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("the body is no message request: %w", err)
	}
	if in.Model == "" || len(in.Messages) == 0 {
		return nil, fmt.Errorf("model: and messages: field required")
	}
	r := &request{Model: in.Model, Stream: in.Stream, N: 1, raw: body}
	if in.System != nil {
		r.Messages = append(r.Messages, message{Role: "system", Content: in.System})
	}
	for _, m := range in.Messages {
		r.Messages = append(r.Messages, m.apart()...)
	}
	for _, t := range in.Tools {
		named := tool{Type: t.Type}
		named.Function.Name = t.Name
		r.Tools = append(r.Tools, named)
	}
	return r, nil
}

// apart takes the results out of a message.
func (m message) apart() []message {
	var blocks []json.RawMessage
	if json.Unmarshal(m.Content, &blocks) != nil {
		return []message{m}
	}
	var out []message
	var rest []json.RawMessage
	for _, raw := range blocks {
		var b struct {
			Type    string
			Content json.RawMessage
		}
		if json.Unmarshal(raw, &b) == nil && b.Type == "tool_result" {
			out = append(out, message{Role: "tool", Content: b.Content})
			continue
		}
		rest = append(rest, raw)
	}
	if len(rest) > 0 || len(out) == 0 {
		content, err := json.Marshal(rest)
		if err == nil {
			out = append(out, message{Role: m.Role, Content: content})
		}
	}
	return out
}

// messages plays the script of one request.
func (s *Server) messages(w http.ResponseWriter, r *http.Request, body []byte) error {
	req, err := readMessages(body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, failureOf(http.StatusBadRequest, err.Error()))
		return nil
	}
	script := req.script()
	if err := pause(r.Context(), script.slow); err != nil {
		return err
	}
	if handled, err := script.misbehave(w, r, failureOf); handled {
		return err
	}
	if req.Stream && script.rawBody == "" {
		return script.send(w, r, req, (*streamer).playMessage)
	}
	return script.wholeMessage(w, req)
}

func countTokens(w http.ResponseWriter, body []byte) error {
	req, err := readMessages(body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, failureOf(http.StatusBadRequest, err.Error()))
		return nil
	}
	writeJSON(w, http.StatusOK, map[string]int{"input_tokens": len(req.raw) / 4})
	return nil
}

func messageModels(models []string) any {
	list := []map[string]any{}
	for _, m := range models {
		list = append(list, map[string]any{"type": "model", "id": m, "display_name": m, "created_at": "2025-01-01T00:00:00Z"})
	}
	return map[string]any{"data": list, "has_more": false}
}

func (s *script) message(req *request) messageAnswer {
	base := s.base(req, "")
	return messageAnswer{ID: "msg_" + req.id(), Type: "message", Role: "assistant", Model: base.Model, Content: []any{}}
}

func (s *script) messageUsage(req *request) *messageUsage {
	if s.noUsage {
		return nil
	}
	u := s.usage(req)
	return &messageUsage{Input: u.Prompt, Output: u.Completion}
}

// stopReason is why the turn ends, in the API's words.
func (s *script) stopReason() *string {
	reason := s.reason(0)
	if word, ok := map[string]string{
		"stop": "end_turn", "tool_calls": "tool_use", "function_call": "tool_use", "length": "max_tokens",
	}[reason]; ok {
		reason = word
	}
	return &reason
}

// toolUse is a call as it stands in a whole answer.
func (c call) toolUse(index int) toolUseBlock {
	return toolUseBlock{Type: "tool_use", ID: fmt.Sprintf("toolu_%d", index), Name: c.name, Input: c.input()}
}

// input is what a call says: an object, or whatever the script has in its place.
func (c call) input() json.RawMessage {
	if c.kind != "custom" && json.Valid([]byte(c.args)) {
		return json.RawMessage(c.args)
	}
	text, err := json.Marshal(c.args)
	if err != nil || c.kind != "custom" {
		return text
	}
	return json.RawMessage(`{"input":` + string(text) + `}`)
}

// wholeMessage answers at once.
func (s *script) wholeMessage(w http.ResponseWriter, req *request) error {
	m := s.message(req)
	for _, t := range s.thinks {
		m.Content = append(m.Content, thinkingBlock{Type: "thinking", Thinking: t, Signature: signature})
	}
	if text := strings.Join(s.texts, " "); text != "" {
		m.Content = append(m.Content, textBlock{Type: "text", Text: text})
	}
	for n, call := range s.of(0) {
		m.Content = append(m.Content, call.toolUse(n))
	}
	m.StopReason, m.Usage = s.stopReason(), s.messageUsage(req)
	var answer any = m
	if s.midError != nil {
		answer = failureOf(s.midError.Code, s.midError.Message)
	}
	return s.sendWhole(w, answer)
}
