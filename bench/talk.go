package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/yellowjack/yellowjack/internal/llm/translate"
)

// What is said in every dialect: instructions, a question, a tool; then the model's answer with a call, as it came through the gateway,
// and the call's result.
const (
	instructions = "You are a careful analyst. Answer from the tables, and say which."
	toolName     = "tool_0"
	toolPurpose  = "Runs one SQL statement on the warehouse and returns rows."
	result       = "| north | Q1 | 100.50 | \"ok\" |\n| north | Q2 | 101.50 | \"ok\" |\n| north | Q3 | 99.00 | \"ok\" |\n"
)

var toolSchema = json.RawMessage(`{"type":"object","required":["statement"],"properties":{"statement":{"type":"string","description":"SQL"},"limit":{"type":"integer"}}}`)

// turn is what a client makes of an answer to ask on: the model's turn, and the call's result.
type turn struct{ said, result []any }

// path is where clients of a dialect ask.
func path(dialect, provider string, stream bool) string {
	switch dialect {
	case translate.Responses:
		return "/v1/responses"
	case translate.Anthropic:
		return "/v1/messages"
	case translate.Gemini:
		if stream {
			return "/" + provider + "/v1beta/models/bench:streamGenerateContent?alt=sse"
		}
		return "/" + provider + "/v1beta/models/bench:generateContent"
	case translate.Bedrock:
		if stream {
			return "/" + provider + "/model/bench/converse-stream"
		}
		return "/" + provider + "/model/bench/converse"
	}
	return "/v1/chat/completions"
}

// say writes a request. Without a turn it is the conversation's first.
func say(dialect, provider string, variant int, t turn, stream bool) ([]byte, error) {
	question := fmt.Sprintf("Question %d: how did the \"north\" region do?\nCompare quarters.", variant)
	model, limit := provider+"/bench", 1000+variant
	history := func(first ...any) []any { return append(append(first, t.said...), t.result...) }
	var r object
	switch dialect {
	case translate.Chat:
		r = object{
			"model": model, "max_completion_tokens": limit, "temperature": 0.2,
			"messages": history(object{"role": "system", "content": instructions}, object{"role": "user", "content": question}),
			"tools":    []object{{"type": "function", "function": object{"name": toolName, "description": toolPurpose, "parameters": toolSchema}}},
		}
	case translate.Responses:
		r = object{
			"model": model, "max_output_tokens": limit, "temperature": 0.2, "instructions": instructions,
			"input": history(object{"role": "user", "content": question}),
			"tools": []object{{"type": "function", "name": toolName, "description": toolPurpose, "parameters": toolSchema, "strict": false}},
		}
	case translate.Anthropic:
		r = object{
			"model": model, "max_tokens": limit, "temperature": 0.2, "system": instructions,
			"messages": history(object{"role": "user", "content": question}),
			"tools":    []object{{"name": toolName, "description": toolPurpose, "input_schema": toolSchema}},
		}
	case translate.Gemini:
		r = object{
			"generationConfig": object{"maxOutputTokens": limit, "temperature": 0.2}, "systemInstruction": object{"parts": []object{{"text": instructions}}},
			"contents": history(object{"role": "user", "parts": []object{{"text": question}}}),
			"tools": []object{{"functionDeclarations": []object{
				{"name": toolName, "description": toolPurpose, "parametersJsonSchema": toolSchema},
			}}},
		}
	case translate.Bedrock:
		r = object{
			"inferenceConfig": object{"maxTokens": limit, "temperature": 0.2}, "system": []object{{"text": instructions}},
			"messages": history(object{"role": "user", "content": []object{{"text": question}}}),
			"toolConfig": object{"tools": []object{{"toolSpec": object{
				"name": toolName, "description": toolPurpose, "inputSchema": object{"json": toolSchema},
			}}}},
		}
	}
	if stream && r["model"] != nil {
		r["stream"] = true
	}
	return json.Marshal(r)
}

// answered makes the next turn of an answer.
func answered(dialect string, body []byte) (turn, error) {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return turn{}, err
	}
	var t turn
	var id string
	switch dialect {
	case translate.Chat:
		said := at(v, "choices", 0, "message")
		id, _ = at(said, "tool_calls", -1, "id").(string)
		t = turn{[]any{said}, []any{object{"role": "tool", "tool_call_id": id, "content": result}}}
	case translate.Responses:
		said, _ := at(v, "output").([]any)
		id, _ = at(said, -1, "call_id").(string)
		t = turn{said, []any{object{"type": "function_call_output", "call_id": id, "output": result}}}
	case translate.Anthropic:
		said := at(v, "content")
		id, _ = at(said, -1, "id").(string)
		t.said = []any{object{"role": "assistant", "content": said}}
		t.result = []any{object{"role": "user", "content": []object{{"type": "tool_result", "tool_use_id": id, "content": result}}}}
	case translate.Gemini:
		said := at(v, "candidates", 0, "content")
		call, _ := at(said, "parts", -1, "functionCall").(map[string]any)
		response := object{"name": toolName, "response": object{"output": result}}
		if id, _ = call["id"].(string); id != "" {
			response["id"] = id
		} else if call["name"] == toolName {
			id = toolName // this API's calls may have none
		}
		t.said = []any{said}
		t.result = []any{object{"role": "user", "parts": []object{{"functionResponse": response}}}}
	case translate.Bedrock:
		said := at(v, "output", "message")
		id, _ = at(said, "content", -1, "toolUse", "toolUseId").(string)
		t.said = []any{said}
		t.result = []any{object{"role": "user", "content": []object{{"toolResult": object{"toolUseId": id, "content": []object{{"text": result}}}}}}}
	}
	if id == "" {
		return t, fmt.Errorf("an answer without its tool call: %.300s", body)
	}
	return t, nil
}

// at walks down members and elements, of which -1 is the last; nil is one that is not there.
func at(v any, where ...any) any {
	for _, step := range where {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			a, _ := v.([]any)
			if step < 0 {
				step += len(a)
			}
			if step < 0 || step >= len(a) {
				return nil
			}
			v = a[step]
		}
	}
	return v
}

// conversations has the first half of each person's conversation, and returns the requests of the second: one that is answered whole and one
// that is streamed for each.
func conversations(addr, dialect, provider string, who []string) (whole, streamed [][]byte, err error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for i, token := range who {
		t, err := begin(client, addr, dialect, provider, token, i)
		if err != nil {
			return nil, nil, err
		}
		for _, stream := range []bool{false, true} {
			b, err := say(dialect, provider, i, t, stream)
			if err != nil {
				return nil, nil, err
			}
			r := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %s\r\ncontent-type: application/json\r\n"+
				"user-agent: bench\r\ncontent-length: %d\r\n\r\n%s", path(dialect, provider, stream), token, len(b), b)
			if stream {
				streamed = append(streamed, r)
			} else {
				whole = append(whole, r)
			}
		}
	}
	return whole, streamed, nil
}

// begin asks a conversation's first question.
func begin(client *http.Client, addr, dialect, provider, token string, variant int) (turn, error) {
	b, err := say(dialect, provider, variant, turn{}, false)
	if err != nil {
		return turn{}, err
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+addr+path(dialect, provider, false), bytes.NewReader(b))
	if err != nil {
		return turn{}, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	resp, err := client.Do(r)
	if err != nil {
		return turn{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", resp.Status, body)
	}
	if err != nil {
		return turn{}, err
	}
	return answered(dialect, body)
}
