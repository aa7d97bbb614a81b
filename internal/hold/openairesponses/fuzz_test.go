package openairesponses_test

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

func seed(f *testing.F) {
	f.Helper()
	for i, ar := range txtest.Seeds(f, "testdata/*.txtar") {
		in := []byte(txtest.Text(ar, "in"))
		f.Add(in, uint64(i))
		f.Add(in, uint64(7))
		f.Add(bytes.ReplaceAll(in, []byte("\n"), []byte("\r\n")), uint64(i))
		f.Add(bytes.ReplaceAll(in, []byte("\n"), []byte("\r")), uint64(i))
	}
}

func cutter(seed uint64) func(int) int {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // cuts need no secrecy
	return func(left int) int { return 1 + r.IntN(min(left, 1+r.IntN(200))) }
}

// FuzzChunking: however a stream is cut, the same goes out, the same is decided, and the same is wrong with it.
func FuzzChunking(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		m := modeOf(cuts)
		want := pass(m, fuzzConfig, stream, nil)
		for name, next := range map[string]func(int) int{
			"byte by byte": func(int) int { return 1 },
			"at random":    cutter(cuts),
		} {
			got := pass(m, fuzzConfig, stream, next)
			if !bytes.Equal(got.out, want.out) {
				t.Errorf("%s: released\n%s\nnot\n%s", name, got.out, want.out)
			}
			if g, w := got.told(), want.told(); g != w {
				t.Errorf("%s: %s, not %s", name, g, w)
			}
		}
	})
}

// FuzzReleased: whatever a provider sends, every kind of client of what was released has exactly the calls that were
// decided and allowed, with the arguments that were decided, and reads the same texts wherever they are repeated.
func FuzzReleased(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		checkReleased(t, pass(modeOf(cuts), fuzzConfig, stream, cutter(cuts)))
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkReleased reads what was released as clients do, and compares it with what was decided, and with the turn that was
// told of.
func checkReleased(t failer, o *outcome) {
	t.Helper()
	c, err := readAsClient(o.out)
	if err != nil {
		t.Fatalf("a client cannot read it: %v\n%s", err, o.out)
	}
	pieces, ends := c.ran()
	if !c.ended && len(pieces)+len(ends) > 0 && !c.failed && o.err == nil {
		t.Fatalf("calls go on without an end\n%s", o.out)
	}
	if c.ended {
		checkCalls(t, o, c, pieces, ends)
	}
	if !c.ended && len(ends) > 0 && !isPrefix(ends, o.allowed) {
		t.Fatalf("the client runs\n%q\nallowed was\n%q\n%s", ends, o.allowed, o.out)
	}
	if len(o.turns) > 1 {
		t.Fatalf("%d turns", len(o.turns))
	}
	for _, turn := range o.turns {
		if !c.ended {
			continue // the error came after it was told of
		}
		var told []string
		for _, text := range turn.Texts {
			if text.Member != "encrypted_content" {
				told = append(told, text.Shown)
			}
			if !o.mode.filter && text.Shown != text.Said {
				t.Fatalf("%+v, and nothing was filtered", text)
			}
		}
		var whole []*clientItem
		for i := range c.output {
			whole = append(whole, &c.output[i])
		}
		for _, shown := range [][]string{texts(c.items), texts(whole)} {
			slices.Sort(shown)
			for _, text := range shown {
				if !slices.Contains(told, text) {
					t.Fatalf("the client reads %q, told was %q\n%s", text, told, o.out)
				}
			}
		}
		if len(turn.Calls) != len(o.allowed) {
			t.Fatalf("told was %+v, allowed %q", turn.Calls, o.allowed)
		}
	}
	for _, i := range c.items {
		if _, isCall := i.call(); isCall && denied(i.Name) {
			t.Fatalf("a denied call goes on\n%s", o.out)
		}
	}
}

func checkCalls(t failer, o *outcome, c *client, pieces, ends []string) {
	t.Helper()
	whole := calls(c.output)
	for _, call := range whole {
		if !slices.Contains(o.allowed, call) {
			t.Fatalf("the client runs %q at the end, allowed was\n%q\n%s", call, o.allowed, o.out)
		}
	}
	for _, list := range [][]string{pieces, ends} {
		for _, call := range list {
			if !slices.Contains(o.allowed, call) && !strings.HasSuffix(call, " {}") {
				t.Fatalf("the client runs %q, allowed was\n%q\n%s", call, o.allowed, o.out)
			}
		}
	}
	for _, call := range o.allowed {
		if !slices.Contains(ends, call) && !slices.Contains(whole, call) {
			t.Fatalf("%q was allowed and does not go on\n%s", call, o.out)
		}
	}
}

func isPrefix(list, of []string) bool {
	return len(list) <= len(of) && slices.Equal(list, of[:len(list)])
}
