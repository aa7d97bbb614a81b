package openaichat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func TestApplyRefusesWhatItCannotDo(t *testing.T) {
	if _, err := Apply(&llm.Request{}, Edit{}); err == nil {
		t.Error("a request of another dialect was edited")
	}
	doc := `{"model":"m","messages":[{"role":"assistant","function_call":{"name":"a"},"tool_calls":[{"id":"1","type":"custom","custom":{"name":"b","input":"x"}}]},
		{"role":"tool","content":"y"},{"role":"user","content":"z"}],"response_format":{"type":"text"}}`
	r, err := ParseRequest([]byte(doc), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Parts) != 4 || len(r.Calls) != 2 || len(r.Results) != 1 {
		t.Fatalf("%+v", r)
	}
	for name, e := range map[string]Edit{
		"a result that is not there":            {DropResults: map[int]string{1: "x"}},
		"a result before the first":             {Results: map[int][]byte{-1: nil}},
		"a result twice":                        {DropResults: map[int]string{0: "x"}, Results: map[int][]byte{0: nil}},
		"a part of a result that is dropped":    {DropResults: map[int]string{0: "x"}, PartTexts: map[int][]byte{1: nil}},
		"a part of a result that is replaced":   {Results: map[int][]byte{0: nil}, PartTexts: map[int][]byte{1: nil}},
		"a part of arguments that are replaced": {Arguments: map[int][]byte{1: []byte(`{"input":""}`)}, PartTexts: map[int][]byte{0: nil}},
		"a part that is not there":              {PartTexts: map[int][]byte{4: nil}},
		"a text for what is no text":            {PartTexts: map[int][]byte{3: []byte("x")}},
		"the id of a legacy call":               {CallIDs: map[int]string{0: "x"}},
		"the id of a call that is not there":    {CallIDs: map[int]string{2: "x"}},
		"the id of a result without":            {ResultIDs: map[int]string{0: "x"}},
		"arguments of a call without":           {Arguments: map[int][]byte{0: []byte("{}")}},
		"a custom tool's without an input":      {Arguments: map[int][]byte{1: []byte(`{"x":"y"}`)}},
		"a custom tool's with more than it":     {Arguments: map[int][]byte{1: []byte(`{"input":"y","x":1}`)}},
		"a custom tool's that is no text":       {Arguments: map[int][]byte{1: []byte(`{"input":1}`)}},
	} {
		if out, err := Apply(r, e); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// A description of a tool that leaves is no place to write to any more.
func TestEditOfAHiddenToolsDescription(t *testing.T) {
	r, err := ParseRequest([]byte(`{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"a","description":"A"}},{"type":"function","function":{"name":"b","description":"B"}}]}`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := Apply(r, Edit{HideTools: map[string]bool{"a": true}, PartTexts: map[int][]byte{0: []byte("x"), 1: []byte("y")}})
	if want := `{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"b","description":"y"}}]}`; err != nil || string(out) != want {
		t.Fatalf("%s %v", out, err)
	}
}

// What was put together as the same text is the same text, whatever the shape.
func TestResultText(t *testing.T) {
	for content, want := range map[string]string{
		`"a\nb"`: "a\nb", `[{"type":"text","text":"a"},{"type":"text","text":"b"}]`: "a\nb", `null`: "", `[]`: "", `""`: "",
		`[{"type":"image_url","image_url":{"url":"data:,x"}},{"type":"text","text":"a\u0062"}]`: "ab",
		`"\ud83d\ude00"`: "😀",
	} {
		r, err := ParseRequest([]byte(`{"model":"m","messages":[{"role":"tool","content":`+content+`}]}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.ResultText(0)); got != want {
			t.Errorf("%s: %q, want %q", content, got, want)
		}
		if before := bytes.Clone(r.Doc); !bytes.Equal(before, r.Doc) {
			t.Error("the document was changed")
		}
	}
}

func TestTooManyCalls(t *testing.T) {
	call := `{"id":"1","type":"function","function":{"name":"a","arguments":"{}"}}`
	for n, want := range map[int]bool{llm.MaxResults: true, llm.MaxResults + 1: false} {
		doc := `{"model":"m","messages":[{"role":"assistant","tool_calls":[` + strings.TrimSuffix(strings.Repeat(call+",", n), ",") + `]}]}`
		if _, err := ParseRequest([]byte(doc), strictjson.Limits{}); (err == nil) != want {
			t.Errorf("%d calls: %v", n, err)
		}
	}
}

// FuzzEdit: whatever is edited in the history of whatever request, it parses again and says what was put there, and
// everything else says what it said.
func FuzzEdit(f *testing.F) {
	seeds(f, "testdata/request-*.txtar")
	seeds(f, "../testdata/results/*.txtar")
	f.Fuzz(func(t *testing.T, doc []byte, pick uint8) {
		r, err := ParseRequest(doc, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			return
		}
		before := bytes.Clone(doc)
		e := drawEdit(r, pick)
		out, err := Apply(r, e)
		if err != nil {
			t.Fatalf("%s\n%+v: %v", doc, e, err)
		}
		if !bytes.Equal(doc, before) {
			t.Fatal("the document was changed")
		}
		again, err := ParseRequest(out, strictjson.Limits{MaxDepth: 20})
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", doc, out, err)
		}
		checkHistory(t, r, again, e)
	})
}

// drawEdit edits what the bits of pick say.
func drawEdit(r *llm.Request, pick uint8) Edit {
	e := Edit{Results: map[int][]byte{}, CallIDs: map[int]string{}, ResultIDs: map[int]string{}, Arguments: map[int][]byte{}, PartTexts: map[int][]byte{}}
	chosen := func(i int) bool { return pick>>(i%8)&1 == 1 }
	for i := range r.Results {
		if chosen(i) {
			e.Results[i] = fmt.Appendf(nil, "result \"%d\"\n", i)
		}
		if chosen(i+1) && r.Results[i].IDSpan.Len() > 0 {
			e.ResultIDs[i] = fmt.Sprint("up", i)
		}
	}
	for i, c := range r.Calls {
		if chosen(i+2) && c.IDSpan.Len() > 0 {
			e.CallIDs[i] = fmt.Sprint("up", i)
		}
		if chosen(i+3) && c.Arguments.Len() > 0 {
			e.Arguments[i] = fmt.Appendf(nil, `{"input":"\u0041%d"}`, i)
		}
	}
	for i, p := range r.Parts {
		_, replaced := e.Results[p.Result]
		_, given := e.Arguments[p.Call]
		text := r.Doc[p.Span.Start] == '"' || p.Media >= 0 && r.Media[p.Media].Element
		if chosen(i) && !replaced && !given && text && p.Tool < 0 && p.Kind != llm.NamePart && p.Call < 0 {
			e.PartTexts[i] = fmt.Appendf(nil, "part %d", i)
		}
	}
	return e
}

func checkHistory(t *testing.T, r, again *llm.Request, e Edit) {
	t.Helper()
	if len(again.Calls) != len(r.Calls) || len(again.Results) != len(r.Results) || again.Messages != r.Messages {
		t.Fatalf("%s\nbecame %s", r.Doc, again.Doc)
	}
	same := func(what string, i int, got, want string) {
		if got != want {
			t.Fatalf("%s %d is %q, want %q, in\n%s\nof %s", what, i, got, want, again.Doc, r.Doc)
		}
	}
	for i, c := range again.Calls {
		id, arguments := r.Calls[i].ID, string(r.CallArguments(i))
		if to, ok := e.CallIDs[i]; ok {
			id = to
		}
		if to, ok := e.Arguments[i]; ok {
			arguments = string(to)
			if c.Custom {
				arguments = strings.ReplaceAll(arguments, `\u0041`, "A")
			}
		}
		same("call's id", i, c.ID, id)
		same("call's tool", i, c.Tool, r.Calls[i].Tool)
		same("call's arguments", i, string(again.CallArguments(i)), arguments)
	}
	for i, c := range again.Results {
		id := r.Results[i].ID
		if to, ok := e.ResultIDs[i]; ok {
			id = to
		}
		same("result's id", i, c.ID, id)
		if to, ok := e.Results[i]; ok {
			same("result", i, string(again.ResultText(i)), string(to))
			for _, p := range again.Parts {
				if p.Result == i && p.Kind != llm.ResultPart && p.Kind != llm.NamePart {
					t.Fatalf("%s still has %+v", again.Doc, p)
				}
			}
		}
	}
	var kept []llm.Part // a result may have more parts or fewer now
	for _, p := range again.Parts {
		if p.Result < 0 {
			kept = append(kept, p)
		}
	}
	for i, p := range r.Parts {
		if p.Result >= 0 {
			continue
		}
		if len(kept) == 0 {
			t.Fatalf("part %d of %s is not in %s", i, r.Doc, again.Doc)
		}
		want := r.Text(p)
		if to, ok := e.PartTexts[i]; ok {
			want = to
		}
		if p.Call < 0 || e.Arguments[p.Call] == nil {
			same("part", i, string(again.Text(kept[0])), string(want))
		}
		kept = kept[1:]
	}
}

// checkParts holds what is true of every view's parts.
func checkParts(t *testing.T, r *llm.Request) {
	t.Helper()
	end := 0
	for i, p := range r.Parts {
		raw := p.Span.Of(r.Doc)
		if p.Kind == 0 || !json.Valid(raw) || p.Message >= r.Messages || p.Message < 0 && p.Tool < 0 && p.Role != "developer" {
			t.Fatalf("part %d %+v %s", i, p, raw)
		}
		if p.Result >= len(r.Results) || p.Call >= len(r.Calls) || p.Tool >= len(r.Tools) || p.Media >= len(r.Media) || (p.Media >= 0) != (p.Kind == llm.MediaPart) {
			t.Fatalf("part %d %+v", i, p)
		}
		if p.Span.Start < end {
			t.Fatalf("part %d %+v overlaps the one before it", i, p)
		}
		end = p.Span.End
		var text string
		if json.Unmarshal(raw, &text) == nil && string(r.Text(p)) != text {
			t.Fatalf("%s is not %q", raw, r.Text(p))
		}
		if got := r.AppendText([]byte("x"), p); string(got[1:]) != string(r.Text(p)) {
			t.Fatalf("%q is not %q", got, r.Text(p))
		}
	}
	for i, result := range r.Results {
		for _, p := range r.ResultParts(i) {
			if p.Result != i || p.Message != result.Message || (p.Kind != llm.ResultPart && p.Kind != llm.MediaPart) {
				t.Fatalf("result %d has %+v", i, p)
			}
		}
		if id := result.IDSpan.Of(r.Doc); len(id) > 0 && id[0] != '"' {
			t.Fatalf("id %s", id)
		}
	}
}
