package bedrock_test

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
	"github.com/yellowjack/yellowjack/internal/llm/bedrock"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// saidBlock is one block of an answer, in both of its forms.
type saidBlock struct {
	whole  string   // as an element of a content
	start  string   // "" when it has none
	deltas []string // of the stream
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(b)
}

// pieces cuts a text.
func pieces(t *rapid.T, text string) []string {
	runes := []rune(text)
	var out []string
	for len(runes) > 0 {
		n := rapid.IntRange(1, len(runes)).Draw(t, "piece")
		out, runes = append(out, string(runes[:n])), runes[n:]
	}
	return out
}

func drawBlock(t *rapid.T, i int) saidBlock {
	words := rapid.SampledFrom([]string{"So", "See $ref_abcd.", "$ref_wxyz$ref", "ü\"\\\n", "a $re b"})
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		text := words.Draw(t, "thought")
		b := saidBlock{whole: `{"reasoningContent":{"reasoningText":{"text":` + quoted(text) + `,"signature":"c2ln"}}}`}
		for _, p := range pieces(t, text) {
			b.deltas = append(b.deltas, `{"reasoningContent":{"text":`+quoted(p)+`}}`)
		}
		b.deltas = append(b.deltas, `{"reasoningContent":{"signature":"c2ln"}}`)
		return b
	case 1:
		text := words.Draw(t, "text")
		b := saidBlock{whole: `{"text":` + quoted(text) + `}`}
		for _, p := range pieces(t, text) {
			b.deltas = append(b.deltas, `{"text":`+quoted(p)+`}`)
		}
		return b
	}
	id := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "id"), "-", rapid.SampledFrom([]int{i, i, 0}).Draw(t, "of"))
	name := rapid.SampledFrom([]string{"a", "b__c", "no_d", ""}).Draw(t, "name")
	arguments := rapid.SampledFrom([]string{`{}`, `{"x":"$ref_abcd"}`, `{"y":[1, 2]}`, `[1]`}).Draw(t, "arguments")
	named := fmt.Sprintf(`"toolUseId":%s,"name":%s`, quoted(id), quoted(name))
	b := saidBlock{whole: `{"toolUse":{` + named + `,"input":` + arguments + `}}`, start: `{"toolUse":{` + named + `}}`}
	for _, p := range pieces(t, arguments) {
		b.deltas = append(b.deltas, `{"toolUse":{"input":`+quoted(p)+`}}`)
	}
	return b
}

// TestStreamedAndWhole: an answer says and calls the same whether it is streamed or not.
func TestStreamedAndWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := modeOf(rapid.Uint64().Draw(t, "mode"))
		m.finish = true
		reason := rapid.SampledFrom([]string{"tool_use", "tool_use", "end_turn", "max_tokens", "guardrail_intervened"}).Draw(t, "reason")
		var content []string
		in := strings.Builder{}
		in.WriteString(begin)
		for i := range rapid.IntRange(0, 6).Draw(t, "blocks") {
			b := drawBlock(t, i)
			content = append(content, b.whole)
			if b.start != "" {
				fmt.Fprintf(&in, "contentBlockStart {\"contentBlockIndex\":%d,\"start\":%s}\n", i, b.start)
			}
			for _, d := range b.deltas {
				fmt.Fprintf(&in, "contentBlockDelta {\"contentBlockIndex\":%d,\"delta\":%s}\n", i, d)
			}
			fmt.Fprintf(&in, "contentBlockStop {\"contentBlockIndex\":%d}\n", i)
		}
		const account = `"usage":{"inputTokens":7,"outputTokens":2,"cacheReadInputTokens":1},"trace":{"promptRouter":{"invokedModelId":"x"}}`
		fmt.Fprintf(&in, "messageStop {\"stopReason\":%q}\nmetadata {%s}\n", reason, account)
		doc := fmt.Sprintf(`{"output":{"message":{"role":"assistant","content":[%s]}},"stopReason":%q,%s}`, strings.Join(content, ","), reason, account)

		a, err := bedrock.ParseResponse([]byte(doc), strictjson.Limits{})
		if err != nil {
			t.Fatal(err, doc)
		}
		verdicts := make([]llm.Verdict, len(a.Calls))
		for i, c := range a.Calls {
			if verdicts[i] = m.verdict(c); c.Malformed != "" {
				verdicts[i].Text = "malformed"
			}
		}
		var texts func(int) llm.TextFilter
		if m.filter {
			texts = func(int) llm.TextFilter { return &filter.Filter{} }
		}
		out, turns, err := a.Rewrite(verdicts, texts)
		if err != nil || !json.Valid(out) {
			t.Fatal(err, string(out))
		}
		o := pass(m, hold.Config{}, encode(in.String()), nil)
		if o.err != nil || len(o.turns) != 1 {
			t.Fatal(o.err, o.turns)
		}
		checkReleased(t, o)
		streamed, whole := o.turns[0], turns[0]
		for _, turn := range []*llm.Turn{&streamed, &whole} { // each says in its own words why it refused
			for i := range turn.Texts {
				if text := turn.Texts[i].Shown; text == "malformed" || strings.Contains(text, "was refused: ") {
					turn.Texts[i] = llm.TurnText{Member: "text", Shown: "refused"}
				}
			}
			if len(turn.Texts) == 0 {
				turn.Texts = nil
			}
		}
		if !reflect.DeepEqual(streamed, whole) || o.gate.Usage() != a.Usage || o.gate.Model() != a.Model {
			t.Fatalf("streamed %+v %+v\nat once %+v %+v\nof %s", streamed, o.gate.Usage(), whole, a.Usage, doc)
		}
	})
}
