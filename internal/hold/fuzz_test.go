package hold_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
)

var fuzzConfig = hold.Config{Choices: 2, MaxEvent: 8 << 10, MaxHeld: 32 << 10, MaxCalls: 16}

func seed(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no transcripts", err)
	}
	for i, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		in := []byte(section(ar, "in"))
		f.Add(in, uint64(i))
		f.Add(bytes.ReplaceAll(in, []byte("\n"), []byte("\r\n")), uint64(i))
		f.Add(bytes.ReplaceAll(in, []byte("\n"), []byte("\r")), uint64(i))
	}
}

// FuzzChunking: however a stream is cut, the same goes out, the same is decided, and the same is wrong with it.
func FuzzChunking(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		want := pass(fuzzConfig, stream, nil)
		for name, next := range map[string]func(int) int{
			"byte by byte": func(int) int { return 1 },
			"at random":    cutter(cuts),
		} {
			got := pass(fuzzConfig, stream, next)
			if !bytes.Equal(got.out, want.out) {
				t.Errorf("%s: released\n%s\nnot\n%s", name, got.out, want.out)
			}
			if g, w := got.decided(), want.decided(); g != w {
				t.Errorf("%s: decided %s, not %s", name, g, w)
			}
			if g, w := fmt.Sprint(got.models, got.err, got.gate.Usage()), fmt.Sprint(want.models, want.err, want.gate.Usage()); g != w {
				t.Errorf("%s: %s, not %s", name, g, w)
			}
		}
	})
}

func cutter(seed uint64) func(int) int {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // cuts need no secrecy
	return func(left int) int { return 1 + r.IntN(min(left, 1+r.IntN(200))) }
}

// FuzzReleased: whatever a provider sends, a lenient client of what was released has exactly the calls that were
// decided and allowed, with the arguments that were decided.
func FuzzReleased(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		o := pass(fuzzConfig, stream, cutter(cuts))
		c, err := readAsClient(o.out)
		if err != nil {
			t.Fatalf("the client cannot read it: %v\n%s", err, o.out)
		}
		allowed := map[int][]llm.ToolCall{}
		legacy := map[int]*llm.ToolCall{}
		for _, batch := range o.batches {
			for _, call := range batch {
				switch {
				case denied(call.Tool) || broke(batch):
				case call.Legacy:
					legacy[call.Choice] = &call
				default:
					allowed[call.Choice] = append(allowed[call.Choice], call)
				}
			}
		}
		for index, ch := range c.choices {
			if len(ch.calls) != len(allowed[index]) {
				t.Fatalf("choice %d has %d calls, allowed were %d\n%s", index, len(ch.calls), len(allowed[index]), o.out)
			}
			for i, want := range allowed[index] {
				check(t, ch.calls[i], want)
			}
			if (ch.legacy == nil) != (legacy[index] == nil) {
				t.Fatalf("choice %d: a legacy call that was not decided, or the other way round\n%s", index, o.out)
			}
			if ch.legacy != nil {
				check(t, ch.legacy, *legacy[index])
			}
			if (ch.finish == "tool_calls" || ch.finish == "function_call") && len(ch.calls) == 0 && ch.legacy == nil {
				if _, refused := o.gate.Calls(); refusedIn(refused, index) {
					t.Errorf("choice %d finished with %s and has no call\n%s", index, ch.finish, o.out)
				}
			}
		}
	})
}

func refusedIn(calls []llm.ToolCall, choice int) bool {
	for _, c := range calls {
		if c.Choice == choice {
			return true
		}
	}
	return false
}

func broke(batch []llm.ToolCall) bool {
	for _, c := range batch {
		if c.Tool == "boom" {
			return true
		}
	}
	return false
}

func check(t *testing.T, got *clientCall, want llm.ToolCall) {
	t.Helper()
	arguments := string(want.Arguments)
	if got == nil {
		t.Fatalf("the client lacks the call of %s", want.Tool)
	}
	if want.Custom {
		arguments = `{"input":` + quote(got.arguments) + `}`
		if !sameJSON(arguments, string(want.Arguments)) {
			t.Errorf("the client runs %s(%s), decided was %s", got.name, got.arguments, want.Arguments)
		}
	} else if got.arguments != arguments && (got.arguments != "" || arguments != "{}") {
		t.Errorf("the client runs %s(%s), decided was %s", got.name, got.arguments, arguments)
	}
	if got.name != want.Tool || got.id != want.ID {
		t.Errorf("the client runs %s %s, decided was %s %s", got.id, got.name, want.ID, want.Tool)
	}
}
