package openairesponses_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/openairesponses"
	"github.com/yellowjack/yellowjack/internal/llm"
)

const created = `{"type":"response.created","response":{"object":"response","id":"resp_1","model":"m","status":"in_progress","output":[]}}`

func completed(items ...string) string {
	return `{"type":"response.completed","response":{"object":"response","id":"resp_1","model":"m","status":"completed","output":[` + strings.Join(items, ",") + `]}}`
}

func added(i int, item string) string {
	return fmt.Sprintf(`{"type":"response.output_item.added","output_index":%d,"item":%s}`, i, item)
}

func done(i int, item string) string {
	return fmt.Sprintf(`{"type":"response.output_item.done","output_index":%d,"item":%s}`, i, item)
}

func function(id, call, name, arguments string) string {
	return fmt.Sprintf(`{"type":"function_call","id":%s,"call_id":%s,"name":%s,"arguments":%s}`, quote(id), quote(call), quote(name), quote(arguments))
}

func shell(action string) string {
	return `{"type":"shell_call","id":"sh_1","call_id":"1","action":` + action + `}`
}

func patch(diff string) string {
	return `{"type":"apply_patch_call","id":"ap_1","call_id":"1","operation":{"type":"update_file","path":"a","diff":` + quote(diff) + `}}`
}

func message(text string) string {
	return `{"type":"message","id":"msg_1","role":"assistant","content":[` + text + `]}`
}

func part(text string) string { return `{"type":"output_text","text":` + quote(text) + `}` }

func streamOf(docs ...string) []byte {
	var b strings.Builder
	for _, doc := range docs {
		b.WriteString("data: " + doc + "\n\n")
	}
	return []byte(b.String())
}

// TestMalformed: a call that is not said the same each time, or is not what it seems, is refused and never asked about.
func TestMalformed(t *testing.T) {
	good := function("fc_1", "1", "read", `{"a":1}`)
	empty := function("fc_1", "1", "read", "")
	for name, c := range map[string]struct {
		events []string
		reason string
	}{
		"whole otherwise":       {[]string{added(0, empty), `{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{}"}`, done(0, good), completed(good)}, "said again"},
		"pieces otherwise":      {[]string{added(0, empty), `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}`, done(0, good), completed(good)}, "said again"},
		"pieces twice":          {[]string{added(0, good), `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":1}"}`, done(0, good), completed(good)}, "said again"},
		"begins otherwise":      {[]string{added(0, function("fc_1", "1", "read", `{"b":2}`)), done(0, good), completed(good)}, "said again"},
		"another name":          {[]string{added(0, function("fc_1", "1", "write", "")), done(0, good), completed(good)}, "said again"},
		"another id":            {[]string{added(0, function("fc_1", "2", "read", "")), done(0, good), completed(good)}, "said again"},
		"another item's id":     {[]string{added(0, function("fc_2", "1", "read", "")), done(0, good), completed(good)}, "said again"},
		"another name at last":  {[]string{added(0, good), done(0, good), completed(function("fc_1", "1", "write", `{"a":1}`))}, "said again"},
		"others at last":        {[]string{added(0, good), done(0, good), completed(function("fc_1", "1", "read", `{}`))}, "said again"},
		"malformed at last":     {[]string{added(0, good), done(0, good), completed(function("fc_1", "1", "read", `{`))}, "said again"},
		"goes on":               {[]string{added(0, empty), `{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"}`, `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":1}"}`, done(0, good), completed(good)}, "after their end"},
		"twice":                 {[]string{added(0, empty), `{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"}`, `{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"}`, done(0, good), completed(good)}, "come twice"},
		"input of a function":   {[]string{added(0, empty), `{"type":"response.custom_tool_call_input.delta","output_index":0,"delta":"x"}`, done(0, good), completed(good)}, "of another type"},
		"never ended":           {[]string{added(0, good), completed()}, "never ended"},
		"no id":                 {[]string{added(0, function("fc_1", "", "read", "{}")), done(0, function("fc_1", "", "read", "{}")), completed()}, "no id"},
		"no name":               {[]string{added(0, function("fc_1", "1", "", "{}")), done(0, function("fc_1", "1", "", "{}")), completed()}, "no name"},
		"an item's id twice":    {[]string{added(0, message("")), done(0, message("")), added(1, function("msg_1", "1", "read", "{}")), done(1, function("msg_1", "1", "read", "{}")), completed()}, "id of another"},
		"another type":          {[]string{added(0, function("x", "1", "read", "{}")), done(0, `{"type":"custom_tool_call","id":"x","call_id":"1","name":"read","input":"{}"}`), completed()}, "type changes"},
		"inside":                {[]string{added(0, good), `{"type":"response.web_search_call.completed","output_index":0}`, done(0, good), completed(good)}, "inside the provider"},
		"incomplete":            {[]string{added(0, good), done(0, strings.Replace(good, `"id"`, `"status":"incomplete","id"`, 1)), completed()}, "cut before"},
		"commands otherwise":    {[]string{added(0, shell(`{"commands":[]}`)), `{"type":"response.shell_call_command.delta","output_index":0,"command_index":0,"delta":"rm"}`, done(0, shell(`{"commands":["ls"]}`)), completed()}, "said again"},
		"commands twice":        {[]string{added(0, shell(`{"commands":[]}`)), `{"type":"response.shell_call_command.delta","output_index":0,"command_index":0,"delta":"rm"}`, `{"type":"response.shell_call_command.done","output_index":0,"command_index":0,"command":"ls"}`, done(0, shell(`{"commands":["ls"]}`)), completed()}, "said again"},
		"one command more":      {[]string{added(0, shell(`{"commands":[]}`)), `{"type":"response.shell_call_command.done","output_index":0,"command_index":1,"command":"rm"}`, done(0, shell(`{"commands":["ls"]}`)), completed()}, "said again"},
		"a shell begins":        {[]string{added(0, shell(`{"commands":["rm"]}`)), done(0, shell(`{"commands":["ls"]}`)), completed()}, "said again"},
		"a patch begins":        {[]string{added(0, patch("x")), done(0, patch("@@")), completed()}, "said again"},
		"a patch's pieces":      {[]string{added(0, patch("")), `{"type":"response.apply_patch_call_operation_diff.delta","output_index":0,"delta":"x"}`, done(0, patch("@@")), completed()}, "said again"},
		"a patch as a whole":    {[]string{added(0, patch("")), `{"type":"response.apply_patch_call_operation_diff.done","output_index":0,"diff":"x"}`, done(0, patch("@@")), completed()}, "said again"},
		"late, with another id": {[]string{added(0, good), done(0, good), completed(good, function("fc_2", "1", "write", "{}"))}, "id is that of another"},
	} {
		o := pass(mode{finish: true}, hold.Config{}, streamOf(append([]string{created}, c.events...)...), nil)
		if o.err != nil || len(o.asked) > 0 || len(o.refused) == 0 || !strings.Contains(o.refused[0].Malformed, c.reason) {
			t.Errorf("%s: asked %+v, refused %+v, %v", name, o.asked, o.refused, o.err)
		}
		checkReleased(t, o)
	}
}

// TestAnew: a provider may make an item's id anew at the end, and clients of the open models' one think in a part.
func TestAnew(t *testing.T) {
	thought := `{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]}`
	o := pass(mode{finish: true}, hold.Config{}, streamOf(created, added(0, `{"type":"reasoning","id":"rs_1","summary":[]}`),
		`{"type":"response.reasoning_part.added","output_index":0,"content_index":0,"item_id":"rs_1","part":{"type":"reasoning_text","text":""}}`,
		`{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"item_id":"rs_1","delta":"hm"}`,
		`{"type":"response.reasoning_text.done","output_index":0,"content_index":0,"item_id":"rs_1","text":"hm"}`,
		`{"type":"response.reasoning_part.done","output_index":0,"content_index":0,"item_id":"rs_1","part":{"type":"reasoning_text","text":"hm"}}`, done(0, thought),
		added(1, function("fc_1", "1", "read", "")), done(1, function("fc_1", "1", "read", "{}")),
		completed(strings.Replace(thought, "rs_1", "rs_9", 1), function("fc_9", "1", "read", "{}"))), nil)
	if o.err != nil || len(o.asked) != 1 || len(o.allowed) != 1 || len(o.turns) != 1 || len(o.turns[0].Texts) != 1 {
		t.Errorf("%v %+v", o.err, o)
	}
	checkReleased(t, o)
}

// TestInvalid: a stream that could be read in several ways is ended, and nothing more of it goes on.
func TestInvalid(t *testing.T) {
	good := function("fc_1", "1", "read", `{}`)
	for name, c := range map[string]struct {
		events []string
		reason string
	}{
		"no next item":          {[]string{added(1, good)}, "not the next one"},
		"an index twice":        {[]string{added(0, good), added(0, good)}, "not the next one"},
		"ended":                 {[]string{added(0, good), done(0, good), done(0, good)}, "has ended"},
		"text of a call":        {[]string{added(0, good), `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"x"}`}, "has none"},
		"arguments of a text":   {[]string{added(0, message("")), `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"x"}`}, "is no call"},
		"a message that calls":  {[]string{added(0, message("")), done(0, good)}, "changes in the middle"},
		"begins with a text":    {[]string{added(0, message(part("x")))}, "begins with a text"},
		"a part with a text":    {[]string{added(0, message("")), `{"type":"response.content_part.added","output_index":0,"content_index":0,"part":` + part("x") + `}`}, "begins with a text"},
		"goes on":               {[]string{added(0, message("")), `{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"x"}`, `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"y"}`}, "after its end"},
		"another kind":          {[]string{added(0, message("")), `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"y"}`, `{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"y"}`}, "changes its kind"},
		"another text":          {[]string{added(0, message("")), `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"y"}`, done(0, message(part("z")))}, "otherwise"},
		"an output early":       {[]string{strings.Replace(completed(good), "completed", "in_progress", 2)}, "before it was said"},
		"another item at last":  {[]string{added(0, good), done(0, good), completed(message(""))}, "otherwise"},
		"an item twice at last": {[]string{added(0, good), done(0, good), completed(good, good)}, ""},
		"after the end":         {[]string{completed(), created}, "goes on after"},
		"done in between":       {[]string{"[DONE]"}, "before its response did"},
		"an audio":              {[]string{`{"type":"response.audio.delta","delta":"AAAA"}`}, "no known type"},
		"no item":               {[]string{`{"type":"response.output_item.added","output_index":0,"part":` + part("x") + `}`}, "without what it tells of"},
		"no index":              {[]string{`{"type":"response.output_item.added","item":` + good + `}`}, "without what it tells of"},
		"twice a name":          {[]string{`{"type":"keepalive","type":"keepalive"}`}, "duplicate"},
		"no object":             {[]string{`[]`}, "must be an object"},
	} {
		o := pass(mode{}, hold.Config{}, streamOf(append([]string{created}, c.events...)...), nil)
		if c.reason == "" { // the second one is a call of its own
			if o.err != nil || len(o.refused) != 2 {
				t.Errorf("%s: refused %+v, %v", name, o.refused, o.err)
			}
			continue
		}
		var stream *hold.StreamError
		if !errors.As(o.err, &stream) || !strings.Contains(o.err.Error(), c.reason) {
			t.Errorf("%s: %v", name, o.err)
		}
		if strings.Contains(string(o.out), "call_id") {
			t.Errorf("%s: released %s", name, o.out)
		}
	}
}

// TestLimits: what is held, an event, and the number of calls are bounded.
func TestLimits(t *testing.T) {
	long := function("fc_1", "1", "read", `{"a":"`+strings.Repeat("x", 1000)+`"}`)
	for name, c := range map[string]hold.Config{
		"held": {MaxHeld: 1000}, "event": {MaxEvent: 500}, "calls": {MaxCalls: 1},
	} {
		o := pass(mode{}, c, streamOf(created, added(0, long), done(0, long), added(1, function("fc_2", "2", "read", "{}")), completed()), nil)
		var stream *hold.StreamError
		if !errors.As(o.err, &stream) || stream.Code != hold.CodeTooLarge || strings.Contains(string(o.out), "call_id") {
			t.Errorf("%s: %v\n%s", name, o.err, o.out)
		}
	}
}

// TestErrorsStick: after an error nothing is released, and a gate without a Decide denies.
func TestErrorsStick(t *testing.T) {
	good := function("fc_1", "1", "read", `{}`)
	g := openairesponses.New(hold.Config{Finish: func(llm.Turn) error { return errPolicy }})
	out, err := g.Write(nil, streamOf(created, added(0, good), done(0, good), completed(good)))
	if !errors.Is(err, errPolicy) || strings.Contains(string(out), "read") || g.Held() {
		t.Fatalf("%v %s", err, out)
	}
	if out, again := g.Write(nil, streamOf(created)); len(out) > 0 || !errors.Is(again, errPolicy) {
		t.Fatalf("%v %s", again, out)
	}
	if out, again := g.Close(nil); len(out) > 0 || !errors.Is(again, errPolicy) {
		t.Fatalf("%v %s", again, out)
	}
	g = openairesponses.New(hold.Config{})
	out, err = g.Write(nil, streamOf(created, added(0, good), done(0, good), completed(good)))
	if err != nil || strings.Contains(string(out), "call_id") || !strings.Contains(string(out), "was refused") {
		t.Fatalf("%v %s", err, out)
	}
}
