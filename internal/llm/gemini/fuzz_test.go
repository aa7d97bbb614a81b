package gemini

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
			if part.Name == "in.json" || part.Name == "in-gemini.json" {
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
		r, err := ParseRequest(thePath, doc, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			return
		}
		checkSpans(t, r)
		if same, err := Apply(r, Edit{}); err != nil || !bytes.Equal(same, doc) {
			t.Fatalf("an edit of nothing made %s of %s: %v", same, doc, err)
		}
		e, left := editFor(r, hide)
		out, err := Apply(r, e)
		if !bytes.Equal(doc, before) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			return // a choice of a function that is hidden
		}
		again, err := ParseRequest(thePath, out, strictjson.Limits{MaxDepth: 21})
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", doc, out, err)
		}
		checkEdited(t, r, again, e, left)
	})
}

// editFor is an edit of everything that a request has.
func editFor(r *llm.Request, hide uint8) (e Edit, left []string) {
	e = Edit{
		Model: "other", HideTools: map[string]bool{}, DropResults: map[int]string{}, CallIDs: map[int]string{},
		ResultIDs: map[int]string{}, CallTools: map[int]string{}, Arguments: map[int][]byte{}, PartTexts: map[int][]byte{},
	}
	for i, tool := range r.Tools {
		if hide>>(i%8)&1 == 1 {
			e.HideTools[tool.Name] = true
		} else {
			left = append(left, tool.Name)
		}
	}
	for i := range r.Results {
		if hide>>(i%8)&1 == 1 {
			e.DropResults[i] = "gone"
		}
		if r.Results[i].IDSpan.Len() > 0 {
			e.ResultIDs[i] = []string{"", "id"}[i%2]
		}
	}
	for i := range r.Calls {
		c := &r.Calls[i]
		if c.IDSpan.Len() > 0 {
			e.CallIDs[i] = []string{"", "id"}[i%2]
		}
		if hide>>(i%8)&1 == 1 {
			e.CallTools[i] = "renamed"
		}
		if c.Arguments.Len() > 0 && c.Wrap == "" && i%2 == 0 {
			e.Arguments[i] = []byte(`{"new":1}`)
		}
	}
	for i := range r.Parts {
		p := &r.Parts[i]
		_, dropped := e.DropResults[p.Result]
		_, given := e.Arguments[p.Call]
		if !dropped && !given && p.Tool < 0 && (hide>>(i%8)&1 == 1) && (p.Media < 0 || r.Media[p.Media].Element) {
			text := []byte("text")
			if r.Doc[p.Span.Start] != '"' && p.Media < 0 {
				text = nil
			}
			e.PartTexts[i] = text
		}
	}
	return e, left
}

func checkSpans(t *testing.T, r *llm.Request) {
	for _, p := range r.Parts {
		if b := p.Span.Of(r.Doc); !json.Valid(b) {
			t.Fatalf("part %q", b)
		}
		if p.Media >= 0 && (p.Media >= len(r.Media) || p.Kind != llm.MediaPart) {
			t.Fatalf("part %+v", p)
		}
	}
	for i, result := range r.Results {
		if b := result.Content.Of(r.Doc); len(b) > 0 && !json.Valid(b) || result.Bytes != len(b) || result.Attributed != (result.Tool != "") {
			t.Fatalf("result %q %+v", b, result)
		}
		for _, p := range r.ResultParts(i) {
			if p.Result != i || p.Kind == llm.NamePart {
				t.Fatalf("part %+v of result %d", p, i)
			}
		}
	}
	for i, call := range r.Calls {
		if !llm.ValidName(call.Tool) || strictjson.CheckObject(r.CallArguments(i), strictjson.Limits{}) != nil {
			t.Fatalf("call %+v %s", call, r.CallArguments(i))
		}
	}
}

func checkEdited(t *testing.T, r, again *llm.Request, e Edit, left []string) {
	var names []string
	for _, tool := range again.Tools {
		names = append(names, tool.Name)
	}
	if fmt.Sprint(names) != fmt.Sprint(left) {
		t.Fatalf("tools %q, want %q", names, left)
	}
	for _, name := range again.Choice.Names {
		if e.HideTools[name] {
			t.Fatalf("the choice names the hidden %q", name)
		}
	}
	if len(again.Results) != len(r.Results) || len(again.Calls) != len(r.Calls) || again.Messages != r.Messages ||
		len(again.Unknown) > len(r.Unknown) || again.Choices != r.Choices || again.Stream != r.Stream {
		t.Fatalf("%+v\nbecame %+v", r, again)
	}
	for i := range r.Results {
		if _, dropped := e.DropResults[i]; !dropped {
			continue
		}
		if got := string(again.ResultText(i)); got != "gone" || len(again.ResultParts(i)) != 1 {
			t.Fatalf("result %q in %s", got, again.Doc)
		}
	}
	for i := range r.Calls {
		if arguments, ok := e.Arguments[i]; ok && string(again.CallArguments(i)) != string(arguments) {
			t.Fatalf("arguments %s", again.CallArguments(i))
		}
		if id, ok := e.CallIDs[i]; ok && again.Calls[i].ID != id && (id != "" || again.Calls[i].ID != r.Calls[i].ID) {
			t.Fatalf("id %q, want %q", again.Calls[i].ID, id)
		}
	}
}

// FuzzResponse: no input panics, a call that is taken for good has strict arguments, and what is released parses again
// and holds exactly the calls that were allowed, and every signature that there was.
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
			if i%3 == 1 {
				verdicts[i].ID, verdicts[i].Arguments = fmt.Sprint("yj_", i), []byte(`{"new":1}`)
				c.ID, c.Arguments = verdicts[i].ID, verdicts[i].Arguments
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
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%s\nreleases %q, want %q", doc, got, want)
		}
		if g, w := signatures(again), signatures(r); g != w {
			t.Fatalf("%s\nhas the signatures %s, not %s", out, g, w)
		}
	})
}

// signatures are all that are in an answer, in any order, as they are written.
func signatures(a *Response) string {
	count := map[string]int{}
	for i := range a.Candidates {
		for k := range a.Candidates[i].Parts {
			if s := a.Signed(&a.Candidates[i].Parts[k]); len(s) > 0 {
				count[string(s)]++
			}
		}
	}
	return fmt.Sprint(count)
}
