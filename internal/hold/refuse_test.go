package hold_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// call is a fragment of a function call; parts are its members after the index.
func call(index int, parts ...string) string {
	return fmt.Sprintf(`{"index":%d,%s}`, index, strings.Join(parts, ","))
}

func function(name, arguments string) string {
	return fmt.Sprintf(`"type":"function","function":{"name":%s,"arguments":%s}`, quote(name), quote(arguments))
}

// calls is an event of choice 0 with fragments.
func calls(fragments ...string) string {
	return chunk(choice(0, `{"tool_calls":[`+strings.Join(fragments, ",")+`]}`, ""))
}

func finish(reason string) string { return chunk(choice(0, "{}", reason)) }

// TestMalformed has each shape of a call that is refused outright: it is not asked about, the client reads a text that
// names the tool and the reason, and a good call beside it goes on.
func TestMalformed(t *testing.T) {
	good := call(0, `"id":"good"`, function("read", "{}"))
	tests := []struct {
		name, in, finish, reason string
		nameless, alone          bool
	}{
		{name: "arguments are no JSON", in: calls(call(1, `"id":"b"`, function("evil", `{"a"`)))},
		{name: "arguments are a list", in: calls(call(1, `"id":"b"`, function("evil", `[1]`)))},
		{name: "arguments are null", in: calls(call(1, `"id":"b"`, function("evil", `null`)))},
		{name: "arguments are white space", in: calls(call(1, `"id":"b"`, function("evil", ` `)))},
		{name: "two objects", in: calls(call(1, `"id":"b"`, function("evil", `{}{}`)))},
		{name: "trailing comma", in: calls(call(1, `"id":"b"`, function("evil", `{"a":1,}`)))},
		{name: "a name twice", in: calls(call(1, `"id":"b"`, function("evil", `{"a":1,"a":2}`)))},
		{name: "a name twice, escaped", in: calls(call(1, `"id":"b"`, function("evil", `{"a":1,"\u0061":2}`)))},
		{name: "a name twice, deep", in: calls(call(1, `"id":"b"`, function("evil", `{"x":[{"a":1,"a":2}]}`)))},
		{name: "a lone surrogate", in: calls(call(1, `"id":"b"`, function("evil", `{"a":"\ud800"}`)))},
		{name: "nested too deeply", in: calls(call(1, `"id":"b"`, function("evil", `{"a":`+strings.Repeat("[", 70)+strings.Repeat("]", 70)+`}`)))},
		{name: "one object over two fragments and more", in: calls(call(1, `"id":"b"`, function("evil", `{"a":1}`))) + calls(call(1, `"function":{"arguments":"}"}`))},
		{name: "no arguments", in: calls(call(1, `"id":"b","function":{"name":"evil"}`))},
		{name: "arguments null", in: calls(call(1, `"id":"b","function":{"name":"evil","arguments":null}`))},
		{name: "arguments are an object", in: calls(call(1, `"id":"b","function":{"name":"evil","arguments":{}}`)), reason: "it does not have the shape of a call"},
		{name: "arguments in a custom tool's place", in: calls(call(1, `"id":"b","custom":{"name":"evil","arguments":"{}"}`)), reason: "it does not have the shape of a call"},
		{name: "input in a function's place", in: calls(call(1, `"id":"b","function":{"name":"evil","input":"x"}`)), reason: "it does not have the shape of a call"},
		{name: "the function is a string", in: calls(call(1, `"id":"b","function":"evil"`)), reason: "it does not have the shape of a call", nameless: true},
		{name: "the id is a number", in: calls(call(1, `"id":7`, function("evil", "{}"))), reason: "it does not have the shape of a call"},
		{name: "the name is a list", in: calls(call(1, `"id":"b","function":{"name":["evil"],"arguments":"{}"}`)), reason: "it does not have the shape of a call", nameless: true},
		{name: "the index is a string", in: calls(`{"index":"1","id":"b",` + function("evil", "{}") + `}`), reason: "it has no usable index"},
		{name: "legacy is a string", in: chunk(choice(0, `{"function_call":"evil"}`, "")), reason: "it does not have the shape of a call", nameless: true},
		{name: "no id", in: calls(call(1, function("evil", "{}"))), reason: "it has no id"},
		{name: "an empty id", in: calls(call(1, `"id":""`, function("evil", "{}"))), reason: "it has no id"},
		{name: "no name", in: calls(call(1, `"id":"b"`, `"type":"function","function":{"arguments":"{}"}`)), reason: "it names no tool", nameless: true},
		{name: "nothing", in: calls(`{"index":1}`), reason: "it names no tool", nameless: true},
		{name: "the id changes", in: calls(call(1, `"id":"b"`, function("evil", "{}"))) + calls(call(1, `"id":"c"`)), reason: "its id changes in the middle"},
		{name: "the name changes", in: calls(call(1, `"id":"b"`, function("evil", "{}"))) + calls(call(1, `"function":{"name":"other"}`)), reason: "its name changes in the middle"},
		{name: "the name is a fragment", in: calls(call(1, `"id":"b"`, function("evil", "{}"))) + calls(call(1, `"function":{"name":"_more"}`)), reason: "its name changes in the middle"},
		{name: "the type changes", in: calls(call(1, `"id":"b"`, function("evil", "{}"))) + calls(call(1, `"type":"custom"`)), reason: "its type changes in the middle"},
		{name: "twice in one event", in: calls(call(1, `"id":"b"`, function("evil", "")), call(1, `"function":{"arguments":"{}"}`)), reason: "it comes twice in one event"},
		{name: "two kinds", in: calls(call(1, `"id":"b"`, function("evil", "{}"), `"custom":{"name":"evil","input":"x"}`)), reason: "it is of two types"},
		{name: "two kinds, one after the other", in: calls(call(1, `"id":"b"`, function("evil", "{}"))) + calls(call(1, `"custom":{"input":"x"}`)), reason: "it is of two types"},
		{name: "an unknown type", in: calls(call(1, `"id":"b","type":"computer","function":{"name":"evil","arguments":"{}"}`)), reason: "it is of an unknown type"},
		{name: "a function that says custom", in: calls(call(1, `"id":"b","type":"custom","function":{"name":"evil","arguments":"{}"}`)), reason: "it is of an unknown type"},
		{name: "no index", in: calls(`{"id":"b",` + function("evil", "{}") + `}`), reason: "it has no usable index"},
		{name: "index null", in: calls(`{"index":null,"id":"b",` + function("evil", "{}") + `}`), reason: "it has no usable index"},
		{name: "negative index", in: calls(call(-1, `"id":"b"`, function("evil", "{}"))), reason: "it has no usable index"},
		{name: "huge index", in: calls(`{"index":99999999999999999999,"id":"b",` + function("evil", "{}") + `}`), reason: "it has no usable index"},
		{name: "index with a fraction", in: calls(`{"index":1.0,"id":"b",` + function("evil", "{}") + `}`), reason: "it has no usable index"},
		{name: "index minus zero", in: calls(`{"index":-0,"id":"b",` + function("evil", "{}") + `}`), reason: "it has no usable index"},
		{name: "an index is left out", in: calls(call(2, `"id":"b"`, function("evil", "{}"))), reason: "its index is not the next one"},
		{name: "the first index is 1", in: calls(call(1, `"id":"b"`, function("evil", "{}"))), reason: "its index is not the next one", alone: true},
		{name: "cut off by length", in: calls(call(0, `"id":"b"`, function("evil", "{}"))), finish: "length", reason: "the answer was cut off before it was complete", alone: true},
		{name: "filtered", in: calls(call(0, `"id":"b"`, function("evil", "{}"))), finish: "content_filter", reason: "the answer was cut off before it was complete", alone: true},
		{name: "unknown reason to finish", in: calls(call(0, `"id":"b"`, function("evil", "{}"))), finish: "whatever", reason: "the answer was cut off before it was complete", alone: true},
		{name: "legacy without a name", in: chunk(choice(0, `{"function_call":{"arguments":"{}"}}`, "")), reason: "it names no tool", nameless: true},
		{name: "legacy with a name that changes", in: chunk(choice(0, `{"function_call":{"name":"evil","arguments":""}}`, "")) + chunk(choice(0, `{"function_call":{"name":"other","arguments":"{}"}}`, "")), reason: "its name changes in the middle"},
		{name: "legacy with arguments that are no JSON", in: chunk(choice(0, `{"function_call":{"name":"evil","arguments":"{"}}`, ""))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.reason == "" {
				test.reason = "its arguments are not one JSON object"
			}
			if test.finish == "" {
				test.finish = "tool_calls"
			}
			in := test.in + finish(test.finish) + doneEvent
			if !test.alone {
				in = calls(good) + in
			}
			o := pass(hold.Config{}, []byte(in), nil)
			if o.err != nil {
				t.Fatal(o.err)
			}
			for _, batch := range o.batches {
				for _, c := range batch {
					if c.Tool != "read" {
						t.Errorf("asked about %+v", c)
					}
				}
			}
			refused := o.refused
			if len(refused) != 1 || refused[0].Malformed != test.reason {
				t.Errorf("refused %+v, want for %q", refused, test.reason)
			}
			c, err := readAsClient(o.out)
			if err != nil {
				t.Fatal(err)
			}
			ch := c.choices[0]
			want, wantFinish := 1, "tool_calls"
			if test.alone {
				want, wantFinish = 0, test.finish
				if wantFinish == "tool_calls" {
					wantFinish = "stop"
				}
			}
			if len(ch.calls) != want || (want == 1 && ch.calls[0].id != "good") || ch.legacy != nil || ch.finish != wantFinish {
				t.Errorf("the client has %d calls, legacy %v, and finish_reason %s, want %d and %s", len(ch.calls), ch.legacy, ch.finish, want, wantFinish)
			}
			text := `The call of the tool "evil" was refused: ` + test.reason + "."
			if test.nameless {
				text = "A tool call was refused: " + test.reason + "."
			}
			if ch.text != text || !c.done {
				t.Errorf("the client reads %q, want %q", ch.text, text)
			}
		})
	}
}

// TestSameID: of two calls with one id in a choice neither goes on; of two in different choices, the first may have
// gone on already.
func TestSameID(t *testing.T) {
	a, b := call(0, `"id":"x"`, function("a", "{}")), call(1, `"id":"x"`, function("b", "{}"))
	o := pass(hold.Config{Choices: 2}, []byte(calls(a, b)+finish("tool_calls")+doneEvent), nil)
	if refused := o.refused; o.err != nil || len(refused) != 2 || len(o.batches) != 0 {
		t.Errorf("refused %v, %v", refused, o.err)
	}
	in := chunk(choice(0, `{"tool_calls":[`+a+`]}`, "tool_calls")) + chunk(choice(1, `{"tool_calls":[`+a+`]}`, "tool_calls")) + doneEvent
	o = pass(hold.Config{Choices: 2}, []byte(in), nil)
	released, refused := o.released, o.refused
	if o.err != nil || len(refused) != 1 || refused[0].Choice != 1 || len(released) != 1 {
		t.Errorf("released %v, refused %v, %v", released, refused, o.err)
	}
}

// TestWellFormed has what looks odd and is fine.
func TestWellFormed(t *testing.T) {
	again := calls(call(0, `"id":"a"`, function("t", "}")))
	once := calls(`{"index":0,"function":{"arguments":"}"}}`)
	tests := []struct{ name, in, decided string }{
		{"empty arguments", calls(call(0, `"id":"a"`, function("t", ""))), "choice 0 call 0 a t({})\n"},
		{"id, name and type again", calls(call(0, `"id":"a"`, function("t", "{"))) + again, "choice 0 call 0 a t({})\n"},
		{"empty and null again", calls(call(0, `"id":"a"`, function("t", "{"))) + calls(`{"index":0,"id":"","type":null,"function":{"name":"","arguments":"}"}}`), "choice 0 call 0 a t({})\n"},
		{"white space around", calls(call(0, `"id":"a"`, function("t", " {} \n"))), "choice 0 call 0 a t( {} \n)\n"},
		{"id after arguments", calls(`{"index":0,"function":{"arguments":"{}"}}`) + calls(call(0, `"id":"a","function":{"name":"t"}`)), "choice 0 call 0 a t({})\n"},
		{"an empty list", calls(call(0, `"id":"a"`, function("t", "{}"))) + chunk(choice(0, `{"content":"x","tool_calls":[],"function_call":null}`, "")), "choice 0 call 0 a t({})\n"},
		{"escapes", chunk(choice(0, `{"\u0074ool_calls":[{"ind\u0065x":0,"id":"\u0061","function":{"name":"\u0074","arguments":"\u007b\u007d"}}]}`, "")), "choice 0 call 0 a t({})\n"},
		{"a list of parts", calls(call(0, `"id":"a"`, function("t", "{}"))) + chunk(choice(0, `{"content":[{"type":"text","text":"x"}]}`, "")), "choice 0 call 0 a t({})\n"},
		{"legacy and a call", calls(call(0, `"id":"a"`, function("t", "{}"))) + chunk(choice(0, `{"function_call":{"name":"l","arguments":"{}"}}`, "")), "choice 0 call 0 a t({}); choice 0 call 1 - l({}) legacy\n"},
		{"a custom tool's input is any text", calls(`{"index":0,"id":"a","custom":{"name":"t","input":"a\"\n<"}}`), "choice 0 call 0 a t({\"input\":\"a\\\"\\n<\"}) custom\n"},
		{"in several lines of data", strings.ReplaceAll(calls(call(0, `"id":"a"`, function("t", "{}"))), `,"choices"`, "\ndata: ,\"choices\""), "choice 0 call 0 a t({})\n"},
		{"CR LF", strings.ReplaceAll(calls(call(0, `"id":"a"`, function("t", "{}"))), "\n", "\r\n"), "choice 0 call 0 a t({})\n"},
		{"CR", strings.ReplaceAll(calls(call(0, `"id":"a"`, function("t", "{}"))), "\n", "\r"), "choice 0 call 0 a t({})\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := test.in + finish("tool_calls") + doneEvent
			o := pass(hold.Config{}, []byte(in), nil)
			if o.err != nil {
				t.Fatal(o.err)
			}
			if got := o.decided(); got != test.decided {
				t.Errorf("decided %q, want %q", got, test.decided)
			}
			want := strings.Replace(in, again, once, 1)
			if len(o.out) != len(want) { // text overtakes held calls, so the order may differ
				t.Errorf("released\n%s\nwant\n%s", o.out, want)
			}
		})
	}
}

// TestBroken has what ends a stream: an error that sticks, with what came before released and nothing after.
func TestBroken(t *testing.T) {
	text := chunk(choice(0, `{"role":"assistant","content":"x"}`, ""))
	held := calls(call(0, `"id":"a"`, function("read", "{}")))
	tests := []struct{ name, in, after, code string }{
		{"no JSON", text, "data: {\n\n", hold.CodeInvalid},
		{"no object", text, "data: []\n\n", hold.CodeInvalid},
		{"empty data", text, "data:\n\n", hold.CodeInvalid},
		{"an object that is no chunk", text, "data: {}\n\n", hold.CodeInvalid},
		{"choices are no list", text, `data: {"choices":{}}` + "\n\n", hold.CodeInvalid},
		{"a whole completion", text, `data: {"object":"chat.completion","choices":[]}` + "\n\n", hold.CodeInvalid},
		{"a message", text, chunk(`{"index":0,"message":{"content":"x"}}`), hold.CodeInvalid},
		{"a message beside a delta", text, chunk(`{"index":0,"delta":{},"message":{"tool_calls":[]}}`), hold.CodeInvalid},
		{"calls beside a delta", text, chunk(`{"index":0,"delta":{},"tool_calls":[]}`), hold.CodeInvalid},
		{"trailing data", text, `data: {"choices":[]} {}` + "\n\n", hold.CodeInvalid},
		{"a name twice", text, `data: {"choices":[],"choices":[]}` + "\n\n", hold.CodeInvalid},
		{"tool_calls twice", text, chunk(choice(0, `{"tool_calls":[],"tool_calls":[]}`, "")), hold.CodeInvalid},
		{"case: Choices", text, `data: {"Choices":[],"choices":[]}` + "\n\n", hold.CodeInvalid},
		{"case: Delta", text, chunk(`{"index":0,"Delta":{}}`), hold.CodeInvalid},
		{"case: Tool_Calls", text, chunk(choice(0, `{"Tool_Calls":[]}`, "")), hold.CodeInvalid},
		{"case: long s", text, chunk(choice(0, `{"tool_call\u017f":[]}`, "")), hold.CodeInvalid},
		{"case: Index of a call", text, calls(`{"Index":0}`), hold.CodeInvalid},
		{"case: Arguments", text, calls(`{"index":0,"function":{"Arguments":"{}"}}`), hold.CodeInvalid},
		{"case: Message", text, chunk(`{"index":0,"Message":{}}`), hold.CodeInvalid},
		{"tool_calls are no list", text, chunk(choice(0, `{"tool_calls":{"index":0}}`, "")), hold.CodeInvalid},
		{"an unknown part of the content", text, chunk(choice(0, `{"content":[{"type":"tool_use","id":"a","name":"t","input":{}}]}`, "")), hold.CodeInvalid},
		{"content is an object", text, chunk(choice(0, `{"content":{}}`, "")), hold.CodeInvalid},
		{"a delta in a delta", text, chunk(choice(0, `{"delta":{"tool_calls":[]}}`, "")), hold.CodeInvalid},
		{"a call is no object", text, calls(`1`), hold.CodeInvalid},
		{"a finish_reason is no string", text, chunk(`{"index":0,"delta":{},"finish_reason":true}`), hold.CodeInvalid},
		{"a choice without index", text, chunk(`{"delta":{}}`), hold.CodeInvalid},
		{"a choice that nobody asked for", text, chunk(choice(1, `{"content":"x"}`, "")), hold.CodeInvalid},
		{"a choice below 0", text, chunk(choice(-1, `{"content":"x"}`, "")), hold.CodeInvalid},
		{"a named event", text, "event: thread.run\n" + text, hold.CodeInvalid},
		{"a named event without data", text, "event: ping\n\n", hold.CodeInvalid},
		{"an unknown field", text, "Data: x\n\n", hold.CodeInvalid},
		{"no UTF-8", text, "data: {\"choices\":[],\"x\":\"\xff\"}\n\n", hold.CodeInvalid},
		{"after [DONE]", text + finish("stop") + doneEvent, text, hold.CodeInvalid},
		{"a comment after [DONE]", text + finish("stop") + doneEvent, ": x\n\n", hold.CodeInvalid},
		{"a second [DONE]", text + finish("stop") + doneEvent, doneEvent, hold.CodeInvalid},
		{"a call after its choice had finished", text + finish("stop"), held, hold.CodeInvalid},
		{"a call after its choice had finished with calls", held + finish("tool_calls"), calls(call(0, `"function":{"arguments":"x"}`)), hold.CodeInvalid},
		{"text after calls", held + finish("tool_calls"), text, hold.CodeInvalid},
		{"an event that is too large", text, chunk(choice(0, `{"content":"`+strings.Repeat("x", 5000)+`"}`, "")), hold.CodeTooLarge},
		{"an event without end", text, strings.Repeat("data: x\n", 1000), hold.CodeTooLarge},
		{"too many calls", text, calls(call(0, `"id":"a"`), call(1, `"id":"b"`), call(2, `"id":"c"`), call(3, `"id":"d"`)), hold.CodeTooLarge},
		{"too many calls without index", text, calls(`{}`, `{}`, `{}`, `{}`), hold.CodeTooLarge},
		{"too much held", text, strings.Repeat(held, 60), hold.CodeTooLarge},
		{"too much before a model", "", strings.Repeat(`data: {"choices":[]}`+"\n\n", 1000), hold.CodeTooLarge},
		{"[DONE] within a call", text, held + doneEvent, hold.CodeTruncated},
		{"end within a call", text, held, hold.CodeTruncated},
		{"end within an event", text + finish("stop"), "data: [DONE]\n", hold.CodeTruncated},
		{"end before the choice has finished", text, "", hold.CodeTruncated},
		{"nothing", "", "", hold.CodeTruncated},
		{"nothing but usage", "", `data: {"choices":[],"usage":{}}` + "\n\n", hold.CodeTruncated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := hold.Config{MaxEvent: 4000, MaxHeld: 10000, MaxCalls: 3}
			o := pass(c, []byte(test.in+test.after), nil)
			var broken *hold.StreamError
			if !errors.As(o.err, &broken) || broken.Code != test.code {
				t.Fatalf("error %v, want a StreamError of %s", o.err, test.code)
			}
			if (test.code == hold.CodeTruncated) != errors.Is(o.err, hold.ErrTruncated) {
				t.Errorf("%v: ErrTruncated goes with its code", o.err)
			}
			if string(o.out) != test.in {
				t.Errorf("released\n%s\nwant\n%s", o.out, test.in)
			}
			if o.gate.Held() {
				t.Error("still holding")
			}
			more, err := o.gate.Write(nil, []byte(text))
			if len(more) > 0 || !errors.Is(err, o.err) {
				t.Errorf("after the error: %q, %v", more, err)
			}
			more, err = o.gate.Close(nil)
			if len(more) > 0 || !errors.Is(err, o.err) {
				t.Errorf("Close after the error: %q, %v", more, err)
			}
		})
	}
}

// TestCallbacks: a callback's error is the gate's, and no StreamError; nothing it was asked about is released.
func TestCallbacks(t *testing.T) {
	in := calls(call(0, `"id":"a"`, function("read", `{"x":1}`))) + finish("tool_calls") + doneEvent
	sentinel := errors.New("no")
	tests := []struct {
		name    string
		config  hold.Config
		refused bool // the call; else the stream
	}{
		{"Decide fails", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return []llm.Verdict{{Allow: true}}, sentinel }}, false},
		{"Decide leaves a call out", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return nil, nil }}, false},
		{"Decide says too much", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return []llm.Verdict{{Allow: true}, {Allow: true}}, nil }}, false},
		{"Model fails", hold.Config{
			Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return []llm.Verdict{{Allow: true}}, nil },
			Model:  func(string) error { return sentinel },
		}, false},
		{"no Decide", hold.Config{}, true},
		{"the zero verdict", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return make([]llm.Verdict, 1), nil }}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := hold.New(test.config)
			out, err := g.Write(nil, []byte(in))
			if test.refused {
				if err != nil || strings.Contains(string(out), "tool_calls") || !strings.Contains(string(out), "was refused: it is not allowed.") {
					t.Fatalf("%s, %v", out, err)
				}
				return
			}
			var broken *hold.StreamError
			if err == nil || errors.As(err, &broken) || len(out) > 0 || g.Held() {
				t.Fatalf("%q, %v", out, err)
			}
			if strings.HasSuffix(test.name, "fails") && !errors.Is(err, sentinel) {
				t.Fatalf("%v is not the callback's", err)
			}
			if _, again := g.Close(nil); !errors.Is(again, err) {
				t.Fatal("the error does not stick")
			}
		})
	}
}

// TestRefuse: the caller's text stands in the place of a malformed call.
func TestRefuse(t *testing.T) {
	var told []llm.ToolCall
	g := hold.New(hold.Config{Refuse: func(c llm.ToolCall) string { told = append(told, c); return "my text" }})
	out, err := g.Write(nil, []byte(calls(call(0, `"id":"a"`, function("read", `{`)))+finish("tool_calls")+doneEvent))
	if err != nil || !strings.Contains(string(out), `"content":"my text"`) || len(told) != 1 || told[0].Malformed == "" {
		t.Fatalf("%s, %v, %+v", out, err, told)
	}
}

// TestLongName: the name in a refusal is the model's text; little of it is repeated, and nothing that could be markup.
func TestLongName(t *testing.T) {
	o := pass(hold.Config{}, []byte(calls(call(0, `"id":"a"`, function("x\n\u202e"+strings.Repeat("é", 4000), `{`)))+finish("tool_calls")+doneEvent), nil)
	c, err := readAsClient(o.out)
	if err != nil || o.err != nil {
		t.Fatal(err, o.err)
	}
	if text := c.choices[0].text; len(text) > 400 || strings.ContainsAny(text, "\n\u202e") {
		t.Errorf("%q", text)
	}
}
