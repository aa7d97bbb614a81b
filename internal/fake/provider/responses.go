package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The wire's types of OpenAI's Responses, in the order in which the API writes them.
type (
	responseAnswer struct {
		ID         string            `json:"id"`
		Object     string            `json:"object"`
		CreatedAt  int               `json:"created_at"`
		Status     string            `json:"status"`
		Error      *responseError    `json:"error"`
		Incomplete map[string]string `json:"incomplete_details"`
		Model      string            `json:"model"`
		Output     []any             `json:"output"`
		Parallel   bool              `json:"parallel_tool_calls"`
		Store      bool              `json:"store"`
		Usage      *responseUsage    `json:"usage"`
		responseSettings
	}
	// responseSettings are those of the request, or what the API takes in their place: an answer repeats them.
	responseSettings struct {
		Background       json.RawMessage `json:"background"`
		CompletedAt      json.RawMessage `json:"completed_at"`
		FrequencyPenalty json.RawMessage `json:"frequency_penalty"`
		Instructions     json.RawMessage `json:"instructions"`
		MaxOutputTokens  json.RawMessage `json:"max_output_tokens"`
		MaxToolCalls     json.RawMessage `json:"max_tool_calls"`
		Metadata         json.RawMessage `json:"metadata"`
		PresencePenalty  json.RawMessage `json:"presence_penalty"`
		PreviousResponse json.RawMessage `json:"previous_response_id"`
		PromptCacheKey   json.RawMessage `json:"prompt_cache_key"`
		Reasoning        json.RawMessage `json:"reasoning"`
		SafetyIdentifier json.RawMessage `json:"safety_identifier"`
		ServiceTier      json.RawMessage `json:"service_tier"`
		Temperature      json.RawMessage `json:"temperature"`
		Text             json.RawMessage `json:"text"`
		ToolChoice       json.RawMessage `json:"tool_choice"`
		Tools            json.RawMessage `json:"tools"`
		TopLogprobs      json.RawMessage `json:"top_logprobs"`
		TopP             json.RawMessage `json:"top_p"`
		Truncation       json.RawMessage `json:"truncation"`
		User             json.RawMessage `json:"user"`
	}
	responseError struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	responseUsage struct {
		Input      int            `json:"input_tokens"`
		InDetails  map[string]int `json:"input_tokens_details"`
		Output     int            `json:"output_tokens"`
		OutDetails map[string]int `json:"output_tokens_details"`
		Total      int            `json:"total_tokens"`
	}
	responseMessage struct {
		ID      string         `json:"id"`
		Type    string         `json:"type"`
		Status  string         `json:"status"`
		Content []responseText `json:"content"`
		Role    string         `json:"role"`
	}
	responseText struct {
		Type        string `json:"type"`
		Annotations []any  `json:"annotations"`
		Logprobs    []any  `json:"logprobs"`
		Text        string `json:"text"`
	}
	responseThought struct {
		ID        string        `json:"id"`
		Type      string        `json:"type"`
		Encrypted string        `json:"encrypted_content,omitempty"`
		Summary   []summaryText `json:"summary"`
	}
	summaryText struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	// responseCall is a call of any kind: the member with its arguments goes by its type.
	responseCall struct {
		ID        string          `json:"id"`
		Type      string          `json:"type"`
		Status    string          `json:"status"`
		Arguments *string         `json:"arguments,omitempty"`
		Input     *string         `json:"input,omitempty"`
		Action    json.RawMessage `json:"action,omitempty"`
		Operation json.RawMessage `json:"operation,omitempty"`
		CallID    string          `json:"call_id"`
		Name      string          `json:"name,omitempty"`
	}
)

// unset is what the API takes for a setting that a request has not.
const unset = `{"background":false,"completed_at":null,"frequency_penalty":0,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,
"metadata":{},"presence_penalty":0,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},
"safety_identifier":null,"service_tier":"default","temperature":1,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],
"top_logprobs":0,"top_p":1,"truncation":"disabled","user":null}`

func settings(body []byte) (s responseSettings) {
	for _, doc := range []string{unset, string(body)} {
		_ = json.Unmarshal([]byte(doc), &s) // both have been read as JSON before
	}
	return s
}

// responseFailure is an error as OpenAI says it.
func responseFailure(status int, message string) any {
	kind, known := map[int]string{400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_exceeded"}[status]
	if !known {
		kind = "server_error"
	}
	return map[string]any{"error": map[string]any{"message": message, "type": kind, "param": nil, "code": kind}}
}

// readResponses reads a request for a response as one of a chat: each item is a message of its own.
func readResponses(body []byte) (*request, error) {
	var in struct {
		Model        string
		Stream       bool
		Instructions json.RawMessage
		Input        json.RawMessage
		Tools        []struct{ Type, Name string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("the body is no request for a response: %w", err)
	}
	if in.Model == "" {
		return nil, errors.New("missing required parameter: 'model'")
	}
	r := &request{Model: in.Model, Stream: in.Stream, N: 1, raw: body}
	if in.Instructions != nil {
		r.Messages = append(r.Messages, message{Role: "system", Content: in.Instructions})
	}
	var items []json.RawMessage
	if json.Unmarshal(in.Input, &items) != nil {
		r.Messages = append(r.Messages, message{Role: "user", Content: in.Input})
	}
	for _, raw := range items {
		r.Messages = append(r.Messages, itemMessage(raw))
	}
	for _, t := range in.Tools {
		named := tool{Type: t.Type}
		named.Function.Name = t.Name
		r.Tools = append(r.Tools, named)
	}
	return r, nil
}

// itemMessage is an item as a message. What a tool says that is no text is read as it stands.
func itemMessage(raw json.RawMessage) message {
	var item struct {
		Type, Role      string
		Content, Output json.RawMessage
	}
	_ = json.Unmarshal(raw, &item) // what it has not is not there
	content := item.Output
	switch {
	case item.Type == "" || item.Type == "message":
		return message{Role: item.Role, Content: item.Content}
	case item.Type == "function_call_output", item.Type == "custom_tool_call_output", item.Type == "local_shell_call_output", item.Type == "mcp_call":
	case strings.HasSuffix(item.Type, "_output"), item.Type == "file_search_call", item.Type == "web_search_call":
		content, _ = json.Marshal(string(raw)) // a string always is
	default:
		return message{Role: "assistant"}
	}
	return message{Role: "tool", Content: content}
}

// responses plays the script of one request.
func (s *Server) responses(w http.ResponseWriter, r *http.Request, body []byte) error {
	req, err := readResponses(body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, responseFailure(http.StatusBadRequest, err.Error()))
		return nil
	}
	script := req.script()
	if err := pause(r.Context(), script.slow); err != nil {
		return err
	}
	if handled, err := script.misbehave(w, r, responseFailure); handled {
		return err
	}
	if req.Stream && script.rawBody == "" {
		return script.send(w, r, req, func(st *streamer) error { return (&responder{streamer: st}).play() })
	}
	return script.sendWhole(w, script.wholeResponse(req))
}

func (s *script) response(req *request, status string) responseAnswer {
	base := s.base(req, "")
	return responseAnswer{
		ID: "resp_" + req.id(), Object: "response", CreatedAt: base.Created, Status: status, Model: base.Model, Output: []any{}, Parallel: true,
		responseSettings: settings(req.raw),
	}
}

// wholeResponse is the answer, all of it.
func (s *script) wholeResponse(req *request) responseAnswer {
	a := s.response(req, "completed")
	a.CompletedAt = json.RawMessage("1700000001")
	for n, t := range s.thinks {
		a.Output = append(a.Output, thoughtItem(req, n, t))
	}
	if text := strings.Join(s.texts, " "); text != "" {
		a.Output = append(a.Output, messageItem(req, len(a.Output), text, "completed"))
	}
	for n, c := range s.of(0) {
		a.Output = append(a.Output, c.item(req, n))
	}
	if !s.noUsage {
		u := s.usage(req)
		a.Usage = &responseUsage{
			Input: u.Prompt, InDetails: u.InDetails, Output: u.Completion, OutDetails: u.OutDetails, Total: u.Total,
		}
	}
	switch {
	case s.midError != nil:
		a.Status, a.Output = "failed", []any{}
		a.Error = &responseError{Code: "server_error", Message: s.midError.Message}
	case s.finish == "length":
		a.Status, a.Incomplete = "incomplete", map[string]string{"reason": "max_output_tokens"}
	case s.finish == "content_filter":
		a.Status, a.Incomplete = "incomplete", map[string]string{"reason": s.finish}
	}
	return a
}

func thoughtItem(req *request, n int, text string) responseThought {
	return responseThought{
		ID: fmt.Sprintf("rs_%s_%d", req.id(), n), Type: "reasoning", Encrypted: signature, Summary: []summaryText{{Type: "summary_text", Text: text}},
	}
}

func messageItem(req *request, n int, text, status string) responseMessage {
	m := responseMessage{ID: fmt.Sprintf("msg_%s_%d", req.id(), n), Type: "message", Status: status, Role: "assistant", Content: []responseText{}}
	if status == "completed" {
		m.Content = append(m.Content, outputText(text))
	}
	return m
}

func outputText(text string) responseText {
	return responseText{Type: "output_text", Annotations: []any{}, Logprobs: []any{}, Text: text}
}

// item is a call as it stands in an answer. One of a tool that the API defines has its arguments as a value of their own.
func (c call) item(req *request, n int) responseCall {
	out := responseCall{ID: fmt.Sprintf("fc_%s_%d", req.id(), n), Type: "function_call", Status: "completed", CallID: fmt.Sprintf("call_%d", n), Name: c.name}
	defined := false
	for _, t := range req.Tools {
		defined = defined || t.Type == c.name && t.Function.Name == ""
	}
	value := json.RawMessage(c.args)
	switch {
	case defined && json.Valid(value) && (c.name == "shell" || c.name == "local_shell"):
		out.Type, out.Name, out.Action = c.name+"_call", "", value
	case defined && json.Valid(value) && c.name == "apply_patch":
		out.Type, out.Name, out.Operation = "apply_patch_call", "", value
	case c.kind == "custom":
		out.Type, out.Input = "custom_tool_call", &c.args
	default:
		out.Arguments = &c.args
	}
	return out
}
