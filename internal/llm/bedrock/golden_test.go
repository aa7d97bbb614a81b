package bedrock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/llmtest"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

func parse(doc []byte) (*llm.Request, error) {
	return ParseRequest(Path{Model: "m"}, doc, strictjson.Limits{})
}

// TestResultShapes holds this dialect's form of every shape of tool result and call.
func TestResultShapes(t *testing.T) {
	llmtest.Shapes(t, "../testdata/results/*.txtar", "bedrock", parse, Apply)
}

// golden plays each archive: play gets its inputs by name, and returns its outputs.
func golden(t *testing.T, pattern string, outputs []string, play func(in map[string][]byte) map[string]string) {
	t.Helper()
	txtest.Play(t, pattern, func(_ *testing.T, archive *txtar.Archive) []txtar.File {
		in := map[string][]byte{}
		for _, f := range archive.Files {
			in[f.Name] = bytes.TrimSuffix(f.Data, []byte("\n"))
		}
		got := play(in)
		var out []txtar.File
		for _, name := range outputs {
			out = append(out, txtar.File{Name: name, Data: []byte(got[name])})
		}
		return out
	})
}

// A request's archive: in.json, a file "model" where it matters, and the edit in the lines of llmtest.Edit. Out come the view and what is sent on.
func TestRequests(t *testing.T) {
	golden(t, "testdata/request-*.txtar", []string{"view", "out.json"}, func(in map[string][]byte) map[string]string {
		path := Path{Model: "m", Stream: true}
		if model := string(in["model"]); model != "" {
			path.Model = model
		}
		r, err := ParseRequest(path, in["in.json"], strictjson.Limits{})
		if err != nil {
			return map[string]string{"view": "error: " + err.Error()}
		}
		out, err := Apply(r, llmtest.Edit(t, string(in["edit"])))
		if err != nil {
			return map[string]string{"view": viewRequest(r), "out.json": "error: " + err.Error()}
		}
		if _, err := ParseRequest(path, bytes.ReplaceAll(out, []byte(StubTool), []byte("stub")), strictjson.Limits{}); err != nil { // the name is reserved
			t.Errorf("%s cannot be read: %v", out, err)
		}
		return map[string]string{"view": viewRequest(r), "out.json": string(out)}
	})
}

func viewRequest(r *llm.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %q stream=%v messages=%d\n", r.Model, r.Stream, r.Messages)
	for _, m := range r.MoreModels {
		fmt.Fprintf(&b, "or model %q\n", m.Name)
	}
	for _, f := range r.Features {
		fmt.Fprintf(&b, "feature %q %s\n", f.Name, f.Value)
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(&b, "unknown %q\n", u)
	}
	for _, t := range r.Tools {
		fmt.Fprintf(&b, "tool %q %s function=%v server=%v description=%q schema=%s\n",
			t.Name, t.Type, t.Function, t.Server, t.DescriptionText, t.Schema.Of(r.Doc))
	}
	if r.Choice.Mode != "" || len(r.Choice.Names) > 0 {
		fmt.Fprintf(&b, "choice %q %q %s\n", r.Choice.Mode, r.Choice.Names, r.Choice.Span.Of(r.Doc))
	}
	llmtest.WriteParts(&b, r)
	return strings.TrimSuffix(b.String(), "\n")
}

// A response's archive: in.json, and a verdict a line: "allow", "allow id=ID", "allow arguments=JSON" or "deny TEXT". With
// a file "filter" texts are filtered. Out come the view, what is released, and the turns.
func TestResponses(t *testing.T) {
	golden(t, "testdata/response-*.txtar", []string{"view", "out.json", "turns"}, func(in map[string][]byte) map[string]string {
		r, err := ParseResponse(in["in.json"], strictjson.Limits{})
		if err != nil {
			return map[string]string{"view": "error: " + err.Error()}
		}
		var text func(int) llm.TextFilter
		if _, ok := in["filter"]; ok {
			text = func(int) llm.TextFilter { return &filter.Filter{} }
		}
		out, turns, err := r.Rewrite(verdictsOf(string(in["verdicts"])), text)
		if err != nil {
			return map[string]string{"view": viewResponse(r), "out.json": "error: " + err.Error()}
		}
		if !json.Valid(out) {
			t.Errorf("no valid JSON: %s", out)
		}
		return map[string]string{"view": viewResponse(r), "out.json": string(out), "turns": viewTurns(turns)}
	})
}

func verdictsOf(lines string) []llm.Verdict {
	var out []llm.Verdict
	for line := range strings.Lines(lines) {
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		v := llm.Verdict{Allow: verb == "allow"}
		switch name, value, _ := strings.Cut(rest, "="); {
		case !v.Allow:
			v.Text = rest
		case name == "id":
			v.ID = value
		case name == "arguments":
			v.Arguments = []byte(value)
		}
		out = append(out, v)
	}
	return out
}

func viewResponse(r *Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %q error=%v usage=%+v\n", r.Model, r.Error, r.Usage)
	for _, c := range r.Calls {
		fmt.Fprintf(&b, "call %d %q %q %s", c.Index, c.ID, c.Tool, c.Arguments)
		if c.Malformed != "" {
			fmt.Fprintf(&b, " malformed: %s", c.Malformed)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func viewTurns(turns []llm.Turn) string {
	var b strings.Builder
	for _, turn := range turns {
		fmt.Fprintf(&b, "%s\n", turn.Reason)
		for _, c := range turn.Calls {
			fmt.Fprintf(&b, "  call %q %q %s\n", c.ID, c.Tool, c.Arguments)
		}
		for _, t := range turn.Texts {
			fmt.Fprintf(&b, "  %s %q", t.Member, t.Shown)
			if t.Said != t.Shown {
				fmt.Fprintf(&b, " said %q", t.Said)
			}
			b.WriteString("\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
