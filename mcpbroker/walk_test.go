package mcpbroker

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm/openaichat"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/policies"
)

// TestCall: what a client wrote reaches the server but for the name, and what the server wrote reaches the client.
func TestCall(t *testing.T) {
	w := newWorld(t, nil)
	a := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query","arguments":{"n":12345678901234567890, "x":1.0},"_meta":{"com.example/k":[1.0],"progressToken":"p"}}`)
	if got := string(a.Result); got != `{"content":[{"type":"text","text":"a result that is long enough to be known again"}],"vendor":1.0}` {
		t.Errorf("%s %+v", got, a.Err)
	}
	made := w.servers["snowflake"].made(protocol.CallTool)
	if len(made) != 1 || string(made[0].Params) != `{"name":"query","arguments":{"n":12345678901234567890, "x":1.0},"_meta":{"com.example/k":[1.0],"progressToken":"p"}}` {
		t.Fatalf("the server got %+v", made)
	}
	line := w.audit.last()
	if line.Decision != "allow" || line.Server != "snowflake" || line.Method != protocol.CallTool || line.Subject != "sara" || line.Path != "/mcp" || line.Label != "trusted/internal" ||
		len(line.Calls) != 1 || line.Calls[0].Tool != "snowflake__query" || !line.Calls[0].Allowed || line.Calls[0].DecisionID == "" || line.PolicyRevision == "" {
		t.Errorf("the audit says %+v", line)
	}
	if n := testutil.ToFloat64(w.broker.metrics.calls.WithLabelValues("snowflake", protocol.CallTool, "allow")); n != 1 {
		t.Errorf("%v calls are counted", n)
	}
}

// TestRefused: what is hidden is as what there is not, and nothing of it reaches a server.
func TestRefused(t *testing.T) {
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		set, method, params, says string
	}{
		"a hidden tool":               {"", protocol.CallTool, `{"name":"slack__post_message"}`, "Unknown tool: slack__post_message"},
		"one that policy has not":     {"", protocol.CallTool, `{"name":"snowflake__unlisted"}`, "Unknown tool"},
		"one that the server has not": {"", protocol.CallTool, `{"name":"snowflake__ghost"}`, "Unknown tool"},
		"one of another set":          {"chat", protocol.CallTool, `{"name":"snowflake__query"}`, "Unknown tool"},
		"another one of the set's":    {"one", protocol.CallTool, `{"name":"snowflake__drop"}`, "Unknown tool"},
		"the server's own name":       {"", protocol.CallTool, `{"name":"query"}`, "Unknown tool"},
		"no name":                     {"", protocol.CallTool, `{}`, "Unknown tool"},
		"a name that is no text":      {"", protocol.CallTool, `{"name":7}`, "Unknown tool"},
		"arguments that are none":     {"", protocol.CallTool, `{"name":"snowflake__query","arguments":[1]}`, "must be an object"},
		"a resource that she may not": {"", protocol.ReadResource, `{"uri":"slack+file:///a"}`, "not found"},
		"a resource without a server": {"", protocol.ReadResource, `{"uri":"file:///a"}`, "not found"},
		"a prompt that she may not":   {"", protocol.GetPrompt, `{"name":"slack__hello"}`, "Unknown prompt"},
		"a prompt to be completed":    {"", protocol.Complete, `{"ref":{"type":"ref/prompt","name":"slack__hello"},"argument":{"name":"a","value":"b"}}`, "not known"},
		"nothing to be completed":     {"", protocol.Complete, `{}`, "not known"},
		"a method that there is not":  {"", protocol.GetTask, `{"taskId":"x"}`, "no such method"},
	} {
		t.Run(name, func(t *testing.T) {
			w.servers["slack"].set(protocol.ListPrompts, `{"name":"hello"}`)
			a := w.call(w.sara, c.method, c.params, inSet(c.set))
			says := string(a.Result)
			if a.Err != nil {
				says = a.Err.Message
			}
			if !strings.Contains(says, c.says) {
				t.Errorf("it says %q", says)
			}
		})
	}
	for _, s := range w.servers {
		for _, method := range []string{protocol.CallTool, protocol.ReadResource, protocol.GetPrompt, protocol.Complete, protocol.GetTask} {
			if made := s.made(method); len(made) != 0 {
				t.Errorf("a server got %s", made[0].Params)
			}
		}
	}
	w.call(w.sara, protocol.CallTool, `{"name":"slack__post_message"}`)
	if line := w.audit.last(); line.Decision != "refuse" || line.Server != "slack" || line.Calls[0].Allowed {
		t.Errorf("the audit says %+v", line)
	}
}

// TestVisibleIsCallable: of any tools and any policy, exactly those are called that are listed.
func TestVisibleIsCallable(t *testing.T) {
	w := newWorld(t, nil)
	names := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(r *rapid.T) {
		data, hashes := map[string]any{}, map[string]any{}
		for _, s := range []string{"snowflake", "slack"} {
			f := w.servers[s]
			has := rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[string]).Draw(r, s)
			f.set(protocol.ListTools, tool(has...))
			for _, n := range names {
				full := s + "__" + n
				if !rapid.Bool().Draw(r, full) {
					continue
				}
				data[full] = map[string]any{
					"allow": []any{rapid.SampledFrom([]string{"*", "group:finance", "group:comms"}).Draw(r, "allow")}, "effect": "read",
					"pin": rapid.SampledFrom([]string{"warn", "taint", "refuse"}).Draw(r, "pin"),
				}
				if rapid.Bool().Draw(r, "approved") {
					hashes[full] = []any{ToolHash([]byte(tool(n)))}
				}
			}
		}
		w.policies(map[string]any{"tools": data, "pins": map[string]any{"tools": hashes}})
		for _, s := range w.broker.names.servers {
			w.broker.catalog.of(s, w.sara).stale(tools)
		}
		p := rapid.SampledFrom([]*identity.Principal{w.sara, w.mona}).Draw(r, "who")
		set := rapid.SampledFrom([]string{"", "chat", "one"}).Draw(r, "set")
		listed := " " + w.tools(p, inSet(set)) + " "
		for _, s := range []string{"snowflake", "slack"} {
			for _, n := range names {
				full := s + "__" + n
				before := len(w.servers[s].made(protocol.CallTool))
				a := w.call(p, protocol.CallTool, fmt.Sprintf(`{"name":%q}`, full), inSet(set))
				called := len(w.servers[s].made(protocol.CallTool)) > before
				if visible := strings.Contains(listed, " "+full+" "); visible != called || called != (a.Err == nil) {
					r.Fatalf("%s is visible: %v, and callable: %v (%+v)", full, visible, called, a.Err)
				}
			}
		}
	})
}

// TestDenied: policy's reason reaches the model as a tool's error.
func TestDenied(t *testing.T) {
	w := newWorld(t, nil)
	a := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__transfer","arguments":{"to":"eve"}}`)
	if !strings.Contains(string(a.Result), `"isError":true`) || !strings.Contains(string(a.Result), "rule tools.grant") || len(w.servers["snowflake"].made(protocol.CallTool)) != 0 {
		t.Errorf("%s %+v", a.Result, a.Err)
	}
}

// released leaves the grant that the LLM walk leaves when it releases a call.
func (w *world) released(p *identity.Principal, tool, arguments string, l label.Label) {
	w.t.Helper()
	r, err := openaichat.ParseRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"pay"}]}`), strictjson.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	h := w.ledger.Begin(scopeOf(p), r)
	if err := h.Lookup(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	out := h.Release()
	if err := out.Grant(tool, []byte(arguments), l); err != nil {
		w.t.Fatal(err)
	}
	if err := out.Commit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// TestGrantOnce: a call that a model made and that was released runs once, however many come, at two brokers.
func TestGrantOnce(t *testing.T) {
	w := newWorld(t, nil)
	c := w.config()
	c.Registerer = nil
	second, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	tainted := label.Label{Integrity: label.Constrained, Confidentiality: label.Internal, Sources: []string{"github__get_issue"}}
	w.released(w.sara, "snowflake__transfer", `{"to":"bob","amount":10}`, tainted)
	for name, call := range map[string]func() relay.Answer{
		"others' arguments": func() relay.Answer {
			return w.call(w.sara, protocol.CallTool, `{"name":"snowflake__transfer","arguments":{"to":"eve","amount":10}}`)
		},
		"no arguments": func() relay.Answer { return w.call(w.sara, protocol.CallTool, `{"name":"snowflake__transfer"}`) },
	} {
		if a := call(); !strings.Contains(string(a.Result), "tools.grant") {
			t.Errorf("%s: %s", name, a.Result)
		}
	}
	var ran atomic.Int32
	var wait sync.WaitGroup
	for i := range 40 {
		b := []*Broker{w.broker, second}[i%2]
		wait.Go(func() {
			a, err := b.Call(context.Background(), &relay.Call{Principal: w.sara, Method: protocol.CallTool, Capabilities: []byte("{}"), Params: []byte(`{"name":"snowflake__transfer","arguments":{"amount":10,"to":"bob"}}`), Notify: func(string, []byte) error { return nil }})
			if err == nil && a.Err == nil && !strings.Contains(string(a.Result), "isError") {
				ran.Add(1)
			}
		})
	}
	wait.Wait()
	if ran.Load() != 1 || len(w.servers["snowflake"].made(protocol.CallTool)) != 1 {
		t.Errorf("it ran %d times, and the server was asked %d times", ran.Load(), len(w.servers["snowflake"].made(protocol.CallTool)))
	}
}

const elicits = `{"elicitation":{}}`

// TestConfirm: a person is asked, by a client that can; a yes is good for one call.
func TestConfirm(t *testing.T) {
	const params = `{"name":"snowflake__drop","arguments":{"table":"payroll"}}`
	yes := `{"yellowjack_confirm":{"action":"accept","content":{"confirm":true}}}`
	w := newWorld(t, nil)
	made := func() int { return len(w.servers["snowflake"].made(protocol.CallTool)) }
	for _, caps := range []string{`{}`, `{"elicitation":{"url":{}}}`, `{"sampling":{}}`} {
		if a := w.call(w.sara, protocol.CallTool, params, able(caps)); a.NeedInput || !strings.Contains(string(a.Result), "cannot ask") {
			t.Errorf("a client with %s: %s", caps, a.Result)
		}
	}
	a := w.call(w.sara, protocol.CallTool, params, able(elicits))
	message, _ := rpc.Text(a.Result, "inputRequests", confirmKey, "params", "message")
	if !a.NeedInput || !strings.Contains(message, "snowflake__drop") || !strings.Contains(message, "payroll") {
		t.Fatalf("%s", a.Result)
	}
	if line := w.audit.last(); line.Decision != "answer" || line.Code != "confirm" || line.Calls[0].Allowed {
		t.Errorf("the audit says %+v", line)
	}
	for name, inputs := range map[string]string{
		"no":             `{"yellowjack_confirm":{"action":"accept","content":{"confirm":false}}}`,
		"not clear":      `{"yellowjack_confirm":{"action":"accept","content":{"confirm":"true"}}}`,
		"declined":       `{"yellowjack_confirm":{"action":"decline","content":{"confirm":true}}}`,
		"another's":      `{"other":{"action":"accept","content":{"confirm":true}}}`,
		"nothing":        `{}`,
		"somewhere else": `{"action":"accept","content":{"confirm":true}}`,
	} {
		asked := w.call(w.sara, protocol.CallTool, params, able(elicits))
		if got := w.call(w.sara, protocol.CallTool, params, able(elicits), again(asked, inputs)); !strings.Contains(string(got.Result), "did not confirm") {
			t.Errorf("%s: %s", name, got.Result)
		}
		if got := w.call(w.sara, protocol.CallTool, params, able(elicits), again(asked, yes)); !strings.Contains(string(got.Result), "anew") {
			t.Errorf("a yes after %s: %s", name, got.Result)
		}
	}
	if got := w.call(w.sara, protocol.CallTool, params, able(elicits), func(c *relay.Call) { c.Inputs = []byte(yes) }); !got.NeedInput {
		t.Errorf("a yes to no question: %s", got.Result)
	}
	other := strings.ReplaceAll(params, "payroll", "audit")
	asked := w.call(w.sara, protocol.CallTool, params, able(elicits))
	if got := w.call(w.sara, protocol.CallTool, other, able(elicits), again(asked, yes)); !strings.Contains(string(got.Result), "anew") {
		t.Errorf("a yes to something else: %s", got.Result)
	}
	if made() != 0 {
		t.Fatal("it was called without a yes")
	}
	if got := w.call(w.sara, protocol.CallTool, params, able(elicits), again(a, yes)); got.Err != nil || strings.Contains(string(got.Result), "isError") || made() != 1 {
		t.Errorf("%s %+v", got.Result, got.Err)
	}
	if sent := w.servers["snowflake"].made(protocol.CallTool)[0]; sent.State != nil || sent.Inputs != nil {
		t.Errorf("the server got our own state: %+v", sent)
	}
	if got := w.call(w.sara, protocol.CallTool, params, able(elicits), again(a, yes)); !strings.Contains(string(got.Result), "anew") || made() != 1 {
		t.Errorf("a yes counts twice: %s", got.Result)
	}
	long := fmt.Sprintf(`{"name":"snowflake__drop","arguments":{"table":%q}}`, strings.Repeat("x", shownArguments))
	if got := w.call(w.sara, protocol.CallTool, long, able(elicits)); got.NeedInput || !strings.Contains(string(got.Result), "too long") {
		t.Errorf("%s", got.Result)
	}
}

// TestInput: a server that asks gets its state back, and nobody else's; what the call had earned it keeps.
func TestInput(t *testing.T) {
	w := newWorld(t, func(_ *Config, w *world) {
		w.policies(map[string]any{"tools": map[string]any{
			"snowflake__query":    map[string]any{"allow": []any{"*"}, "effect": "read"},
			"slack__whoami":       map[string]any{"allow": []any{"*"}, "effect": "read"},
			"snowflake__transfer": map[string]any{"allow": []any{"*"}, "effect": "write", "grant": "required", "confirm": "always"},
		}})
	})
	for _, f := range w.servers {
		f.answers(func(c *relay.Call) (relay.Answer, error) {
			if c.Inputs == nil {
				return relay.Answer{NeedInput: true, State: []byte("mine"), Result: []byte(`{"inputRequests":{"who":{"method":"elicitation/create","params":{"message":"name?"}}}}`)}, nil
			}
			return relay.Answer{Result: []byte(`{"content":[],"state":"` + string(c.State) + `","got":` + string(c.Inputs) + `}`)}, nil
		})
	}
	const who = `{"who":{"action":"accept","content":{"name":"sara"}}}`
	a := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`, able(elicits))
	if !a.NeedInput || string(a.State) == "mine" {
		t.Fatalf("%+v", a)
	}
	got := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`, able(elicits), again(a, who))
	if string(got.Result) != `{"content":[],"state":"mine","got":`+who+`}` {
		t.Errorf("%s", got.Result)
	}
	if got = w.call(w.sara, protocol.CallTool, `{"name":"slack__whoami"}`, able(elicits), again(a, who)); !strings.Contains(string(got.Result), "anew") {
		t.Errorf("another server gets the state: %s %+v", got.Result, got.Err)
	}
	if got = w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`, able(elicits), func(c *relay.Call) { c.Inputs = []byte(who) }); string(got.Result) != `{"content":[],"state":"","got":`+who+`}` {
		t.Errorf("inputs without a state are the server's to judge: %s", got.Result)
	}
	const yes = `{"yellowjack_confirm":{"action":"accept","content":{"confirm":true}}}`
	got = w.call(w.sara, protocol.CallTool, `{"name":"snowflake__transfer"}`, able(elicits), func(c *relay.Call) { c.Inputs = []byte(yes) })
	if !strings.Contains(string(got.Result), "tools.grant") { // and stand for nothing else
		t.Errorf("%s", got.Result)
	}
	if got = w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`, able(elicits), func(c *relay.Call) { c.State, c.Inputs = []byte("mine"), []byte(who) }); !strings.Contains(string(got.Result), "anew") {
		t.Errorf("a state that is none: %s", got.Result)
	}
	// A grant, then the person, then the server, then its answer; and each step once.
	const pay = `{"name":"snowflake__transfer","arguments":{"to":"bob"}}`
	w.released(w.sara, "snowflake__transfer", `{"to":"bob"}`, label.Clean())
	confirm := w.call(w.sara, protocol.CallTool, pay, able(elicits))
	if rpc.Raw(confirm.Result, "inputRequests", confirmKey) == nil {
		t.Fatalf("%s", confirm.Result)
	}
	asked := w.call(w.sara, protocol.CallTool, pay, able(elicits), again(confirm, `{"yellowjack_confirm":{"action":"accept","content":{"confirm":true}}}`))
	if !asked.NeedInput || rpc.Raw(asked.Result, "inputRequests", "who") == nil {
		t.Fatalf("%s %+v", asked.Result, asked.Err)
	}
	if got = w.call(w.sara, protocol.CallTool, pay, able(elicits), again(asked, who)); !strings.Contains(string(got.Result), `"state":"mine"`) {
		t.Errorf("%s", got.Result)
	}
	if got = w.call(w.sara, protocol.CallTool, pay, able(elicits), again(asked, who)); !strings.Contains(string(got.Result), "anew") {
		t.Errorf("a granted call goes on twice: %s", got.Result)
	}
}

// TestRemembered: what a tool returned is known to the LLM walk, in each form in which a client may hand it on.
func TestRemembered(t *testing.T) {
	w := newWorld(t, nil)
	one, two := "the first text, which is long enough to be known", "and the second text, which is long enough as well"
	w.servers["slack"].answers(func(*relay.Call) (relay.Answer, error) {
		return relay.Answer{Result: []byte(fmt.Sprintf(`{"content":[{"type":"text","text":%q},{"type":"text","text":%q}],"structuredContent":{"b": "a structure of some length","a":1}}`, one, two))}, nil
	})
	w.call(w.sara, protocol.CallTool, `{"name":"slack__whoami"}`)
	w.servers["slack"].answers(func(*relay.Call) (relay.Answer, error) {
		return relay.Answer{Result: []byte(`{"content":[ {"uri":"file:///of/a/long/name","type":"resource_link"}]}`)}, nil
	})
	w.call(w.sara, protocol.CallTool, `{"name":"slack__whoami"}`)
	for name, text := range map[string]string{
		"a link as the server wrote it": `[ {"uri":"file:///of/a/long/name","type":"resource_link"}]`,
		"a link as the client got it":   `[ {"uri":"slack+file:///of/a/long/name","type":"resource_link"}]`,
		"that, canonically":             `[{"type":"resource_link","uri":"slack+file:///of/a/long/name"}]`,
		"one":                           one, "both": one + "\n" + two, "both run together": one + two, "the structure": `{"b": "a structure of some length","a":1}`,
		"the structure, canonically": `{"a":1,"b":"a structure of some length"}`,
	} {
		for who, p := range map[string]*identity.Principal{"her": w.sara, "another": w.mona} {
			r, err := openaichat.ParseRequest([]byte(fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ok"},{"role":"tool","tool_call_id":"x","content":%q}]}`, text)), strictjson.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			h := w.ledger.Begin(scopeOf(p), r)
			if err := h.Lookup(t.Context()); err != nil {
				t.Fatal(err)
			}
			if o := h.Results[0]; o.Known != (p == w.sara) || o.Known && (o.Label.Integrity != label.Untrusted || fmt.Sprint(o.Label.Sources) != "[slack__whoami]") {
				t.Errorf("%s, of %s: %+v", name, who, o)
			}
		}
	}
}

// away is a store that does not answer.
type away struct{ store.Store }

func (away) Do(context.Context, ...store.Op) error { return store.ErrUnavailable }

// awayLedger is a ledger whose store is away.
type awayLedger struct{ Ledger }

func (awayLedger) Remember(context.Context, label.Scope, label.Label, ...[]byte) error {
	return store.ErrUnavailable
}

// TestAway: without the store nothing is confirmed or granted, and no result handed out; without the audit nothing is answered.
func TestAway(t *testing.T) {
	w := newWorld(t, func(c *Config, w *world) { c.Store, c.Ledger = away{w.store}, awayLedger{w.ledger} })
	a := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`)
	if strings.Contains(string(a.Result), "long enough") || !strings.Contains(string(a.Result), "withheld") {
		t.Errorf("%s", a.Result)
	}
	if _, err := w.broker.Call(t.Context(), &relay.Call{Principal: w.sara, Method: protocol.CallTool, Params: []byte(`{"name":"snowflake__drop"}`), Capabilities: []byte(elicits)}); err == nil {
		t.Error("a confirmation that nobody keeps")
	}
	w = newWorld(t, nil)
	w.audit.err = errors.New("full")
	if _, err := w.broker.Call(t.Context(), &relay.Call{Principal: w.sara, Method: protocol.CallTool, Params: []byte(`{"name":"snowflake__query"}`), Capabilities: []byte("{}")}); err == nil {
		t.Error("an answer that is not on record")
	}
}

// TestURIs: resources go by names that say their server, in lists, in calls, and wherever a result links to them.
func TestURIs(t *testing.T) {
	w := newWorld(t, nil)
	s := w.servers["snowflake"]
	s.set(protocol.ListResources, `{"uri":"file:///a b","name":"a","size":12345678901234567890},{"uri":"ui://app/x","name":"x"}`)
	s.set(protocol.ListTemplates, `{"uriTemplate":"file:///{path}","name":"t"}`)
	s.answers(func(c *relay.Call) (relay.Answer, error) {
		switch c.Method {
		case protocol.ReadResource:
			uri, _ := rpc.Text(c.Params, "uri")
			return relay.Answer{Result: []byte(fmt.Sprintf(`{"contents":[{"uri":%q,"text":"t","v":1.0},{"uri":7}]}`, uri))}, nil
		case protocol.Complete:
			return relay.Answer{Result: append(append([]byte(`{"completion":{"values":[]},"got":`), c.Params...), '}')}, nil
		}
		return relay.Answer{Result: []byte(`{"content":[{"type":"resource_link","uri":"file:///c","name":"c"},{"type":"resource","resource":{"uri":"file:///d","blob":"AA=="}},{"type":"future","uri":"file:///e"},7],"structuredContent":{"uri":"file:///f"}}`)}, nil
	})
	a := w.call(w.sara, protocol.ListResources, "{}")
	if !strings.Contains(string(a.Result), `{"uri":"snowflake+file:///a b","name":"a","size":12345678901234567890},{"uri":"ui://snowflake+app/x","name":"x"}`) {
		t.Errorf("%s", a.Result)
	}
	if a = w.call(w.sara, protocol.ListTemplates, "{}"); !strings.Contains(string(a.Result), `{"uriTemplate":"snowflake+file:///{path}","name":"t"}`) {
		t.Errorf("%s", a.Result)
	}
	if a = w.call(w.mona, protocol.ListResources, "{}"); strings.Contains(string(a.Result), "snowflake") {
		t.Errorf("Mona sees %s", a.Result)
	}
	if a = w.call(w.sara, protocol.ReadResource, `{"uri":"snowflake+file:///z"}`); string(a.Result) != `{"contents":[{"uri":"snowflake+file:///z","text":"t","v":1.0},{"uri":7}]}` {
		t.Errorf("%s %+v", a.Result, a.Err)
	}
	if a = w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`); string(a.Result) != `{"content":[{"type":"resource_link","uri":"snowflake+file:///c","name":"c"},{"type":"resource","resource":{"uri":"snowflake+file:///d","blob":"AA=="}},{"type":"future","uri":"file:///e"},7],"structuredContent":{"uri":"file:///f"}}` {
		t.Errorf("%s", a.Result)
	}
	if a = w.call(w.sara, protocol.Complete, `{"ref":{"type":"ref/resource","uri":"snowflake+file:///{path}"},"argument":{"name":"path","value":"x"}}`); !strings.Contains(string(a.Result), `"uri":"file:///{path}"`) {
		t.Errorf("%s %+v", a.Result, a.Err)
	}
}

func TestPrompts(t *testing.T) {
	w := newWorld(t, nil)
	s := w.servers["slack"]
	s.set(protocol.ListPrompts, `{"name":"hello","arguments":[{"name":"who"}]}`)
	s.answers(func(c *relay.Call) (relay.Answer, error) {
		name, _ := rpc.Text(c.Params, "name")
		return relay.Answer{Result: []byte(fmt.Sprintf(`{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"x:y","text":%q}}}]}`, name))}, nil
	})
	if got := namesOf(t, w.call(w.mona, protocol.ListPrompts, "{}").Result, "prompts", "name"); fmt.Sprint(got) != "[slack__hello]" {
		t.Errorf("Mona sees %v", got)
	}
	if got := namesOf(t, w.call(w.sara, protocol.ListPrompts, "{}").Result, "prompts", "name"); len(got) != 0 {
		t.Errorf("Sara sees %v", got)
	}
	a := w.call(w.mona, protocol.GetPrompt, `{"name":"slack__hello","arguments":{"who":"x"}}`)
	if string(a.Result) != `{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"slack+x:y","text":"hello"}}}]}` {
		t.Errorf("%s %+v", a.Result, a.Err)
	}
	if a = w.call(w.mona, protocol.GetPrompt, `{"name":"slack__other"}`); a.Err == nil {
		t.Errorf("%s", a.Result)
	}
}

// TestInTheMiddle: progress and messages of a call reach its client, changes of lists do not, and are known.
func TestInTheMiddle(t *testing.T) {
	w := newWorld(t, nil)
	w.tools(w.sara)
	s := w.servers["snowflake"]
	notify := make(chan func(string, []byte) error, 1)
	s.answers(func(c *relay.Call) (relay.Answer, error) {
		for _, method := range []string{protocol.NotifyProgress, protocol.NotifyMessage, protocol.NotifyTools, protocol.NotifyUpdated, "notifications/vendor"} {
			_ = c.Notify(method, []byte(`{"progressToken":"p"}`))
		}
		notify <- c.Notify
		return relay.Answer{Result: []byte(`{"content":[]}`)}, nil
	})
	var heard []string
	w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`, func(c *relay.Call) {
		c.Notify = func(method string, _ []byte) error { heard = append(heard, method); return nil }
	}, able(`{"tasks":{},"roots":{},"extensions":{"`+protocol.ExtensionTasks+`":{},"x/y":{}}}`))
	if fmt.Sprint(heard) != "["+protocol.NotifyProgress+" "+protocol.NotifyMessage+"]" {
		t.Errorf("the client hears %v", heard)
	}
	n := s.fetched(protocol.ListTools)
	w.tools(w.sara)
	if s.fetched(protocol.ListTools) != n+1 {
		t.Error("the list is not fetched anew")
	}
	if got := string(s.made(protocol.CallTool)[0].Capabilities); got != `{"roots":{},"extensions":{"x/y":{}}}` {
		t.Errorf("the server is told that the client can %s", got)
	}
}

// TestServersErrors: a server's own error goes on as it is; one of ours says no more than which server.
func TestServersErrors(t *testing.T) {
	w := newWorld(t, nil)
	s := w.servers["snowflake"]
	s.answers(func(*relay.Call) (relay.Answer, error) {
		return relay.Answer{Err: &relay.Error{Code: -32000, Message: "no", Data: []byte(`{"n":1.0}`)}}, nil
	})
	if a := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`); a.Err == nil || a.Err.Code != -32000 || string(a.Err.Data) != `{"n":1.0}` {
		t.Errorf("%+v", a)
	}
	s.answers(func(*relay.Call) (relay.Answer, error) {
		return relay.Answer{Err: &relay.Error{Code: rpc.CodeNoResource, Message: "no", Data: []byte(`{"uri":"file:///x","v":1.0}`)}}, nil
	})
	if a := w.call(w.sara, protocol.ReadResource, `{"uri":"snowflake+file:///x"}`); a.Err == nil || a.Err.Code != rpc.CodeNoResource || string(a.Err.Data) != `{"uri":"snowflake+file:///x","v":1.0}` {
		t.Errorf("%+v", a.Err)
	}
	s.answers(func(*relay.Call) (relay.Answer, error) { return relay.Answer{}, errors.New("dial 10.0.0.7: secret") })
	if a := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query"}`); a.Err == nil || strings.Contains(a.Err.Message, "10.0.0.7") || !strings.Contains(a.Err.Message, "snowflake") {
		t.Errorf("%+v", a)
	}
	if line := w.audit.last(); line.Decision != "upstream_error" {
		t.Errorf("the audit says %+v", line)
	}
}

// TestPolicyFails: an error while deciding is a refusal.
func TestPolicyFails(t *testing.T) {
	w := newWorld(t, nil)
	w.tools(w.sara)
	w.engine.Load().Close()
	for method, params := range map[string]string{protocol.ListTools: `{}`, protocol.CallTool: `{"name":"snowflake__query"}`, protocol.ReadResource: `{"uri":"snowflake+x:y"}`} {
		a, err := w.broker.Call(t.Context(), &relay.Call{Principal: w.sara, Method: method, Params: []byte(params), Capabilities: []byte("{}")})
		if err == nil {
			t.Errorf("%s: %s", method, a.Result)
		}
	}
	if len(w.servers["snowflake"].made(protocol.CallTool)) != 0 {
		t.Error("it was called")
	}
}

// TestNoPlaceForTokens: nothing that leads from a client to a server has a place for the client's credential.
func TestNoPlaceForTokens(t *testing.T) {
	var walk func(reflect.Type, string)
	seen := map[reflect.Type]bool{}
	walk = func(typ reflect.Type, at string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := strings.ToLower(f.Name)
			for _, word := range []string{"token", "authorization", "credential", "header", "raw", "request"} {
				if strings.Contains(name, word) {
					t.Errorf("%s.%s could hold it", at, f.Name)
				}
			}
			walk(f.Type, at+"."+f.Name)
		}
	}
	walk(reflect.TypeFor[relay.Call](), "relay.Call")
	walk(reflect.TypeFor[identity.Principal](), "identity.Principal")
	walk(reflect.TypeFor[policies.Principal](), "policies.Principal")
}

// FuzzState: whatever bytes come back, there is a state or an error, and what is read writes the same bytes.
func FuzzState(f *testing.F) {
	for _, s := range []state{{waits: waitsForConfirm, server: "a", once: "b"}, {waits: waitsForServer, server: "a", has: true, upstream: []byte("x")}, {waits: waitsForServer}} {
		f.Add(s.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readState(b)
		if err != nil {
			return
		}
		again, err := readState(s.append(nil))
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%+v is %+v %v", s, again, err)
		}
	})
}
