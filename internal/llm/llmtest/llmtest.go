// Package llmtest plays the corpus of every shape of tool result and call for a dialect. It is for tests alone.
//
// An archive of the corpus has one history in the form of each dialect that has that shape (in-NAME.json), an edit of it,
// and the view of it, which is the same for all of them. What the edit makes of each form is out-NAME.json. So a dialect
// that is added writes its form of the histories and its finder, and what has to be found is there already.
package llmtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// Shapes plays the archives that have a form in the dialect: at least one of them has. What is sent on must be read again,
// and an edit of nothing must leave the document as it is.
func Shapes(t *testing.T, pattern, dialect string, parse func(doc []byte) (*llm.Request, error), apply func(r *llm.Request, e llm.Edit) ([]byte, error)) {
	t.Helper()
	found := 0
	txtest.Play(t, pattern, func(t *testing.T, in *txtar.Archive) []txtar.File {
		doc := txtest.Line(in, "in-"+dialect+".json")
		if doc == "" {
			return nil
		}
		found++
		view, sent := play(t, doc, txtest.Text(in, "edit"), parse, apply)
		return []txtar.File{{Name: "view", Data: []byte(view)}, {Name: "out-" + dialect + ".json", Data: []byte(sent)}}
	})
	if found == 0 {
		t.Errorf("no archive of %s has a form in %s", pattern, dialect)
	}
}

func play(t *testing.T, doc, edit string, parse func(doc []byte) (*llm.Request, error), apply func(r *llm.Request, e llm.Edit) ([]byte, error)) (view, sent string) {
	r, err := parse([]byte(doc))
	if err != nil {
		return "error: " + err.Error(), ""
	}
	same, err := apply(r, llm.Edit{})
	if err != nil || string(same) != doc {
		t.Errorf("an edit of nothing made it %s: %v", same, err)
	}
	out, err := apply(r, Edit(t, edit))
	if err != nil {
		return history(r), "error: " + err.Error()
	}
	if _, err := parse(out); err != nil {
		t.Errorf("%s cannot be read: %v", out, err)
	}
	return history(r), string(out)
}

// Edit reads an edit, a line each: "model NAME", "hide TOOL", "drop INDEX TEXT", "result INDEX TEXT", "callid INDEX ID",
// "calltool INDEX NAME", "resultid INDEX ID", "arguments INDEX JSON", "part INDEX TEXT".
func Edit(t testing.TB, lines string) llm.Edit {
	t.Helper()
	e := llm.Edit{
		HideTools: map[string]bool{}, DropResults: map[int]string{}, Results: map[int][]byte{}, CallIDs: map[int]string{}, CallTools: map[int]string{},
		ResultIDs: map[int]string{}, Arguments: map[int][]byte{}, PartTexts: map[int][]byte{},
	}
	for line := range strings.Lines(lines) {
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch verb {
		case "model":
			e.Model = rest
			continue
		case "hide":
			e.HideTools[rest] = true
			continue
		}
		index, text, _ := strings.Cut(rest, " ")
		i, err := strconv.Atoi(index)
		if err != nil {
			t.Fatal(err)
		}
		switch verb {
		case "drop":
			e.DropResults[i] = text
		case "result":
			e.Results[i] = []byte(text)
		case "callid":
			e.CallIDs[i] = text
		case "calltool":
			e.CallTools[i] = text
		case "resultid":
			e.ResultIDs[i] = text
		case "arguments":
			e.Arguments[i] = []byte(text)
		case "part":
			e.PartTexts[i] = []byte(text)
		default:
			t.Fatalf("unknown edit %q", verb)
		}
	}
	return e
}

// history is the view that every dialect gives of the same history.
func history(r *llm.Request) string {
	var b strings.Builder
	for i, c := range r.Calls {
		fmt.Fprintf(&b, "call %d %q of %q message=%d custom=%v %s\n", i, c.ID, c.Tool, c.Message, c.Custom, r.CallArguments(i))
	}
	for i, c := range r.Results {
		fmt.Fprintf(&b, "result %d %q of %q role=%s attributed=%v message=%d text=%v %q\n",
			i, c.ID, c.Tool, c.Role, c.Attributed, c.Message, c.Text, r.ResultText(i))
	}
	WriteParts(&b, r)
	for _, f := range r.Features {
		fmt.Fprintf(&b, "feature %q %s\n", f.Name, f.Value)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// WriteParts writes the parts of a view, a line each.
func WriteParts(b *strings.Builder, r *llm.Request) {
	kinds := map[llm.PartKind]string{
		llm.TextPart: "text", llm.ArgumentsPart: "arguments", llm.ResultPart: "result", llm.MediaPart: "media",
		llm.ReasoningPart: "reasoning", llm.NamePart: "name", llm.DescriptionPart: "description",
	}
	for i, p := range r.Parts {
		fmt.Fprintf(b, "part %d %s message=%d role=%s", i, kinds[p.Kind], p.Message, p.Role)
		for _, of := range []struct {
			name  string
			index int
		}{{"result", p.Result}, {"call", p.Call}, {"tool", p.Tool}} {
			if of.index >= 0 {
				fmt.Fprintf(b, " %s=%d", of.name, of.index)
			}
		}
		if p.Media >= 0 {
			fmt.Fprintf(b, " %+v\n", r.Media[p.Media])
			continue
		}
		fmt.Fprintf(b, " %q\n", r.Text(p))
	}
}
