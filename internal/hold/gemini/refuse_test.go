package gemini_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/gemini"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// TestRefused: each stream is refused by the code that is given, and nothing of a call in it is released.
func TestRefused(t *testing.T) {
	call := event(callOf("read", "{}"), "")
	for name, c := range map[string]struct {
		stream, code string
	}{
		"nothing":                      {"", hold.CodeTruncated},
		"a comment alone":              {": hello\n\n", hold.CodeTruncated},
		"usage alone":                  {`data: {"usageMetadata":{}}` + "\n\n", hold.CodeTruncated},
		"no end":                       {event(textOf("x"), ""), hold.CodeTruncated},
		"no end behind a call":         {call, hold.CodeTruncated},
		"an end within an event":       {event(textOf("x"), stop) + "data: {", hold.CodeTruncated},
		"no JSON":                      {"data: x\n\n", hold.CodeInvalid},
		"an end mark of chat's":        {event(textOf("x"), stop) + "data: [DONE]\n\n", hold.CodeInvalid},
		"an array of events":           {"data: [" + strings.TrimSpace(strings.TrimPrefix(event(textOf("x"), stop), "data: ")) + "]\n\n", hold.CodeInvalid},
		"an event of another name":     {"event: ping\n" + event(textOf("x"), stop), hold.CodeInvalid},
		"an event without data":        {"event: message\n\n", hold.CodeInvalid},
		"a part of an unknown kind":    {event(`{"toolUse":{"name":"read"}}`, stop), hold.CodeInvalid},
		"a call outside of parts":      {`data: {"candidates":[{"functionCall":{"name":"read"},"finishReason":"STOP"}]}` + "\n\n", hold.CodeInvalid},
		"a candidate nobody asked for": {event(textOf("x"), `,"index":2`), hold.CodeInvalid},
		"a call after the end":         {event(textOf("x"), stop) + call, hold.CodeInvalid},
		"a text after the end":         {event(textOf("x"), stop) + event(textOf("y"), ""), hold.CodeInvalid},
		"an error beside a call":       {`data: {"candidates":[{"content":{"parts":[` + callOf("read", "{}") + `]},"finishReason":"STOP"}],"error":{"code":500}}` + "\n\n", hold.CodeInvalid},
		"a large event":                {event(textOf(strings.Repeat("x", 9<<10)), stop), hold.CodeTooLarge},
		"many calls":                   {strings.Repeat(call, 17), hold.CodeTooLarge},
		"much that is held":            {call + strings.Repeat(event(textOf(strings.Repeat("x", 7<<10)), ""), 5), hold.CodeTooLarge},
	} {
		o := pass(mode{}, fuzzConfig, []byte(c.stream), nil)
		var is *hold.StreamError
		if !errors.As(o.err, &is) || is.Code != c.code {
			t.Errorf("%s: %v", name, o.err)
		}
		if strings.Contains(string(o.out), `"read"`) || len(o.asked) > 0 {
			t.Errorf("%s: released %s", name, o.out)
		}
		if _, err := o.gate.Write(nil, []byte(event(textOf("x"), stop))); err != o.err { //nolint:errorlint // the very same
			t.Errorf("%s: %v after it", name, err)
		}
	}
}

// TestCallbacks: what a callback says ends the stream, and nothing that it was asked about is released.
func TestCallbacks(t *testing.T) {
	stream := event(textOf("hello"), "") + event(callOf("read", "{}"), stop)
	for name, c := range map[string]hold.Config{
		"model":  {Model: func(string) error { return errPolicy }},
		"decide": {Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return nil, errPolicy }},
		"finish": {
			Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return []llm.Verdict{{Allow: true}}, nil },
			Finish: func(llm.Turn) error { return errPolicy },
		},
	} {
		o := passTo(gemini.New(c), []byte(stream))
		if !errors.Is(o.err, errPolicy) || strings.Contains(string(o.out), "read") || strings.Contains(string(o.out), "STOP") {
			t.Errorf("%s: %v %s", name, o.err, o.out)
		}
	}
	o := passTo(gemini.New(hold.Config{Finish: func(llm.Turn) error { return errPolicy }}), []byte(event(textOf("hello"), stop)))
	if !errors.Is(o.err, errPolicy) || len(o.out) > 0 {
		t.Errorf("the end went on: %v %s", o.err, o.out)
	}
	if o := passTo(gemini.New(hold.Config{}), []byte(stream)); o.err != nil || strings.Contains(string(o.out), "functionCall") {
		t.Errorf("a gate that nobody decides for: %v %s", o.err, o.out)
	}
	bad := hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) {
		return []llm.Verdict{{Allow: true, Arguments: []byte(`{"a":1,"a":2}`)}}, nil
	}}
	if o := passTo(gemini.New(bad), []byte(stream)); o.err == nil || strings.Contains(string(o.out), "functionCall") {
		t.Errorf("arguments that no client could read: %v %s", o.err, o.out)
	}
}

// TestLineEnds: what the gate writes itself ends its lines as the provider does, since an SDK that looks for LF LF before
// CR LF CR LF would take two events for one.
func TestLineEnds(t *testing.T) {
	stream := event(textOf("see $re"), "") + event(textOf("hm")+","+callOf("no_read", "{}")+","+callOf("read", "{}"), "") + event(textOf(""), stop)
	for _, end := range []string{"\n", "\r\n"} {
		o := pass(mode{resolve: true, filter: true}, hold.Config{}, []byte(strings.ReplaceAll(stream, "\n", end)), nil)
		out := string(o.out)
		if o.err != nil || strings.Count(out, "\n") != strings.Count(out, end) || strings.Count(out, end+end) != strings.Count(out, "data:") {
			t.Errorf("%q: %v %q", end, o.err, out)
		}
	}
}
