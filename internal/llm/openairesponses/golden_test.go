package openairesponses

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

// golden plays each archive: play gets its inputs by name, and returns its outputs.
func golden(t *testing.T, pattern string, outputs []string, play func(t *testing.T, in map[string][]byte) map[string]string) {
	t.Helper()
	txtest.Play(t, pattern, func(t *testing.T, archive *txtar.Archive) []txtar.File {
		in := map[string][]byte{}
		for _, f := range archive.Files {
			in[f.Name] = bytes.TrimSuffix(f.Data, []byte("\n"))
		}
		got := play(t, in)
		var out []txtar.File
		for _, name := range outputs {
			out = append(out, txtar.File{Name: name, Data: []byte(got[name])})
		}
		return out
	})
}

// A request's archive: in.json, and the edit in the lines of llmtest.Edit, with "store" and "unstored" besides. Out come the
// view and what is sent on.
func TestRequests(t *testing.T) {
	golden(t, "testdata/request-*.txtar", []string{"view", "out.json"}, func(t *testing.T, in map[string][]byte) map[string]string {
		r, err := ParseRequest(in["in.json"], strictjson.Limits{})
		if err != nil {
			return map[string]string{"view": "error: " + err.Error(), "out.json": ""}
		}
		same, err := Apply(r, llm.Edit{})
		if err != nil || !bytes.Equal(same, in["in.json"]) {
			t.Errorf("an edit of nothing made it %s: %v", same, err)
		}
		out, err := Apply(r, editOf(t, string(in["edit"])))
		if err != nil {
			return map[string]string{"view": viewRequest(r), "out.json": "error: " + err.Error()}
		}
		if _, err := ParseRequest(bytes.ReplaceAll(out, []byte(StubTool), []byte("stub")), strictjson.Limits{}); err != nil || !json.Valid(out) {
			t.Errorf("%s cannot be read: %v", out, err)
		}
		return map[string]string{"view": viewRequest(r), "out.json": string(out)}
	})
}

func editOf(t *testing.T, lines string) llm.Edit {
	var stored *bool
	var others strings.Builder
	for line := range strings.Lines(lines) {
		switch strings.TrimSpace(line) {
		case "store", "unstored":
			keep := strings.TrimSpace(line) == "store"
			stored = &keep
		default:
			others.WriteString(line)
		}
	}
	e := llmtest.Edit(t, others.String())
	e.Store = stored
	return e
}

// TestResultShapes holds this dialect's form of every shape of tool result and call.
func TestResultShapes(t *testing.T) {
	llmtest.Shapes(t, "../testdata/results/*.txtar", "openairesponses", func(doc []byte) (*llm.Request, error) {
		return ParseRequest(doc, strictjson.Limits{})
	}, Apply)
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
	for i, c := range r.Calls {
		fmt.Fprintf(&b, "call %q %q message=%d custom=%v %s\n", c.ID, c.Tool, c.Message, c.Custom, r.CallArguments(i))
	}
	for i, c := range r.Results {
		fmt.Fprintf(&b, "result %q of %q role=%s attributed=%v message=%d bytes=%d text=%v %q\n",
			c.ID, c.Tool, c.Role, c.Attributed, c.Message, c.Bytes, c.Text, r.ResultText(i))
	}
	llmtest.WriteParts(&b, r)
	return strings.TrimSuffix(b.String(), "\n")
}

// A response's archive: in.json, and a verdict a line: "allow", "allow id=ID", "allow arguments=JSON" or "deny TEXT". With
// a file "filter" texts are filtered. Out come the view, what is released, and the turn.
func TestResponses(t *testing.T) {
	golden(t, "testdata/response-*.txtar", []string{"view", "out.json", "turns"}, func(t *testing.T, in map[string][]byte) map[string]string {
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
		verb, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		v := llm.Verdict{Allow: verb == "allow", Text: text}
		for word := range strings.FieldsSeq(text) {
			if id, ok := strings.CutPrefix(word, "id="); ok {
				v.ID = id
			}
			if arguments, ok := strings.CutPrefix(word, "arguments="); ok {
				v.Arguments = []byte(arguments)
			}
		}
		out = append(out, v)
	}
	return out
}

func viewTurns(turns []llm.Turn) string {
	var b strings.Builder
	for _, turn := range turns {
		fmt.Fprintf(&b, "choice %d %s\n", turn.Choice, turn.Reason)
		for _, t := range turn.Texts {
			fmt.Fprintf(&b, "  %s %q\n", t.Member, t.Shown)
			if t.Said != t.Shown {
				fmt.Fprintf(&b, "    said %q\n", t.Said)
			}
		}
		for _, c := range turn.Calls {
			fmt.Fprintf(&b, "  call %q %q %s\n", c.ID, c.Tool, c.Arguments)
		}
	}
	return b.String()
}

func viewResponse(r *Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %q status=%s error=%v\n", r.Model, r.Status, r.Error)
	if r.Usage.Known {
		fmt.Fprintf(&b, "usage %+v\n", r.Usage)
	}
	for _, c := range r.Calls {
		fmt.Fprintf(&b, "call %d %q %q custom=%v %s", c.Index, c.ID, c.Tool, c.Custom, c.Arguments)
		if c.Malformed != "" {
			fmt.Fprintf(&b, " malformed: %s", c.Malformed)
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
