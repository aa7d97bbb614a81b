package openaichat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func TestResponseRefused(t *testing.T) {
	choice := func(c string) string { return `{"object":"chat.completion","choices":[` + c + `]}` }
	message := func(m string) string { return choice(`{"index":0,"finish_reason":"tool_calls","message":{` + m + `}}`) }
	for _, c := range []struct {
		name, doc string
		want      error
	}{
		{"no object", `[]`, strictjson.ErrType},
		{"nothing", `{}`, ErrNotCompletion},
		{"no choices", `{"object":"chat.completion","choices":null,"error":null}`, ErrNotCompletion},
		{"a chunk", `{"object":"chat.completion.chunk","choices":[]}`, ErrNotCompletion},
		{"another object", `{"object":"response","choices":[]}`, ErrNotCompletion},
		{"duplicate", `{"choices":[],"choices":[]}`, strictjson.ErrDuplicate},
		{"trailing", `{"choices":[]}x`, strictjson.ErrTrailing},
		{"choices type", `{"choices":{}}`, strictjson.ErrType},
		{"a choice's type", choice(`"x"`), strictjson.ErrType},
		{"calls at the top", `{"choices":[],"tool_calls":[{}]}`, ErrNotCompletion},
		{"a message at the top", `{"choices":[],"message":{}}`, ErrNotCompletion},
		{"delta", choice(`{"index":0,"delta":{"tool_calls":[]},"message":{}}`), ErrNotCompletion},
		{"calls in a choice", choice(`{"index":0,"message":{},"tool_calls":[]}`), ErrNotCompletion},
		{"no message", choice(`{"index":0,"finish_reason":"stop"}`), ErrNotCompletion},
		{"message type", choice(`{"index":0,"message":"x"}`), strictjson.ErrType},
		{"delta in a message", message(`"delta":{"tool_calls":[]}`), ErrNotCompletion},
		{"an index twice", choice(`{"index":0,"message":{}},{"index":0,"message":{}}`), ErrNotCompletion},
		{"an index and a place", choice(`{"index":1,"message":{}},{"message":{}}`), ErrNotCompletion},
		{"a negative index", choice(`{"index":-1,"message":{}}`), ErrNotCompletion},
		{"content type", message(`"content":{"tool_calls":[]}`), ErrNotCompletion},
		{"a part of no known kind", message(`"content":[{"type":"tool_use","id":"1"}]`), ErrNotCompletion},
		{"calls type", message(`"tool_calls":{"id":"1"}`), strictjson.ErrType},
		{"a call's type", message(`"tool_calls":["x"]`), strictjson.ErrType},
		{"case at the top", `{"Choices":[]}`, strictjson.ErrCase},
		{"case beside", `{"choices":[],"ERROR":1}`, strictjson.ErrCase},
		{"case in a choice", choice(`{"index":0,"Message":{},"message":{}}`), strictjson.ErrCase},
		{"case in a choice's end", choice(`{"index":0,"Finish_Reason":"stop","message":{}}`), strictjson.ErrCase},
		{"case in a message", message(`"Tool_Calls":[]`), strictjson.ErrCase},
		{"case in a message, legacy", message(`"function_Call":{}`), strictjson.ErrCase},
		{"case in a part", message(`"content":[{"Type":"text"}]`), strictjson.ErrCase},
		{"case in a call", message(`"tool_calls":[{"Function":{}}]`), strictjson.ErrCase},
		{"case in a function", message(`"tool_calls":[{"function":{"Arguments":"{}"}}]`), strictjson.ErrCase},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := ParseResponse([]byte(c.doc), strictjson.Limits{})
			if !errors.Is(err, c.want) {
				t.Fatalf("%v %+v", err, r)
			}
		})
	}
}

// Members that nobody knows are relayed.
func TestResponseRelaysTheUnknown(t *testing.T) {
	doc := []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"x","citations":["y"],"executed":{"z":1}},"finish_reason":"stop","extra":{}}],"x_groq":{"id":"1"}}`)
	r, err := ParseResponse(doc, strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := r.Rewrite(nil, nil); err != nil || &out[0] != &doc[0] {
		t.Fatal("copied")
	}
}

func TestNoVerdictDenies(t *testing.T) {
	doc := `{"choices":[{"message":{"tool_calls":[{"id":"1","function":{"name":"a","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`
	for _, verdicts := range [][]llm.Verdict{nil, {}, {{}}} {
		r, err := ParseResponse([]byte(doc), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if body, _, err := r.Rewrite(verdicts, nil); err != nil || strings.Contains(string(body), "tool_calls") || !strings.Contains(string(body), "refused") {
			t.Error(string(body))
		}
	}
}

// clientAnswer is what a client reads of an answer, with encoding/json for a stranger to our reader.
type clientAnswer struct {
	Choices []clientChoice
}

type clientChoice struct {
	Message struct {
		Content      *string
		ToolCalls    []struct{ ID string } `json:"tool_calls"`
		FunctionCall *struct{}             `json:"function_call"`
	}
	FinishReason string `json:"finish_reason"`
}

// seen is what a choice comes to for its client.
type seen struct {
	calls, content, finish string
	legacy                 bool
}

func (c clientChoice) seen() seen {
	s := seen{finish: c.FinishReason, legacy: c.Message.FunctionCall != nil}
	for _, call := range c.Message.ToolCalls {
		s.calls += call.ID + " "
	}
	if c.Message.Content != nil {
		s.content = *c.Message.Content
	}
	return s
}

// drawChoice draws a choice, verdicts on its calls, and what its client must see.
func drawChoice(t *rapid.T, c int) (doc string, verdicts []llm.Verdict, want seen) {
	want.finish = "tool_calls"
	var members, calls, texts []string
	decide := func(name string) bool {
		allow := rapid.Bool().Draw(t, "allow")
		verdicts = append(verdicts, llm.Verdict{Allow: allow, Text: "no " + name})
		if !allow {
			texts = append(texts, "no "+name)
		}
		return allow
	}
	switch rapid.IntRange(0, 3).Draw(t, "content") {
	case 1:
		members = append(members, `"content":null`)
	case 2:
		members = append(members, `"content":""`)
	case 3:
		members = append(members, `"content":"own \"text\""`)
		texts = append(texts, `own "text"`)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "calls") {
		id := fmt.Sprintf("c%d-%d", c, i)
		calls = append(calls, `{"id":"`+id+`","type":"function","function":{"name":"f","arguments":"{}"}}`)
		if decide(id) {
			want.calls += id + " "
		}
	}
	if len(calls) > 0 {
		members = append(members, `"tool_calls":[`+strings.Join(calls, " , ")+`]`)
	}
	if rapid.Bool().Draw(t, "legacy") {
		members = append(members, `"function_call":{"name":"f","arguments":"{}"}`)
		want.legacy = decide("legacy")
	}
	if want.content = strings.Join(texts, "\n\n"); len(verdicts) > 0 && want.calls == "" && !want.legacy {
		want.finish = "stop"
	}
	members = rapid.Permutation(append(members, `"role":"assistant"`)).Draw(t, "order")
	return `{"message":{` + strings.Join(members, ",") + `},"finish_reason":"tool_calls"}`, verdicts, want
}

// TestRewriteReleasesExactlyTheAllowed: whatever the answer looks like and whatever is decided, a client sees the allowed
// calls and no other, every verdict's text behind the own text, and the right finish reason.
func TestRewriteReleasesExactlyTheAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var choices []string
		var verdicts []llm.Verdict
		var want []seen
		for c := range rapid.IntRange(1, 3).Draw(t, "choices") {
			doc, v, w := drawChoice(t, c)
			choices, verdicts, want = append(choices, doc), append(verdicts, v...), append(want, w)
		}
		doc := `{"choices":[` + strings.Join(choices, ",") + `]}`
		r, err := ParseResponse([]byte(doc), strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		out, _, err := r.Rewrite(verdicts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseResponse(out, strictjson.Limits{}); err != nil {
			t.Fatalf("%s does not parse again: %v", out, err)
		}
		var got clientAnswer
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		for i, c := range got.Choices {
			if c.seen() != want[i] {
				t.Fatalf("%s\nbecame %s\nwant %+v", doc, out, want)
			}
		}
	})
}
