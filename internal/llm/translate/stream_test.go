package translate

import (
	"errors"
	"strings"
	"testing"
)

// TestStreamRefused: what is no stream as it should be ends with an error, which sticks, and nothing of it comes out.
func TestStreamRefused(t *testing.T) {
	const (
		chunk = `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}` + "\n\n"
		stops = `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
		done  = "data: [DONE]\n\n"
		start = "event: message_start\n" + `data: {"type":"message_start","message":{"id":"x","type":"message","role":"assistant","model":"m","content":[]}}` + "\n\n"
		open  = "event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n"
		shut  = "event: content_block_stop\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n"
		ends  = "event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}` + "\n\n"
		over  = "event: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n"
		part  = `data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}` + "\n\n"
	)
	call := func(call string) string {
		return `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[` + call + `]},"finish_reason":"tool_calls"}]}` + "\n\n"
	}
	good := map[string]string{Chat: chunk + stops + done, Anthropic: start + open + shut + ends + over, Gemini: part + `data: {"candidates":[{"finishReason":"STOP"}]}` + "\n\n"}
	for _, c := range []struct{ provider, name, in string }{
		{Chat, "nothing", ""},
		{Chat, "no reason to stop", chunk + done},
		{Chat, "more behind the end", chunk + stops + done + chunk},
		{Chat, "cut within an event", chunk + stops + "data: [DO"},
		{Chat, "two choices", strings.Replace(chunk, `"index":0`, `"index":1`, 1) + stops + done},
		{Chat, "a reason that is not known", strings.Replace(stops, `"stop"`, `"tired"`, 1) + done},
		{Chat, "a call in the older form", strings.Replace(chunk, `"content":"a"`, `"function_call":{"name":"x"}`, 1) + stops + done},
		{Chat, "a picture", strings.Replace(chunk, `"content":"a"`, `"images":[{}]`, 1) + stops + done},
		{Chat, "a call without an id", call(`{"index":0,"function":{"name":"x","arguments":"{}"}}`) + done},
		{Chat, "arguments that are no object", call(`{"index":0,"id":"c","function":{"name":"x","arguments":"[]"}}`) + done},
		{Chat, "a call of another kind", call(`{"index":0,"id":"c","type":"custom","custom":{}}`) + done},
		{Chat, "a part of another kind", strings.Replace(chunk, `"a"`, `[{"type":"audio"}]`, 1) + stops + done},
		{Chat, "two members of one name", strings.Replace(chunk, `"id":"c"`, `"id":"c","id":"d"`, 1) + stops + done},
		{Anthropic, "no end", start + open + shut + ends},
		{Anthropic, "the end within a block", start + open + ends + over},
		{Anthropic, "more behind the end", start + open + shut + ends + over + open},
		{Anthropic, "a piece of no block", start + strings.Replace(shut, "stop", "delta", 2) + ends + over},
		{Anthropic, "an event that is not known", start + "event: x\ndata: {\"type\":\"x\"}\n\n" + ends + over},
		{Anthropic, "a tool of the provider's", start + strings.Replace(open, `"type":"text"`, `"type":"server_tool_use"`, 1) + shut + ends + over},
		{Gemini, "no reason to stop", part},
		{Gemini, "two candidates", strings.Replace(part, `{"content"`, `{"index":1,"content"`, 1)},
		{Gemini, "a call that could not be read", part + `data: {"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}` + "\n\n"},
	} {
		t.Run(c.provider+" "+c.name, func(t *testing.T) {
			for _, p := range Pairs() {
				if p[1] != c.provider {
					continue
				}
				if _, err := streamed(t, p[1], p[0], []byte(good[p[1]])); err != nil {
					t.Fatalf("%s: one that is good: %v", p[0], err)
				}
				s, err := NewStream(p[1], p[0], options)
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Write(nil, []byte(c.in))
				if err == nil {
					_, err = s.Close(nil)
				}
				if !errors.Is(err, ErrUnreadable) {
					t.Fatalf("%s: %v", p[0], err)
				}
				out, again := s.Write(nil, []byte(good[p[1]]))
				if last, closing := s.Close(nil); len(out)+len(last) > 0 || again != err || closing != err { //nolint:errorlint // the very same
					t.Errorf("%s: it goes on: %s%s, %v, %v", p[0], out, last, again, closing)
				}
			}
		})
	}
}

// TestResultsFirst: results stand before what the person says beside them, where providers look for them.
func TestResultsFirst(t *testing.T) {
	doc := []byte(`{"model":"x","messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"t","arguments":"{}"}}]},
		{"role":"user","content":"and hurry"},{"role":"tool","tool_call_id":"c","content":"done"}]}`)
	for to, marks := range map[string][2]string{Anthropic: {"tool_result", "hurry"}, Gemini: {"functionResponse", "hurry"}, Bedrock: {"toolResult", "hurry"}} {
		out, err := Request(Chat, to, doc, "m", false)
		if err != nil {
			t.Fatal(err)
		}
		if result, text := strings.Index(string(out), marks[0]), strings.Index(string(out), marks[1]); result < 0 || text < result {
			t.Errorf("%s: %s", to, out)
		}
	}
}
