package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
)

// What is asked for. A shape is the size of the request and whether its answer is a stream.
const (
	shape2k     = "2k"
	shape64k    = "64k"
	shapeStream = "stream"
)

const (
	principals = 128
	teams      = 8
)

// object is a JSON object.
type object = map[string]any

// tokens mints one token for each of n principals, who differ in subject, groups and team.
func tokens(idp *issuer.Issuer, n int, kind string) ([]string, error) {
	out := make([]string, n)
	for i := range out {
		token, err := idp.Mint(object{
			"sub": fmt.Sprintf("%s-%d", kind, i), "email": fmt.Sprintf("%s-%d@example.com", kind, i), "email_verified": true,
			"groups": []string{"bench", fmt.Sprintf("group-%d", i%teams), "everyone-at-example"}, "org": "example",
			"teams": []string{fmt.Sprintf("team-%d", i%teams)}, "client_id": "bench",
		})
		if err != nil {
			return nil, err
		}
		out[i] = token
	}
	return out, nil
}

// requests makes one HTTP request for each token. No two have the same content, and the content is a conversation as an
// agent's is: turns, tool calls, results.
func requests(host, shape string, tools int, tokens []string) ([][]byte, error) {
	out := make([][]byte, len(tokens))
	for i, token := range tokens {
		body, err := body(shape, tools, i)
		if err != nil {
			return nil, err
		}
		out[i] = fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\n"+
			"content-type: application/json\r\naccept: application/json\r\nuser-agent: OpenAI/Python 3.0.0\r\n"+
			"x-stainless-lang: python\r\nx-stainless-retry-count: 0\r\ncontent-length: %d\r\n\r\n%s", host, token, len(body), body)
	}
	return out, nil
}

// body makes one request of about the wanted size. The fields come in the order of the struct.
func body(shape string, tools, variant int) ([]byte, error) {
	size := map[string]int{shape2k: 2 << 10, shapeStream: 2 << 10, shape64k: 64 << 10}[shape]
	request := struct {
		Model       string   `json:"model"`
		Stream      bool     `json:"stream,omitempty"`
		Messages    []object `json:"messages"`
		Tools       []object `json:"tools"`
		Temperature float64  `json:"temperature"`
		MaxTokens   int      `json:"max_tokens"`
	}{Model: "acme/bench", Stream: shape == shapeStream, Temperature: 0.2, MaxTokens: 1000 + variant}
	for n := range tools {
		request.Tools = append(request.Tools, object{"type": "function", "function": object{
			"name": fmt.Sprintf("tool_%d", n), "description": "Runs one SQL statement on the warehouse and returns rows.",
			"parameters": object{
				"type": "object", "required": []string{"statement"}, "additionalProperties": false,
				"properties": object{"statement": object{"type": "string", "description": "SQL"}, "limit": object{"type": "integer"}},
			},
		}})
	}
	request.Messages = []object{
		{"role": "system", "content": "You are a careful analyst. Answer from the tables, and say which."},
		{"role": "user", "content": fmt.Sprintf("Question %d: how did the \"north\" region do?\nCompare quarters.", variant)},
	}
	for n := 0; ; n++ {
		b, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		missing := size - len(b)
		switch {
		case missing < 400: // the rest is one more sentence or so
			if missing > 60 {
				request.Messages = append(request.Messages, object{"role": "user", "content": strings.Repeat("and ", (missing-40)/4)})
				return json.Marshal(request)
			}
			return b, nil
		case missing < 1500:
			request.Messages = append(request.Messages, object{"role": "user", "content": strings.Repeat("Go on, with care. ", (missing-100)/18)})
		default:
			id := fmt.Sprintf("call_%d_%d", variant, n)
			result := strings.Repeat(fmt.Sprintf("| north | Q%d | %d.50 | \"ok\" |\n", n%4, variant*100+n), 1+min(1800, missing-900)/30)
			request.Messages = append(request.Messages,
				object{"role": "assistant", "content": "I will look.", "tool_calls": []object{{
					"id": id, "type": "function", "function": object{"name": "tool_0", "arguments": fmt.Sprintf(`{"statement":"select %d"}`, n)},
				}}},
				object{"role": "tool", "tool_call_id": id, "content": result},
			)
		}
	}
}
