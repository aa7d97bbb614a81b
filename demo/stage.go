package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

// stage is what the stories play on.
type stage struct {
	dir      string
	idp      *issuer.Issuer
	upstream *provider.Server
	reader   *httptest.Server // the quarantined model
	model    string           // fake or openrouter
	gateway  string           // its URL
	out      io.Writer
}

// config writes the gateway's configuration: the defaults, two keys, three tools.
func (s *stage) config() (string, error) {
	listen, err := freePort()
	if err != nil {
		return "", err
	}
	metrics, err := freePort()
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{"everyone.key": "sk-everyone", "finance.key": "sk-finance", "reader.key": "sk-reader"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text := fmt.Sprintf(`listen: %s
telemetry: {metrics: %s}
audit: {file: audit.jsonl}
identity:
  issuers:
    - {name: corp, issuer: %q, jwks: %q, audiences: [yellowjack], email_domains: [example.com]}
providers:
  mock: {base_url: %q, models: [small]}
  reader: {base_url: %q}
  openrouter: {base_url: "https://openrouter.ai/api/v1"}
default_provider: openrouter
credentials:
  - {provider: mock, secret: {file: everyone.key}}
  - {provider: mock, team: finance, secret: {file: finance.key}}
  - {provider: reader, secret: {file: reader.key}}
quarantine: {provider: reader, quarantined_model: small}
`, listen, metrics, s.idp.URL(), s.idp.JWKSURL(), s.upstream.URL()+"/v1", s.reader.URL+"/v1")
	if s.model == "openrouter" {
		text += "  - {provider: openrouter, secret: {env: OPENROUTER_API_KEY}}\n"
	}
	text += `policies:
  data:
    tools:
      snowflake__query: {allow: ["group:finance"], effect: read, result: trusted}
      slack__post_message: {allow: ["group:comms"], effect: write, audience: public}
      github__get_issue:
        allow: ["*"]
        effect: read
        result: untrusted
        fields: {number: {type: int, min: 1, max: 99999}, state: {type: enum, enum: [open, closed]}, created_at: {type: date}, title: {type: ref}, body: {type: ref}}
        questions: [{ask: "Is this a bug report?", type: yesno, about: body}]
`
	path := filepath.Join(s.dir, "yellowjack.yaml")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// ask posts one chat request and returns the status and the body, which for a stream is its text put together.
func ask(ctx context.Context, base, token string, request map[string]any) (int, string, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// reading is an answer as an SDK reads it.
type reading struct {
	Text  string
	Calls []string
	ID    string // of the first call
	Error string
}

type message struct {
	Content   *string `json:"content"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// read reads a whole answer or a stream.
func read(body string) reading {
	var r reading
	var call strings.Builder
	one := func(doc []byte) {
		var v struct {
			Error *struct {
				Message string `json:"message"`
				Code    any    `json:"code"`
			} `json:"error"`
			Choices []struct {
				Message *message `json:"message"`
				Delta   *message `json:"delta"`
			} `json:"choices"`
		}
		if json.Unmarshal(doc, &v) != nil {
			return
		}
		if v.Error != nil {
			r.Error = fmt.Sprintf("%v: %s", v.Error.Code, v.Error.Message)
		}
		for _, c := range v.Choices {
			for _, m := range []*message{c.Message, c.Delta} {
				if m == nil {
					continue
				}
				if m.Content != nil {
					r.Text += *m.Content
				}
				for _, t := range m.ToolCalls {
					if r.ID == "" {
						r.ID = t.ID
					}
					if t.Function.Name != "" && call.Len() > 0 {
						r.Calls = append(r.Calls, call.String())
						call.Reset()
					}
					call.WriteString(t.Function.Name + t.Function.Arguments)
				}
			}
		}
	}
	if strings.HasPrefix(strings.TrimSpace(body), "{") {
		one([]byte(body))
	} else {
		lines := bufio.NewScanner(strings.NewReader(body))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				one([]byte(data))
			}
		}
	}
	if call.Len() > 0 {
		r.Calls = append(r.Calls, call.String())
	}
	return r
}
