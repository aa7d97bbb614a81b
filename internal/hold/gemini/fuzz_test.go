package gemini_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

var fuzzConfig = hold.Config{Choices: 2, MaxEvent: 8 << 10, MaxHeld: 32 << 10, MaxCalls: 16}

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

// FuzzReleased: whatever a provider sends, a client of what was released has exactly the calls that were decided and
// allowed, with the arguments that were decided.
func FuzzReleased(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		checkReleased(t, pass(modeOf(cuts), fuzzConfig, stream, cutter(cuts)))
	})
}

// TestWild is FuzzReleased on streams of well-formed events, with parts of every kind in any order, in one event or
// several, of two candidates, that end for any reason or go on behind it.
func TestWild(t *testing.T) {
	part := rapid.SampledFrom([]string{
		textOf("x"), textOf("$ref_"), textOf("abcd"), textOf("see $re"), textOf(""), textOf(`f_abcd\n`),
		`{"text":"hm $ref_ab","thought":true}`, `{"text":"","thoughtSignature":"c2ln"}`, `{"thoughtSignature":"c2ln"}`,
		callOf("read", "{}"), callOf("read", `{"a": [1, "\u0041"]}`), callOf("no_post", `{"b":2}`), callOf("boom", "{}"),
		`{"functionCall":{"name":"list"},"thoughtSignature":"c2lnMg=="}`,
		`{"functionCall":{"id":"c1","name":"list","args":{}},"thoughtSignature":"c2lnMg=="}`,
		`{"function_call":{"id":"c2","name":"no_list"},"thought_signature":"c2lnMw=="}`,
		`{"functionCall":{"name":"list","partialArgs":[{"jsonPath":"$.a"}],"willContinue":true}}`,
		`{"functionCall":{"name":"list","args":null,"id":null}}`, `{"functionCall":{"args":{}}}`, `{"functionCall":7}`, `{"functionCall":null}`,
		`{"inlineData":{"mimeType":"image/png","data":"AA=="}}`, `{"executableCode":{"language":"PYTHON","code":"1"}}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		var stream strings.Builder
		for range rapid.IntRange(1, 8).Draw(t, "events") {
			var all []string
			for _, index := range rapid.SampledFrom([][]string{{""}, {""}, {`,"index":1`}, {"", `,"index":1`}}).Draw(t, "candidates") {
				parts := rapid.SliceOfN(part, 0, 4).Draw(t, "parts")
				finish := rapid.SampledFrom([]string{"", "", "", "", stop, stop, `,"finishReason":"MAX_TOKENS"`}).Draw(t, "finish")
				more := rapid.SampledFrom([]string{"", `,"logprobsResult":{"chosenCandidates":[]}`}).Draw(t, "more")
				all = append(all, `{"content":{"parts":[`+strings.Join(parts, ",")+`],"role":"model"}`+index+finish+more+`}`)
			}
			stream.WriteString(`data: {"candidates":[` + strings.Join(all, ", ") + `],"usageMetadata":{"promptTokenCount":1},"modelVersion":"m"}` + "\n\n")
		}
		checkReleased(t, pass(modeOf(rapid.Uint64().Draw(t, "mode")), fuzzConfig, []byte(stream.String()), nil))
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkReleased reads what was released as a client does, and compares it with what was decided, and with the turns that
// were told of.
func checkReleased(t failer, o *outcome) {
	t.Helper()
	c, err := readAsClient(o.out)
	if err != nil {
		t.Fatalf("a client cannot read it: %v\n%s", err, o.out)
	}
	for index, is := range c.candidates {
		if !slices.Equal(is.calls, o.allowed[index]) && (is.finish != "" || len(is.calls) > 0) {
			t.Fatalf("the client runs\n%q\nallowed was\n%q\n%s", is.calls, o.allowed[index], o.out)
		}
	}
	for _, turn := range o.turns {
		is := c.candidates[turn.Choice]
		if is == nil || is.finish == "" {
			continue // the error came after it was told of
		}
		shown := ""
		for _, text := range turn.Texts {
			if text.Member == "text" {
				shown += text.Shown
			}
			if !o.mode.filter && text.Shown != text.Said {
				t.Fatalf("%+v, and nothing was filtered", text)
			}
		}
		if shown != is.text || len(turn.Calls) != len(is.calls) {
			t.Fatalf("the client reads %q, told was %+v\n%s", is.text, turn, o.out)
		}
	}
}
