package openairesponses

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func TestRefused(t *testing.T) {
	for doc, want := range map[string]string{
		`{"input":"x"}`:                                         "model: is required",
		`{"model":"","input":"x"}`:                              "model: is required",
		`{"model":"m","input":1}`:                               "input: is of the wrong type",
		`{"model":"m","Input":"x"}`:                             "differs only by case",
		`{"model":"m","model":"n"}`:                             "duplicate",
		`{"model":"m","input":["x"]}`:                           "must be an object",
		`{"model":"m","input":[{}]}`:                            "input[0].type: is required",
		`{"model":"m","input":[{"type":"new"}]}`:                "input[0].type: is not a type of item that is known",
		`{"model":"m","input":[{"role":"tool","content":"x"}]}`: "input[0].role: is not a role that is known",
		`{"model":"m","input":[{"role":"user"}]}`:               "input[0].content: is required",
		`{"model":"m","input":[{"role":"user","content":[{"type":"tool_result","content":"x"}]}]}`:                                                                                  "is not a kind of part that is known",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x","refusal":"y"}]}]}`:                                                                        "does not go with its type",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_text","image_url":"data:,"}]}]}`:                                                                            "does not go with its type",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":{"url":"x"}}]}]}`:                                                                        "must be a string",
		`{"model":"m","input":[{"role":"user","Content":"x"}]}`:                                                                                                                     "differs only by case",
		`{"model":"m","input":[{"type":"function_call","name":"a","arguments":{}}]}`:                                                                                                "must have a string",
		`{"model":"m","input":[{"type":"function_call","call_id":"1","arguments":"{}"}]}`:                                                                                           "input[0].name: is required",
		`{"model":"m","input":[{"type":"local_shell_call","call_id":"1","action":"ls"}]}`:                                                                                           "must have an object",
		`{"model":"m","input":[{"type":"computer_call","action":{},"actions":[]}]}`:                                                                                                 "one form of its arguments too many",
		`{"model":"m","input":[{"type":"function_call_output","call_id":"1"}]}`:                                                                                                     "input[0].output: is required",
		`{"model":"m","input":[{"type":"function_call","namespace":"a.b","name":"c","arguments":"{}"}]}`:                                                                            "is not a name",
		`{"model":"m","input":[{"type":"message","role":"user","content":"a","output":"b"}]}`:                                                                                       "one content too many",
		`{"model":"m","tools":[{"name":"a"}]}`:                                                                                                                                      "tools[0].type: is required",
		`{"model":"m","tools":[{"type":"function"}]}`:                                                                                                                               "needs a name",
		`{"model":"m","tools":[{"type":"function","function":{"name":"a"}}]}`:                                                                                                       "has its definition in another form",
		`{"model":"m","tools":[{"type":"function","name":"a"},{"type":"custom","name":"a"}]}`:                                                                                       "offers a twice",
		`{"model":"m","tools":[{"type":"computer"},{"type":"computer_use_preview"}]}`:                                                                                               "offers computer twice",
		`{"model":"m","tools":[{"type":"function","name":"yellowjack_no_tools"}]}`:                                                                                                  "is reserved",
		`{"model":"m","tools":[{"type":"namespace","name":"a.b","tools":[{"type":"function","name":"c"}]}]}`:                                                                        "without dots",
		`{"model":"m","tools":[{"type":"namespace","name":"a","tools":[{"type":"web_search"}]}]}`:                                                                                   "no place in a namespace",
		`{"model":"m","tools":[{"type":"function","name":"a","tools":[{"type":"function","name":"b"}]}]}`:                                                                           "is no namespace",
		`{"model":"m","tools":[{"type":"function","name":"a","description":"x"}],"input":[{"type":"additional_tools","tools":[{"type":"function","name":"a","description":"y"}]}]}`: "offers a twice",
		`{"model":"m","tool_choice":"any"}`:                                                                                                                                         "must be none, auto",
		`{"model":"m","tool_choice":{"type":"function"}}`:                                                                                                                           "needs a type",
		`{"model":"m","tool_choice":{"type":"web_search","name":"a"}}`:                                                                                                              "needs a type",
		`{"model":"m","tool_choice":{"type":"allowed_tools","mode":"none","tools":[]}}`:                                                                                             "needs allowed_tools",
		`{"model":"m","tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"tools":[]}]}}`:                                                                                 "has no place for a list",
		`{"model":"m","tool_choice":{"type":"function","name":"a","x":1}}`:                                                                                                          "is not known",
		`{"model":"m","metadata":{"a":{}}}`:                                                                                                                                         "takes no nested values",
		`{"model":"m","prompt":{}}`:                                                                                                                                                 "prompt.id: is required",
		`{"model":"m","instructions":[{"role":"user","content":"x"}]}`:                                                                                                              "instructions: must be a string",
		`{"model":"m"} x`: "after the document",
	} {
		r, err := ParseRequest([]byte(doc), strictjson.Limits{})
		var field *llm.FieldError
		var strict *strictjson.Error
		switch {
		case err == nil:
			t.Errorf("%s: taken as %+v", doc, r)
		case !errors.As(err, &field) && !errors.As(err, &strict):
			t.Errorf("%s: %T", doc, err)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
	}
}

func TestUnknown(t *testing.T) {
	r, err := ParseRequest([]byte(`{"model":"m","new":{"a":"b"},"tools":[{"type":"function","name":"a","new":1}],"input":[{"role":"user","content":[{"type":"input_text","text":"x","new":"y"}],"new":["z"]},{"type":"reasoning","summary":[],"call_id":"1"}]}`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.Unknown, " "); got != "new tools.new input.content.new input.new input.reasoning.call_id" {
		t.Error(got)
	}
	if len(r.Parts) != 4 { // what they say is context
		t.Errorf("%+v", r.Parts)
	}
}

func TestEditsOfNothing(t *testing.T) {
	r, err := ParseRequest([]byte(`{"model":"m","input":[{"type":"function_call","name":"a"},{"type":"web_search_call","action":{"query":"x"}}]}`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []llm.Edit{
		{DropResults: map[int]string{1: ""}},
		{DropResults: map[int]string{0: ""}, Results: map[int][]byte{0: nil}},
		{Results: map[int][]byte{-1: nil}},
		{CallIDs: map[int]string{0: "x"}},
		{CallTools: map[int]string{1: "x"}},
		{ResultIDs: map[int]string{0: "x"}},
		{Arguments: map[int][]byte{0: []byte("{}")}},
		{PartTexts: map[int][]byte{9: nil}},
		{PartTexts: map[int][]byte{0: []byte("x")}},
		{PartTexts: map[int][]byte{0: nil}, Results: map[int][]byte{0: nil}},
	} {
		if out, err := Apply(r, e); err == nil {
			t.Errorf("%+v made %s", e, out)
		}
	}
	if _, err := Apply(&llm.Request{}, llm.Edit{}); err == nil {
		t.Error("a request of another dialect")
	}
}

// TestAttributed: a result answers a call of its own kind, once, and under its own name.
func TestAttributed(t *testing.T) {
	call := `{"type":"function_call","call_id":"1","name":"a","arguments":"{}"}`
	for result, want := range map[string]string{
		`{"type":"function_call_output","call_id":"1","output":"x"}`:            "a",
		`{"type":"function_call_output","call_id":"1","name":"a","output":"x"}`: "a",
		`{"type":"function_call_output","call_id":"1","name":"b","output":"x"}`: "",
		`{"type":"function_call_output","call_id":"2","output":"x"}`:            "",
		`{"type":"function_call_output","output":"x"}`:                          "",
		`{"type":"custom_tool_call_output","call_id":"1","output":"x"}`:         "",
		`{"type":"shell_call_output","call_id":"1","output":[{"stdout":"x"}]}`:  "",
	} {
		r, err := ParseRequest([]byte(`{"model":"m","input":[`+call+","+result+","+`{"type":"function_call_output","call_id":"1","output":"again"}`+`]}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		again := "a"
		if want == "a" {
			again = ""
		}
		if r.Results[0].Tool != want || r.Results[1].Tool != again {
			t.Errorf("%s: %+v", result, r.Results)
		}
	}
}

func benchRequest(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"model":"openai/gpt-5-mini","stream":true,"instructions":"Be brief.","input":[{"role":"user","content":"go"}`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,{"role":"user","content":[{"type":"input_text","text":"%s"}]}`, strings.Repeat(`A line with a \"quote\" in it.\n`, 12))
		fmt.Fprintf(&b, `,{"type":"function_call","id":"fc_%d","call_id":"call_%d","name":"snowflake__query","arguments":"{\"sql\":\"select %d\"}","status":"completed"}`, i, i, i)
		fmt.Fprintf(&b, `,{"type":"function_call_output","call_id":"call_%d","output":"%s"}`, i, strings.Repeat("0123456789 ", 40))
	}
	b.WriteString(`],"tools":[{"type":"function","name":"snowflake__query","description":"Runs SQL","parameters":{"type":"object","properties":{"sql":{"type":"string"}}}},{"type":"function","name":"slack__post","parameters":{"type":"object"}}],"tool_choice":"auto"}`)
	return []byte(b.String())
}

// BenchmarkRequest is the view and an edit, beside a token walk and encoding/json into any.
func BenchmarkRequest(b *testing.B) {
	doc := benchRequest(64 << 10)
	no := false
	for name, run := range map[string]func() error{
		"view": func() error { _, err := ParseRequest(doc, strictjson.Limits{}); return err },
		"edited": func() error {
			r, err := ParseRequest(doc, strictjson.Limits{})
			if err == nil {
				_, err = Apply(r, llm.Edit{Model: "gpt-5-mini", HideTools: map[string]bool{"slack__post": true}, Store: &no})
			}
			return err
		},
		"tokens": func() error {
			d := jsontext.NewDecoder(bytes.NewReader(doc))
			for {
				if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
			}
		},
		"any": func() error { var v any; return json.Unmarshal(doc, &v) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAnswers: a refusal goes up as the result of a call that the provider keeps.
func TestAnswers(t *testing.T) {
	answers := []llm.Answer{
		{ID: "1", Tool: "a", Text: "[no]"},
		{ID: "2", Tool: "sh", Custom: true, Text: "[no]"},
		{ID: "3", Tool: "shell", Text: "[no]"},
		{ID: "4", Tool: "apply_patch", Text: "[no]"},
		{ID: "5", Tool: "computer", Text: "[no]"},
		{ID: "6", Tool: "local_shell", Text: "[no]"},
	}
	tools := `"tools":[{"type":"function","name":"a"},{"type":"shell"},{"type":"apply_patch"},{"type":"computer"},{"type":"local_shell"}]`
	for _, input := range []string{``, `,"input":"go \"on\""`, `,"input":[]`, `,"input":null`, `,"input":[{"role":"user","content":"go \"on\""}]`} {
		r, err := ParseRequest([]byte(`{`+tools+`,"previous_response_id":"resp_1","model":"m"`+input+`}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		edit := llm.Edit{Answers: answers, HideTools: map[string]bool{"a": true}}
		if strings.Contains(input, `"go`) {
			edit.PartTexts = map[int][]byte{0: []byte("on")}
		}
		out, err := Apply(r, edit)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRequest(out, strictjson.Limits{})
		if err != nil || len(again.Results) != len(answers) || len(again.Unknown) > 0 || len(again.Tools) != 4 {
			t.Fatalf("%s: %v %+v\n%s", input, err, again, out)
		}
		for i, result := range again.Results {
			if result.ID != answers[i].ID || result.Role != "tool" || answers[i].Tool != "computer" && !strings.Contains(string(again.ResultText(i)), "[no]") {
				t.Errorf("%+v\n%s", result, out)
			}
		}
		if input != "" && strings.Contains(input, "go") != strings.Contains(string(out), `"role":"user","content":"on"`) {
			t.Errorf("%s", out)
		}
	}
}
