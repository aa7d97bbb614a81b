package hold_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// TestFinishFails: when a turn cannot be recorded, neither its calls nor its finish_reason go out, whatever event they
// stand in; its text up to there has.
func TestFinishFails(t *testing.T) {
	sentinel := errors.New("the store is away")
	for name, in := range map[string]string{
		"text":               chunk(choice(0, `{"content":"x"}`, "")) + finish("stop"),
		"text in the end":    chunk(choice(0, `{"content":"x"}`, "stop")),
		"a call":             calls(call(0, `"id":"a"`, function("read", "{}"))) + finish("tool_calls"),
		"a call in the end":  chunk(choice(0, `{"tool_calls":[`+call(0, `"id":"a"`, function("read", "{}"))+`]}`, "tool_calls")),
		"a denied call":      calls(call(0, `"id":"a"`, function("no_post", "{}"))) + finish("tool_calls"),
		"two in one event":   chunk(choice(0, `{"content":"x"}`, "stop"), choice(1, `{}`, "stop")),
		"one after the next": chunk(choice(1, `{"content":"x"}`, ""), choice(0, `{}`, "stop")),
	} {
		t.Run(name, func(t *testing.T) {
			o := &outcome{}
			g := gateOf(hold.Config{Choices: 2, Finish: func(llm.Turn) error { return sentinel }}, o)
			out, err := g.Write(nil, []byte(in+doneEvent))
			var broken *hold.StreamError
			if !errors.Is(err, sentinel) || errors.As(err, &broken) {
				t.Fatal(err)
			}
			for _, s := range []string{"tool_calls", `_reason":"`, "DONE", "refused"} {
				if strings.Contains(string(out), s) {
					t.Errorf("released\n%s", out)
				}
			}
			if more, again := g.Close(nil); len(more) > 0 || !errors.Is(again, err) {
				t.Errorf("%s, %v", more, again)
			}
		})
	}
}

// TestAfterTheEnd: what was told of does not grow.
func TestAfterTheEnd(t *testing.T) {
	text := chunk(choice(0, `{"content":"x"}`, ""))
	for _, m := range []mode{{filter: true}, {finish: true}} {
		o := passAs(m, hold.Config{}, []byte(text+finish("stop")+text+doneEvent), nil)
		var broken *hold.StreamError
		if !errors.As(o.err, &broken) || string(o.out) != text+finish("stop") {
			t.Errorf("%+v: %s %v", m, o.out, o.err)
		}
		if o = passAs(m, hold.Config{}, []byte(text+finish("stop")+finish("stop")+doneEvent), nil); o.err != nil || len(o.turns) > 1 {
			t.Errorf("%+v: %v, %d turns", m, o.err, len(o.turns))
		}
	}
}

// TestUnchanged: with filters that change nothing and turns that are told of, every event goes on byte for byte.
func TestUnchanged(t *testing.T) {
	in := chunk(choice(0, `{"role":"assistant","content":"a\u0062"}`, ""), choice(1, `{"content":[{"type":"text","text":"x"}]}`, "")) +
		chunk(choice(0, `{"content": "c", "reasoning":"r"}`, "")) + ": comment\n\n" +
		chunk(choice(1, `{}`, "stop"), choice(0, `{"content":"d"}`, "stop")) + doneEvent
	o := passAs(mode{filter: true, finish: true}, hold.Config{Choices: 2}, []byte(in), func(int) int { return 1 })
	if string(o.out) != in || o.err != nil || len(o.turns) != 2 {
		t.Fatalf("%s %v %+v", o.out, o.err, o.turns)
	}
}

// TestLongTurn: a text over the limit is not kept, and it is said so; the others are.
func TestLongTurn(t *testing.T) {
	var in strings.Builder
	for range 100 {
		in.WriteString(chunk(choice(0, `{"content":"`+strings.Repeat("x", 100)+`","reasoning":"y"}`, "")))
	}
	in.WriteString(finish("stop") + doneEvent)
	for limit, cut := range map[int]bool{9000: true, 11000: false} {
		o := passAs(mode{finish: true}, hold.Config{MaxText: limit}, []byte(in.String()), nil)
		if o.err != nil || len(o.turns) != 1 || len(o.turns[0].Texts) != 2 || string(o.out) != in.String() {
			t.Fatalf("%v %+v", o.err, o.turns)
		}
		if c := o.turns[0].Texts[0]; c.Cut != cut || (len(c.Shown) == 0) != cut || c.Shown != c.Said {
			t.Errorf("limit %d: %v, %d bytes", limit, c.Cut, len(c.Shown))
		}
		if r := o.turns[0].Texts[1]; r.Member != "reasoning" || len(r.Shown) != 100 {
			t.Errorf("%+v", r)
		}
	}
}

// TestNoFilter: a Text that has none for a choice leaves it as it is.
func TestNoFilter(t *testing.T) {
	in := chunk(choice(0, `{"content":"$ref_abcd"}`, "")) + chunk(choice(1, `{"content":"$ref_abcd"}`, "")) +
		chunk(choice(0, `{}`, "stop"), choice(1, `{}`, "stop")) + doneEvent
	g := hold.New(hold.Config{Choices: 2, Text: func(choice int) hold.TextFilter {
		if choice == 0 {
			return nil
		}
		return &filter.Filter{}
	}})
	out, err := g.Write(nil, []byte(in))
	c, rerr := readAsClient(out)
	if err != nil || rerr != nil || c.choices[0].text != "$ref_abcd" || c.choices[1].text != `<ABCD>"` {
		t.Fatalf("%s %v %v", out, err, rerr)
	}
}

// TestWrongArguments: a verdict whose arguments no client could read releases nothing.
func TestWrongArguments(t *testing.T) {
	custom := calls(call(0, `"id":"a"`, `"type":"custom","custom":{"name":"sh","input":"x"}`))
	for arguments, in := range map[string]string{
		"": calls(call(0, `"id":"a"`, function("read", "{}"))), "[]": calls(call(0, `"id":"a"`, function("read", "{}"))),
		`{"a":1,"a":2}`: calls(call(0, `"id":"a"`, function("read", "{}"))), `{}`: custom, `{"input":1}`: custom, `{"input":"x","y":1}`: custom,
	} {
		g := hold.New(hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) {
			return []llm.Verdict{{Allow: true, Arguments: []byte(arguments)}}, nil
		}})
		if out, err := g.Write(nil, []byte(in+finish("tool_calls"))); err == nil || len(out) > 0 {
			t.Errorf("%s: %s %v", arguments, out, err)
		}
	}
}

// TestDecidedIsFreed: what decided calls took is free while the stream goes on: 64 choices that each come near to the
// limit together take no more than a few.
func TestDecidedIsFreed(t *testing.T) {
	const size, choices = 1 << 18, 64
	g := hold.New(hold.Config{Choices: choices, MaxHeld: 3 * size, MaxEvent: 2 * size, Decide: func(calls []llm.ToolCall) ([]llm.Verdict, error) {
		return []llm.Verdict{{Allow: true, ID: "yj_" + calls[0].ID}}, nil
	}})
	var dst []byte
	live := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	for i := range choices {
		id := fmt.Sprintf(`"id":"%d%s"`, i, strings.Repeat("x", size/4))
		in := chunk(choice(i, `{"tool_calls":[`+call(0, id, function("read", `{"x":"`+strings.Repeat("y", size/2)+`"}`))+`]}`, "tool_calls"))
		var err error
		if dst, err = g.Write(dst[:0], []byte(in)); err != nil || !strings.Contains(string(dst), `"yj_`) {
			t.Fatal(err)
		}
	}
	if grown := live() - before; grown > 12*size {
		t.Errorf("%d KiB are kept", grown>>10)
	}
	runtime.KeepAlive(g)
}

// TestAChoiceTwice: which of two in one event comes first would be a guess.
func TestAChoiceTwice(t *testing.T) {
	o := pass(hold.Config{}, []byte(chunk(choice(0, `{"content":"x"}`, ""), choice(0, `{"content":"y"}`, ""))), nil)
	var broken *hold.StreamError
	if !errors.As(o.err, &broken) || len(o.out) > 0 {
		t.Errorf("%s %v", o.out, o.err)
	}
}
