package openaichat

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestRequestRefused: each is an error of the whole request, of the kind and about the place that is given.
func TestRequestRefused(t *testing.T) {
	around := func(member string) string { return `{"model":"m","messages":[],` + member + `}` }
	message := func(m string) string { return `{"model":"m","messages":[` + m + `]}` }
	tool := func(x string) string { return around(`"tools":[` + x + `]`) }
	call := func(c string) string { return message(`{"role":"assistant","tool_calls":[` + c + `]}`) }
	for _, c := range []struct {
		name, doc string
		kind      error  // of strictjson, or nil for a FieldError
		place     string // contained in the error
	}{
		{"no object", `[]`, strictjson.ErrType, ""},
		{"trailing", `{"model":"m","messages":[]} {}`, strictjson.ErrTrailing, ""},
		{"duplicate", around(`"model":"other"`), strictjson.ErrDuplicate, "/model"},
		{"deep", around(`"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70)), strictjson.ErrDepth, "/x"},
		{"no model", `{"messages":[]}`, nil, "model"},
		{"empty model", `{"model":"","messages":[]}`, nil, "model"},
		{"null model", `{"model":null,"messages":[]}`, nil, "model"},
		{"model type", `{"model":["m"],"messages":[]}`, nil, "model"},
		{"no messages", `{"model":"m"}`, nil, "messages"},
		{"null messages", `{"model":"m","messages":null}`, nil, "messages"},
		{"messages type", `{"model":"m","messages":{}}`, nil, "messages"},

		{"case", around(`"Tools":[]`), strictjson.ErrCase, ""},
		{"case of an inert field", around(`"Temperature":1`), strictjson.ErrCase, ""},
		{"case by the Kelvin sign", around("\"top_\u212a\":1"), strictjson.ErrCase, ""},
		{"case in a message", message(`{"Role":"user"}`), strictjson.ErrCase, ""},
		{"case in a part", message(`{"role":"user","content":[{"Type":"text"}]}`), strictjson.ErrCase, ""},
		{"case in a call", call(`{"ID":"1"}`), strictjson.ErrCase, ""},
		{"case in a call's function", call(`{"id":"1","function":{"Name":"a"}}`), strictjson.ErrCase, ""},
		{"case in a tool", tool(`{"Function":{}}`), strictjson.ErrCase, ""},
		{"case in a function", tool(`{"type":"function","function":{"Name":"a"}}`), strictjson.ErrCase, ""},
		{"case in a legacy function", around(`"functions":[{"NAME":"a"}]`), strictjson.ErrCase, ""},
		{"case in tool_choice", around(`"tool_choice":{"Type":"function"}`), strictjson.ErrCase, ""},
		{"case in a plugin", around(`"plugins":[{"Id":"web"}]`), strictjson.ErrCase, ""},

		{"temperature type", around(`"temperature":"1"`), nil, "temperature"},
		{"stream type", around(`"stream":"true"`), nil, "stream"},
		{"stream as a number", around(`"stream":1`), nil, "stream"},
		{"n of zero", around(`"n":0`), nil, "n"},
		{"n too large", around(`"n":129`), nil, "n"},
		{"n as a fraction", around(`"n":1.0`), strictjson.ErrType, "/n"},
		{"nested metadata", around(`"metadata":{"a":{}}`), nil, "metadata"},
		{"models type", around(`"models":"m"`), nil, "models"},
		{"models element", around(`"models":[{"model":"m"}]`), strictjson.ErrType, "/models/0"},
		{"plugin without id", around(`"plugins":[{"max_results":1}]`), nil, "plugins[0].id"},
		{"plugins type", around(`"plugins":{"id":"web"}`), nil, "plugins"},
		{"preset type", around(`"preset":{}`), nil, "preset"},

		{"no role", message(`{"content":"x"}`), nil, "messages[0].role"},
		{"unknown role", message(`{"role":"Tool","content":"x"}`), nil, "messages[0].role"},
		{"tool without content", message(`{"role":"tool","tool_call_id":"1"}`), nil, "messages[0].content"},
		{"content type", message(`{"role":"user","content":{}}`), nil, "messages[0].content"},
		{"content of strings", message(`{"role":"user","content":["x"]}`), strictjson.ErrType, "/messages/0/content/0"},
		{"tool_result part", message(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"x"}]}`), nil, "messages[0].content[0].type"},
		{"part without type", message(`{"role":"user","content":[{"text":"x"}]}`), nil, "messages[0].content[0].type"},
		{"a text under a picture's type", message(`{"role":"user","content":[{"type":"image_url","text":"x"}]}`), nil, "messages[0].content[0]"},
		{"a text beside a picture", message(`{"role":"user","content":[{"type":"text","text":"x","image_url":{"url":"data:,"}}]}`), nil, "messages[0].content[0]"},
		{"a picture's URL of another type", message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":["x"]}}]}`), nil, "messages[0].content[0].image_url.url"},
		{"a picture of another type", message(`{"role":"user","content":[{"type":"image_url","image_url":["x"]}]}`), nil, "messages[0].content[0].image_url"},
		{"case in a picture", message(`{"role":"user","content":[{"type":"image_url","image_url":{"URL":"x"}}]}`), strictjson.ErrCase, ""},
		{"case in a file", message(`{"role":"user","content":[{"type":"file","file":{"File_ID":"x"}}]}`), strictjson.ErrCase, ""},
		{"text of another type", message(`{"role":"user","content":[{"type":"text","text":[]}]}`), nil, "messages[0].content[0].text"},
		{"calls of a user", message(`{"role":"user","tool_calls":[{"id":"1","type":"function","function":{"name":"a","arguments":""}}]}`), nil, "messages[0]"},
		{"tool_call_id of a user", message(`{"role":"user","content":"x","tool_call_id":"1"}`), nil, "messages[0]"},
		{"call of unknown type", call(`{"id":"1","type":"mcp","function":{"name":"a"}}`), nil, "messages[0].tool_calls[0]"},
		{"call of two kinds", call(`{"id":"1","function":{"name":"a"},"custom":{"name":"b"}}`), nil, "messages[0].tool_calls[0]"},
		{"call without name", call(`{"id":"1","function":{"arguments":"{}"}}`), nil, "function.name"},
		{"call with an object", call(`{"id":"1","function":{"name":"a","arguments":{}}}`), nil, "function.arguments"},
		{"calls as an object", message(`{"role":"assistant","tool_calls":{}}`), strictjson.ErrType, "/messages/0/tool_calls"},

		{"tool without type", tool(`{"function":{"name":"a"}}`), nil, "tools[0].type"},
		{"tool without function", tool(`{"type":"function","name":"a"}`), nil, "tools[0]"},
		{"tool of two kinds", tool(`{"type":"function","function":{"name":"a"},"custom":{"name":"b"}}`), nil, "tools[0]"},
		{"function under a server's type", tool(`{"type":"web_search","function":{"name":"a"}}`), nil, "tools[0]"},
		{"tool without name", tool(`{"type":"function","function":{}}`), nil, "tools[0]"},
		{"tool with an unprintable name", tool(`{"type":"function","function":{"name":"a\u200b"}}`), nil, "tools[0]"},
		{"two tools of a name", tool(`{"type":"function","function":{"name":"a"}},{"type":"custom","custom":{"name":"a"}}`), nil, "a twice"},
		{"a name in both lists", around(`"tools":[{"type":"function","function":{"name":"a"}}],"functions":[{"name":"a"}]`), nil, "a twice"},
		{"the stub's name", tool(`{"type":"function","function":{"name":"yellowjack_no_tools"}}`), nil, "reserved"},
		{"parameters type", tool(`{"type":"function","function":{"name":"a","parameters":"x"}}`), nil, "parameters"},

		{"tool_choice word", around(`"tool_choice":"slack__post"`), nil, "tool_choice"},
		{"tool_choice without name", around(`"tool_choice":{"type":"function"}`), nil, "tool_choice"},
		{"tool_choice of another shape", around(`"tool_choice":{"type":"function","name":"a"}`), nil, "tool_choice"},
		{"tool_choice of two kinds", around(`"tool_choice":{"type":"function","function":{"name":"a"},"custom":{"name":"b"}}`), nil, "tool_choice"},
		{"allowed in allowed", around(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"allowed_tools","allowed_tools":{}}]}}`), nil, "tool_choice"},
		{"allowed without mode", around(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[]}}`), nil, "tool_choice"},
		{"function_call word", around(`"function_call":"a"`), nil, "function_call"},
		{"function_call without name", around(`"function_call":{}`), nil, "function_call"},
		{"too many unknown", around(many(40)), nil, "unknown"},
		{"a long unknown", around(`"` + strings.Repeat("x", 300) + `":1`), nil, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := ParseRequest([]byte(c.doc), strictjson.Limits{})
			if err == nil {
				t.Fatalf("taken: %+v", r)
			}
			var field *llm.FieldError
			if c.kind == nil && !errors.As(err, &field) || c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("%T %v", err, err)
			}
			if !strings.Contains(err.Error(), c.place) {
				t.Errorf("%v does not name %s", err, c.place)
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"x` + strings.Repeat("x", i) + `":1,`)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// TestInertPasses: what everyday clients send is neither unknown nor asked of policy.
func TestInertPasses(t *testing.T) {
	doc := `{"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"x","name":"sara"},
		{"role":"assistant","content":"y","refusal":null,"annotations":[],"audio":null,"function_call":null,"tool_calls":null,
		 "reasoning":"r","reasoning_details":[{"type":"reasoning.text"}]}],
		"temperature":0.7,"top_p":1,"max_tokens":5,"max_completion_tokens":null,"stop":["x"],"seed":1,"n":1,"user":"u",
		"metadata":{"a":"b"},"logprobs":true,"top_logprobs":2,"logit_bias":{"1":2},"response_format":{"type":"json_object"},
		"stream":true,"stream_options":{"include_usage":true},"presence_penalty":0,"frequency_penalty":0,"reasoning_effort":"low",
		"reasoning":{"effort":"low"},"verbosity":"low","service_tier":"auto","store":false,"prediction":{"type":"content","content":"x"},
		"modalities":["text"],"audio":null,"safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h","top_k":1,
		"min_p":0,"top_a":0,"repetition_penalty":1,"usage":{"include":true},"include_reasoning":true,"structured_outputs":true,
		"session_id":"s","tools":null,"tool_choice":null,"parallel_tool_calls":null,"plugins":null,"provider":{}}`
	r, err := ParseRequest([]byte(doc), strictjson.Limits{})
	if err != nil || len(r.Features)+len(r.Unknown)+len(r.Tools)+len(r.MoreModels) > 0 || r.Choices != 1 || !r.Stream {
		t.Fatalf("%v %+v", err, r)
	}
	out, err := Apply(r, Edit{Model: "openai/gpt-5-mini", HideTools: map[string]bool{"x": true}})
	if err != nil || &out[0] != &r.Doc[0] {
		t.Fatalf("changed: %v %s", err, out)
	}
}

func TestModelFeatures(t *testing.T) {
	for model, want := range map[string]string{
		"openai/gpt-5": "", "llama3:8b": "", "qwen3:latest": "", "a/b:free": ":free", "a/b:online": ":online",
		"a/b:free:online": ":free :online", "@preset/x": "preset:x", "a/b@preset/x:online": "preset:x :online",
		"a/b@v2": "@", "a/b:Online": ":Online", "a/b:": "", "a/b::online": ": :online",
	} {
		r, err := ParseRequest([]byte(`{"messages":[],"model":"`+model+`"}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range r.Features {
			got = append(got, f.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", model, got, want)
		}
	}
}

func TestToolChoice(t *testing.T) {
	for in, want := range map[string]string{
		`"tool_choice":"none"`: "none ", `"tool_choice":"any"`: "required ", `"function_call":"auto"`: "auto ",
		`"tool_choice":{"type":"custom","custom":{"name":"a"}}`: "named a",
		`"tool_choice":{"type":"openrouter:web_search"}`:        "named openrouter:web_search",
		`"function_call":{"name":"b"}`:                          "named b",
		`"tool_choice":"auto","function_call":{"name":"b"}`:     "auto b",
		`"function_call":{"name":"b"},"tool_choice":"required"`: "required b",
		`"tool_choice":{"allowed_tools":{"mode":"auto","tools":[{"type":"custom","custom":{"name":"a"}},{"type":"x"}]},"type":"allowed_tools"}`: "allowed a x",
	} {
		r, err := ParseRequest([]byte(`{"model":"m","messages":[],`+in+`}`), strictjson.Limits{})
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := r.Choice.Mode + " " + strings.Join(r.Choice.Names, " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// A name that only function_call gives cannot be hidden behind a tool_choice of another mode.
func TestHiddenNamesAreAnError(t *testing.T) {
	for _, in := range []string{
		`"functions":[{"name":"a"},{"name":"b"}],"tool_choice":"auto","function_call":{"name":"a"}`,
		`"functions":[{"name":"a"}],"function_call":{"name":"a"}`,
	} {
		r, err := ParseRequest([]byte(`{"model":"m","messages":[],`+in+`}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var field *llm.FieldError
		if out, err := Apply(r, Edit{HideTools: map[string]bool{"a": true}}); !errors.As(err, &field) {
			t.Errorf("%s: %s %v", in, out, err)
		}
	}
}
