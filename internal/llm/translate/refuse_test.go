package translate

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// A refusedCase is a request with something that a provider's dialect cannot say: members to add to one that it can, and the field
// that the error names. With messages among them they take the place of its own.
type refusedCase struct{ members, field string }

var everyChat = []refusedCase{ //nolint:gochecknoglobals // a constant in all but syntax
	{`"n":2`, "n"},
	{`"logit_bias":{"1":1}`, "logit_bias"},
	{`"logprobs":true`, "logprobs"},
	{`"top_logprobs":3`, "top_logprobs"},
	{`"prediction":{"type":"content"}`, "prediction"},
	{`"audio":{"voice":"a"}`, "audio"},
	{`"modalities":["text","audio"]`, "modalities"},
	{`"functions":[]`, "functions"},
	{`"function_call":"auto"`, "function_call"},
	{`"store":true`, "store"},
	{`"verbosity":"low"`, "verbosity"},
	{`"web_search_options":{}`, "web_search_options"},
	{`"plugins":[]`, "plugins"},
	{`"temperature":"warm"`, "temperature"},
	{`"models":["a"]`, "models"},
	{`"min_p":0.1`, "min_p"},
	{`"messages":7`, "messages"},
	{`"response_format":{"type":"grammar"}`, "response_format"},
	{`"tools":[{"type":"custom","custom":{"name":"x"}}]`, "tools[0].type"},
	{`"tools":[{"type":"function","function":{"name":"x","odd":1}}]`, "tools[0].function.odd"},
	{`"tool_choice":{"type":"custom","custom":{"name":"x"}}`, "tool_choice"},
	{`"messages":[{"role":"user","name":"sara","content":"x"}]`, "messages[0].name"},
	{`"messages":[{"role":"user","content":"x"},{"role":"robot","content":"x"}]`, "messages[1].role"},
	{`"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}]`, "messages[0].content[0].type"},
	{`"messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x/y"}}]}]`, "messages[0].content[0].type"},
	{`"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]`, "messages[0].content[0].file"},
	{`"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,x"}}]}]`, "messages[0].content[0].image_url.url"},
	{`"messages":[{"role":"user","content":[{"type":"text","text":"x","odd":1}]}]`, "messages[0].content[0].odd"},
	{`"messages":[{"role":"assistant","content":"","audio":{"id":"a"}},{"role":"user","content":"x"}]`, "messages[0].audio"},
	{`"messages":[{"role":"assistant","content":"","tool_calls":[{"id":"c","type":"custom","custom":{"name":"x","input":""}}]}]`, "messages[0].tool_calls[0].type"},
	{`"messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"x","arguments":"[]"}}]}]`, "messages[0].tool_calls[0].function.arguments"},
	{`"messages":[{"role":"assistant","content":"x","prefix":true},{"role":"user","content":"x"}]`, "messages[0].prefix"},
	{`"messages":[{"role":"tool","content":"x"}]`, "messages[0].tool_call_id"},
	{`"messages":[{"role":"assistant","function_call":{"name":"x","arguments":"{}"}}]`, "messages[0]"},
	{`"messages":[{"role":"user","content":"x"},{"role":"system","content":"x"},{"role":"user","content":"x"}]`, "messages[1].role"},
}

var everyAnthropic = []refusedCase{ //nolint:gochecknoglobals // a constant in all but syntax
	{`"container":"c"`, "container"},
	{`"mcp_servers":[]`, "mcp_servers"},
	{`"context_management":{}`, "context_management"},
	{`"inference_geo":"us"`, "inference_geo"},
	{`"speed":"fast"`, "speed"},
	{`"thinking":{"type":"deep"}`, "thinking.type"},
	{`"tools":[{"type":"web_search_20250305","name":"web_search"}]`, "tools[0].type"},
	{`"tools":[{"name":"x","input_schema":{},"defer_loading":true}]`, "tools[0].defer_loading"},
	{`"tools":[{"name":"x","input_schema":{},"max_uses":1}]`, "tools[0].max_uses"},
	{`"tool_choice":{"type":"some"}`, "tool_choice.type"},
	{`"output_config":{"format":{"type":"grammar"}}`, "output_config.format.type"},
	{`"messages":[{"role":"user","content":[{"type":"search_result","source":"x","title":"x","content":[]}]}]`, "messages[0].content[0].source"},
	{`"messages":[{"role":"user","content":[{"type":"container_upload"}]}]`, "messages[0].content[0].type"},
	{`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}]`, "messages[0].content[0].source.file_id"},
	{`"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":""},"citations":{"enabled":true}}]}]`, "messages[0].content[0].citations"},
	{`"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":""},"context":"x"}]}]`, "messages[0].content[0].context"},
	{`"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]},{"role":"user","content":"x"}]`, "messages[0].content[0].type"},
}

var ofPair = map[[2]string][]refusedCase{ //nolint:gochecknoglobals // a constant in all but syntax
	{Chat, Anthropic}: {
		{`"temperature":1.5`, "temperature"},
		{`"seed":1`, "seed"},
		{`"frequency_penalty":0.5`, "frequency_penalty"},
		{`"presence_penalty":0.5`, "presence_penalty"},
		{`"repetition_penalty":1.1`, "repetition_penalty"},
		{`"reasoning_effort":"minimal"`, "reasoning_effort"},
		{`"response_format":{"type":"json_object"}`, "response_format"},
		{`"tools":[{"type":"function","function":{"name":"x"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}`, "tool_choice.allowed_tools"},
		{`"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/tiff;base64,AA=="}}]}]`, "messages[0].content[0]"},
		{`"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/csv;base64,AA=="}}]}]`, "messages[0].content[0]"},
	},
	{Chat, Gemini}: {
		{`"repetition_penalty":1.1`, "repetition_penalty"},
		{`"stop":["a","b","c","d","e","f"]`, "stop"},
		{`"reasoning_effort":"xhigh"`, "reasoning_effort"},
		{`"tools":[{"type":"function","function":{"name":"x"}}],"parallel_tool_calls":false`, "parallel_tool_calls"},
		{`"tools":[{"type":"function","function":{"name":"x"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}`, "tool_choice.allowed_tools"},
		{`"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y"}}]}]`, "messages[0].content[0]"},
		{`"messages":[{"role":"tool","tool_call_id":"x","content":"y"}]`, "messages[0]"},
	},
	{Anthropic, Gemini}: {
		{`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x/y"}}]}]`, "messages[0].content[0]"},
		{`"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"y"}]}]`, "messages[0].content[0]"},
		{`"tools":[{"name":"x","input_schema":{}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`, "tool_choice.disable_parallel_tool_use"},
		{`"output_config":{"effort":"max"}`, "output_config.effort"},
		{`"stop_sequences":["a","b","c","d","e","f"]`, "stop_sequences"},
	},
	{Chat, Bedrock}: {
		{`"temperature":1.5`, "temperature"},
		{`"seed":1`, "seed"},
		{`"top_k":1`, "top_k"},
		{`"presence_penalty":0.5`, "presence_penalty"},
		{`"reasoning_effort":"low"`, "reasoning_effort"},
		{`"reasoning":{"max_tokens":9}`, "reasoning.max_tokens"},
		{`"response_format":{"type":"json_object"}`, "response_format"},
		{`"tools":[{"type":"function","function":{"name":"x"}}],"tool_choice":"none"`, "tool_choice"},
		{`"tools":[{"type":"function","function":{"name":"x"}}],"parallel_tool_calls":false`, "parallel_tool_calls"},
		{`"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y"}}]}]`, "messages[0].content[0]"},
		{`"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/zip;base64,AA=="}}]}]`, "messages[0].content[0]"},
	},
	{Anthropic, Bedrock}: {
		{`"top_k":1`, "top_k"},
		{`"thinking":{"type":"enabled","budget_tokens":9}`, "thinking.budget_tokens"},
		{`"output_config":{"effort":"low"}`, "output_config.effort"},
		{`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x/y"}}]}]`, "messages[0].content[0]"},
		{`"tools":[{"name":"x","input_schema":{}}],"tool_choice":{"type":"none"}`, "tool_choice"},
		{`"messages":[{"role":"user","content":"x"},{"role":"system","content":"x"},{"role":"user","content":"x"}]`, "messages[1].role"},
	},
	{Anthropic, Chat}: {
		{`"stop_sequences":["a","b","c","d","e"]`, "stop_sequences"},
		{`"output_config":{"effort":"max"}`, "output_config.effort"},
		{`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"{"}]`, "messages[1]"},
		{`"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://x/y.pdf"}}]}]`, "messages[0].content[0]"},
		{`"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"type":"image","source":{"type":"url","url":"https://x/y"}}]}]}]`, "messages[0].content[0].content[0]"},
	},
}

// TestRefused: what cannot be expressed is an error that names the field as the client wrote it.
func TestRefused(t *testing.T) {
	for _, p := range Pairs() {
		t.Run(p[0]+" "+p[1], func(t *testing.T) {
			cases := map[string][]refusedCase{Chat: everyChat, Anthropic: everyAnthropic, Responses: everyResponses}[p[0]]
			cases = append(cases[:len(cases):len(cases)], ofPair[p]...)
			if _, err := Request(p[0], p[1], asked(p[0], ""), "m", false); err != nil {
				t.Fatal(err)
			}
			for _, c := range cases {
				if p[1] == Chat && strings.HasSuffix(c.field, "messages[1].role") && strings.Contains(c.members, `"system"`) {
					continue // said there
				}
				_, err := Request(p[0], p[1], asked(p[0], c.members), "m", false)
				field, ok := errors.AsType[*llm.FieldError](err)
				if !ok || field.Field != c.field {
					t.Errorf("%s: %v, want %s", c.members, err, c.field)
				}
			}
		})
	}
}

// asked is a request of a dialect with some members more.
func asked(dialect, members string) []byte {
	doc := map[string]string{
		Chat: `{"model":"x"`, Anthropic: `{"model":"x","max_tokens":10`, Responses: `{"model":"x"`,
	}[dialect]
	if members != "" {
		doc += "," + members
	}
	if dialect == Responses && !strings.Contains(members, `"input":`) {
		doc += `,"input":"x"`
	} else if dialect != Responses && !strings.Contains(members, `"messages":`) {
		doc += `,"messages":[{"role":"user","content":"x"}]`
	}
	return []byte(doc + "}")
}

// TestHints: each hint is taken, whatever the provider's dialect, and changes nothing else.
func TestHints(t *testing.T) {
	for _, p := range Pairs() {
		plain, err := Request(p[0], p[1], asked(p[0], ""), "m", false)
		if err != nil {
			t.Fatal(err)
		}
		for name, reason := range Hints(p[0]) {
			if reason == "" {
				t.Errorf("%s has no reason", name)
			}
			if strings.Contains(name, ".") || name == "user" || name == "metadata" && p[0] == Anthropic || name == "include" {
				continue // said in a place of the transcripts
			}
			value := map[string]string{"stream_options": `{"include_usage":true}`}[name]
			if value == "" {
				value = `"secret-hint"`
			}
			got, err := Request(p[0], p[1], asked(p[0], `"`+name+`":`+value), "m", false)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%v, %s: %v %s", p, name, err, got)
			}
		}
	}
}
