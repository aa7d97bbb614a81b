package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// The wire's types of Gemini's generateContent, in the order in which the API writes them.
type (
	generated struct {
		Candidates []geminiCandidate `json:"candidates,omitempty"`
		Usage      *geminiUsage      `json:"usageMetadata,omitempty"`
		Model      string            `json:"modelVersion"`
		ID         string            `json:"responseId"`
	}
	geminiCandidate struct {
		Content struct {
			Parts []geminiPart `json:"parts"`
			Role  string       `json:"role"`
		} `json:"content"`
		Finish string `json:"finishReason,omitempty"`
		Index  int    `json:"index"`
	}
	geminiPart struct {
		Text      *string     `json:"text,omitempty"`
		Call      *geminiCall `json:"functionCall,omitempty"`
		Thought   bool        `json:"thought,omitempty"`
		Signature string      `json:"thoughtSignature,omitempty"`
	}
	geminiCall struct {
		Name string          `json:"name"`
		Args json.RawMessage `json:"args,omitempty"`
	}
	geminiUsage struct {
		Prompt     int `json:"promptTokenCount"`
		Candidates int `json:"candidatesTokenCount"`
		Total      int `json:"totalTokenCount"`
		Thoughts   int `json:"thoughtsTokenCount,omitempty"`
	}
)

// geminiFailure is an error as Google's APIs say it.
func geminiFailure(status int, message string) any {
	name, known := map[int]string{
		400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
		500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
	}[status]
	if !known {
		name = "UNKNOWN"
	}
	return map[string]any{"error": map[string]any{"code": status, "message": message, "status": name}}
}

// The paths of the Gemini API and of Vertex AI.
var (
	generatePath = regexp.MustCompile(`^/v1(?:beta|beta1|alpha)?/(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/google/)?models/(.+):(generateContent|streamGenerateContent)$`)
	modelsPath   = regexp.MustCompile(`^/v1(?:beta|alpha)?/models$`)
)

// isGemini tells whether a request is one to Gemini's API, which says so in its path, or by its key for the list of models.
func isGemini(r *http.Request) bool {
	return generatePath.MatchString(r.URL.Path) ||
		modelsPath.MatchString(r.URL.Path) && (r.Header.Get("X-Goog-Api-Key") != "" || !strings.HasPrefix(r.URL.Path, "/v1/"))
}

// gemini answers as Gemini's API does: the script of one request, or the list of models.
func (s *Server) gemini(w http.ResponseWriter, r *http.Request, body []byte) error {
	path := generatePath.FindStringSubmatch(r.URL.Path)
	if path == nil {
		writeJSON(w, http.StatusOK, geminiModels(s.cfg.Models))
		return nil
	}
	if r.Method != http.MethodPost {
		writeJSON(w, http.StatusNotFound, geminiFailure(http.StatusNotFound, ""))
		return nil
	}
	req, err := readGenerate(path[1], body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, geminiFailure(http.StatusBadRequest, err.Error()))
		return nil
	}
	script := req.script()
	if err := pause(r.Context(), script.slow); err != nil {
		return err
	}
	if handled, err := script.misbehave(w, r, geminiFailure); handled {
		return err
	}
	switch {
	case path[2] == "streamGenerateContent" && script.rawBody == "" && r.URL.Query().Get("alt") == "sse":
		script.crlf = true // as the API ends its lines
		return script.send(w, r, req, (*streamer).playGenerate)
	case path[2] == "streamGenerateContent" && script.rawBody == "":
		return script.sendWhole(w, []any{script.generated(req)})
	}
	var answer any = script.generated(req)
	if script.midError != nil {
		answer = geminiFailure(script.midError.Code, script.midError.Message)
	}
	return script.sendWhole(w, answer)
}

func geminiModels(models []string) any {
	list := []map[string]any{}
	for _, m := range models {
		list = append(list, map[string]any{
			"name": "models/" + m, "displayName": m, "supportedGenerationMethods": []string{"generateContent", "streamGenerateContent"},
		})
	}
	return map[string]any{"models": list}
}

// geminiContent is one content of a request, in the spelling of either.
type geminiContent struct {
	Role  string
	Parts []struct {
		Text      string
		Signature string                           `json:"thoughtSignature"`
		Call      *struct{ ID, Name string }       `json:"functionCall"`
		Result    *struct{ Response geminiResult } `json:"functionResponse"`
		Output    *struct{ Output string }         `json:"codeExecutionResult"`
		Back      *struct{ Response geminiResult } `json:"toolResponse"`
	}
}

// geminiResult is what a tool answered, as the model reads it: the words of it where there is nothing else.
type geminiResult string

// UnmarshalJSON takes the one text of an object, or the object.
func (r *geminiResult) UnmarshalJSON(data []byte) error {
	var object map[string]json.RawMessage
	var text string
	*r = geminiResult(data)
	if json.Unmarshal(data, &object) == nil && len(object) == 1 {
		for _, value := range object {
			if json.Unmarshal(value, &text) == nil {
				*r = geminiResult(text)
			}
		}
	}
	return nil
}

// one is a list, or one element without its brackets.
type one[T any] []T

// UnmarshalJSON reads either.
func (o *one[T]) UnmarshalJSON(data []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(data)), "[") {
		return json.Unmarshal(data, (*[]T)(o))
	}
	*o = make([]T, 1)
	return json.Unmarshal(data, &(*o)[0])
}

type generateRequest struct {
	Contents one[geminiContent]
	System   *geminiContent `json:"systemInstruction"`
	Tools    one[map[string]json.RawMessage]
	Config   *struct {
		Calling *struct{ Mode string } `json:"functionCallingConfig"`
	} `json:"toolConfig"`
	Generation struct {
		Count int `json:"candidateCount"`
	} `json:"generationConfig"`
}

var underscore = regexp.MustCompile(`"([a-z]+(?:_[a-z]+)+)"\s*:`)

// camels puts the names of fields into the spelling of JSON. It does so to a tool's names and values too, which the fake
// does not mind.
func camels(body []byte) []byte {
	return underscore.ReplaceAllFunc(body, func(name []byte) []byte {
		words := strings.Split(string(name), "_")
		for i, w := range words[1:] {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
		return []byte(strings.Join(words, ""))
	})
}

// readGenerate reads a request to generateContent as one of a chat. What the API refuses of tools and histories is refused.
func readGenerate(model string, body []byte) (*request, error) {
	var in generateRequest
	if err := json.Unmarshal(camels(body), &in); err != nil {
		return nil, fmt.Errorf("Invalid JSON payload received. %w", err)
	}
	if len(in.Contents) == 0 {
		return nil, errors.New("* GenerateContentRequest.contents: contents is not specified")
	}
	r := &request{Model: model, N: max(1, in.Generation.Count), raw: body}
	if in.System != nil {
		r.add("system", in.System)
	}
	for i := range in.Contents {
		r.add(in.Contents[i].Role, &in.Contents[i])
	}
	functions := false
	for _, t := range in.Tools {
		for kind, value := range t {
			var declared one[struct{ Name string }]
			if kind != "functionDeclarations" {
				r.Tools = append(r.Tools, tool{Type: kind})
				continue
			}
			if err := json.Unmarshal(value, &declared); err != nil {
				return nil, err
			}
			for _, d := range declared {
				named := tool{Type: "function"}
				named.Function.Name, functions = d.Name, true
				r.Tools = append(r.Tools, named)
			}
		}
	}
	if in.Config != nil && in.Config.Calling != nil && !functions {
		return nil, errors.New("Function calling config is set without function_declarations.")
	}
	return r, checkTurns(model, in.Contents)
}

// add takes a content as messages: what a tool answered is one of its own.
func (r *request) add(role string, c *geminiContent) {
	if role == "model" {
		role = "assistant"
	}
	say := func(role, text string) {
		content, err := json.Marshal(text)
		if err == nil {
			r.Messages = append(r.Messages, message{Role: role, Content: content})
		}
	}
	for _, p := range c.Parts {
		switch {
		case p.Result != nil:
			say("tool", string(p.Result.Response))
		case p.Back != nil:
			say("tool", string(p.Back.Response))
		case p.Output != nil:
			say("tool", p.Output.Output)
		case p.Text != "":
			say(role, p.Text)
		case role == "assistant":
			say(role, "") // a call: what stands before it was obeyed
		}
	}
}

// checkTurns refuses a history in which a turn of calls has fewer or more results, and, as the models of the third
// generation do, one whose first call of the last turns has lost its signature.
func checkTurns(model string, contents []geminiContent) error {
	calls, results, open := 0, 0, false
	for i := range contents {
		c := &contents[i]
		asks, first := 0, true
		for _, p := range c.Parts {
			switch {
			case p.Call != nil:
				if first && strings.Contains(model, "gemini-3") && p.Signature != signature {
					return fmt.Errorf("Function call is missing a thought_signature in functionCall parts. Function call `%s`", p.Call.Name)
				}
				asks, first = asks+1, false
			case p.Result != nil:
				results++
			}
		}
		if asks == 0 {
			continue
		}
		if open && calls != results {
			break
		}
		calls, results, open = asks, 0, true
	}
	if open && results > 0 && calls != results {
		return errors.New("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
	}
	return nil
}

// generated is the whole answer, or the frame of an event.
func (s *script) generated(req *request) generated {
	g := generated{Model: s.base(req, "").Model, ID: req.id(), Usage: s.geminiUsage(req)}
	for i := range req.N {
		c := geminiCandidate{Index: i, Finish: s.geminiFinish(i)}
		c.Content.Role, c.Content.Parts = "model", []geminiPart{}
		for _, t := range s.thinks {
			c.Content.Parts = append(c.Content.Parts, geminiPart{Text: &t, Thought: true})
		}
		if text := strings.Join(s.texts, " "); text != "" {
			c.Content.Parts = append(c.Content.Parts, geminiPart{Text: &text})
		}
		c.Content.Parts = append(c.Content.Parts, s.geminiCalls(i)...)
		g.Candidates = append(g.Candidates, c)
	}
	return g
}

// geminiCalls are the parts of a candidate's calls: without ids, and the first with the signature of the thought before.
func (s *script) geminiCalls(candidate int) []geminiPart {
	var parts []geminiPart
	for n, c := range s.of(candidate) {
		p := geminiPart{Call: &geminiCall{Name: c.name}}
		if c.args != "" {
			p.Call.Args = c.input()
		}
		if n == 0 {
			p.Signature = signature
		}
		parts = append(parts, p)
	}
	return parts
}

func (s *script) geminiUsage(req *request) *geminiUsage {
	if s.noUsage {
		return nil
	}
	u := s.usage(req)
	thoughts := len(strings.Join(s.thinks, " ")) / 4
	return &geminiUsage{Prompt: u.Prompt, Candidates: u.Completion, Total: u.Total + thoughts, Thoughts: thoughts}
}

// geminiFinish is why a candidate ends, in the API's words: calls are no reason.
func (s *script) geminiFinish(candidate int) string {
	reason := s.reason(candidate)
	if word, ok := map[string]string{
		"stop": "STOP", "tool_calls": "STOP", "function_call": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY",
	}[reason]; ok {
		return word
	}
	return reason
}
