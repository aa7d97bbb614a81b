package translate

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"

	"github.com/yellowjack/yellowjack/internal/sse"
)

// events are the data of a stream, and their names.
func events(t tester, stream []byte) (names []string, data [][]byte) {
	t.Helper()
	r := sse.NewReader(1 << 20)
	r.Feed(stream)
	for {
		e, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return names, data
		}
		if !e.Comment {
			names, data = append(names, e.Name), append(data, bytes.Clone(e.Data))
		}
	}
}

func decoded(t tester, doc []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	return v
}

// same holds a whole answer against a stream, put together as clients of the dialect do.
func same(t tester, dialect string, whole, stream []byte) {
	t.Helper()
	want := decoded(t, whole)
	var got map[string]any
	switch dialect {
	case Chat:
		got = chatOf(t, stream)
		delete(want, "created")
		delete(got, "created")
		want["object"] = "chat.completion"
	case Responses:
		got = responseOf(t, stream)
		delete(want, "created_at")
		delete(got, "created_at")
	case Anthropic:
		got = messageOf(t, stream)
	}
	for _, v := range []map[string]any{want, got} {
		if id, _ := v["id"].(string); v["id"] == "" || strings.HasPrefix(id, "made_") {
			delete(v, "id") // a provider that gives none
		}
	}
	if !reflect.DeepEqual(got, want) {
		a, _ := json.MarshalIndent(got, "", " ")
		b, _ := json.MarshalIndent(want, "", " ")
		t.Fatalf("the stream says\n%s\nand the answer\n%s\nof\n%s", a, b, stream)
	}
}

// chatOf puts a stream of chunks together: by OpenAI's own accumulator, and what that does not know by hand.
func chatOf(t tester, stream []byte) map[string]any {
	t.Helper()
	_, data := events(t, stream)
	if string(data[len(data)-1]) != "[DONE]" {
		t.Fatalf("ends with %s", data[len(data)-1])
	}
	acc := openai.ChatCompletionAccumulator{}
	message := map[string]any{"role": "assistant", "content": nil, "refusal": nil}
	out := map[string]any{"object": "chat.completion"}
	var details, calls []any
	finish := any(nil)
	for _, doc := range data[:len(data)-1] {
		var chunk openai.ChatCompletionChunk
		if err := json.Unmarshal(doc, &chunk); err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		if !acc.AddChunk(chunk) {
			t.Fatalf("OpenAI's accumulator refuses %s", doc)
		}
		v := decoded(t, doc)
		out["id"], out["model"] = v["id"], v["model"]
		if v["usage"] != nil {
			out["usage"] = v["usage"]
		}
		list, _ := v["choices"].([]any)
		for _, c := range list {
			choice := c.(map[string]any)
			if choice["finish_reason"] != nil {
				finish = choice["finish_reason"]
			}
			delta := choice["delta"].(map[string]any)
			for _, name := range []string{"content", "refusal", "reasoning"} {
				if text, _ := delta[name].(string); text != "" {
					before, _ := message[name].(string)
					message[name] = before + text
				}
			}
			pieces, _ := delta["reasoning_details"].([]any)
			for _, p := range pieces {
				details = mergeDetail(details, p.(map[string]any))
			}
			pieces, _ = delta["tool_calls"].([]any)
			for _, p := range pieces {
				calls = mergeCall(calls, p.(map[string]any))
			}
		}
	}
	if details != nil {
		message["reasoning_details"] = details
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	out["choices"] = []any{map[string]any{"index": 0.0, "message": message, "finish_reason": finish}}
	// What the accumulator has is what we have.
	m := acc.Choices[0].Message
	if text, _ := message["content"].(string); m.Content != text || len(m.ToolCalls) != len(calls) || acc.Choices[0].FinishReason != finish {
		t.Fatalf("OpenAI's accumulator has %+v", acc.Choices[0])
	}
	for i, c := range m.ToolCalls {
		f := calls[i].(map[string]any)["function"].(map[string]any)
		if c.ID != calls[i].(map[string]any)["id"] || c.Function.Name != f["name"] || c.Function.Arguments != f["arguments"] {
			t.Fatalf("OpenAI's accumulator has %+v", c)
		}
	}
	return out
}

func mergeDetail(list []any, p map[string]any) []any {
	i := int(p["index"].(float64))
	if i == len(list) {
		return append(list, p)
	}
	have := list[i].(map[string]any)
	for name, v := range p {
		if name == "text" {
			have[name] = have[name].(string) + v.(string)
		} else {
			have[name] = v
		}
	}
	return list
}

func mergeCall(list []any, p map[string]any) []any {
	i := int(p["index"].(float64))
	delete(p, "index")
	if i == len(list) {
		return append(list, p)
	}
	have := list[i].(map[string]any)["function"].(map[string]any)
	have["arguments"] = have["arguments"].(string) + p["function"].(map[string]any)["arguments"].(string)
	return list
}

// messageOf puts the events of a message together, as Anthropic's SDKs do, and holds them to the order that they want.
func messageOf(t tester, stream []byte) map[string]any {
	t.Helper()
	names, data := events(t, stream)
	var message map[string]any
	var content []any
	input, open := "", -1
	for i, doc := range data {
		v := decoded(t, doc)
		if v["type"] != names[i] {
			t.Fatalf("event %s is of type %v", names[i], v["type"])
		}
		if (names[i] == "message_start") != (message == nil) {
			t.Fatalf("event %d is %s", i, names[i])
		}
		index := -1
		if n, ok := v["index"].(float64); ok {
			index = int(n)
		}
		switch names[i] {
		case "message_start":
			message = v["message"].(map[string]any)
		case "content_block_start":
			if index != len(content) || open >= 0 {
				t.Fatalf("block %d begins with %d open, behind %d", index, open, len(content))
			}
			content, open, input = append(content, v["content_block"]), index, ""
		case "content_block_delta":
			if index != open {
				t.Fatalf("a delta of block %d, and %d is open", index, open)
			}
			block, delta := content[index].(map[string]any), v["delta"].(map[string]any)
			switch delta["type"] {
			case "text_delta":
				block["text"] = block["text"].(string) + delta["text"].(string)
			case "thinking_delta":
				block["thinking"] = block["thinking"].(string) + delta["thinking"].(string)
			case "signature_delta":
				block["signature"] = delta["signature"]
			case "input_json_delta":
				input += delta["partial_json"].(string)
			default:
				t.Fatalf("a delta of type %v", delta["type"])
			}
		case "content_block_stop":
			if index != open {
				t.Fatalf("block %d ends, and %d is open", index, open)
			}
			if block := content[index].(map[string]any); block["type"] == "tool_use" {
				block["input"] = decoded(t, []byte(input))
			}
			open = -1
		case "message_delta":
			for name, x := range v["delta"].(map[string]any) {
				message[name] = x
			}
			for name, x := range v["usage"].(map[string]any) {
				message["usage"].(map[string]any)[name] = x
			}
		case "message_stop":
			if i != len(data)-1 {
				t.Fatal("more behind the end")
			}
		case "ping":
		default:
			t.Fatalf("event %s", names[i])
		}
	}
	if names[len(names)-1] != "message_stop" || open >= 0 {
		t.Fatalf("ends with %s", names[len(names)-1])
	}
	if content == nil {
		content = []any{}
	}
	message["content"] = content
	return message
}

// tester is a test, or a property's.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// responseOf puts the events of a response together: what its pieces say, what its items say at their end, and what the last event
// says, are one; each is read by OpenAI's own types.
func responseOf(t tester, stream []byte) map[string]any {
	t.Helper()
	names, data := events(t, stream)
	var output []any
	pieces := map[string]string{}
	for i, doc := range data {
		var typed responses.ResponseStreamEventUnion
		if err := json.Unmarshal(doc, &typed); err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		v := decoded(t, doc)
		if v["type"] != names[i] || typed.AsAny() == nil || typed.SequenceNumber != int64(i) {
			t.Fatalf("event %d: %s, number %d", i, names[i], typed.SequenceNumber)
		}
		key, _ := v["item_id"].(string)
		switch {
		case names[i] == "response.output_item.added":
			if int(v["output_index"].(float64)) != len(output) {
				t.Fatalf("item %v begins behind %d", v["output_index"], len(output))
			}
		case strings.HasSuffix(names[i], ".delta"):
			pieces[key] += v["delta"].(string)
		case strings.HasSuffix(names[i], "_text.done"):
			if pieces[key] != v["text"] {
				t.Fatalf("%q and then %q", pieces[key], v["text"])
			}
		case names[i] == "response.function_call_arguments.done":
			if pieces[key] != v["arguments"] {
				t.Fatalf("%q and then %q", pieces[key], v["arguments"])
			}
		case names[i] == "response.output_item.done":
			output = append(output, v["item"])
		case names[i] == "response.completed" || names[i] == "response.incomplete":
			if i != len(data)-1 {
				t.Fatal("more behind the end")
			}
			last := v["response"].(map[string]any)
			if output == nil {
				output = []any{}
			}
			if !reflect.DeepEqual(last["output"], output) {
				t.Fatalf("the items say %v and the end %v", output, last["output"])
			}
			return last
		}
	}
	t.Fatalf("no end: %s", stream)
	return nil
}
