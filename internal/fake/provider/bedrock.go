package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// The wire's types of Bedrock's Converse, in the order in which the service writes them.
type (
	converseAnswer struct {
		Metrics map[string]int `json:"metrics"`
		Output  struct {
			Message converseMessage `json:"message"`
		} `json:"output"`
		StopReason string         `json:"stopReason"`
		Trace      any            `json:"trace,omitempty"`
		Usage      map[string]int `json:"usage,omitempty"`
	}
	converseMessage struct {
		Content []any  `json:"content"`
		Role    string `json:"role"`
	}
	converseText struct {
		Text string `json:"text"`
	}
	converseThinking struct {
		Reasoning struct {
			Text struct {
				Signature string `json:"signature"`
				Text      string `json:"text"`
			} `json:"reasoningText"`
		} `json:"reasoningContent"`
	}
	converseCall struct {
		ToolUse converseToolUse `json:"toolUse"`
	}
	converseToolUse struct {
		Input json.RawMessage `json:"input"`
		Name  string          `json:"name"`
		ID    string          `json:"toolUseId"`
	}
)

// converseException is the exception that Bedrock has for a status.
func converseException(status int) string {
	name, known := map[int]string{
		400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
		408: "ModelTimeoutException", 424: "ModelErrorException", 429: "ThrottlingException", 503: "ServiceUnavailableException",
	}[status]
	if !known {
		return "InternalServerException"
	}
	return name
}

// conversePath is that of both operations. A model's name is one segment, with its slashes and colons escaped.
var conversePath = regexp.MustCompile(`^/model/([^/]+)/(converse|converse-stream)$`)

// converse plays the script of one request to Bedrock.
func (s *Server) converse(w http.ResponseWriter, r *http.Request, body []byte) error {
	w.Header().Set("X-Amzn-Requestid", "fake")
	failure := func(status int, message string) any {
		w.Header().Set("X-Amzn-Errortype", converseException(status)+":http://internal.amazon.com/coral/com.amazon.bedrock/")
		return map[string]string{"message": message}
	}
	path := conversePath.FindStringSubmatch(r.URL.EscapedPath())
	model, _ := url.PathUnescape(path[1]) // else it is none
	if model == "" || r.Method != http.MethodPost {
		writeJSON(w, http.StatusNotFound, failure(http.StatusNotFound, "no such operation"))
		return nil
	}
	req, err := readConverse(model, body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, failure(http.StatusBadRequest, err.Error()))
		return nil
	}
	req.Stream = path[2] == "converse-stream"
	script := req.script()
	if err := pause(r.Context(), script.slow); err != nil {
		return err
	}
	if handled, err := script.misbehave(w, r, failure); handled {
		return err
	}
	if req.Stream && script.rawBody == "" {
		if script.mediaType == "" {
			script.mediaType = "application/vnd.amazon.eventstream"
		}
		script.crlf = false // there are no lines
		return script.send(w, r, req, (*streamer).playConverse)
	}
	return script.sendWhole(w, script.converseAnswer(req))
}

// converseBlock is one block of a request.
type converseBlock struct {
	Text     *string
	ToolUse  *struct{ ToolUseID, Name string }
	Result   *converseResult                       `json:"toolResult"`
	Guarded  *struct{ Text struct{ Text string } } `json:"guardContent"`
	Citation *struct{ Content []converseBlock }    `json:"citationsContent"`
}

type converseResult struct {
	ToolUseID string
	Content   []struct {
		Text string
		JSON json.RawMessage
	}
}

// readConverse reads a request to Converse as one of a chat. What the service refuses of tools and histories is refused.
func readConverse(model string, body []byte) (*request, error) {
	var in struct {
		System   []converseBlock
		Messages []struct {
			Role    string
			Content []converseBlock
		}
		ToolConfig *struct {
			Tools []struct{ ToolSpec, SystemTool *struct{ Name string } }
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("Unable to parse: %w", err)
	}
	if len(in.Messages) == 0 {
		return nil, errors.New("A conversation must start with a user message. Try again with a conversation that starts with a user message.")
	}
	r := &request{Model: model, N: 1, raw: body}
	for _, b := range in.System {
		r.addConverse("system", b)
	}
	tools, owed := false, map[string]bool{}
	for i, m := range in.Messages {
		for k, b := range m.Content {
			switch {
			case b.Text != nil && strings.TrimSpace(*b.Text) == "":
				return nil, fmt.Errorf("The text field in the ContentBlock object at messages.%d.content.%d is blank. Add text to the text field, and try again.", i, k)
			case b.ToolUse != nil:
				tools, owed[b.ToolUse.ToolUseID] = true, true
			case b.Result != nil:
				if tools = true; !owed[b.Result.ToolUseID] && m.Role == "user" {
					return nil, errors.New("The number of toolResult blocks at messages." + fmt.Sprint(i) + ".content exceeds the number of toolUse blocks of previous turn.")
				}
				delete(owed, b.Result.ToolUseID)
			}
			r.addConverse(m.Role, b)
		}
	}
	if in.ToolConfig != nil {
		for _, t := range in.ToolConfig.Tools {
			named := tool{Type: "function"}
			switch {
			case t.ToolSpec != nil:
				named.Function.Name = t.ToolSpec.Name
			case t.SystemTool != nil:
				named.Function.Name = t.SystemTool.Name
			default:
				continue
			}
			r.Tools = append(r.Tools, named)
		}
		if len(r.Tools) == 0 {
			return nil, errors.New("The value at toolConfig.tools is empty; it needs at least one tool.")
		}
	} else if tools {
		return nil, errors.New("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
	}
	return r, nil
}

// addConverse takes a block as messages: what a tool answered is one of its own.
func (r *request) addConverse(role string, b converseBlock) {
	say := func(role, text string) {
		if content, err := json.Marshal(text); err == nil {
			r.Messages = append(r.Messages, message{Role: role, Content: content})
		}
	}
	switch {
	case b.Result != nil:
		var all []string
		for _, c := range b.Result.Content {
			all = append(all, c.Text+string(c.JSON))
		}
		say("tool", strings.Join(all, "\n"))
	case b.Guarded != nil:
		say(role, b.Guarded.Text.Text)
	case b.Citation != nil:
		for _, inner := range b.Citation.Content {
			r.addConverse(role, inner)
		}
	case b.Text != nil:
		say(role, *b.Text)
	case role == "assistant":
		say(role, "") // a call: what stands before it was obeyed
	}
}

// converseAnswer is the whole answer; an error in the middle of one is an answer without an end.
func (s *script) converseAnswer(req *request) any {
	if s.midError != nil {
		return map[string]string{"message": s.midError.Message}
	}
	a := converseAnswer{Metrics: map[string]int{"latencyMs": 1}, StopReason: *s.stopReason(), Usage: s.converseUsage(req), Trace: s.converseTrace()}
	a.Output.Message = converseMessage{Role: "assistant", Content: []any{}}
	add := func(block any) { a.Output.Message.Content = append(a.Output.Message.Content, block) }
	for _, t := range s.thinks {
		var b converseThinking
		b.Reasoning.Text.Text, b.Reasoning.Text.Signature = t, signature
		add(b)
	}
	if text := strings.Join(s.texts, " "); text != "" {
		add(converseText{text})
	}
	for i, c := range s.calls {
		if c.args == "" {
			c.args = "{}"
		}
		add(converseCall{converseToolUse{ID: c.converseID(i), Name: c.name, Input: c.input()}})
	}
	return a
}

func (c call) converseID(index int) string { return fmt.Sprintf("tooluse_%d", index) }

// converseUsage counts as the service does: beside the input what was read from a cache, which is nothing.
func (s *script) converseUsage(req *request) map[string]int {
	if s.noUsage {
		return nil
	}
	u := s.usage(req)
	return map[string]int{
		"inputTokens": u.Prompt, "outputTokens": u.Completion, "totalTokens": u.Total, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0,
	}
}

// converseTrace says, as a router does, that another model answers.
func (s *script) converseTrace() any {
	if s.model == "" {
		return nil
	}
	return map[string]any{"promptRouter": map[string]string{"invokedModelId": s.model}}
}
