package mcpbroker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// accounts are people's at a server.
type accounts struct {
	mu     sync.Mutex
	there  map[string]bool // by principal
	looked int
	err    error
}

func (a *accounts) Link(p *identity.Principal, asks string) string {
	if !p.IsPerson() {
		return ""
	}
	return "https://gw.example.com/connect/snowflake?for=" + url.QueryEscape(p.Key()+" "+asks)
}

func (a *accounts) Page() string { return "https://gw.example.com/connect/snowflake" }

func (a *accounts) Connected(_ context.Context, p *identity.Principal) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looked++
	return a.there[p.Key()], a.err
}

func (a *accounts) set(p *identity.Principal, there bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.there[p.Key()] = there
}

func (a *accounts) looks() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.looked
}

// guarded is a broker before a Snowflake that is called with people's own accounts.
func guarded(t *testing.T, wait time.Duration) (*world, *accounts) {
	t.Helper()
	a := &accounts{there: map[string]bool{}}
	w := newWorld(t, func(c *Config, w *world) {
		s := c.Servers["snowflake"]
		s.Receiver, s.Shared, s.Account = behindAccounts{w.servers["snowflake"], a}, false, a
		c.Servers["snowflake"], c.ConnectWait = s, wait
	})
	return w, a
}

// behindAccounts fails as a client does whose credential cannot be made.
type behindAccounts struct {
	*fake
	a *accounts
}

func (b behindAccounts) Call(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	b.a.mu.Lock()
	there := b.a.there[c.Principal.Key()]
	b.a.mu.Unlock()
	if !there {
		return relay.Answer{}, fmt.Errorf("a token for the server: %w", tokens.ErrConnect)
	}
	return b.fake.Call(ctx, c)
}

const (
	opens  = `{"elicitation":{"url":{},"form":{}}}`
	agreed = `{"yellowjack_connect":{"action":"accept"}}`
)

// TestConnecting: a call of somebody whose account is not connected asks for that, by a link of hers, and runs when she has connected it
// and it comes again; then her lists have the server, and before they did not.
func TestConnecting(t *testing.T) {
	const params = `{"name":"snowflake__query","arguments":{"q":1}}`
	w, accounts := guarded(t, time.Minute)
	made := func() int { return len(w.servers["snowflake"].made(protocol.CallTool)) }
	if got := w.tools(w.sara); got != "slack__whoami" {
		t.Error("she sees", got)
	}
	asked := w.call(w.sara, protocol.CallTool, params, able(opens), func(c *relay.Call) { c.ClientInfo = []byte(`{"name":"` + strings.Repeat("é", 200) + `"}`) })
	link, _ := rpc.Text(asked.Result, "inputRequests", connectKey, "params", "url")
	mode, _ := rpc.Text(asked.Result, "inputRequests", connectKey, "params", "mode")
	u, err := url.Parse(link)
	if err != nil || !asked.NeedInput || mode != "url" || u.Query().Get("for") != w.sara.Key()+" "+strings.Repeat("é", 80)+"…" {
		t.Fatalf("%s %v", asked.Result, err)
	}
	if line := w.audit.last(); line.Decision != "answer" || line.Code != "connect" || line.Server != "snowflake" || line.Calls[0].Tool != "snowflake__query" {
		t.Errorf("the audit says %+v", line)
	}
	if a := w.call(w.mona, protocol.CallTool, params, able(opens)); a.NeedInput || a.Err == nil || !strings.Contains(a.Err.Message, "Unknown tool") {
		t.Errorf("who may not see it is asked: %s", a.Result)
	}
	done := make(chan relay.Answer)
	go func() { done <- w.call(w.sara, protocol.CallTool, params, able(opens), again(asked, agreed)) }()
	eventually(t, "the look", func() bool { return accounts.looks() > 0 })
	if made() != 0 {
		t.Fatal("it was called without an account")
	}
	accounts.set(w.sara, true)
	if got := <-done; got.Err != nil || got.NeedInput || strings.Contains(string(got.Result), "isError") || made() != 1 {
		t.Fatalf("%s %+v, %d calls", got.Result, got.Err, made())
	}
	if sent := w.servers["snowflake"].made(protocol.CallTool)[0]; sent.State != nil || sent.Inputs != nil {
		t.Errorf("the server got our own state: %+v", sent)
	}
	if got := w.tools(w.sara); !strings.Contains(got, "snowflake__query") {
		t.Error("she sees", got)
	}
	accounts.set(w.sara, false)
	w.broker.Reconnected(w.sara.Key(), "snowflake")
	w.broker.Reconnected(w.sara.Key(), "nothing")
	if got := w.tools(w.sara); got != "slack__whoami" {
		t.Error("when it has ended she sees", got)
	}
	if strings.Contains(w.logs.String(), "leaves the lists") {
		t.Error("the server counts as down")
	}
}

// TestNotConnected: what a client reads that cannot ask, and whoever cannot connect; and what becomes of a call that comes again before
// she has connected, or when she does not want to.
func TestNotConnected(t *testing.T) {
	const params = `{"name":"snowflake__query","arguments":{"q":1}}`
	w, accounts := guarded(t, time.Nanosecond)
	for _, caps := range []string{`{}`, `{"elicitation":{}}`, `{"elicitation":{"form":{}}}`} {
		if a := w.call(w.sara, protocol.CallTool, params, able(caps)); a.NeedInput || !strings.Contains(string(a.Result), "https://gw.example.com/connect/snowflake in a browser") {
			t.Errorf("a client with %s: %s", caps, a.Result)
		}
	}
	token, err := w.idp.Mint(map[string]any{"sub": "sara", "groups": []string{"finance"}, "act": map[string]any{"sub": "robot"}})
	if err != nil {
		t.Fatal(err)
	}
	actor, refused := w.verifier.Verify(t.Context(), token)
	if refused != nil {
		t.Fatal(refused)
	}
	if a := w.call(actor, protocol.CallTool, params, able(opens)); a.NeedInput || !strings.Contains(string(a.Result), "cannot log in") {
		t.Errorf("an actor: %s", a.Result)
	}
	asked := w.call(w.sara, protocol.CallTool, params, able(opens))
	early := w.call(w.sara, protocol.CallTool, params, able(opens), again(asked, agreed))
	if !early.NeedInput || accounts.looks() != 1 {
		t.Errorf("too early: %s", early.Result)
	}
	for _, inputs := range []string{`{"yellowjack_connect":{"action":"decline"}}`, `{"yellowjack_connect":{"action":"cancel"}}`, `{}`, `{"yellowjack_confirm":{"action":"accept"}}`} {
		if a := w.call(w.sara, protocol.CallTool, params, able(opens), again(asked, inputs)); a.NeedInput || !strings.Contains(string(a.Result), notConnected) {
			t.Errorf("%s: %s", inputs, a.Result)
		}
	}
	if accounts.looks() != 1 {
		t.Error("somebody waits who did not agree")
	}
	for method, params := range map[string]string{protocol.ReadResource: `{"uri":"snowflake+file:///a"}`} {
		if a := w.call(w.sara, method, params, able(opens)); !a.NeedInput {
			t.Errorf("%s: %s %v", method, a.Result, a.Err)
		}
		if a := w.call(w.sara, method, params); a.Err == nil || !strings.Contains(a.Err.Message, "/connect/snowflake") {
			t.Errorf("%s: %s", method, a.Result)
		}
	}
	accounts.err = errors.New("the store is away")
	if a, err := w.broker.Call(t.Context(), &relay.Call{
		Principal: w.sara, Method: protocol.CallTool, Params: []byte(params), Capabilities: []byte(opens), State: asked.State, Inputs: []byte(agreed),
	}); err == nil {
		t.Errorf("without the store: %s", a.Result)
	}
}

// TestConnectKeeps: a call that was granted, and confirmed, is not granted anew when it comes again after its account was connected.
func TestConnectKeeps(t *testing.T) {
	const params = `{"name":"snowflake__transfer","arguments":{"to":"eve"}}`
	w, accounts := guarded(t, time.Minute)
	accounts.set(w.sara, true)
	w.tools(w.sara) // the list is there, and her account then ends
	accounts.set(w.sara, false)
	w.released(w.sara, "snowflake__transfer", `{"to":"eve"}`, label.Label{})
	asked := w.call(w.sara, protocol.CallTool, params, able(opens))
	if !asked.NeedInput {
		t.Fatalf("%s", asked.Result)
	}
	if a := w.call(w.sara, protocol.CallTool, params, able(opens)); a.NeedInput || !strings.Contains(string(a.Result), "grant") {
		t.Errorf("the grant is there twice: %s", a.Result)
	}
	accounts.set(w.sara, true)
	for n, want := range []bool{true, false} {
		a := w.call(w.sara, protocol.CallTool, params, able(opens), again(asked, agreed))
		if ok := !strings.Contains(string(a.Result), "isError"); ok != want {
			t.Errorf("%d: %s", n, a.Result)
		}
	}
	if made := len(w.servers["snowflake"].made(protocol.CallTool)); made != 1 {
		t.Errorf("%d calls", made)
	}
}
