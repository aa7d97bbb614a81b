package anthropic

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

func seeds(f *testing.F, pattern, name string) {
	f.Helper()
	for i, archive := range txtest.Seeds(f, pattern) {
		if doc := txtest.Line(archive, name); doc != "" {
			f.Add([]byte(doc), uint8(i))
			f.Add([]byte(doc), uint8(0xff))
		}
	}
}

var fuzzLimits = strictjson.Limits{MaxDepth: 20}

// FuzzRequest: no input panics, every span is of a value, and what is sent on parses again and has exactly the tools that
// were to stay.
func FuzzRequest(f *testing.F) {
	seeds(f, "testdata/request-*.txtar", "in.json")
	seeds(f, "../testdata/results/*.txtar", "in-anthropic.json")
	f.Fuzz(func(t *testing.T, doc []byte, pick uint8) {
		r, err := ParseRequest(doc, fuzzLimits)
		if err != nil {
			return
		}
		checkView(t, r)
		e := llm.Edit{Model: "other", HideTools: map[string]bool{}, DropResults: map[int]string{}}
		var left []string
		for i, tool := range r.Tools {
			if pick>>(i%8)&1 == 1 && tool.Name != r.Layout.(*layout).named {
				e.HideTools[tool.Name] = true
			} else {
				left = append(left, tool.Name)
			}
		}
		for i := range r.Results {
			if pick>>(i%7)&1 == 1 {
				e.DropResults[i] = "gone"
			}
		}
		before := bytes.Clone(doc)
		out, err := Apply(r, e)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if !bytes.Equal(doc, before) {
			t.Fatal("the document was changed")
		}
		again, err := ParseRequest(bytes.ReplaceAll(out, []byte(StubTool), []byte("stub")), fuzzLimits)
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", doc, out, err)
		}
		checkEdited(t, r, again, e, left)
	})
}

func checkView(t *testing.T, r *llm.Request) {
	t.Helper()
	end := 0
	for i, p := range r.Parts {
		raw := p.Span.Of(r.Doc)
		if p.Kind == 0 || !json.Valid(raw) || p.Message >= r.Messages || p.Role == "" && p.Tool < 0 {
			t.Fatalf("part %d %+v %s", i, p, raw)
		}
		if p.Result >= len(r.Results) || p.Call >= len(r.Calls) || p.Tool >= len(r.Tools) || p.Media >= len(r.Media) || (p.Media >= 0) != (p.Kind == llm.MediaPart) {
			t.Fatalf("part %d %+v", i, p)
		}
		if p.Span.Start < end {
			t.Fatalf("part %d %+v overlaps the one before it, in %s", i, p, r.Doc)
		}
		end = p.Span.End
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
		if result.Content.Len() > 0 && !json.Valid(result.Content.Of(r.Doc)) || result.Attributed != (result.Tool != "") {
			t.Fatalf("result %+v", result)
		}
	}
	for i, call := range r.Calls {
		if strictjson.CheckObject(r.CallArguments(i), strictjson.Limits{}) != nil || call.Tool == "" {
			t.Fatalf("call %+v", call)
		}
	}
	for _, tool := range r.Tools {
		if !json.Valid(tool.Span.Of(r.Doc)) || tool.Function == tool.Server {
			t.Fatalf("tool %+v", tool)
		}
	}
}

func checkEdited(t *testing.T, r, again *llm.Request, e llm.Edit, left []string) {
	t.Helper()
	checkView(t, again)
	var names []string
	for _, tool := range again.Tools {
		if tool.Name != "stub" {
			names = append(names, tool.Name)
		}
	}
	if fmt.Sprint(names) != fmt.Sprint(left) {
		t.Fatalf("tools %q, want %q", names, left)
	}
	if again.Messages != r.Messages || len(again.Unknown) > len(r.Unknown) || again.Model != "other" || again.Stream != r.Stream {
		t.Fatalf("%+v\nbecame %+v", r, again)
	}
	lay := r.Layout.(*layout)
	next := 0
	for i := range r.Results {
		_, dropped := e.DropResults[i]
		if dropped && blockKinds[lay.results[i].kind].server {
			continue // a block of text now
		}
		if got := again.ResultText(next); dropped && string(got) != "gone" {
			t.Fatalf("result %d is %q in %s", i, got, again.Doc)
		}
		next++
	}
	if next != len(again.Results) {
		t.Fatalf("%d results became %d, want %d", len(r.Results), len(again.Results), next)
	}
	for _, ref := range again.Layout.(*layout).references {
		if e.HideTools[ref.tool] {
			t.Fatalf("%s refers to a hidden tool", again.Doc)
		}
	}
}

// FuzzEdit: whatever is edited in the history of whatever request, it parses again and says what was put there, and
// everything else says what it said.
func FuzzEdit(f *testing.F) {
	seeds(f, "testdata/request-*.txtar", "in.json")
	seeds(f, "../testdata/results/*.txtar", "in-anthropic.json")
	f.Fuzz(func(t *testing.T, doc []byte, pick uint8) {
		r, err := ParseRequest(doc, fuzzLimits)
		if err != nil {
			return
		}
		e := drawEdit(r, pick)
		out, err := Apply(r, e)
		if err != nil {
			t.Fatalf("%s\n%+v: %v", doc, e, err)
		}
		again, err := ParseRequest(out, fuzzLimits)
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", doc, out, err)
		}
		checkView(t, again)
		checkHistory(t, r, again, e)
	})
}

// drawEdit edits what the bits of pick say: of client tools only, whose blocks stay where they are.
func drawEdit(r *llm.Request, pick uint8) llm.Edit {
	e := llm.Edit{Results: map[int][]byte{}, CallIDs: map[int]string{}, CallTools: map[int]string{}, ResultIDs: map[int]string{}, Arguments: map[int][]byte{}, PartTexts: map[int][]byte{}}
	chosen := func(i int) bool { return pick>>(i%8)&1 == 1 }
	for i := range r.Results {
		if chosen(i) && r.Results[i].IDSpan.Len() > 0 {
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
			e.Arguments[i] = fmt.Appendf(nil, `{"input": %d}`, i)
		}
		if chosen(i + 4) {
			e.CallTools[i] = "renamed"
		}
	}
	for i, p := range r.Parts {
		_, replaced := e.Results[p.Result]
		_, thought := r.Layout.(*layout).reasons[i]
		text := r.Doc[p.Span.Start] == '"' || p.Media >= 0
		if chosen(i) && !replaced && !thought && text && p.Tool < 0 {
			e.PartTexts[i] = fmt.Appendf(nil, "part %d", i)
		}
	}
	return e
}

func checkHistory(t *testing.T, r, again *llm.Request, e llm.Edit) {
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
		id, tool, arguments := r.Calls[i].ID, r.Calls[i].Tool, string(r.CallArguments(i))
		if to, ok := e.CallIDs[i]; ok {
			id = to
		}
		if to, ok := e.Arguments[i]; ok {
			arguments = string(to)
		}
		if to, ok := e.CallTools[i]; ok && !r.Layout.(*layout).calls[i].own {
			tool = to
		}
		same("call's id", i, c.ID, id)
		same("call's tool", i, c.Tool, tool)
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
				if p.Result == i && p.Kind != llm.ResultPart {
					t.Fatalf("%s still has %+v", again.Doc, p)
				}
			}
		}
	}
	texts := func(r *llm.Request, edited map[int][]byte) []string {
		var out []string
		for i, p := range r.Parts {
			switch text, ok := edited[i]; {
			case p.Result >= 0 || p.Call >= 0:
			case ok:
				out = append(out, string(text))
			default:
				out = append(out, string(r.Text(p)))
			}
		}
		return out
	}
	if got, want := texts(again, nil), texts(r, e.PartTexts); !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
}

// FuzzResponse: no input panics, a call that is taken for good has strict arguments, and what is released parses again
// and holds exactly the calls that were allowed.
func FuzzResponse(f *testing.F) {
	seeds(f, "testdata/response-*.txtar", "in.json")
	f.Fuzz(func(t *testing.T, doc []byte, allow uint8) {
		before := bytes.Clone(doc)
		r, err := ParseResponse(doc, fuzzLimits)
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
		again, err := ParseResponse(out, fuzzLimits)
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

// FuzzEvent: no input panics, and an event that is taken says what a lenient reader finds in it.
func FuzzEvent(f *testing.F) {
	for _, doc := range []string{
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"b","input":{"x":1}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"\u0061"}}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}`,
		`{"type":"message_start","message":{"model":"m","content":[],"usage":{"input_tokens":3}}}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var e Event
		if e.Parse(doc, fuzzLimits) != nil {
			return
		}
		var lenient struct {
			Type  string
			Index *int
			Block struct {
				Type, ID, Name, Text string
			} `json:"content_block"`
			Delta struct {
				Type, Text string
				Partial    string `json:"partial_json"`
			}
		}
		if err := json.Unmarshal(doc, &lenient); err != nil {
			return // another type for a value that says nothing here
		}
		if lenient.Type != e.Type || lenient.Block.Type != e.Kind || lenient.Index != nil && *lenient.Index != e.Index || lenient.Delta.Type != e.Delta {
			t.Fatalf("%s is %+v", doc, e)
		}
		if e.Kind == toolUse && e.Call.Malformed == "" && (lenient.Block.ID != e.Call.ID || lenient.Block.Name != e.Call.Tool) {
			t.Fatalf("%s is %+v", doc, e.Call)
		}
		if got := lenient.Delta.Text + lenient.Delta.Partial; e.Delta != "thinking_delta" && got != string(e.Fragment) {
			t.Fatalf("%s says %q, not %q", doc, e.Fragment, got)
		}
	})
}
