package mcpbroker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// ending is a server that is told whose things end.
type ending struct {
	*fake
	mu    sync.Mutex
	ended []string
}

func (e *ending) End(principal string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = append(e.ended, principal)
}

// TestFarewell: a client whose principal is revoked hears that its lists hold no more before its stream ends; one that just goes
// does not.
func TestFarewell(t *testing.T) {
	w := newWorld(t, nil)
	for name, cause := range map[string]error{"revoked": relay.ErrRevoked, "gone": nil} {
		ctx, cancel := context.WithCancelCause(t.Context())
		heard := make(chan string, 16)
		ended := make(chan error, 1)
		go func() {
			_, err := w.broker.Call(ctx, &relay.Call{
				Principal: w.sara, Method: protocol.Listen, Params: []byte(`{"notifications":{"toolsListChanged":true,"resourcesListChanged":true}}`), Capabilities: []byte("{}"),
				Notify: func(method string, _ []byte) error { heard <- method; return nil },
			})
			ended <- err
		}()
		if got := <-heard; got != protocol.NotifyAcknowledged {
			t.Fatal(got)
		}
		cancel(cause)
		<-ended
		close(heard)
		var all []string
		for one := range heard {
			all = append(all, one)
		}
		want := "[]"
		if cause != nil {
			want = fmt.Sprint([]string{protocol.NotifyTools, protocol.NotifyResources})
		}
		if fmt.Sprint(all) != want {
			t.Errorf("%s: it hears %v, want %s", name, all, want)
		}
	}
}

// TestBrokerRevoked: what is kept for a principal ends, at servers and in the lists, and nobody else's.
func TestBrokerRevoked(t *testing.T) {
	var server *ending
	w := newWorld(t, func(c *Config, w *world) {
		server = &ending{fake: w.servers["snowflake"]}
		c.Servers["snowflake"] = Server{Receiver: server} // each principal has a credential, and so lists, of her own
	})
	w.tools(w.sara)
	w.tools(w.mona)
	w.broker.Revoked(w.sara.Key())
	if fmt.Sprint(server.ended) != "[corp|sara]" {
		t.Error(server.ended)
	}
	owners := map[string]bool{}
	w.broker.catalog.mu.Lock()
	for key := range w.broker.catalog.all {
		owners[key.owner] = true
	}
	w.broker.catalog.mu.Unlock()
	if owners[w.sara.Key()] || !owners[w.mona.Key()] {
		t.Errorf("lists are kept of %v", owners)
	}
	// Who listens by a newer token hears when the list is another one now.
	sara := w.listen(w.sara, `{"notifications":{"toolsListChanged":true}}`)
	w.tools(w.sara)
	server.set(protocol.ListTools, tool("query"))
	w.broker.Revoked(w.sara.Key())
	if got := sara.next(t); got != protocol.NotifyTools {
		t.Error(got)
	}
}

// TestListenFrom: what changes once a client was told that it listens is heard, however soon it changes.
func TestListenFrom(t *testing.T) {
	w := newWorld(t, nil)
	w.tools(w.sara)
	sara := w.listen(w.sara, `{"notifications":{"toolsListChanged":true}}`, func(c *relay.Call) {
		notify := c.Notify
		c.Notify = func(method string, params []byte) error {
			if method == protocol.NotifyAcknowledged {
				w.policies(map[string]any{"tools": map[string]any{}}) // nothing is granted any more
				w.broker.PoliciesChanged()
			}
			return notify(method, params)
		}
	})
	if got := sara.next(t); got != protocol.NotifyTools {
		t.Error(got)
	}
}

// TestPresent: who was here is heard of when nothing of theirs is open, once however often they come; and there is room for so many.
func TestPresent(t *testing.T) {
	w := newWorld(t, nil)
	var mu sync.Mutex
	watched := map[string]func(){}
	var stopped atomic.Int32
	ended := make(chan string, 1)
	v := newPresent(func(p *identity.Principal, changed func()) func() {
		mu.Lock()
		defer mu.Unlock()
		if watched[p.Key()] != nil {
			t.Errorf("%s is watched twice", p.Key())
		}
		watched[p.Key()] = changed
		return func() { stopped.Add(1) }
	}, func(principal string) { ended <- principal })
	anonymous, err := identity.New(t.Context(), identity.Config{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	defer anonymous.Close()
	nobody, _ := anonymous.Anonymous()
	for _, p := range []*identity.Principal{w.sara, w.mona, w.sara, nobody} {
		v.note(p)
	}
	if len(watched) != 2 {
		t.Errorf("%d are watched", len(watched))
	}
	watched[w.sara.Key()]()
	if got := <-ended; got != w.sara.Key() {
		t.Error(got)
	}
	for i := range maxPresent - 2 {
		v.all[fmt.Sprint(i)] = &visitor{stop: func() {}, seen: v.all[w.mona.Key()].seen.Add(1)}
	}
	v.note(w.sara) // she was here later than Mona
	v.note(w.principal("bob"))
	if got := <-ended; got != w.mona.Key() || stopped.Load() != 1 || len(v.all) != maxPresent {
		t.Errorf("%s made room, %d stopped, %d present", got, stopped.Load(), len(v.all))
	}
}

// TestHandlerRevoked: a revocation that nobody's request is there to hear ends sessions and what servers keep.
func TestHandlerRevoked(t *testing.T) {
	var server *ending
	w := newWorld(t, func(c *Config, w *world) {
		server = &ending{fake: w.servers["snowflake"]}
		c.Servers["snowflake"] = Server{Receiver: server, Shared: true}
	})
	who := &changing{Verifier: w.verifier, all: map[string]func(){}}
	told := make(chan string, 2)
	url := w.serve(func(c *HandlerConfig) { c.Verifier, c.Revoked = who, func(principal string) { told <- principal } })
	client := bearing(t, w.token("sara"))
	resp, err := client.Get(url + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	who.mu.Lock()
	changed := who.all["corp|sara"]
	who.mu.Unlock()
	if changed == nil {
		t.Fatal("nobody would hear of it")
	}
	changed()
	eventually(t, "the end at the server", func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return fmt.Sprint(server.ended) == "[corp|sara]"
	})
	if got := <-told; got != "corp|sara" {
		t.Errorf("%s was told of", got)
	}
}

// changing is a verifier whose revocations a test makes.
type changing struct {
	*identity.Verifier
	mu  sync.Mutex
	all map[string]func()
}

func (c *changing) Changes(p *identity.Principal, changed func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[p.Key()] = changed
	return func() {}
}
