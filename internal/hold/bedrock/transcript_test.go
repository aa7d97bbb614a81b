package bedrock_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// TestTranscripts runs every testdata/*.txtar: "in" is what the provider sends, a message a line as encode reads it; "out"
// is what the client gets, under the number of each message as it is fed ("=": byte for byte one that was sent), and
// "notes" what was decided and counted. Lines "resolve", "filter" and "finish" in the comment say what the gate does
// besides.
func TestTranscripts(t *testing.T) {
	txtest.Play(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) []txtar.File {
		in := txtest.Text(ar, "in")
		m := mode{}
		for line := range strings.SplitSeq(string(ar.Comment), "\n") {
			m.resolve = m.resolve || line == "resolve"
			m.filter = m.filter || line == "filter"
			m.finish = m.finish || line == "finish"
		}
		checkReleased(t, pass(m, hold.Config{}, encode(in), nil))
		out, notes := play(m, in)
		return []txtar.File{{Name: "out", Data: []byte(out)}, {Name: "notes", Data: []byte(notes)}}
	})
}

// play feeds a transcript message by message.
func play(m mode, in string) (out, notes string) {
	o := &outcome{mode: m}
	g := gateOf(hold.Config{}, o)
	var b strings.Builder
	var fed [][]byte
	for i, line := range strings.Split(in, "\n") {
		if line == "" {
			continue
		}
		message := encode(line)
		fed = append(fed, message)
		released, err := g.Write(nil, message)
		o.err = err
		fmt.Fprintf(&b, "> %d", i+1)
		if g.Held() {
			b.WriteString(" (holding)")
		}
		b.WriteString("\n" + lines(released, fed))
		if err != nil {
			break
		}
	}
	if o.err == nil {
		var released []byte
		released, o.err = g.Close(nil)
		b.WriteString(lines(released, fed))
	}
	notes = fmt.Sprintf("models: %q\n", o.models)
	for _, call := range o.asked {
		notes += fmt.Sprintf("asked: %d %s %s %s\n", call.Index, call.ID, call.Tool, call.Arguments)
	}
	for _, call := range o.refused {
		notes += fmt.Sprintf("refused: %s %s\n", call.Tool, call.Malformed)
	}
	for _, turn := range o.turns {
		notes += fmt.Sprintf("turn: %s, %d calls\n", turn.Reason, len(turn.Calls))
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
