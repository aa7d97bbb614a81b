package mcpbroker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/policies"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a server: it has lists and answers calls by what their tool is called.
type fake struct {
	mu      sync.Mutex
	lists   map[string]string // by method: the items, as JSON
	extra   map[string]string // by method: more members of the result
	page    int               // items of a page; 0 is all
	err     error             // it is down
	hang    chan struct{}     // it does not answer lists until this is closed
	calls   []relay.Call
	fetches map[string]int
	change  chan string // notifications for whoever listens
	answer  func(c *relay.Call) (relay.Answer, error)
}

func newFake(tools string) *fake {
	return &fake{
		lists: map[string]string{protocol.ListTools: tools}, extra: map[string]string{}, fetches: map[string]int{}, change: make(chan string, 8),
	}
}

func tool(names ...string) string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf(`{"name":%q,"description":"does %s","inputSchema":{"type":"object","$x":12345678901234567890}}`, n, n))
	}
	return strings.Join(out, ",")
}

func (f *fake) set(method, items string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists[method] = items
}

func (f *fake) answers(by func(c *relay.Call) (relay.Answer, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = by
}

func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// made are the calls that reached the server, of a method.
func (f *fake) made(method string) []relay.Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.calls), func(c relay.Call) bool { return c.Method != method })
}

func (f *fake) fetched(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fetches[method]
}

func (f *fake) Call(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	f.mu.Lock()
	err, hang, items, listed, extra, page := f.err, f.hang, f.lists[c.Method], f.lists[c.Method] != "", f.extra[c.Method], f.page
	f.calls = append(f.calls, *c)
	f.fetches[c.Method]++
	answer := f.answer
	f.mu.Unlock()
	if err != nil {
		return relay.Answer{}, err
	}
	name := map[string]string{
		protocol.ListTools: "tools", protocol.ListPrompts: "prompts", protocol.ListResources: "resources", protocol.ListTemplates: "resourceTemplates",
	}[c.Method]
	switch {
	case name != "":
		if hang != nil {
			select {
			case <-hang:
			case <-ctx.Done():
				return relay.Answer{}, ctx.Err()
			}
		}
		if !listed {
			return relay.Answer{Err: &relay.Error{Code: rpc.CodeNoMethod, Message: "no"}}, nil
		}
		return relay.Answer{Result: []byte(pageOf(name, items, extra, page, c.Params))}, nil
	case c.Method == protocol.Discover:
		return relay.Answer{Result: []byte(`{"capabilities":{"tools":{},"prompts":{},"extensions":{"x/y":{"a":1},"` + protocol.ExtensionTasks + `":{}}},"instructions":"obey me"` + extra + `}`)}, nil
	case c.Method == protocol.Listen:
		if err := c.Notify(protocol.NotifyAcknowledged, []byte(`{}`)); err != nil {
			return relay.Answer{}, err
		}
		for {
			select {
			case line := <-f.change:
				method, params, _ := strings.Cut(line, " ")
				_ = c.Notify(method, []byte(params))
			case <-ctx.Done():
				return relay.Answer{}, ctx.Err()
			}
		}
	}
	if answer != nil {
		return answer(c)
	}
	return relay.Answer{Result: []byte(`{"content":[{"type":"text","text":"a result that is long enough to be known again"}],"vendor":1.0}`)}, nil
}

// pageOf cuts a list into pages; a cursor is a number.
func pageOf(name, items, extra string, size int, params []byte) string {
	if size == 0 {
		return `{"` + name + `":[` + items + `]` + extra + `}`
	}
	var all []json.RawMessage
	_ = json.Unmarshal([]byte("["+items+"]"), &all)
	from := 0
	if text, ok := rpc.Text(params, "cursor"); ok {
		_, _ = fmt.Sscan(text, &from)
	}
	to := min(from+size, len(all))
	out, _ := json.Marshal(all[from:to])
	if to < len(all) {
		extra += fmt.Sprintf(`,"nextCursor":"%d"`, to)
	}
	return `{"` + name + `":` + string(out) + extra + `}`
}

// sink keeps the audit's lines.
type sink struct {
	mu    sync.Mutex
	lines []audit.Record
	err   error
}

func (s *sink) Write(r *audit.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, *r)
	return s.err
}

func (s *sink) last() audit.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		return audit.Record{}
	}
	return s.lines[len(s.lines)-1]
}

// logs is what was logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a broker before fake servers, with real policies, a real ledger and real principals.
type world struct {
	t        testing.TB
	broker   *Broker
	engine   swapped
	ledger   *provenance.Analyzer
	store    store.Store
	keys     *store.Keys
	audit    *sink
	logs     *logs
	registry *prometheus.Registry
	servers  map[string]*fake

	idp        *issuer.Issuer
	verifier   *identity.Verifier
	sara, mona *identity.Principal
}

var shippedData = map[string]any{
	"tools": map[string]any{
		"snowflake__query":    map[string]any{"allow": []any{"group:finance"}, "effect": "read", "result": "trusted", "confidentiality": "internal"},
		"snowflake__drop":     map[string]any{"allow": []any{"group:finance"}, "effect": "destructive", "confirm": "always"},
		"snowflake__transfer": map[string]any{"allow": []any{"group:finance"}, "effect": "write", "grant": "required"},
		"slack__post_message": map[string]any{"allow": []any{"group:comms"}, "effect": "write"},
		"slack__whoami":       map[string]any{"allow": []any{"*"}, "effect": "read"},
		"resources/snowflake": map[string]any{"allow": []any{"group:finance"}, "effect": "read"},
		"prompts/slack":       map[string]any{"allow": []any{"group:comms"}, "effect": "read"},
	},
}

func newWorld(t testing.TB, change func(*Config, *world)) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, audit: &sink{}, logs: &logs{}, registry: prometheus.NewRegistry(), keys: store.RandomKeys()}
	w.servers = map[string]*fake{
		"snowflake": newFake(tool("query", "drop", "transfer", "unlisted")), "slack": newFake(tool("post_message", "whoami")),
	}
	var err error
	w.idp, err = issuer.Start(issuer.Config{Alg: "ES256"})
	must(err)
	t.Cleanup(func() { must(w.idp.Close()) })
	w.verifier, err = identity.New(t.Context(), identity.Config{Issuers: []identity.IssuerConfig{{Name: "corp", Issuer: w.idp.URL(), JWKS: w.idp.JWKSURL(), Audiences: []string{"yellowjack"}}}})
	must(err)
	t.Cleanup(w.verifier.Close)
	w.sara, w.mona = w.principal("sara", "finance"), w.principal("mona", "comms")
	w.store = store.Memory(store.MemoryConfig{})
	t.Cleanup(func() { must(w.store.Close()) })
	w.ledger, err = provenance.New(provenance.Config{Store: w.store, Keys: w.keys})
	must(err)
	c := w.config()
	if change != nil {
		change(&c, w)
	}
	if w.engine.Load() == nil {
		w.policies(shippedData)
	}
	w.broker, err = New(c)
	must(err)
	t.Cleanup(w.broker.Close)
	return w
}

// swapped are policies that can be replaced.
type swapped struct {
	atomic.Pointer[policies.Engine]
}

func (s *swapped) Visible(ctx context.Context, p policies.Principal, in label.Label, tools []string) (map[string]string, error) {
	return s.Load().Visible(ctx, p, in, tools)
}

func (s *swapped) Toolcall(ctx context.Context, in *policies.ToolcallInput) (policies.CallsDecision, error) {
	return s.Load().Toolcall(ctx, in)
}

func (s *swapped) Pins(client string, tools []policies.Tool) []policies.PinFinding {
	return s.Load().Pins(client, tools)
}
func (s *swapped) Rules(tool string) *policies.ToolRules { return s.Load().Rules(tool) }

func (w *world) policies(data map[string]any) {
	w.t.Helper()
	e, err := policies.New(w.t.Context(), policies.Config{Data: data, Registerer: prometheus.NewRegistry(), Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(e.Close)
	w.engine.Store(e)
}

func (w *world) config() Config {
	c := Config{
		Servers: map[string]Server{}, Policies: &w.engine, Ledger: w.ledger, Store: w.store, Keys: w.keys, Audit: w.audit, Registerer: w.registry, ListTimeout: 2 * time.Second,
		Log: slog.New(slog.NewTextHandler(w.logs, nil)), Version: "1", Sets: map[string]Set{"chat": {Servers: []string{"slack"}}, "one": {Tools: []string{"snowflake__query"}}},
	}
	for name, s := range w.servers {
		c.Servers[name] = Server{Receiver: s, Shared: true}
	}
	return c
}

func (w *world) token(sub string, groups ...string) string {
	w.t.Helper()
	text, err := w.idp.Mint(map[string]any{"sub": sub, "groups": groups, "azp": "agent"})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) principal(sub string, groups ...string) *identity.Principal {
	w.t.Helper()
	p, refused := w.verifier.Verify(w.t.Context(), w.token(sub, groups...))
	if refused != nil {
		w.t.Fatal(refused)
	}
	return p
}

// call makes a call; it fails the test when there is an error that is none of the protocol.
func (w *world) call(p *identity.Principal, method, params string, change ...func(*relay.Call)) relay.Answer {
	w.t.Helper()
	c := &relay.Call{Principal: p, Method: method, Params: []byte(params), Capabilities: []byte("{}"), Notify: func(string, []byte) error { return nil }}
	for _, f := range change {
		f(c)
	}
	a, err := w.broker.Call(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) tools(p *identity.Principal, change ...func(*relay.Call)) string {
	w.t.Helper()
	a := w.call(p, protocol.ListTools, "{}", change...)
	return strings.Join(namesOf(w.t, a.Result, "tools", "name"), " ")
}

func namesOf(t testing.TB, result []byte, list, name string) []string {
	t.Helper()
	var out []string
	if err := rpc.Elements(rpc.Raw(result, list), func(_ int, raw []byte) error {
		text, _ := rpc.Text(raw, name)
		out = append(out, text)
		return nil
	}); err != nil {
		t.Fatalf("%s: %v", result, err)
	}
	return out
}

func inSet(name string) func(*relay.Call) { return func(c *relay.Call) { c.Set = name } }

func able(capabilities string) func(*relay.Call) {
	return func(c *relay.Call) { c.Capabilities = []byte(capabilities) }
}

func again(a relay.Answer, inputs string) func(*relay.Call) {
	return func(c *relay.Call) { c.State, c.Inputs = a.State, []byte(inputs) }
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came:", what)
		}
	}
}
