package hold_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// TestTranscripts runs every testdata/*.txtar: "in" is what the provider sends, one piece per line of the transcript; "out" is what the
// client gets, "notes" what was decided and counted, and every kind of client reads what was decided. A line "choices: 2" in the comment says how many were asked for,
// and lines "resolve", "filter" and "finish" what the gate does besides.
func TestTranscripts(t *testing.T) {
	txtest.Play(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) []txtar.File {
		in := txtest.Text(ar, "in")
		if in == "" {
			t.Fatal("nothing in")
		}
		c, m := configOf(t, ar)
		checkReleased(t, passAs(m, c, []byte(in), nil))
		out, notes := play(m, c, in)
		return []txtar.File{{Name: "out", Data: []byte(out)}, {Name: "notes", Data: []byte(notes)}}
	})
}

func configOf(t *testing.T, ar *txtar.Archive) (hold.Config, mode) {
	t.Helper()
	c, m := hold.Config{Choices: 1}, mode{}
	for line := range strings.SplitSeq(string(ar.Comment), "\n") {
		if n, ok := strings.CutPrefix(line, "choices: "); ok {
			var err error
			if c.Choices, err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		}
		switch line {
		case "resolve":
			m.resolve = true
		case "filter":
			m.filter = true
		case "finish":
			m.finish = true
		}
	}
	return c, m
}

// play feeds a transcript event by event. Each event's output is written under it, so that a reader sees what is held:
// "> " marks what was fed, cut short.
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
	if d := o.decided(); d != "" {
		notes += "decided:\n" + d
	}
	released, refused := o.released, o.refused
	for _, call := range released {
		notes += fmt.Sprintf("released: choice %d %s\n", call.Choice, call.Tool)
	}
	for _, call := range refused {
		notes += fmt.Sprintf("refused: choice %d %s %s\n", call.Choice, orDash(call.Tool), call.Malformed)
	}
	for _, turn := range o.turns {
		notes += fmt.Sprintf("turn: choice %d %s, %d calls\n", turn.Choice, turn.Reason, len(turn.Calls))
		for _, t := range turn.Texts {
			notes += fmt.Sprintf("  %s %q", t.Member, t.Shown)
			if t.Said != t.Shown {
				notes += fmt.Sprintf(" said %q", t.Said)
			}
			notes += "\n"
		}
	}
	if u := g.Usage(); u.Known {
		notes += fmt.Sprintf("usage: %+v\n", u)
	}
	if o.err != nil {
		notes += "error: " + o.err.Error() + "\n"
	}
	return b.String(), notes
}
