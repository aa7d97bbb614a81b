package gemini_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// TestTranscripts runs every testdata/*.txtar: "in" is what the provider sends; "out" is what the client gets, under each event as it is
// fed, and "notes" what was decided and counted. Lines "choices: 2", "resolve", "filter" and "finish" in the comment say what
// was asked for, and what the gate does besides.
func TestTranscripts(t *testing.T) {
	txtest.Play(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) []txtar.File {
		in := txtest.Text(ar, "in")
		if in == "" {
			t.Fatal("nothing in")
		}
		m, c := mode{}, hold.Config{Choices: 1}
		for line := range strings.SplitSeq(string(ar.Comment), "\n") {
			if line == "choices: 2" {
				c.Choices = 2
			}
			m.resolve = m.resolve || line == "resolve"
			m.filter = m.filter || line == "filter"
			m.finish = m.finish || line == "finish"
		}
		checkReleased(t, pass(m, c, []byte(in), nil))
		out, notes := play(m, c, in)
		return []txtar.File{{Name: "out", Data: []byte(out)}, {Name: "notes", Data: []byte(notes)}}
	})
}

// play feeds a transcript event by event.
func play(m mode, c hold.Config, in string) (out, notes string) {
	o := &outcome{mode: m}
	g := gateOf(c, o)
	var b strings.Builder
	for i, event := range strings.SplitAfter(in, "\n\n") {
		if event == "" {
			continue
		}
		released, err := g.Write(nil, []byte(event))
		o.err = err
		fmt.Fprintf(&b, "> %d", i+1)
		if g.Held() {
			b.WriteString(" (holding)")
		}
		b.WriteString("\n")
		b.Write(released)
		if err != nil {
			break
		}
	}
	if o.err == nil {
		var released []byte
		released, o.err = g.Close(nil)
		b.Write(released)
	}
	notes = "models: " + strings.Join(o.models, ", ") + "\n"
	for _, call := range o.asked {
		notes += fmt.Sprintf("asked: %d/%d %s %s %s\n", call.Choice, call.Index, call.ID, call.Tool, call.Arguments)
	}
	for _, call := range o.refused {
		notes += fmt.Sprintf("refused: %s %s\n", call.Tool, call.Malformed)
	}
	for _, turn := range o.turns {
		notes += fmt.Sprintf("turn: %d %s, %d calls\n", turn.Choice, turn.Reason, len(turn.Calls))
		for _, t := range turn.Texts {
			notes += fmt.Sprintf("  %s %q", t.Member, t.Shown)
			if t.Said != t.Shown {
				notes += fmt.Sprintf(" said %q", t.Said)
			}
			notes += "\n"
		}
	}
	notes += fmt.Sprintf("usage: %+v\n", g.Usage())
	if g.UpstreamError() {
		notes += "the provider's error\n"
	}
	if o.err != nil {
		notes += "error: " + o.err.Error() + "\n"
	}
	return b.String(), notes
}
