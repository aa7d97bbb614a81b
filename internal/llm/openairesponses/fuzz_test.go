package openairesponses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// seeds adds the inputs of the golden archives.
func seeds(f *testing.F, pattern, name string) {
	f.Helper()
	for _, archive := range txtest.Seeds(f, pattern) {
		for _, part := range archive.Files {
			if part.Name == name {
				f.Add(part.Data, uint8(0b101))
				f.Add(part.Data, uint8(0b1010))
			}
		}
	}
}

// FuzzRequest: no input panics, spans hold what they say, and an edit of everything leaves a request that parses again, with
// the hidden tools gone, the others as they were, and as many calls and results.
func FuzzRequest(f *testing.F) {
	seeds(f, "testdata/request-*.txtar", "in.json")
	seeds(f, "../testdata/results/*.txtar", "in-openairesponses.json")
	f.Fuzz(func(t *testing.T, doc []byte, pick uint8) {
		before := bytes.Clone(doc)
		r, err := ParseRequest(doc, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			return
		}
		checkSpans(t, r)
		if same, err := Apply(r, llm.Edit{}); err != nil || !bytes.Equal(same, doc) {
			t.Fatalf("an edit of nothing: %s %v", same, err)
		}
		e, left := editFor(r, pick)
		out, err := Apply(r, e)
		if !bytes.Equal(doc, before) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			return // a tool_choice that names a hidden tool
		}
		again, err := ParseRequest(bytes.Replace(out, []byte(StubTool), []byte("stub"), 1), strictjson.Limits{MaxDepth: 20})
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", doc, out, err)
		}
		var names []string
		for _, tool := range again.Tools {
			if tool.Name != "stub" {
				names = append(names, tool.Name)
			}
		}
		slices.Sort(names)
		slices.Sort(left)
		if fmt.Sprint(names) != fmt.Sprint(left) {
			t.Fatalf("%s\nbecame %s: tools %q, want %q", doc, out, names, left)
		}
		gone := 0
		for i := range r.Results {
			if r.Layout.(*layout).results[i].form == asMessage && e.DropResults[i] != "" {
				gone++
			}
		}
		if len(again.Calls) != len(r.Calls) || len(again.Results)+gone != len(r.Results) || again.Model != e.Model {
			t.Fatalf("%s\nbecame %s", doc, out)
		}
	})
}

// editFor edits a part of everything.
func editFor(r *llm.Request, pick uint8) (e llm.Edit, left []string) {
	keep := pick&16 > 0
	e = llm.Edit{Model: "up/stream \"m\"", HideTools: map[string]bool{}, DropResults: map[int]string{}, PartTexts: map[int][]byte{}, Store: &keep}
	for i, tool := range r.Tools {
		if pick>>(i%8)&1 == 1 {
			e.HideTools[tool.Name] = true
		} else {
			left = append(left, tool.Name)
		}
	}
	for i := range r.Results {
		if pick>>(i%8)&1 == 0 && r.Layout.(*layout).results[i].form != asTools { // tools go with theirs
			e.DropResults[i] = "gone"
		}
	}
	for i, p := range r.Parts {
		if _, dropped := e.DropResults[p.Result]; !dropped && p.Tool < 0 && pick>>(i%8)&1 == 1 {
			e.PartTexts[i] = nil
		}
	}
	if slices.ContainsFunc(r.Tools, func(t llm.Tool) bool { return t.Name == "stub" }) {
		e.HideTools = nil
		left = nil
		for _, tool := range r.Tools {
			if tool.Name != "stub" {
				left = append(left, tool.Name)
			}
		}
	}
	return e, left
}

func checkSpans(t *testing.T, r *llm.Request) {
	var model string
	if json.Unmarshal(r.ModelSpan.Of(r.Doc), &model) != nil || model != r.Model {
		t.Fatalf("model %q is not %q", r.ModelSpan.Of(r.Doc), r.Model)
	}
	for _, p := range r.Parts {
		if b := p.Span.Of(r.Doc); !json.Valid(b) || p.Message >= r.Messages || p.Result >= len(r.Results) || p.Call >= len(r.Calls) {
			t.Fatalf("part %q %+v", b, p)
		}
	}
	for i, result := range r.Results {
		if result.Bytes != result.Content.Len() || result.Attributed != (result.Tool != "") || result.Parts.Start > result.Parts.End {
			t.Fatalf("result %+v", result)
		}
		for _, p := range r.ResultParts(i) {
			if p.Result != i {
				t.Fatalf("a part of result %d is of %d", i, p.Result)
			}
		}
	}
	for i, call := range r.Calls {
		if call.Tool == "" {
			t.Fatalf("call %+v", call)
		}
		r.CallArguments(i)
	}
}

// FuzzResponse: no input panics, a call that is taken for good has strict arguments, and what is released parses again
// and holds exactly the calls that were allowed.
func FuzzResponse(f *testing.F) {
	seeds(f, "testdata/response-*.txtar", "in.json")
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
			if c.Malformed == "" && (c.Tool == "" || c.ID == "" || strictjson.CheckObject(c.Arguments, strictjson.Limits{}) != nil) {
				t.Fatalf("%+v is not malformed", c)
			}
			if verdicts[i].Allow && c.Malformed == "" {
				want = append(want, fmt.Sprint(c.ID, c.Tool, string(c.Arguments)))
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
			got = append(got, fmt.Sprint(c.ID, c.Tool, string(c.Arguments)))
			if c.Malformed != "" {
				t.Fatalf("%s\nreleases %+v", doc, c)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%s\nreleases %q, want %q", doc, got, want)
		}
	})
}
