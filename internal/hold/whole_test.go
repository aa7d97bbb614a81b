package hold_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestWholeAndStreamed: the same answer, streamed and whole, comes to the same for its client, and the same turns are
// told of.
func TestWholeAndStreamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := answers(t)
		m := mode{resolve: rapid.Bool().Draw(t, "resolve"), filter: rapid.Bool().Draw(t, "filter"), finish: true}
		o := passAs(m, hold.Config{Choices: len(all)}, []byte(strings.Join(events(t, all), "")+doneEvent), nil)
		streamed, err := readAsClient(o.out)
		if err != nil || o.err != nil {
			t.Fatal(err, o.err)
		}
		var choices []string
		for i, a := range all {
			choices = append(choices, wholeChoice(i, a))
		}
		r, err := openaichat.ParseResponse([]byte(`{"choices":[`+strings.Join(choices, ",")+`]}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		verdicts := make([]llm.Verdict, len(r.Calls))
		for i, c := range r.Calls {
			if verdicts[i] = m.allow(c); denied(c.Tool) {
				verdicts[i] = llm.Verdict{Text: "[refused by policy]"}
			}
		}
		var text func(int) llm.TextFilter
		if m.filter {
			text = func(int) llm.TextFilter { return &filter.Filter{} }
		}
		body, turns, err := r.Rewrite(verdicts, text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := openaichat.ParseResponse(body, strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		told := map[int]string{}
		for _, turn := range o.turns {
			told[turn.Choice] = view(turn)
		}
		for i, turn := range turns {
			if told[turn.Choice] != view(turn) {
				t.Fatalf("streamed: %s\nwhole: %s", told[turn.Choice], view(turn))
			}
			got := streamed.choices[i]
			if want := contentOf(turn); got.text != want || got.finish != turn.Reason {
				t.Fatalf("streamed: %q, whole: %q", got.text, want)
			}
		}
		seen := make([]int, len(all))
		for _, c := range again.Calls {
			got := streamed.choices[c.Choice].calls[seen[c.Choice]]
			seen[c.Choice]++
			if got == nil || got.id != c.ID || got.name != c.Tool || got.arguments != string(c.Arguments) {
				t.Fatalf("streamed: %+v, whole: %+v", got, c)
			}
		}
		for i := range all {
			if len(streamed.choices[i].calls) != seen[i] {
				t.Fatalf("streamed: %d calls, whole: %d", len(streamed.choices[i].calls), seen[i])
			}
		}
	})
}

// wholeChoice is what a provider means to say in one choice, all at once.
func wholeChoice(index int, a answer) string {
	message := `"role":"assistant","content":` + quote(strings.Join(a.text, ""))
	var calls []string
	for _, c := range a.calls {
		calls = append(calls, fmt.Sprintf(`{"id":%s,"type":"function","function":{"name":%s,"arguments":%s}}`, quote(c.id), quote(c.name), quote(c.arguments)))
	}
	if len(calls) > 0 {
		message += `,"tool_calls":[` + strings.Join(calls, ",") + "]"
	}
	return fmt.Sprintf(`{"index":%d,"message":{%s},"finish_reason":%q}`, index, message, a.final)
}

func view(turn llm.Turn) string {
	out := turn.Reason
	for _, c := range turn.Calls {
		out += fmt.Sprintf("\n%s %s %s", c.ID, c.Tool, c.Arguments)
	}
	for _, t := range turn.Texts {
		out += fmt.Sprintf("\n%+v", t)
	}
	return out
}

func contentOf(turn llm.Turn) string {
	for _, t := range turn.Texts {
		if t.Member == "content" {
			return t.Shown
		}
	}
	return ""
}
