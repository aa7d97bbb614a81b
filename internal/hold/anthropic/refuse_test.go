package anthropic_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/anthropic"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// TestBroken has what ends a stream: an error that sticks, with what came before released and nothing after.
func TestBroken(t *testing.T) {
	head := start("m")
	text := head + spoke(0, "x")
	held := begin(1, use("toolu_1", "read"))
	whole := text + finish("end_turn") + ended
	tests := []struct{ name, in, after, code string }{
		{"no JSON", text, "event: ping\ndata: {\n\n", hold.CodeInvalid},
		{"no object", text, "event: ping\ndata: []\n\n", hold.CodeInvalid},
		{"an object that is no event", text, "event: ping\ndata: {}\n\n", hold.CodeInvalid},
		{"empty data", text, "event: ping\ndata:\n\n", hold.CodeInvalid},
		{"a name without data", text, "event: ping\n\n", hold.CodeInvalid},
		{"no name", text, `data: {"type":"ping"}` + "\n\n", hold.CodeInvalid},
		{"a name that is not the type", text, `event: ping` + "\n" + `data: {"type":"content_block_start","index":1,"content_block":` + use("a", "b") + "}\n\n", hold.CodeInvalid},
		{"an unknown type", text, event("content_block_replace", `"index":1,"content_block":`+use("a", "b")), hold.CodeInvalid},
		{"an unknown field", text, "Data: x\n\n", hold.CodeInvalid},
		{"trailing data", text, "event: ping\ndata: {\"type\":\"ping\"} {}\n\n", hold.CodeInvalid},
		{"a name twice", text, event("content_block_start", `"index":1,"content_block":`+textBlock+`,"content_block":`+use("a", "b")), hold.CodeInvalid},
		{"case: Type", text, "event: ping\ndata: {\"Type\":\"content_block_start\",\"type\":\"ping\"}\n\n", hold.CodeInvalid},
		{"case: Content_Block", text, event("ping", `"Content_Block":{}`), hold.CodeInvalid},
		{"case: Input", text, begin(1, `{"type":"text","Input":{}}`), hold.CodeInvalid},
		{"case: Partial_JSON", text + begin(1, textBlock), delta(1, `"type":"text_delta","Partial_JSON":"x"`), hold.CodeInvalid},
		{"no UTF-8", text, "event: ping\ndata: {\"type\":\"ping\",\"x\":\"\xff\"}\n\n", hold.CodeInvalid},
		{"a block in a ping", text, event("ping", `"content_block":`+use("a", "b")), hold.CodeInvalid},
		{"a block in a delta", text + begin(1, textBlock), event("content_block_delta", `"index":1,"delta":{},"content_block":`+use("a", "b")), hold.CodeInvalid},
		{"a delta in a block", text, begin(1, `{"type":"text","content_block":{}}`), hold.CodeInvalid},
		{"an error beside a message", "", event("message_start", `"message":{},"error":{}`), hold.CodeInvalid},
		{"a message that begins with blocks", "", event("message_start", `"message":{"content":[`+use("a", "b")+`]}`), hold.CodeInvalid},
		{"a message that ends where it begins", "", event("message_start", `"message":{"stop_reason":"tool_use"}`), hold.CodeInvalid},
		{"content beside the message", "", event("message_start", `"message":{},"content":[]`), hold.CodeInvalid},
		{"a second message", text, head, hold.CodeInvalid},
		{"a block before the message", "", spoke(0, "x"), hold.CodeInvalid},
		{"an end before the message", "", ended, hold.CodeInvalid},
		{"an unknown block", text, begin(1, `{"type":"tool_call","id":"a"}`), hold.CodeInvalid},
		{"a block without a type", text, begin(1, `{"id":"a"}`), hold.CodeInvalid},
		{"a block without an index", text, event("content_block_start", `"content_block":`+textBlock), hold.CodeInvalid},
		{"an index that is left out", text, begin(2, textBlock), hold.CodeInvalid},
		{"an index again", text, begin(0, textBlock), hold.CodeInvalid},
		{"an index below 0", text, begin(-1, textBlock), hold.CodeInvalid},
		{"an index that is a string", text, event("content_block_start", `"index":"1","content_block":`+textBlock), hold.CodeInvalid},
		{"a delta of a block that has ended", text, said(0, "y"), hold.CodeInvalid},
		{"a delta of no block", text, said(1, "y"), hold.CodeInvalid},
		{"an end of no block", text, stopped(1), hold.CodeInvalid},
		{"arguments for a text", text + begin(1, textBlock), partial(1, "{}"), hold.CodeInvalid},
		{"an unknown delta", text + begin(1, textBlock), delta(1, `"type":"tool_delta","text":"x"`), hold.CodeInvalid},
		{"a delta without a type", text + begin(1, textBlock), delta(1, `"text":"x"`), hold.CodeInvalid},
		{"a delta with another's text", text + begin(1, textBlock), delta(1, `"type":"text_delta","partial_json":"x"`), hold.CodeInvalid},
		{"a delta with two texts", text + begin(1, textBlock), delta(1, `"type":"text_delta","text":"x","partial_json":"y"`), hold.CodeInvalid},
		{"a delta with a name", text + begin(1, textBlock), delta(1, `"type":"text_delta","name":"x"`), hold.CodeInvalid},
		{"a delta with a reason to stop", text + begin(1, textBlock), delta(1, `"type":"text_delta","text":"x","stop_reason":"tool_use"`), hold.CodeInvalid},
		{"a text that is no string", text, begin(1, `{"type":"text","text":["x"]}`), hold.CodeInvalid},
		{"a thought in a text", text, begin(1, `{"type":"text","thinking":"x"}`), hold.CodeInvalid},
		{"a reason to stop within a text", text + begin(1, textBlock), finish("end_turn"), hold.CodeInvalid},
		{"a block after the reason to stop", text + finish("end_turn"), held, hold.CodeInvalid},
		{"text after the reason to stop", text + finish("end_turn"), spoke(1, "y"), hold.CodeInvalid},
		{"after the end", whole, event("ping", ""), hold.CodeInvalid},
		{"a comment after the end", whole, ": x\n\n", hold.CodeInvalid},
		{"an event that is too large", text + begin(1, textBlock), said(1, strings.Repeat("x", 5000)), hold.CodeTooLarge},
		{"an event without end", text, strings.Repeat("data: x\n", 1000), hold.CodeTooLarge},
		{"too many calls", text, held + begin(2, use("b", "x")) + begin(3, use("c", "x")) + begin(4, use("d", "x")), hold.CodeTooLarge},
		{"too much held", text, held + strings.Repeat(partial(1, "xxxxxxxxxx"), 90), hold.CodeTooLarge},
		{"too much held behind a call", text, held + begin(2, textBlock) + strings.Repeat(said(2, "xxxxxxxxxx"), 90), hold.CodeTooLarge},
		{"the end within a call", text, held + ended, hold.CodeTruncated},
		{"the end without a reason", text, ended, hold.CodeTruncated},
		{"ends within a call", text, held, hold.CodeTruncated},
		{"ends within an event", text + finish("end_turn"), "event: message_stop\ndata: {\"type\":\"message_stop\"}\n", hold.CodeTruncated},
		{"ends before its end", text + finish("end_turn"), "", hold.CodeTruncated},
		{"nothing", "", "", hold.CodeTruncated},
		{"nothing but a ping", event("ping", ""), "", hold.CodeTruncated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := hold.Config{MaxEvent: 4000, MaxHeld: 10000, MaxCalls: 3}
			o := pass(mode{}, c, []byte(test.in+test.after), nil)
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
			if more, err = o.gate.Close(nil); len(more) > 0 || !errors.Is(err, o.err) {
				t.Errorf("Close after the error: %q, %v", more, err)
			}
		})
	}
}

// TestCallbacks: a callback's error is the gate's, and no StreamError; nothing it was asked about is released.
func TestCallbacks(t *testing.T) {
	head := start("m")
	in := head + called(0, "toolu_1", "read", `{"x":1}`) + finish("tool_use") + ended
	sentinel := errors.New("no")
	allow := func([]llm.ToolCall) ([]llm.Verdict, error) { return []llm.Verdict{{Allow: true}}, nil }
	tests := []struct {
		name    string
		config  hold.Config
		refused bool // the call; else the stream
	}{
		{"Decide fails", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return []llm.Verdict{{Allow: true}}, sentinel }}, false},
		{"Decide leaves a call out", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return nil, nil }}, false},
		{"Decide says too much", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return make([]llm.Verdict, 2), nil }}, false},
		{"Decide gives no object", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) {
			return []llm.Verdict{{Allow: true, Arguments: []byte(`[]`)}}, nil
		}}, false},
		{"Model fails", hold.Config{Decide: allow, Model: func(string) error { return sentinel }}, false},
		{"Finish fails", hold.Config{Decide: allow, Finish: func(llm.Turn) error { return sentinel }}, false},
		{"no Decide", hold.Config{}, true},
		{"the zero verdict", hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return make([]llm.Verdict, 1), nil }}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := anthropic.New(test.config)
			out, err := g.Write(nil, []byte(in))
			if test.refused {
				if err != nil || strings.Contains(string(out), "tool_use") || !strings.Contains(string(out), "was refused: it is not allowed.") {
					t.Fatalf("%s, %v", out, err)
				}
				return
			}
			var broken *hold.StreamError
			if err == nil || errors.As(err, &broken) || len(strings.TrimPrefix(string(out), head)) > 0 || g.Held() {
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
	g := anthropic.New(hold.Config{Refuse: func(c llm.ToolCall) string { told = append(told, c); return "my text" }})
	out, err := g.Write(nil, []byte(start("m")+called(0, "a", "read", "{")+finish("tool_use")+ended))
	if err != nil || !strings.Contains(string(out), `"text":"my text"`) || len(told) != 1 || told[0].Malformed == "" {
		t.Fatalf("%s, %v, %+v", out, err, told)
	}
}

// TestByteForByte: what is not changed comes out as it went in, in whatever lines it was written.
func TestByteForByte(t *testing.T) {
	in := start("m") + spoke(0, "é\"") + called(1, "toolu_1", "read", `{"a" : 1}`) + spoke(2, "after") + finish("tool_use") + ended
	for name, in := range map[string]string{
		"LF": in, "CR LF": strings.ReplaceAll(in, "\n", "\r\n"), "CR": strings.ReplaceAll(in, "\n", "\r"),
		"several lines": strings.ReplaceAll(in, `,"index"`, "\ndata: ,\"index\""),
	} {
		o := pass(mode{}, hold.Config{}, []byte(in), nil)
		if o.err != nil || string(o.out) != in {
			t.Errorf("%s: %v\n%s", name, o.err, o.out)
		}
	}
}
