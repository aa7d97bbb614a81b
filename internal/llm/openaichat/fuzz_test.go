package openaichat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// seeds adds the inputs of the golden archives.
func seeds(f *testing.F, pattern string) {
	f.Helper()
	for _, archive := range txtest.Seeds(f, pattern) {
		for _, part := range archive.Files {
			if strings.HasPrefix(part.Name, "in") {
				f.Add(part.Data, uint8(0b101))
			}
		}
	}
}

// FuzzRequest: no input panics, spans hold what they say, and an edit leaves a request that parses again, with the hidden
// tools gone, the others as they were, and everything else the same.
func FuzzRequest(f *testing.F) {
	seeds(f, "testdata/request-*.txtar")
	seeds(f, "../testdata/results/*.txtar")
	f.Fuzz(func(t *testing.T, doc []byte, hide uint8) {
		before := bytes.Clone(doc)
		r, err := ParseRequest(doc, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			return
		}
		checkSpans(t, r)
		e := Edit{Model: "up/stream \"m\"", HideTools: map[string]bool{}, DropResults: map[int]string{}}
		var left []string
		for i, tool := range r.Tools {
			if hide>>(i%8)&1 == 1 {
				e.HideTools[tool.Name] = true
			} else {
				left = append(left, tool.Name)
			}
		}
		if len(r.Results) > 0 {
			e.DropResults[int(hide)%len(r.Results)] = "gone"
		}
		out, err := Apply(r, e)
		if !bytes.Equal(doc, before) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			return // a tool_choice that names a hidden tool
		}
		if len(left) == 0 && len(e.HideTools) > 0 {
			out = bytes.Replace(out, []byte(StubTool), []byte("stub"), 1) // the name is reserved
		}
		again, err := ParseRequest(out, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", doc, out, err)
		}
		checkEdited(t, r, again, e, left)
	})
}

func checkSpans(t *testing.T, r *llm.Request) {
	checkParts(t, r)
	var model string
	if json.Unmarshal(r.ModelSpan.Of(r.Doc), &model) != nil || model != r.Model {
		t.Fatalf("model %q is not %q", r.ModelSpan.Of(r.Doc), r.Model)
	}
	for _, tool := range r.Tools {
		if b := tool.Span.Of(r.Doc); b[0] != '{' || !json.Valid(b) {
			t.Fatalf("tool %q", b)
		}
		if b := tool.Description.Of(r.Doc); len(b) > 0 && !json.Valid(b) {
			t.Fatalf("description %q", b)
		}
		if b := tool.Schema.Of(r.Doc); len(b) > 0 && !json.Valid(b) {
			t.Fatalf("schema %q", b)
		}
	}
	for _, result := range r.Results {
		if b := result.Content.Of(r.Doc); !json.Valid(b) || result.Bytes != len(b) || result.Attributed != (result.Tool != "") {
			t.Fatalf("result %q %+v", b, result)
		}
	}
	for _, call := range r.Calls {
		if b := call.Arguments.Of(r.Doc); call.Tool == "" || len(b) > 0 && b[0] != '"' {
			t.Fatalf("call %q %+v", b, call)
		}
	}
}

func checkEdited(t *testing.T, r, again *llm.Request, e Edit, left []string) {
	var names []string
	for _, tool := range again.Tools {
		if tool.Name != "stub" {
			names = append(names, tool.Name)
		}
	}
	if fmt.Sprint(names) != fmt.Sprint(left) {
		t.Fatalf("tools %q, want %q", names, left)
	}
	for _, name := range again.Choice.Names {
		if e.HideTools[name] {
			t.Fatalf("tool_choice names the hidden %q", name)
		}
	}
	if len(again.Results) != len(r.Results) || len(again.Calls) != len(r.Calls) || again.Messages != r.Messages ||
		len(again.Unknown) > len(r.Unknown) ||
		again.Model != e.Model || again.Choices != r.Choices || again.Stream != r.Stream {
		t.Fatalf("%+v\nbecame %+v", r, again)
	}
	for i := range r.Results {
		want := r.Results[i].Content.Of(r.Doc)
		if _, dropped := e.DropResults[i]; dropped {
			want = []byte(`"gone"`)
		}
		if got := again.Results[i].Content.Of(again.Doc); !bytes.Equal(got, want) {
			t.Fatalf("result %q, want %q", got, want)
		}
	}
}

// FuzzResponse: no input panics, a call that is taken for good has strict arguments, and what is released parses again
// and holds exactly the calls that were allowed.
func FuzzResponse(f *testing.F) {
	seeds(f, "testdata/response-*.txtar")
	f.Fuzz(func(t *testing.T, doc []byte, allow uint8) {
		before := bytes.Clone(doc)
		r, err := ParseResponse(doc, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			return
		}
		verdicts := make([]llm.Verdict, len(r.Calls))
		var want []string
		for i, c := range r.Calls {
			verdicts[i] = llm.Verdict{Allow: allow>>(i%8)&1 == 1, Text: "no"}
			if c.Malformed == "" && (c.Tool == "" || strictjson.CheckObject(c.Arguments, strictjson.Limits{}) != nil) {
				t.Fatalf("%+v is not malformed", c)
			}
			if verdicts[i].Allow && c.Malformed == "" {
				want = append(want, fmt.Sprint(c.Choice, c.ID, c.Tool, string(c.Arguments)))
			}
		}
		out, _, err := r.Rewrite(verdicts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(doc, before) {
			t.Fatal("the document was changed")
		}
		again, err := ParseResponse(out, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", doc, out, err)
		}
		var got []string
		for _, c := range again.Calls {
			got = append(got, fmt.Sprint(c.Choice, c.ID, c.Tool, string(c.Arguments)))
			if c.Malformed != "" {
				t.Fatalf("%s\nreleases %+v", doc, c)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%s\nreleases %q, want %q", doc, got, want)
		}
	})
}

func benchRequest(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"openai/gpt-5-mini","stream":true,"messages":[{"role":"system","content":"Be brief."}`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,{"role":"user","content":"%s"}`, strings.Repeat(`A line with a \"quote\" in it.\n`, 12))
		fmt.Fprintf(&b, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%d","type":"function","function":{"name":"snowflake__query","arguments":"{\"sql\":\"select %d\"}"}}]}`, i, i)
		fmt.Fprintf(&b, `,{"role":"tool","tool_call_id":"call_%d","content":"%s"}`, i, strings.Repeat("0123456789 ", 40))
	}
	b.WriteString(`],"tools":[{"type":"function","function":{"name":"snowflake__query","description":"Runs SQL","parameters":{"type":"object","properties":{"sql":{"type":"string"}}}}},{"type":"function","function":{"name":"slack__post","parameters":{"type":"object"}}}],"tool_choice":"auto"}`)
	return b.Bytes()
}

func BenchmarkRequest(b *testing.B) {
	for _, size := range []int{1200, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			doc := benchRequest(size)
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := ParseRequest(doc, strictjson.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := Apply(r, Edit{Model: "gpt-5-mini", HideTools: map[string]bool{"slack__post": true}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResponse(b *testing.B) {
	doc := []byte(`{"id":"gen-1","object":"chat.completion","created":1,"model":"openai/gpt-5-mini","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}`)
	b.ReportAllocs()
	for b.Loop() {
		r, err := ParseResponse(doc, strictjson.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := r.Rewrite([]llm.Verdict{{Allow: true}}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
