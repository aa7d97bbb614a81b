package mcpbroker

import (
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// TestBare: in a bare set names and uris are the server's own, both ways, and policy and the audit know them by their full names.
func TestBare(t *testing.T) {
	w := newWorld(t, func(c *Config, w *world) {
		f := w.servers["snowflake"]
		f.set(protocol.ListResources, `{"uri":"file:///payroll","name":"payroll"}`)
		f.set(protocol.ListTools, `{"name":"query","inputSchema":{"type":"object"},"_meta":{"ui":{"resourceUri":"ui://chart"}},"vendor":1.0},`+tool("drop", "transfer", "unlisted"))
		f.answers(func(c *relay.Call) (relay.Answer, error) {
			if c.Method == protocol.ReadResource {
				return relay.Answer{Result: []byte(`{"contents":[{"uri":"file:///payroll","text":"a text that is long enough to be known"}]}`)}, nil
			}
			return relay.Answer{Result: []byte(`{"content":[{"type":"resource_link","uri":"file:///payroll","name":"p"}]}`)}, nil
		})
		c.Sets["bare"] = Set{Servers: []string{"snowflake"}, Bare: true}
		c.Sets["few"] = Set{Servers: []string{"snowflake"}, Bare: true, Tools: []string{"snowflake__query"}}
	})
	in := inSet("bare")
	if got := w.tools(w.sara, in); got != "drop query transfer" {
		t.Errorf("she sees %q", got)
	}
	if got := w.tools(w.sara, inSet("few")); got != "query" {
		t.Errorf("of few she sees %q", got)
	}
	if got := w.tools(w.mona, in); got != "" {
		t.Errorf("who may not sees %q", got)
	}
	if a := w.call(w.sara, protocol.ListTools, "{}", in); !strings.Contains(string(a.Result), `{"name":"query","inputSchema":{"type":"object"},"_meta":{"ui":{"resourceUri":"ui://chart"}},"vendor":1.0}`) {
		t.Errorf("not as the server wrote it: %s", a.Result)
	}
	if a := w.call(w.sara, protocol.CallTool, `{"name":"query","arguments":{}}`, in); a.Err != nil || !strings.Contains(string(a.Result), `"uri":"file:///payroll"`) {
		t.Errorf("%s %v", a.Result, a.Err)
	}
	if l := w.audit.last(); l.Calls[0].Tool != "snowflake__query" || l.Path != "/mcp/bare" {
		t.Errorf("the audit says %+v", l)
	}
	if a := w.call(w.sara, protocol.ListResources, "{}", in); !strings.Contains(string(a.Result), `{"uri":"file:///payroll","name":"payroll"}`) {
		t.Errorf("%s", a.Result)
	}
	if a := w.call(w.sara, protocol.ReadResource, `{"uri":"file:///payroll"}`, in); a.Err != nil || !strings.Contains(string(a.Result), `"uri":"file:///payroll"`) {
		t.Errorf("%s %v", a.Result, a.Err)
	}
	if got := w.servers["snowflake"].made(protocol.ReadResource); len(got) != 1 || string(got[0].Params) != `{"uri":"file:///payroll"}` {
		t.Errorf("the server read %+v", got)
	}
	// What is not visible is not callable by either name, and a full name is not one here.
	for name, p := range map[string]*identity.Principal{"query": w.mona, "snowflake__query": w.sara, "unlisted": w.sara, "whoami": w.sara, "": w.sara} {
		if a := w.call(p, protocol.CallTool, `{"name":"`+name+`","arguments":{}}`, in); a.Err == nil {
			t.Errorf("%q is called: %s", name, a.Result)
		}
	}
	if a := w.call(w.sara, protocol.CallTool, `{"name":"drop","arguments":{}}`, inSet("few")); a.Err == nil {
		t.Errorf("a tool that the set leaves out: %s", a.Result)
	}
	// Policy decides by the full name: one tool wants a grant, one a person.
	if a := w.call(w.sara, protocol.CallTool, `{"name":"transfer","arguments":{}}`, in); !strings.Contains(string(a.Result), "tools.grant") {
		t.Errorf("%s", a.Result)
	}
	a := w.call(w.sara, protocol.CallTool, `{"name":"drop","arguments":{}}`, in, able(`{"elicitation":{}}`))
	if !a.NeedInput || !strings.Contains(string(a.Result), "snowflake__drop") {
		t.Errorf("%s", a.Result)
	}
	if n := len(w.servers["snowflake"].made(protocol.CallTool)); n != 1 {
		t.Errorf("the server was called %d times", n)
	}
}

// TestBareOfOne: a bare set has one server.
func TestBareOfOne(t *testing.T) {
	w := newWorld(t, nil)
	for name, set := range map[string]Set{"none": {Bare: true}, "two": {Servers: []string{"slack", "snowflake"}, Bare: true}} {
		c := w.config()
		c.Registerer, c.Sets = nil, map[string]Set{name: set}
		if b, err := New(c); err == nil || !strings.Contains(err.Error(), "bare") {
			t.Errorf("%s: %v", name, err)
			if b != nil {
				b.Close()
			}
		}
	}
}
