package openaichat

import (
	"encoding/json"
	"errors"
	"slices"
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
	if out := r.Rewrite(nil); &out[0] != &doc[0] {
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
		if out := string(r.Rewrite(verdicts)); strings.Contains(out, "tool_calls") || !strings.Contains(out, "refused") {
			t.Error(out)
		}
	}
}

// What a client reads of an answer, with encoding/json for a stranger to our reader.
type clientAnswer struct {
	Choices []struct {
		Message struct {
			Content   *string
			ToolCalls []struct {
				ID       string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
			FunctionCall *struct{ Name, Arguments string } `json:"function_call"`
		}
		FinishReason string `json:"finish_reason"`
	}
}

// TestRewriteReleasesExactlyTheAllowed: whatever the answer looks like and whatever is decided, a client sees the allowed
// calls and no other, every verdict's text behind the own text, and the right finish reason.
func TestRewriteReleasesExactlyTheAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var choices []string
		var want []clientAnswer
		var verdicts []llm.Verdict
		for c := range rapid.IntRange(1, 3).Draw(t, "choices") {
			var members, calls []string
			var kept, texts []string
			content := rapid.SampledFrom([]string{"", `null`, `""`, `"own \"text\""`}).Draw(t, "content")
			own := strings.Trim(strings.ReplaceAll(strings.ReplaceAll(content, `\"`, `'`), "null", ""), `"`)
			if content != "" {
				members = append(members, `"content":`+content)
			}
			own = strings.ReplaceAll(own, `'`, `"`)
			n := rapid.IntRange(0, 3).Draw(t, "calls")
			for i := range n {
				id := string(rune('a'+c)) + string(rune('0'+i))
				calls = append(calls, `{"id":"`+id+`","type":"function","function":{"name":"f","arguments":"{}"}}`)
				allow := rapid.Bool().Draw(t, "allow")
				verdicts = append(verdicts, llm.Verdict{Allow: allow, Text: "no " + id})
				if allow {
					kept = append(kept, id)
				} else {
					texts = append(texts, "no "+id)
				}
			}
			if n > 0 {
				members = append(members, `"tool_calls":[`+strings.Join(calls, " , ")+`]`)
			}
			legacy := rapid.Bool().Draw(t, "legacy")
			keepLegacy := false
			if legacy {
				members = append(members, `"function_call":{"name":"f","arguments":"{}"}`)
				keepLegacy = rapid.Bool().Draw(t, "allow legacy")
				verdicts = append(verdicts, llm.Verdict{Allow: keepLegacy, Text: "no legacy"})
				if !keepLegacy {
					texts = append(texts, "no legacy")
				}
			}
			members = append(members, `"role":"assistant"`)
			members = rapid.Permutation(members).Draw(t, "order")
			choices = append(choices, `{"message":{`+strings.Join(members, ",")+`},"finish_reason":"tool_calls"}`)
			var w clientAnswer
			w.Choices = append(w.Choices, struct {
				Message struct {
					Content   *string
					ToolCalls []struct {
						ID       string
						Function struct{ Name, Arguments string }
					} `json:"tool_calls"`
					FunctionCall *struct{ Name, Arguments string } `json:"function_call"`
				}
				FinishReason string `json:"finish_reason"`
			}{})
			if own != "" {
				texts = append([]string{own}, texts...)
			}
			joined := strings.Join(texts, "\n\n")
			w.Choices[0].Message.Content = &joined
			w.Choices[0].FinishReason = "tool_calls"
			if len(kept) == 0 && !keepLegacy && n+len(members) > 0 && (n > 0 || legacy) {
				w.Choices[0].FinishReason = "stop"
			}
			for _, id := range kept {
				call := struct {
					ID       string
					Function struct{ Name, Arguments string }
				}{ID: id}
				w.Choices[0].Message.ToolCalls = append(w.Choices[0].Message.ToolCalls, call)
			}
			if keepLegacy {
				w.Choices[0].Message.FunctionCall = &struct{ Name, Arguments string }{}
			}
			want = append(want, w)
		}
		doc := `{"choices":[` + strings.Join(choices, ",") + `]}`
		r, err := ParseResponse([]byte(doc), strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		out := r.Rewrite(verdicts)
		var got clientAnswer
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if _, err := ParseResponse(out, strictjson.Limits{}); err != nil {
			t.Fatalf("%s does not parse again: %v", out, err)
		}
		for i, w := range want {
			g, w := got.Choices[i], w.Choices[0]
			content := ""
			if g.Message.Content != nil {
				content = *g.Message.Content
			}
			same := slices.EqualFunc(g.Message.ToolCalls, w.Message.ToolCalls, func(a, b struct {
				ID       string
				Function struct{ Name, Arguments string }
			}) bool {
				return a.ID == b.ID
			})
			if !same || content != *w.Message.Content || g.FinishReason != w.FinishReason ||
				(g.Message.FunctionCall == nil) != (w.Message.FunctionCall == nil) {
				t.Fatalf("%s\nbecame %s", doc, out)
			}
		}
	})
}
