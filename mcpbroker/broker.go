// Package mcpbroker is the tool walk: one MCP endpoint in front of many servers, which decides for each identity what is listed and
// what may be called.
//
// Broker takes the calls that the edge makes of what clients send (package relay has their shape), and hands them on to one server
// each. A list is asked of every server of the endpoint's set at once, each for a bounded time, and is then had from memory until
// the server says that it changed or its time is over (catalog.go); a server that is down leaves the list and the rest stays. What
// is listed of it is what policy calls visible for the principal and whose description is an approved one (offer.go), under names
// that say the server (names.go). A call goes through the same door: it finds the item in that same list by that same function, or
// there is no such tool.
//
// A call (walk.go) is then: take up its state, take its grant where its tool needs one, ask policy, ask the person where policy says
// so (confirm.go), or for her account where the server is called with hers (connecting.go), relay, remember the result with its label, write it down, answer. What the server or the person has to be asked
// travels as the call's state (state.go), which the edge seals to the principal and the request; what may be used once stands in the
// store and is taken from there, so that of several brokers one gets it.
//
// The client's own credential ends in http.go, where it becomes a Principal: no type behind that has a place for it. What a server
// gets is made by a TokenSource (source.go).
package mcpbroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/seal"
	"github.com/yellowjack/yellowjack/policies"
)

// Policies decide; *policies.Engine does.
type Policies interface {
	Visible(ctx context.Context, p policies.Principal, in label.Label, tools []string) (map[string]string, error)
	Toolcall(ctx context.Context, in *policies.ToolcallInput) (policies.CallsDecision, error)
	Pins(client string, tools []policies.Tool) []policies.PinFinding
	Rules(tool string) *policies.ToolRules
}

// Ledger remembers what is handed out, and gives the grants of released calls; *provenance.Analyzer does.
type Ledger interface {
	Remember(ctx context.Context, s label.Scope, l label.Label, contents ...[]byte) error
	TakeGrant(ctx context.Context, s label.Scope, tool string, arguments []byte) (*provenance.Grant, error)
}

// Server is one server behind the broker.
type Server struct {
	Receiver relay.Receiver // a client of it
	// Shared says that all principals come to it with one credential, so that what it lists is the same for all.
	Shared bool
	// Instructions says that its own instructions for the model are passed on. They are a third party's text, and nobody pins them.
	Instructions bool
	// Account is where people connect their own accounts at it; nil where it is not called with them.
	Account Account
}

// Set is a virtual endpoint, /mcp/{set}: some of the servers, and of those some of the tools.
type Set struct {
	Servers []string // empty: all
	Tools   []string // by their full names; empty: all of these servers
	// Bare leaves the names and uris of the set's one server as they are. Policy knows its tools by their full names all the same.
	Bare bool
}

// Config is what a Broker works with.
type Config struct {
	Servers   map[string]Server
	Sets      map[string]Set
	Separator string // between a server's name and a tool's; default "__"

	Policies Policies
	Ledger   Ledger
	Store    store.Store
	Keys     *store.Keys
	Audit    audit.Sink

	Name, Version string        // of the broker, to clients
	ListTimeout   time.Duration // for a server's whole list; default 5 s
	Refresh       time.Duration // how long a list is kept that has no ttlMs; default 5 min
	Retry         time.Duration // how long a server that failed is left alone; default 5 s
	PageSize      int           // items of one page; default 1000
	StateTTL      time.Duration // how long a confirmation may take; default 10 min
	ConnectWait   time.Duration // how long a call waits for a person who connects, before it asks again; default 25 s

	Registerer prometheus.Registerer // nil counts for nobody
	Log        *slog.Logger
	Now        func() time.Time
}

// server is a server as the broker knows it.
type server struct {
	Server
	name string
}

// set is a virtual endpoint as the broker knows it.
type set struct {
	servers []*server
	tools   map[string]bool // nil: all
	names   names           // how its clients call things
}

// Broker is a relay.Receiver. It is safe for concurrent use.
type Broker struct {
	c       Config
	names   names
	sets    map[string]*set
	cursors *seal.Box
	metrics *metrics
	catalog *catalog
	hub     *hub

	stop    context.CancelFunc
	life    context.Context //nolint:containedctx // of the streams that hear of changes
	ending  chan struct{}   // closed: those who listen are sent away
	end     func()
	closing sync.Mutex
	running sync.WaitGroup
}

// New makes a broker. It asks nothing of the servers before it is asked itself.
func New(c Config) (*Broker, error) {
	if c.Policies == nil || c.Ledger == nil || c.Store == nil || c.Keys == nil || c.Audit == nil {
		return nil, errors.New("mcpbroker: policies, a ledger, a store, its keys and an audit are needed")
	}
	orDefault(&c.Separator, defaultSeparator)
	orDefault(&c.Name, "yellowjack")
	orDefault(&c.ListTimeout, 5*time.Second)
	orDefault(&c.Refresh, 5*time.Minute)
	orDefault(&c.Retry, 5*time.Second)
	orDefault(&c.PageSize, 1000)
	orDefault(&c.StateTTL, 10*time.Minute)
	orDefault(&c.ConnectWait, 25*time.Second) // less than clients' own limits, of which a minute is usual
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := checkNames(c.Separator, sortedKeys(c.Servers)); err != nil {
		return nil, err
	}
	b := &Broker{c: c, names: names{separator: c.Separator, servers: map[string]*server{}}, sets: map[string]*set{}, hub: newHub()}
	for _, name := range sortedKeys(c.Servers) {
		if c.Servers[name].Receiver == nil {
			return nil, fmt.Errorf("mcpbroker: the server %q has no client", name)
		}
		b.names.servers[name] = &server{Server: c.Servers[name], name: name}
	}
	if err := b.makeSets(); err != nil {
		return nil, err
	}
	var err error
	if b.cursors, err = seal.New(c.Keys, "mcp/cursor"); err != nil {
		return nil, err
	}
	if b.metrics, err = newMetrics(c.Registerer); err != nil {
		return nil, fmt.Errorf("mcpbroker: %w", err)
	}
	b.ending = make(chan struct{})
	b.end = sync.OnceFunc(func() { close(b.ending) })
	b.life, b.stop = context.WithCancel(context.Background())
	b.catalog = newCatalog(b)
	return b, nil
}

// makeSets resolves the names of servers and tools in sets.
func (b *Broker) makeSets() error {
	all := &set{names: b.names}
	for _, name := range sortedKeys(b.names.servers) {
		all.servers = append(all.servers, b.names.servers[name])
	}
	b.sets[""] = all
	for name, of := range b.c.Sets {
		if !setName.MatchString(name) {
			return fmt.Errorf("mcpbroker: %q is no name for a set: use lower-case letters, digits, - and _", name)
		}
		made := &set{servers: all.servers, names: b.names}
		if len(of.Servers) > 0 {
			made.servers = nil
		}
		for _, s := range slices.Compact(slices.Sorted(slices.Values(of.Servers))) {
			found := b.names.servers[s]
			if found == nil {
				return fmt.Errorf("mcpbroker: the set %q has a server %q that there is not", name, s)
			}
			made.servers = append(made.servers, found)
		}
		if of.Bare {
			if len(made.servers) != 1 {
				return fmt.Errorf("mcpbroker: the set %q is bare, which takes one server: of two, tools could be called alike", name)
			}
			made.names = b.names.bareOf(made.servers[0])
		}
		for _, tool := range of.Tools {
			s, _, ok := b.names.split(tool)
			if !ok || !slices.Contains(made.servers, s) {
				return fmt.Errorf("mcpbroker: the set %q has a tool %q that is of none of its servers", name, tool)
			}
			if made.tools == nil {
				made.tools = map[string]bool{}
			}
			made.tools[tool] = true
		}
		b.sets[name] = made
	}
	return nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// HasSet tells whether there is an endpoint of that name; "" is the one of all servers.
func (b *Broker) HasSet(name string) bool { return b.sets[name] != nil }

// Drain sends those who listen for changes away, and takes no more of them: their streams would never end.
func (b *Broker) Drain() { b.end() }

// Close ends everything that the broker does by itself.
func (b *Broker) Close() {
	b.end()
	b.closing.Lock()
	b.stop()
	b.closing.Unlock()
	b.running.Wait()
}

// Call answers a call of a client.
func (b *Broker) Call(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	in := b.sets[c.Set]
	if in == nil {
		return refused(rpc.CodeInvalidParams, "there is no such endpoint"), nil
	}
	if err := b.await(ctx, c); err != nil {
		return relay.Answer{}, err
	}
	switch c.Method {
	case protocol.Discover:
		return b.discover(ctx, c, in)
	case protocol.ListTools, protocol.ListPrompts, protocol.ListResources, protocol.ListTemplates:
		return b.list(ctx, c, in, kindOf(c.Method))
	case protocol.Listen:
		return b.listen(ctx, c, in)
	case protocol.CallTool:
		return b.callTool(ctx, c, in)
	case protocol.ReadResource:
		return b.readResource(ctx, c, in)
	case protocol.GetPrompt:
		return b.getPrompt(ctx, c, in)
	case protocol.Complete:
		return b.complete(ctx, c, in)
	}
	return refused(rpc.CodeNoMethod, "there is no such method"), nil
}

// refused is an answer of ours that says no.
func refused(code int, message string) relay.Answer {
	return relay.Answer{Err: &relay.Error{Code: code, Message: message}}
}

// subjectOf is a principal as policies see it.
func subjectOf(p *identity.Principal) policies.Principal {
	return policies.Principal{
		Issuer: p.Issuer(), Subject: p.Subject(), User: p.User(), Client: p.Client(), Tenant: p.Tenant(), Actor: p.Actor(),
		Groups: p.Groups(), Teams: p.Teams(), Scopes: p.Scopes(), Subjects: p.Subjects(), Anonymous: p.IsAnonymous(),
	}
}

func scopeOf(p *identity.Principal) label.Scope {
	return label.Scope{Tenant: p.Tenant(), Principal: p.Key()}
}
