package openairesponses_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	dialect "github.com/yellowjack/yellowjack/internal/llm/openairesponses"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// answer is what a provider means to say: items, whole and as the events of each.
type answer struct {
	whole  []string
	events [][]string
	calls  []string // markers of the calls, by item; "" for another item
	denied []bool
}

func quote(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// event is one without its number, which it gets when it is sent.
func event(kind, members string) string { return `{"type":"` + kind + `",` + members + "}" }

// answers draws an answer. Every name, id and argument of a call has a marker of its own, "«", so that a leak of any
// fragment shows.
func answers(t *rapid.T) *answer {
	a := &answer{}
	for i := range rapid.IntRange(1, 6).Draw(t, "items") {
		marker := fmt.Sprintf("«%d»", i)
		text := rapid.SampledFrom([]string{"word", "é\"\n", "{}", "$ref_abcd", "$re", "x $ref_wxyz $"}).Draw(t, "text")
		switch rapid.SampledFrom([]string{"text", "text", "refusal", "thought", "function", "function", "custom", "shell", "server"}).Draw(t, "kind") {
		case "text":
			a.text(t, i, "output_text", "text", text)
		case "refusal":
			a.text(t, i, "refusal", "refusal", text)
		case "thought":
			a.thought(t, i, text)
		case "server":
			item := fmt.Sprintf(`{"type":"web_search_call","id":"ws_%d","status":"completed"}`, i)
			a.add(item, item, i, nil)
		case "shell":
			head := fmt.Sprintf(`{"type":"local_shell_call","id":"lsh_%d","call_id":"call_%s","action":{"type":"exec","command":[%s],"env":{}}}`, i, marker, quote(marker))
			a.add(head, head, i, nil)
			a.calls[i] = marker
		case "custom":
			a.call(t, i, marker, "custom_tool_call", "input", text)
		default:
			a.call(t, i, marker, "function_call", "arguments", `{"`+marker+`":`+quote(text)+"}")
		}
	}
	return a
}

func (a *answer) add(begin, whole string, index int, between []string) {
	a.whole = append(a.whole, whole)
	a.calls, a.denied = append(a.calls, ""), append(a.denied, false)
	at := fmt.Sprintf(`"output_index":%d,"item":`, index)
	events := append([]string{event("response.output_item.added", at+begin)}, between...)
	a.events = append(a.events, append(events, event("response.output_item.done", at+whole)))
}

func (a *answer) text(t *rapid.T, i int, kind, member, text string) {
	part := func(text string) string { return `{"type":"` + kind + `","` + member + `":` + quote(text) + "}" }
	at := fmt.Sprintf(`"item_id":"msg_%d","output_index":%d,"content_index":0`, i, i)
	item := func(content string) string {
		return fmt.Sprintf(`{"type":"message","id":"msg_%d","role":"assistant","content":[%s]}`, i, content)
	}
	between := []string{event("response.content_part.added", at+`,"part":`+part(""))}
	for _, p := range pieces(t, text) {
		between = append(between, event("response."+kind+".delta", at+`,"delta":`+quote(p)))
	}
	between = append(between, event("response."+kind+".done", at+`,"`+member+`":`+quote(text)), event("response.content_part.done", at+`,"part":`+part(text)))
	a.add(item(""), item(part(text)), i, between)
}

func (a *answer) thought(t *rapid.T, i int, text string) {
	at := fmt.Sprintf(`"item_id":"rs_%d","output_index":%d,"summary_index":0`, i, i)
	var between []string
	for _, p := range pieces(t, text) {
		between = append(between, event("response.reasoning_summary_text.delta", at+`,"delta":`+quote(p)))
	}
	between = append(between, event("response.reasoning_summary_text.done", at+`,"text":`+quote(text)))
	a.add(fmt.Sprintf(`{"type":"reasoning","id":"rs_%d","summary":[]}`, i),
		fmt.Sprintf(`{"type":"reasoning","id":"rs_%d","summary":[{"type":"summary_text","text":%s}],"encrypted_content":"gAAA%d"}`, i, quote(text), i), i, between)
}

func (a *answer) call(t *rapid.T, i int, marker, kind, member, said string) {
	name := rapid.SampledFrom([]string{"read", "no_write"}).Draw(t, "name") + marker
	item := func(said string) string {
		return fmt.Sprintf(`{"type":"%s","id":"fc_%d","call_id":"call_%s","name":"%s","%s":%s}`, kind, i, marker, name, member, quote(said))
	}
	at := fmt.Sprintf(`"item_id":"fc_%d","output_index":%d`, i, i)
	events := "response." + kind + "_" + member
	var between []string
	for _, p := range pieces(t, said) {
		between = append(between, event(events+".delta", at+`,"delta":`+quote(p)))
	}
	between = append(between, event(events+".done", at+`,"`+member+`":`+quote(said)))
	a.add(item(""), item(said), i, between)
	a.calls[i], a.denied[i] = marker, denied(name)
}

// pieces cuts a text.
func pieces(t *rapid.T, text string) (out []string) {
	for runes := []rune(text); len(runes) > 0; {
		n := rapid.IntRange(1, len(runes)).Draw(t, "piece")
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}

func (a *answer) response(status string, items []string) string {
	return `{"object":"response","id":"resp_1","model":"m","status":"` + status + `","output":[` + strings.Join(items, ",") + `]}`
}

// stream are the events in an order in which items begin one after the other and may take turns then.
func (a *answer) stream(t *rapid.T) []string {
	at, begun := make([]int, len(a.events)), 0
	docs := []string{event("response.created", `"response":`+a.response("in_progress", nil))}
	for {
		var ready []int
		for i := range a.events {
			if at[i] < len(a.events[i]) && i <= begun {
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			break
		}
		i := rapid.SampledFrom(ready).Draw(t, "next")
		docs = append(docs, a.events[i][at[i]])
		if at[i]++; i == begun {
			begun++
		}
	}
	docs = append(docs, event("response.completed", `"response":`+a.response("completed", a.whole)))
	for i, doc := range docs {
		docs[i] = "data: " + doc[:len(doc)-1] + fmt.Sprintf(`,"sequence_number":%d}`, i) + "\n\n"
	}
	return docs
}

// TestWholeAndStreamed: the same answer, streamed and whole, comes to the same for its client, and the same turn is told
// of. Nothing of a call goes out before the end of the response, and nothing of a denied one ever. Numbers have no gaps.
func TestWholeAndStreamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := answers(t)
		o := &outcome{mode: modeOf(rapid.Uint64().Draw(t, "mode"))}
		o.mode.finish = true
		g := gateOf(hold.Config{}, o)
		stream := a.stream(t)
		for k, e := range stream {
			for rest := []byte(e); len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
				var err error
				if o.out, err = g.Write(o.out, rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			for i, marker := range a.calls {
				if marker != "" && (a.denied[i] || k < len(stream)-1) && strings.Contains(strings.ReplaceAll(string(o.out), "msg_yj_", ""), marker) {
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
		if n := int64(strings.Count(string(o.out), "data: ")); streamed.last != n-1 {
			t.Fatalf("%d events, and the last is number %d\n%s", n, streamed.last, o.out)
		}
		if len(o.refused) > 0 || len(o.asked) != len(slices.DeleteFunc(slices.Clone(a.calls), func(m string) bool { return m == "" })) {
			t.Fatalf("refused %+v, asked %+v", o.refused, o.asked)
		}
		checkWhole(t, a, o, streamed)
	})
}

func checkWhole(t *rapid.T, a *answer, o *outcome, streamed *client) {
	r, err := dialect.ParseResponse([]byte(a.response("completed", a.whole)), strictjson.Limits{})
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
	if got, want := sorted(o.turns), sorted(turns); got != want {
		t.Fatalf("streamed: %s\nwhole: %s", got, want)
	}
	var whole struct{ Output []clientItem }
	if err := json.Unmarshal(body, &whole); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%+v", streamed.output), fmt.Sprintf("%+v", whole.Output); got != want {
		t.Fatalf("streamed: %s\nwhole: %s", got, want)
	}
	for i, item := range streamed.items {
		got, want := *item.done, whole.Output[i]
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Fatalf("item %d streamed: %+v\nwhole: %+v", i, got, want)
		}
	}
}

// sorted writes turns with their texts in an order of their own: texts that stream at the same time are told of in the
// order in which they begin.
func sorted(turns []llm.Turn) string {
	for _, turn := range turns {
		slices.SortFunc(turn.Texts, func(a, b llm.TurnText) int { return strings.Compare(a.Member+a.Said, b.Member+b.Said) })
	}
	return fmt.Sprintf("%+v", turns)
}
