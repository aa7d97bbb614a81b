package anthropic_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	dialect "github.com/yellowjack/yellowjack/internal/llm/anthropic"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// answer is what a provider means to say: blocks, whole and as the events of each.
type answer struct {
	whole  []string
	events [][]string
	calls  []string // markers of the calls, by block; "" for another block
	denied []bool
	reason string
}

// answers draws an answer. Every name, id and argument of a call has a marker of its own, "«", so that a leak of any
// fragment shows.
func answers(t *rapid.T) answer {
	a := answer{reason: "end_turn"}
	for i := range rapid.IntRange(1, 6).Draw(t, "blocks") {
		marker := fmt.Sprintf("«%d»", i)
		switch rapid.SampledFrom([]string{"text", "text", "call", "call", "thought", "hidden", "server"}).Draw(t, "kind") {
		case "text":
			text := rapid.SampledFrom([]string{"word", "é\"\n", "{}", "$ref_abcd", "$re", "x $ref_wxyz $"}).Draw(t, "text")
			a.add(`{"type":"text","text":`+quote(text)+`}`, "", false, i, textBlock, pieces(t, text, func(p string) string { return said(i, p) }))
		case "thought":
			a.add(`{"type":"thinking","thinking":"$ref_abcd","signature":"c2ln"}`, "", false, i, `{"type":"thinking","thinking":"","signature":""}`,
				[]string{delta(i, `"type":"thinking_delta","thinking":"$ref_"`), delta(i, `"type":"thinking_delta","thinking":"abcd"`), delta(i, `"type":"signature_delta","signature":"c2ln"`)})
		case "hidden":
			a.add(`{"type":"thinking","thinking":"","signature":"aGlk"}`, "", false, i, `{"type":"thinking","thinking":"","signature":""}`,
				[]string{delta(i, `"type":"signature_delta","signature":"aGlk"`)})
		case "server":
			a.add(`{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"q":1}}`, "", false, i,
				`{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}`, []string{partial(i, `{"q":1}`)})
		default:
			a.reason = "tool_use"
			name := rapid.SampledFrom([]string{"read", "no_write"}).Draw(t, "name") + marker
			id := "toolu_" + marker
			arguments := `{"` + marker + `":` + quote(rapid.StringN(0, 12, -1).Draw(t, "argument")+"$ref_abcd") + "}"
			a.add(`{"type":"tool_use","id":`+quote(id)+`,"name":`+quote(name)+`,"input":`+arguments+`}`, marker, denied(name), i,
				use(id, name), pieces(t, arguments, func(p string) string { return partial(i, p) }))
		}
	}
	return a
}

func (a *answer) add(whole, marker string, denied bool, index int, block string, deltas []string) {
	a.whole = append(a.whole, whole)
	a.calls, a.denied = append(a.calls, marker), append(a.denied, denied)
	a.events = append(a.events, append(append([]string{begin(index, block)}, deltas...), stopped(index)))
}

// pieces cuts a text.
func pieces(t *rapid.T, text string, as func(piece string) string) []string {
	var out []string
	for runes := []rune(text); len(runes) > 0; {
		n := rapid.IntRange(1, len(runes)).Draw(t, "piece")
		out = append(out, as(string(runes[:n])))
		runes = runes[n:]
	}
	return out
}

// stream are the events in an order in which blocks begin one after the other and may take turns then.
func (a *answer) stream(t *rapid.T) []string {
	at, begun := make([]int, len(a.events)), 0
	out := []string{start("m")}
	for {
		var ready []int
		for i := range a.events {
			if at[i] < len(a.events[i]) && i <= begun {
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			return append(out, finish(a.reason), ended)
		}
		i := rapid.SampledFrom(ready).Draw(t, "next")
		out = append(out, a.events[i][at[i]])
		if at[i]++; i == begun {
			begun++
		}
		if rapid.IntRange(0, 5).Draw(t, "ping") == 0 {
			out = append(out, event("ping", ""))
		}
	}
}

// TestWholeAndStreamed: the same answer, streamed and whole, comes to the same for its client, and the same turn is told
// of. Nothing of a call goes out before the reason to stop, and nothing of a denied one ever.
func TestWholeAndStreamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := answers(t)
		o := &outcome{mode: modeOf(rapid.Uint64().Draw(t, "mode"))}
		o.mode.finish = true
		g := gateOf(hold.Config{}, o)
		for _, e := range a.stream(t) {
			for rest := []byte(e); len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
				var err error
				if o.out, err = g.Write(o.out, rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			for i, marker := range a.calls {
				if marker != "" && (a.denied[i] || !strings.Contains(e, `"stop_reason":"tool_use"`) && e != ended) && strings.Contains(string(o.out), marker) {
					t.Fatalf("%s has gone out\n%s", marker, o.out)
				}
			}
		}
		if o.out, o.err = g.Close(o.out); o.err != nil {
			t.Fatal(o.err)
		}
		checkReleased(t, o)
		streamed, err := readAsClient(o.out)
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, &a, o, streamed)
	})
}

func checkWhole(t *rapid.T, a *answer, o *outcome, streamed *client) {
	r, err := dialect.ParseResponse([]byte(`{"type":"message","role":"assistant","model":"m","content":[`+strings.Join(a.whole, ",")+
		`],"stop_reason":`+quote(a.reason)+`}`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	verdicts := make([]llm.Verdict, len(r.Calls))
	for i, c := range r.Calls {
		verdicts[i] = o.mode.verdict(c)
	}
	var text func(int) llm.TextFilter
	if o.mode.filter {
		text = func(int) llm.TextFilter { return &filter.Filter{} }
	}
	body, turns, err := r.Rewrite(verdicts, text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%+v", o.turns), fmt.Sprintf("%+v", turns); got != want {
		t.Fatalf("streamed: %s\nwhole: %s", got, want)
	}
	again, err := dialect.ParseResponse(body, strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, c := range again.Calls {
		calls = append(calls, c.ID+" "+c.Tool+" "+string(c.Arguments))
	}
	if got, want := fmt.Sprint(streamed.calls()), fmt.Sprint(calls); got != want {
		t.Fatalf("streamed: %s\nwhole: %s", got, want)
	}
	if streamed.stop != turns[0].Reason || len(streamed.blocks) != len(a.whole) {
		t.Fatalf("streamed: %s %d, whole: %s %d", streamed.stop, len(streamed.blocks), turns[0].Reason, len(a.whole))
	}
}
