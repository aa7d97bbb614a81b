package bedrock_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/bedrock"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// What tests put streams together from.
const (
	begin = "messageStart {\"role\":\"assistant\"}\n"
	said  = "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\"}}\n"
	ended = "contentBlockStop {\"contentBlockIndex\":0}\n"
	use   = "contentBlockStart {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"toolUseId\":\"1\",\"name\":\"a\"}}}\n"
	input = "contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"{}\"}}}\n"
	used  = "contentBlockStop {\"contentBlockIndex\":1}\n"
	stop  = "messageStop {\"stopReason\":\"tool_use\"}\n"
	cost  = "metadata {\"usage\":{\"inputTokens\":1}}\n"
	right = begin + said + ended + use + input + used + stop + cost
)

// TestRefused: what is not a stream as the API documents it is refused, and nothing of a call goes out before or after.
func TestRefused(t *testing.T) {
	twice := "contentBlockStart {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"toolUseId\":\"2\",\"name\":\"b\"}}}\n"
	for name, c := range map[string]struct {
		in   string
		code string
	}{
		"as documented":                        {right, ""},
		"nothing":                              {"", hold.CodeTruncated},
		"only a beginning":                     {begin, hold.CodeTruncated},
		"cut before the reason to stop":        {begin + said + ended + use + input + used, hold.CodeTruncated},
		"no beginning":                         {said + ended + stop, hold.CodeInvalid},
		"a second beginning":                   {begin + begin, hold.CodeInvalid},
		"a beginning of the user's":            {"messageStart {\"role\":\"user\"}\n", hold.CodeInvalid},
		"a beginning of nobody's":              {"messageStart {}\n", hold.CodeInvalid},
		"an account before the end":            {begin + said + cost, hold.CodeInvalid},
		"two reasons to stop":                  {begin + said + ended + stop + stop, hold.CodeInvalid},
		"a block after the end":                {begin + stop + said, hold.CodeInvalid},
		"more after the account":               {right + cost, hold.CodeInvalid},
		"an exception after the account":       {right + "!throttlingException {}\n", hold.CodeInvalid},
		"an unknown event":                     {begin + "chunk {\"bytes\":\"AAAA\"}\n", hold.CodeInvalid},
		"an unknown event first":               {"initial-response {}\n", hold.CodeInvalid},
		"an event of another case":             {begin + "contentblockdelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\"}}\n", hold.CodeInvalid},
		"an event that is no JSON":             {begin + "#contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\"}}\n", hold.CodeInvalid},
		"a payload that is none":               {begin + "contentBlockDelta x\n", hold.CodeInvalid},
		"a payload with more":                  {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\"}} {}\n", hold.CodeInvalid},
		"a name twice":                         {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\",\"text\":\"So\"}}\n", hold.CodeInvalid},
		"a name of another case":               {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"ToolUse\":{\"input\":\"x\"}}}\n", hold.CodeInvalid},
		"a delta of two kinds":                 {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\",\"toolUse\":{\"input\":\"x\"}}}\n", hold.CodeInvalid},
		"a delta of no kind":                   {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{}}\n", hold.CodeInvalid},
		"a delta of an unknown kind":           {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"toolCall\":{}}}\n", hold.CodeInvalid},
		"a delta without a number":             {begin + "contentBlockDelta {\"delta\":{\"text\":\"So\"}}\n", hold.CodeInvalid},
		"a delta with a beginning":             {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\"},\"start\":{\"toolUse\":{\"toolUseId\":\"1\",\"name\":\"a\"}}}\n", hold.CodeInvalid},
		"an end with a delta":                  {begin + said + "contentBlockStop {\"contentBlockIndex\":0,\"delta\":{\"text\":\"So\"}}\n", hold.CodeInvalid},
		"a reason to stop with a number":       {begin + said + ended + "messageStop {\"stopReason\":\"tool_use\",\"contentBlockIndex\":0}\n", hold.CodeInvalid},
		"an account with a reason to stop":     {begin + said + ended + stop + "metadata {\"usage\":{},\"stopReason\":\"tool_use\"}\n", hold.CodeInvalid},
		"a delta that names a tool":            {begin + use + "contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"\",\"name\":\"b\"}}}\n", hold.CodeInvalid},
		"a block of an unknown kind":           {begin + "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"functionCall\":{\"name\":\"a\"}}}\n", hold.CodeInvalid},
		"a block of two kinds":                 {begin + "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{},\"image\":{}}}\n", hold.CodeInvalid},
		"a block that begins twice":            {begin + use + twice, hold.CodeInvalid},
		"a number that comes again":            {begin + use + used + twice, hold.CodeInvalid},
		"a number that is less":                {begin + use + used + said, hold.CodeInvalid},
		"a number that is none":                {begin + "contentBlockStop {\"contentBlockIndex\":-1}\n", hold.CodeInvalid},
		"a number that is too large":           {begin + "contentBlockDelta {\"contentBlockIndex\":65536,\"delta\":{\"text\":\"So\"}}\n", hold.CodeInvalid},
		"a number that is a fraction":          {begin + "contentBlockDelta {\"contentBlockIndex\":0.5,\"delta\":{\"text\":\"So\"}}\n", hold.CodeInvalid},
		"the end of no block":                  {begin + ended, hold.CodeInvalid},
		"arguments without a call":             {begin + input, hold.CodeInvalid},
		"arguments within a text":              {begin + said + strings.ReplaceAll(input, ":1,", ":0,"), hold.CodeInvalid},
		"arguments behind an empty beginning":  {begin + "contentBlockStart {\"contentBlockIndex\":1,\"start\":{}}\n" + input, hold.CodeInvalid},
		"a text within a call":                 {begin + use + strings.ReplaceAll(said, ":0,", ":1,"), hold.CodeInvalid},
		"a thought within a text":              {begin + said + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"text\":\"x\"}}}\n", hold.CodeInvalid},
		"a text that is a number":              {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":1}}\n", hold.CodeInvalid},
		"bytes that are none":                  {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"redactedContent\":\"?\"}}}\n", hold.CodeInvalid},
		"the reason to stop within a text":     {begin + said + stop, hold.CodeInvalid},
		"no reason to stop":                    {begin + said + ended + "messageStop {}\n", hold.CodeInvalid},
		"an empty reason to stop":              {begin + said + ended + "messageStop {\"stopReason\":\"\"}\n", hold.CodeInvalid},
		"a whole answer":                       {begin + "messageStop {\"stopReason\":\"tool_use\",\"output\":{\"message\":{}}}\n", hold.CodeInvalid},
		"a server's call that ends to be made": {begin + strings.ReplaceAll(use, `"a"`, `"a","type":"server_tool_use"`) + used + stop, hold.CodeInvalid},
	} {
		o := pass(mode{finish: true}, hold.Config{}, encode(c.in), nil)
		var broken *hold.StreamError
		switch errors.As(o.err, &broken); {
		case c.code == "" && o.err != nil, c.code != "" && (broken == nil || broken.Code != c.code):
			t.Errorf("%s: %v, not %s", name, o.err, c.code)
		}
		checkReleased(t, o)
		if c, err := readAsClient(o.out); o.err != nil && (err != nil || len(c.calls()) > 0) && !strings.HasPrefix(name, "more after") && !strings.HasPrefix(name, "an account with") && !strings.HasPrefix(name, "an exception after") && name != "two reasons to stop" {
			t.Errorf("%s: a call went out: %v %v", name, c, err)
		}
		again, err := o.gate.Write(nil, encode(right))
		if o.err != nil && (len(again) > 0 || !errors.Is(err, o.err)) {
			t.Errorf("%s: after the error %q, %v", name, again, err)
		}
	}
}

func TestLimits(t *testing.T) {
	many := begin
	for range 3 {
		many += use + used
	}
	long := begin + use
	for range 40 {
		long += "contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"" + strings.Repeat("x", 50) + "\"}}}\n"
	}
	for name, c := range map[string]struct {
		in     string
		config hold.Config
	}{
		"an event":    {begin + "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"" + strings.Repeat("x", 1000) + "\"}}\n", hold.Config{MaxEvent: 1000}},
		"calls":       {strings.Replace(many, "Index\":1", "Index\":0", 2), hold.Config{MaxCalls: 1}},
		"held pieces": {long, hold.Config{MaxHeld: 4000}},
	} {
		o := pass(mode{}, c.config, encode(c.in), nil)
		var broken *hold.StreamError
		if !errors.As(o.err, &broken) || broken.Code != hold.CodeTooLarge {
			t.Errorf("%s: %v", name, o.err)
		}
		if o := pass(mode{}, hold.Config{}, encode(c.in), nil); errors.As(o.err, &broken) && broken.Code == hold.CodeTooLarge {
			t.Errorf("%s: %v without the limit", name, o.err)
		}
	}
}

// A gate that nobody gave a Decide denies.
func TestDenyIsTheZeroValue(t *testing.T) {
	g := bedrock.New(hold.Config{})
	out, err := g.Write(nil, encode(right))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := readAsClient(out); err != nil || len(c.calls()) > 0 || c.stop != "end_turn" {
		t.Error(lines(out, nil), err)
	}
}

// Verdicts that are not one for each call, or arguments that are none, release nothing.
func TestBadVerdicts(t *testing.T) {
	for name, verdicts := range map[string][]llm.Verdict{
		"none": nil, "two": {{Allow: true}, {Allow: true}}, "a list": {{Allow: true, Arguments: []byte("[]")}}, "a name twice": {{Allow: true, Arguments: []byte(`{"a":1,"a":2}`)}},
	} {
		g := bedrock.New(hold.Config{Decide: func([]llm.ToolCall) ([]llm.Verdict, error) { return verdicts, nil }})
		out, err := g.Write(nil, encode(right))
		if c, readable := readAsClient(out); err == nil || readable != nil || len(c.calls()) > 0 || c.stop != "" {
			t.Errorf("%s: %v\n%s", name, err, lines(out, nil))
		}
	}
}

// When the turn cannot be told of, neither its calls nor its end go out.
func TestFinishFails(t *testing.T) {
	g := bedrock.New(hold.Config{
		Decide: func(calls []llm.ToolCall) ([]llm.Verdict, error) {
			return []llm.Verdict{{Allow: true}}, nil
		},
		Finish: func(llm.Turn) error { return errPolicy },
	})
	out, err := g.Write(nil, encode(right))
	if c, readable := readAsClient(out); !errors.Is(err, errPolicy) || readable != nil || len(c.calls()) > 0 || c.stop != "" {
		t.Errorf("%v\n%s", err, lines(out, nil))
	}
}
