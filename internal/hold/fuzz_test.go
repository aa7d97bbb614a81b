package hold_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
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

// FuzzChunking: however a stream is cut, the same goes out, the same is decided, and the same is wrong with it.
func FuzzChunking(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		m := modeOf(cuts)
		want := passAs(m, fuzzConfig, stream, nil)
		for name, next := range map[string]func(int) int{
			"byte by byte": func(int) int { return 1 },
			"at random":    cutter(cuts),
		} {
			got := passAs(m, fuzzConfig, stream, next)
			if !bytes.Equal(got.out, want.out) {
				t.Errorf("%s: released\n%s\nnot\n%s", name, got.out, want.out)
			}
			if g, w := got.decided(), want.decided(); g != w {
				t.Errorf("%s: decided %s, not %s", name, g, w)
			}
			if g, w := fmt.Sprint(got.models, got.err, got.gate.Usage(), got.turns), fmt.Sprint(want.models, want.err, want.gate.Usage(), want.turns); g != w {
				t.Errorf("%s: %s, not %s", name, g, w)
			}
		}
	})
}

// modeOf takes a mode from the last bits of a seed.
func modeOf(seed uint64) mode {
	return mode{resolve: seed&1 > 0, filter: seed&2 > 0, finish: seed&4 > 0}
}

func cutter(seed uint64) func(int) int {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // cuts need no secrecy
	return func(left int) int { return 1 + r.IntN(min(left, 1+r.IntN(200))) }
}

// FuzzReleased: whatever a provider sends, a lenient client of what was released has exactly the calls that were
// decided and allowed, with the arguments that were decided. So has one that takes the last of what is repeated, and one
// that takes it all.
func FuzzReleased(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		checkReleased(t, passAs(modeOf(cuts), fuzzConfig, stream, cutter(cuts)))
	})
}

// TestWild is FuzzReleased on streams of well-formed chunks whose calls are put together wrongly: any index, ids and
// names left out or changed, kinds mixed, fragments after the end.
func TestWild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream strings.Builder
		for range rapid.IntRange(1, 12).Draw(t, "events") {
			var parts []string
			for range rapid.IntRange(1, 2).Draw(t, "choices") {
				parts = append(parts, choice(rapid.IntRange(0, 1).Draw(t, "choice"), wildDelta(t), rapid.SampledFrom([]string{
					"", "", "", "", "tool_calls", "function_call", "stop", "length",
				}).Draw(t, "finish")))
			}
			stream.WriteString(chunk(parts...))
		}
		stream.WriteString(doneEvent)
		m := modeOf(rapid.Uint64().Draw(t, "mode"))
		o := passAs(m, fuzzConfig, []byte(stream.String()), nil)
		checkReleased(t, o)
		checkTurns(t, o)
	})
}

func wildDelta(t *rapid.T) string {
	var members []string
	add := func(label string, member ...string) {
		if m := rapid.SampledFrom(append(member, "", "")).Draw(t, label); m != "" {
			members = append(members, m)
		}
	}
	add("role", `"role":"assistant"`)
	add("content", `"content":null`, `"content":""`, `"content":"x"`, `"content":"$ref_"`, `"content":"abcd"`, `"content":" $re"`)
	add("thought", `"reasoning":"$ref_ab"`, `"reasoning":"cd"`, `"refusal":"$"`)
	add("legacy", `"function_call":null`, `"function_call":{"name":"read"}`, `"function_call":{"name":"read","arguments":"{}"}`, `"function_call":{"arguments":"{}"}`, `"function_call":{"name":"no_post"}`)
	var list []string
	for range rapid.IntRange(0, 3).Draw(t, "calls") {
		list = append(list, wildCall(t))
	}
	if len(list) > 0 {
		at := rapid.IntRange(0, len(members)).Draw(t, "place")
		members = slices.Insert(members, at, `"tool_calls":[`+strings.Join(list, ",")+"]")
	}
	return "{" + strings.Join(members, ",") + "}"
}

func wildCall(t *rapid.T) string {
	var members []string
	// Most fragments are good, so that some calls are: the first value of each list.
	add := func(label string, good string, others ...string) {
		pick := append([]string{good, good, good, good, good, good, ""}, others...)
		if m := rapid.SampledFrom(pick).Draw(t, label); m != "" {
			members = append(members, m)
		}
	}
	n := rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2}).Draw(t, "call")
	add("index", fmt.Sprintf(`"index":%d`, n), `"index":-1`, `"index":null`, `"index":"0"`, `"index":0.0`, `"index":7`)
	add("id", fmt.Sprintf(`"id":"c%d"`, n), `"id":""`, `"id":null`, `"id":"c9"`, `"id":5`)
	add("type", `"type":"function"`, `"type":"custom"`, `"type":null`)
	name := rapid.SampledFrom([]string{"read", "no_post"}).Draw(t, "name")
	add("part",
		fmt.Sprintf(`"function":{"name":%q,"arguments":%q}`, name+fmt.Sprint(n), rapid.SampledFrom([]string{"", "{}", "{", "}", `{"a":1}`}).Draw(t, "arguments")),
		`"function":{"name":"other","arguments":""}`, `"function":{"arguments":"}"}`, `"custom":{"name":"sh","input":"x"}`, `"function":null`, `"function":7`)
	return "{" + strings.Join(members, ",") + "}"
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkReleased reads what was released as clients of each kind do, and compares it with what was decided.
func checkReleased(t failer, o *outcome) {
	t.Helper()
	for kind, read := range readers() {
		choices, err := read(o.out)
		if err != nil {
			t.Fatalf("the client that takes %s cannot read it: %v\n%s", kind, err, o.out)
		}
		checkDecided(t, kind, choices, o)
	}
}

// readers are the clients by what they take of an id, type or name that comes again.
func readers() map[string]func([]byte) (map[int]*clientChoice, error) {
	as := func(j join) func([]byte) (map[int]*clientChoice, error) {
		return func(stream []byte) (map[int]*clientChoice, error) {
			c, err := readAs(stream, j)
			if err != nil {
				return nil, err
			}
			return c.choices, nil
		}
	}
	return map[string]func([]byte) (map[int]*clientChoice, error){
		"the first": as(firstSaid), "the last": as(lastSaid), "all": readByConcatenating,
	}
}

func checkDecided(t failer, kind string, choices map[int]*clientChoice, o *outcome) {
	t.Helper()
	allowed := map[int][]llm.ToolCall{}
	legacy := map[int]*llm.ToolCall{}
	for _, batch := range o.batches {
		for _, call := range batch {
			switch {
			case denied(call.Tool) || boom(batch):
			case call.Legacy:
				seen := o.mode.seen(call)
				legacy[call.Choice] = &seen
			default:
				allowed[call.Choice] = append(allowed[call.Choice], o.mode.seen(call))
			}
		}
	}
	refused := o.refused
	for index, ch := range choices {
		if len(ch.calls) != len(allowed[index]) {
			t.Fatalf("to the client that takes %s, choice %d has %d calls, allowed were %d\n%s", kind, index, len(ch.calls), len(allowed[index]), o.out)
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
		calls := len(ch.calls) > 0 || ch.legacy != nil
		if (ch.finish == "tool_calls" || ch.finish == "function_call") && !calls && refusedIn(refused, index) {
			t.Fatalf("choice %d finished with %s and has no call\n%s", index, ch.finish, o.out)
		}
	}
}

// checkTurns compares the turns that were told of with what a client has of them.
func checkTurns(t failer, o *outcome) {
	t.Helper()
	c, err := readAsClient(o.out)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, turn := range o.turns {
		got := c.choices[turn.Choice]
		if got == nil || o.err != nil && got.finish == "" {
			continue // the error came after it was told of
		}
		content := ""
		for _, text := range turn.Texts {
			if text.Member == "content" {
				content = text.Shown
			}
			if !o.mode.filter && text.Shown != text.Said {
				t.Fatalf("%+v, and nothing was filtered", text)
			}
		}
		if got.text != content { // its reason may come again, and be another
			t.Fatalf("the client reads %q, told was %+v\n%s", got.text, turn, o.out)
		}
		calls := len(got.calls)
		if got.legacy != nil {
			calls++
		}
		if calls != len(turn.Calls) {
			t.Fatalf("the client has %d calls, told was %+v", calls, turn)
		}
	}
}

func refusedIn(calls []llm.ToolCall, choice int) bool {
	return slices.ContainsFunc(calls, func(c llm.ToolCall) bool { return c.Choice == choice })
}

func boom(batch []llm.ToolCall) bool {
	return slices.ContainsFunc(batch, func(c llm.ToolCall) bool { return c.Tool == "boom" })
}

func check(t failer, got *clientCall, want llm.ToolCall) {
	t.Helper()
	if got == nil {
		t.Fatalf("the client lacks the call of %s", want.Tool)
	}
	arguments := got.arguments
	switch {
	case want.Custom:
		if !sameJSON(`{"input":`+quote(arguments)+`}`, string(want.Arguments)) {
			t.Fatalf("the client runs %s(%s), decided was %s", got.name, arguments, want.Arguments)
		}
	case arguments != string(want.Arguments) && (arguments != "" || string(want.Arguments) != "{}"):
		t.Fatalf("the client runs %s(%s), decided was %s", got.name, arguments, want.Arguments)
	}
	if got.name != want.Tool || got.id != want.ID {
		t.Fatalf("the client runs %s %s, decided was %s %s", got.id, got.name, want.ID, want.Tool)
	}
	kind := "function"
	if want.Custom {
		kind = "custom"
	}
	if got.kind != "" && got.kind != kind {
		t.Fatalf("the client runs a %s, decided was a %s", got.kind, kind)
	}
}
