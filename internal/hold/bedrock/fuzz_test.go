package bedrock_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

var fuzzConfig = hold.Config{MaxEvent: 8 << 10, MaxHeld: 32 << 10, MaxCalls: 16}

// seed adds the transcripts, as lines: of a stream's bytes the fuzzer would only break the checksums.
func seed(f *testing.F) {
	f.Helper()
	for i, ar := range txtest.Seeds(f, "testdata/*.txtar") {
		in := txtest.Text(ar, "in")
		f.Add(in, uint64(i))
		f.Add(in, uint64(7))
	}
}

func cutter(seed uint64) func(int) int {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // cuts need no secrecy
	return func(left int) int { return 1 + r.IntN(min(left, 1+r.IntN(200))) }
}

// FuzzChunking: however a stream is cut, the same goes out, the same is decided, and the same is wrong with it.
func FuzzChunking(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in string, cuts uint64) {
		m, stream := modeOf(cuts), encode(in)
		want := pass(m, fuzzConfig, stream, nil)
		for name, next := range map[string]func(int) int{
			"byte by byte": func(int) int { return 1 },
			"at random":    cutter(cuts),
		} {
			got := pass(m, fuzzConfig, stream, next)
			if !bytes.Equal(got.out, want.out) {
				t.Errorf("%s: released\n%s\nnot\n%s", name, lines(got.out, nil), lines(want.out, nil))
			}
			if g, w := got.told(), want.told(); g != w {
				t.Errorf("%s: %s, not %s", name, g, w)
			}
		}
	})
}

// FuzzReleased: whatever a provider sends, a client of what was released has exactly the calls that were decided and
// allowed, with the arguments that were decided.
func FuzzReleased(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in string, cuts uint64) {
		checkReleased(t, pass(modeOf(cuts), fuzzConfig, encode(in), cutter(cuts)))
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkReleased reads what was released as a client does, and compares it with what was decided, and with the turn that
// was told of.
func checkReleased(t failer, o *outcome) {
	t.Helper()
	c, err := readAsClient(o.out)
	if err != nil {
		t.Fatalf("a client cannot read it: %v\n%s", err, lines(o.out, nil))
	}
	if got := c.calls(); !slices.Equal(got, o.allowed) && (c.stop != "" || len(got) > 0) {
		t.Fatalf("the client runs\n%q\nallowed was\n%q\n%s", got, o.allowed, lines(o.out, nil))
	}
	if c.stop == "tool_use" && len(c.calls()) == 0 && len(o.asked)+len(o.refused) > 0 {
		t.Fatalf("the turn ended to make calls and has none\n%s", lines(o.out, nil))
	}
	if len(o.turns) > 1 {
		t.Fatalf("%d turns", len(o.turns))
	}
	for _, turn := range o.turns {
		if c.stop == "" {
			continue // the error came after it was told of
		}
		if turn.Reason != c.stop {
			t.Fatalf("the client reads that it ended by %q, told was %q", c.stop, turn.Reason)
		}
		var told, shown []string
		for _, text := range turn.Texts {
			if text.Member == "text" {
				told = append(told, text.Shown)
			}
			if !o.mode.filter && text.Shown != text.Said {
				t.Fatalf("%+v, and nothing was filtered", text)
			}
		}
		for _, i := range c.order {
			if b := c.blocks[i]; b.kind == "text" && b.text != "" {
				shown = append(shown, b.text)
			}
		}
		if !slices.Equal(slices.Sorted(slices.Values(told)), slices.Sorted(slices.Values(shown))) || len(turn.Calls) != len(c.calls()) {
			t.Fatalf("the client reads %q, told was %+v\n%s", shown, turn, lines(o.out, nil))
		}
	}
	if o.mode == (mode{}) {
		checkDenied(t, c, o)
	}
}

// checkDenied: nothing of a denied call goes on, in its block or in what may repeat it; and where no call was denied, all
// goes on byte for byte.
func checkDenied(t failer, c *client, o *outcome) {
	t.Helper()
	for _, b := range c.blocks {
		if b.kind == "toolUse" && denied(b.name) && b.typ == "" {
			t.Fatalf("a denied call goes on: %+v", b)
		}
	}
	refused := len(o.allowed) < len(o.asked)+len(o.refused)
	if repeats := strings.ReplaceAll(c.repeats, "null", ""); refused && repeats != "" {
		t.Fatalf("what may repeat a denied call goes on: %s", repeats)
	}
	if o.err == nil && !refused && !o.gate.UpstreamError() && !bytes.Equal(o.out, o.in) {
		t.Fatalf("released\n%s\nnot\n%s", lines(o.out, nil), lines(o.in, nil))
	}
}
