package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

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

// held is how many conversations each principal holds at a time, by the shape of their requests. What a gateway knows of one
// grows with its turns, so that one that were repeated all the time would soon be longer than any agent's.
var held = map[string]int{shape2k: 16, shapeStream: 16, shape64k: 4}

// requests makes one HTTP request for each conversation of each token's principal. No two have the same content, and the content is
// a conversation as an agent's is: turns, tool calls, results. With ask, the conversations are really held: each call in them is one
// that the gateway released, so that it knows the result for what it is. Without, the calls are made up. first is the number of the
// first conversation.
func requests(host, shape string, tools int, tokens []string, first int, ask asker) ([][]byte, error) {
	out := make([][]byte, len(tokens)*held[shape])
	errs := make([]error, len(out))
	slots := make(chan struct{}, 16)
	var wg sync.WaitGroup
	for i := range out {
		token := tokens[i%len(tokens)]
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			b, err := body(shape, tools, first+i, func(b []byte, n int) (call, error) {
				if ask == nil {
					return madeUp(first+i, n), nil
				}
				return ask(token, b)
			})
			out[i], errs[i] = request(host, token, b), err
		})
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

// first makes the first request of a conversation for each token: 2 KB of words, one tool, no history.
func first(host string, tokens []string) ([][]byte, error) {
	out := make([][]byte, len(tokens))
	for i, token := range tokens {
		w := newWanted(1, i)
		w.Messages[1]["content"] = w.Messages[1]["content"].(string) + strings.Repeat(" Go on, with care.", 80)
		b, err := json.Marshal(w)
		if err != nil {
			return nil, err
		}
		out[i] = request(host, token, b)
	}
	return out, nil
}

// request is one HTTP request.
func request(host, token string, body []byte) []byte {
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\n"+
		"content-type: application/json\r\naccept: application/json\r\nuser-agent: OpenAI/Python 3.0.0\r\n"+
		"x-stainless-lang: python\r\nx-stainless-retry-count: 0\r\ncontent-length: %d\r\n\r\n%s", host, token, len(body), body)
}

// call is a tool call of the model's, as a client puts it into the history.
type call struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// asker sends a request and returns the tool call that is answered.
type asker func(token string, body []byte) (call, error)

func madeUp(variant, n int) call {
	c := call{ID: fmt.Sprintf("call_%d_%d", variant, n), Type: "function"}
	c.Function.Name, c.Function.Arguments = "tool_0", fmt.Sprintf(`{"statement":"select %d"}`, n)
	return c
}

// through asks a gateway.
func through(addr string) asker {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	return func(token string, body []byte) (call, error) {
		r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/v1/chat/completions", bytes.NewReader(body))
		if err != nil {
			return call{}, err
		}
		r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
		resp, err := client.Do(r)
		if err != nil {
			return call{}, err
		}
		defer resp.Body.Close()
		var answer struct {
			Choices []struct {
				Message struct {
					Calls []call `json:"tool_calls"`
				} `json:"message"`
			} `json:"choices"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return call{}, fmt.Errorf("%s: %w", resp.Status, err)
		}
		if len(answer.Choices) != 1 || len(answer.Choices[0].Message.Calls) != 1 {
			return call{}, fmt.Errorf("%s without a tool call", resp.Status)
		}
		return answer.Choices[0].Message.Calls[0], nil
	}
}

// wanted is one request. The fields come in this order.
type wanted struct {
	Model       string   `json:"model"`
	Stream      bool     `json:"stream,omitempty"`
	Messages    []object `json:"messages"`
	Tools       []object `json:"tools"`
	Temperature float64  `json:"temperature"`
	MaxTokens   int      `json:"max_tokens"`
}

// newWanted is the beginning of a conversation.
func newWanted(tools, variant int) wanted {
	w := wanted{Model: "acme/bench", Temperature: 0.2, MaxTokens: 1000 + variant%principals}
	for n := range tools {
		w.Tools = append(w.Tools, object{"type": "function", "function": object{
			"name": fmt.Sprintf("tool_%d", n), "description": "Runs one SQL statement on the warehouse and returns rows.",
			"parameters": object{
				"type": "object", "required": []string{"statement"}, "additionalProperties": false,
				"properties": object{"statement": object{"type": "string", "description": "SQL"}, "limit": object{"type": "integer"}},
			},
		}})
	}
	w.Messages = []object{
		{"role": "system", "content": "You are a careful analyst. Answer from the tables, and say which."},
		{"role": "user", "content": fmt.Sprintf("Question %d: how did the \"north\" region do?\nCompare quarters.", variant)},
	}
	return w
}

// body makes one request of about the wanted size; next gives the call that each of its results answers.
func body(shape string, tools, variant int, next func(body []byte, n int) (call, error)) ([]byte, error) {
	size := map[string]int{shape2k: 2 << 10, shapeStream: 2 << 10, shape64k: 64 << 10}[shape]
	w := newWanted(tools, variant)
	for n := 0; ; n++ {
		b, err := json.Marshal(w) // not streamed while it grows
		if err != nil {
			return nil, err
		}
		missing := size - len(b)
		if missing < 500 {
			w.Stream = shape == shapeStream
			return json.Marshal(w)
		}
		c, err := next(b, n)
		if err != nil {
			return nil, err
		}
		length := missing - 350 // beside the result, a turn takes about that
		if length > 2600 {
			length = 1800
		}
		row := fmt.Sprintf("| north | Q%d | %d.50 | \"ok\" |\n", n%4, variant*100+n)
		w.Messages = append(w.Messages,
			object{"role": "assistant", "content": nil, "tool_calls": []call{c}},
			object{"role": "tool", "tool_call_id": c.ID, "content": strings.Repeat(row, 1+length/(len(row)+3))}, // quotes and line ends are escaped
		)
	}
}
