package hold_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
)

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// answer is what a provider means to say in one choice.
type answer struct {
	text  []string
	calls []clientCall
	final string
	steps []string // of its deltas, in order; the last is finish
}

// answers draws what is said, and cuts each choice into deltas: text, and fragments of its calls in any interleaving.
// Every name, id and argument has a marker of its own, "«", so that a leak of any fragment shows.
func answers(t *rapid.T) []answer {
	out := make([]answer, rapid.IntRange(1, 3).Draw(t, "choices"))
	for i := range out {
		a := &out[i]
		a.final = "stop"
		pending := [][]string{}
		for k := range rapid.IntRange(0, 4).Draw(t, "calls") {
			a.final = "tool_calls"
			name := rapid.SampledFrom([]string{"read", "no_post"}).Draw(t, "name") + fmt.Sprintf("«%d%d", i, k)
			c := clientCall{id: fmt.Sprintf("call«%d%d", i, k), kind: "function", name: name}
			c.arguments = `{"«":` + quote(rapid.StringN(0, 12, -1).Draw(t, "argument")+"«$ref_\"\\") + "}"
			a.calls = append(a.calls, c)
			pending = append(pending, fragments(t, k, c))
		}
		for n := rapid.IntRange(0, 4).Draw(t, "texts"); n > 0; n-- {
			a.text = append(a.text, rapid.SampledFrom([]string{"word ", "\n", "é\"", "{}", "$", "$ref_ab", "cd", "$ref_wxyz"}).Draw(t, "text"))
		}
		begun, texts := 0, a.text
		for {
			// Calls begin in order; once begun, they take turns.
			var ready []int
			for k := range pending {
				if len(pending[k]) > 0 && k <= begun {
					ready = append(ready, k)
				}
			}
			if len(texts) > 0 {
				ready = append(ready, -1)
			}
			if len(ready) == 0 {
				break
			}
			k := rapid.SampledFrom(ready).Draw(t, "next")
			if k < 0 {
				a.steps = append(a.steps, `"content":`+quote(texts[0]))
				texts = texts[1:]
				continue
			}
			step := `"tool_calls":[` + pending[k][0] + "]"
			pending[k] = pending[k][1:]
			if k == begun {
				begun++
			}
			if rapid.Bool().Draw(t, "with text") && len(texts) > 0 {
				step += `,"content":` + quote(texts[0])
				texts = texts[1:]
			}
			a.steps = append(a.steps, step)
		}
		a.steps = append(a.steps, "finish")
	}
	return out
}

func fragments(t *rapid.T, index int, c clientCall) []string {
	out := []string{fmt.Sprintf(`{"index":%d,"id":%s,"type":"function","function":{"name":%s,"arguments":""}}`, index, quote(c.id), quote(c.name))}
	runes := []rune(c.arguments)
	for len(runes) > 0 {
		n := rapid.IntRange(1, len(runes)).Draw(t, "fragment")
		again := func(member string) string { // as some providers say it in every fragment
			if rapid.Bool().Draw(t, "again") {
				return member + ","
			}
			return ""
		}
		out = append(out, fmt.Sprintf(`{"index":%d,%s%s"function":{%s"arguments":%s}}`, index,
			again(`"id":`+quote(c.id)), again(`"type":"function"`), again(`"name":`+quote(c.name)), quote(string(runes[:n]))))
		runes = runes[n:]
	}
	return out
}

// events merges the choices' deltas into events, some with several choices.
func events(t *rapid.T, all []answer) []string {
	at := make([]int, len(all))
	var out []string
	for {
		var parts []string
		for i, a := range all {
			if at[i] == len(a.steps) || !rapid.Bool().Draw(t, "says something") {
				continue
			}
			step := a.steps[at[i]]
			at[i]++
			if step == "finish" {
				parts = append(parts, choice(i, "{}", a.final))
			} else {
				parts = append(parts, choice(i, "{"+step+"}", ""))
			}
		}
		if len(parts) > 0 {
			out = append(out, chunk(parts...))
		}
		left := false
		for i, a := range all {
			left = left || at[i] < len(a.steps)
		}
		if !left {
			return out
		}
	}
}

// TestProperty: a client ends up with the text as it was said, the allowed calls as they were said, and a text for each
// denied one; nothing of a call goes out before its choice has finished, and nothing of a denied one ever.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := answers(t)
		o := &outcome{mode: modeOf(rapid.Uint64().Draw(t, "mode"))}
		g := gateOf(hold.Config{Choices: len(all)}, o)
		said := make([]string, len(all))
		finished := make([]bool, len(all))
		var stream []byte
		for _, event := range append(events(t, all), doneEvent) {
			for i := range all {
				if strings.Contains(event, fmt.Sprintf(`{"index":%d,"delta":{},"finish_reason":"`, i)) {
					finished[i] = true
				}
			}
			hear(said, event)
			for rest := []byte(event); len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
				var err error
				if stream, err = g.Write(stream, rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			sofar, err := readAsClient(stream)
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range all {
				if want := o.mode.shown(said[i], false); !finished[i] && want != "" && sofar.choices[i].text != want {
					t.Fatalf("%q is shown, want %q", sofar.choices[i].text, want)
				}
				for k, c := range a.calls {
					if marker := fmt.Sprintf("«%d%d", i, k); (!finished[i] || denied(c.name)) && strings.Contains(string(stream), marker) {
						t.Fatalf("%s was released:\n%s", marker, stream)
					}
				}
				if !finished[i] && strings.Contains(after(stream, i), `«`) {
					t.Fatalf("arguments of choice %d were released:\n%s", i, stream)
				}
			}
		}
		stream, err := g.Close(stream)
		if err != nil {
			t.Fatal(err)
		}
		c, err := readAsClient(stream)
		if err != nil || !c.done {
			t.Fatal(err, c)
		}
		concatenated, err := readByConcatenating(stream)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range all {
			same(t, o.mode, c.choices[i], a)
			sameCalls(t, o.mode, concatenated[i].calls, a)
		}
		o.out = stream
		checkTurns(t, o)
	})
}

// after is what was released of one choice.
func after(stream []byte, index int) string {
	var b strings.Builder
	for event := range strings.SplitSeq(string(stream), "\n\n") {
		if strings.Contains(event, fmt.Sprintf(`{"index":%d,"delta"`, index)) && strings.Count(event, `"delta"`) == 1 {
			b.WriteString(event)
		}
	}
	return b.String()
}

// hear adds to what each choice has said what it says in an event.
func hear(said []string, event string) {
	c, err := readAsClient([]byte(event))
	if err != nil {
		return // [DONE]
	}
	for i, ch := range c.choices {
		said[i] += ch.text
	}
}

// shown is what a client has to see of a text.
func (m mode) shown(text string, all bool) string {
	if !m.filter {
		return text
	}
	if all {
		return filter.All(text)
	}
	return string((&filter.Filter{}).Write(nil, []byte(text)))
}

func same(t *rapid.T, m mode, got *clientChoice, a answer) {
	text, final := m.shown(strings.Join(a.text, ""), true), "stop"
	for _, c := range a.calls {
		if !denied(c.name) {
			final = a.final
			continue
		}
		if text != "" {
			text += "\n\n"
		}
		text += "[refused by policy]"
	}
	if got.finish != final {
		t.Fatalf("finish_reason %s, want %s: %q", got.finish, final, got.text)
	}
	if got.text != text {
		t.Fatalf("text %q, want %q", got.text, text)
	}
	sameCalls(t, m, got.calls, a)
}

func sameCalls(t *rapid.T, m mode, got map[int]*clientCall, a answer) {
	var allowed []clientCall
	for _, c := range a.calls {
		if !denied(c.name) {
			seen := m.seen(llm.ToolCall{ID: c.id, Arguments: []byte(c.arguments)})
			c.id, c.arguments = seen.ID, string(seen.Arguments)
			allowed = append(allowed, c)
		}
	}
	if len(got) != len(allowed) {
		t.Fatalf("%d calls, want %d", len(got), len(allowed))
	}
	for i, want := range allowed {
		if got[i] == nil || *got[i] != want {
			t.Fatalf("call %d is %v, want %v", i, got[i], want)
		}
	}
}
