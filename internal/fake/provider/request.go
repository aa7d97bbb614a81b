package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// request is what the model reads of a request; it is not strict, as providers are not.
type request struct {
	Model     string    `json:"model"`
	Stream    bool      `json:"stream"`
	N         int       `json:"n"`
	Messages  []message `json:"messages"`
	Tools     []tool    `json:"tools"`
	Functions []struct {
		Name string `json:"name"`
	} `json:"functions"`
	raw []byte
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name string `json:"name"`
	} `json:"function"`
	Custom struct {
		Name string `json:"name"`
	} `json:"custom"`
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// id tells an answer from those to other requests; the same request gets the same one.
func (r *request) id() string {
	sum := sha256.Sum256(r.raw)
	return hex.EncodeToString(sum[:6])
}

func readRequest(body []byte) (*request, error) {
	r := &request{raw: body}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("the body is no chat request: %w", err)
	}
	if r.Model == "" || len(r.Messages) == 0 {
		return nil, errors.New("model and messages are required")
	}
	r.N = max(r.N, 1)
	return r, nil
}

// text is all that can be read in a message.
func (m message) text() string {
	var s string
	if json.Unmarshal(m.Content, &s) == nil {
		return s
	}
	var parts []struct {
		Text    string          `json:"text"`
		Content json.RawMessage `json:"content"` // of a tool_result block
	}
	if json.Unmarshal(m.Content, &parts) != nil {
		return ""
	}
	var all []string
	for _, p := range parts {
		all = append(all, p.Text)
		if p.Content != nil {
			all = append(all, message{Content: p.Content}.text())
		}
	}
	return strings.Join(all, "\n")
}

// offered names the tools that the model was offered.
func (r *request) offered() []string {
	var names []string
	for _, t := range r.Tools {
		switch {
		case t.Function.Name != "":
			names = append(names, t.Function.Name)
		case t.Custom.Name != "":
			names = append(names, t.Custom.Name)
		default:
			names = append(names, t.Type)
		}
	}
	for _, f := range r.Functions {
		names = append(names, f.Name)
	}
	return names
}

// script reads the instructions, and says what the model sees when there are none.
func (r *request) script() *script {
	s := &script{}
	s.parseName(r.Model)
	last := 0 // the first message after the last one of the assistant
	for i, m := range r.Messages {
		if m.Role == "assistant" {
			last = i + 1
		}
	}
	sober := strings.Contains(r.Model, "sober")
	var seen []string // what it was told that is no instruction
	for i, m := range r.Messages {
		result := m.Role == "tool" || m.Role == "function"
		if i < last && m.Role != "system" && m.Role != "developer" {
			continue
		}
		text := m.text()
		if result {
			text += inJSON(text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if (!result || !sober) && s.parse(line) {
				continue
			}
			if result && strings.TrimSpace(line) != "" {
				seen = append(seen, line)
			}
		}
	}
	if len(s.texts) == 0 && len(s.calls) == 0 {
		s.texts = []string{r.account(seen)}
	}
	return s
}

// inJSON is the lines of all texts in a document, each behind a line break: a model that obeys what it reads obeys those too.
func inJSON(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return ""
	}
	var b strings.Builder
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if strings.Contains(v, "\n") {
				b.WriteString("\n" + v)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return b.String()
}

// account is what the model says when nobody tells it what to say.
func (r *request) account(results []string) string {
	if len(results) > 0 {
		return "The tool answered: " + strings.Join(results, " ")
	}
	if names := r.offered(); len(names) > 0 {
		return "The tools that I see: " + strings.Join(names, ", ") + "."
	}
	return "I see no tools. How can I help?"
}
