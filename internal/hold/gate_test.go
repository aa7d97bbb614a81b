package hold_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
)

const nameless = `data: {"choices":[{"index":0,"delta":{"content":"x"}}]}` + "\n\n"

// TestModel: the model is told before anything is released that it may not have said.
func TestModel(t *testing.T) {
	early := `data: {"id":"","choices":[],"model":""}` + "\n\n"
	denied := `data: {"choices":[],"model":"forbidden"}` + "\n\n"
	tests := []struct {
		name, in, out string
		models        []string
	}{
		{"once", chunk(choice(0, "{}", "")) + chunk(choice(0, "{}", "stop")), "", []string{"m"}},
		{"an event waits", early + chunk(choice(0, "{}", "stop")), "", []string{"m"}},
		{"none at all", early + nameless + finishNameless, "", []string{""}},
		{"after none", nameless + chunk(choice(0, "{}", "stop")), "", []string{"", "m"}},
		{"escaped", chunk(choice(0, "{}", "stop")) + `data: {"choices":[],"model":"\u006d"}` + "\n\n", "", []string{"m"}},
		{"[DONE] and nothing else", early + doneEvent, "", []string{""}},
		{"refused", early + denied + nameless, "-", []string{"forbidden"}},
		{"refused later", chunk(choice(0, "{}", "stop")) + denied, chunk(choice(0, "{}", "stop")), []string{"m", "forbidden"}},
		{"an error without a model", early + `data: {"error":{}}` + "\n\n", `data: {"error":{}}` + "\n\n", nil},
		{"an error of a refused model", `data: {"error":{},"model":"forbidden"}` + "\n\n", "-", []string{"forbidden"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := pass(hold.Config{}, []byte(test.in), nil)
			switch test.out {
			case "":
				test.out = test.in
			case "-":
				test.out = ""
			}
			if string(o.out) != test.out || !reflect.DeepEqual(o.models, test.models) {
				t.Errorf("released\n%s\nmodels %q, %v", o.out, o.models, o.err)
			}
		})
	}
}

const finishNameless = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"

// TestHeld: a call is held from its first fragment to its decision, and then what it took is free again.
func TestHeld(t *testing.T) {
	o := &outcome{}
	g := gateOf(hold.Config{MaxHeld: 2000, Choices: 50}, o)
	step := func(in string, held bool) {
		t.Helper()
		if _, err := g.Write(nil, []byte(in)); err != nil || g.Held() != held {
			t.Fatalf("held %v, %v", g.Held(), err)
		}
	}
	step(chunk(choice(0, `{"content":"x"}`, "")), false)
	for i := range 50 { // over the limit, were they counted together
		id := `"id":"` + strings.Repeat("x", i+1) + `"`
		step(chunk(choice(i, `{"tool_calls":[`+call(0, id, function("read", `{"x":"`+strings.Repeat("y", 200)+`"}`))+`]}`, "")), true)
		step(chunk(choice(i, `{"content":"text goes on"}`, "")), true)
		step(chunk(choice(i, "{}", "tool_calls")), false)
	}
	step(doneEvent, false)
	if _, err := g.Close(nil); err != nil {
		t.Fatal(err)
	}
	if released, refused := o.released, o.refused; len(released) != 50 || len(refused) != 0 {
		t.Errorf("%d released, %d refused", len(released), len(refused))
	}
}

// TestUpstreamError: what follows a provider's own error is dropped, and the end is no truncation.
func TestUpstreamError(t *testing.T) {
	errorEvent := "event: error\ndata: {\"error\":{\"message\":\"overloaded\"}}\n\n"
	text := chunk(choice(0, `{"content":"x"}`, ""))
	in := text + calls(call(0, `"id":"a"`, function("read", "{}"))) + errorEvent
	o := pass(hold.Config{}, []byte(in+calls(call(0, `"id":"a"`))+finish("tool_calls")+doneEvent+"data: {"), nil)
	if string(o.out) != text+errorEvent || o.err != nil || o.gate.Held() || !o.gate.UpstreamError() || len(o.batches) > 0 {
		t.Errorf("released\n%s\n%v", o.out, o.err)
	}
}

// TestRetained: what the gate hands out does not change as the stream goes on.
func TestRetained(t *testing.T) {
	var asked []llm.ToolCall
	g := hold.New(hold.Config{Choices: 2, Decide: func(calls []llm.ToolCall) ([]llm.Verdict, error) {
		asked = append(asked, calls...)
		return make([]llm.Verdict, len(calls)), nil
	}})
	for i, arguments := range []string{`{"a":1}`, `{"b":2}`} {
		in := []byte(chunk(choice(i, `{"tool_calls":[`+call(0, `"id":"`+arguments[2:3]+`"`, function("read", arguments))+`]}`, "tool_calls")))
		if _, err := g.Write(nil, in); err != nil {
			t.Fatal(err)
		}
		clear(in)
	}
	if string(asked[0].Arguments) != `{"a":1}` || string(asked[1].Arguments) != `{"b":2}` {
		t.Errorf("%+v", asked)
	}
}
