package upstream

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// heard is what one who listens heard.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) has(what string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.all, what)
}

func (h *heard) count(what string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.all {
		if s == what {
			n++
		}
	}
	return n
}

// listenTo listens until the returned function is called.
func listenTo(t *testing.T, u *Upstream, filter string) (*heard, func()) {
	t.Helper()
	h := &heard{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	p := principal(t)
	go func() {
		defer close(done)
		_, _ = u.Call(ctx, &relay.Call{
			Principal: p, Method: protocol.Listen, Params: []byte(`{"notifications":{` + filter + `}}`), Capabilities: []byte("{}"),
			Notify: func(method string, params []byte) error {
				h.mu.Lock()
				defer h.mu.Unlock()
				if uri, ok := rpc.Text(params, "uri"); ok {
					method = uri
				}
				h.all = append(h.all, method)
				return nil
			},
		})
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return h, stop
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came:", what)
		}
	}
}

// TestEar: all who listen to a session share its one stream, each hears what it asked for, and a lost session is listened to anew.
func TestEar(t *testing.T) {
	c := mcpserver.Suite()
	c.NoModern = true
	s, err := mcpserver.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	u := client(t, s.URL(), nil)
	one, _ := listenTo(t, u, `"resourceSubscriptions":["test://a","test://both"]`)
	two, stop := listenTo(t, u, `"resourceSubscriptions":["test://b","test://both"]`)
	until(t, "the subscriptions", func() bool { return s.Count("resources/subscribe") == 3 })
	for _, uri := range []string{"test://a", "test://b", "test://both", "test://both"} {
		s.Updated(uri)
	}
	s.Change(protocol.NotifyTools, func(*mcpserver.Config) {})
	until(t, "the change", func() bool { return one.has(protocol.NotifyTools) && two.has(protocol.NotifyTools) })
	if one.count("test://a") != 1 || one.has("test://b") || one.count("test://both") != 2 || two.has("test://a") || two.count("test://b") != 1 || two.count("test://both") != 2 {
		t.Errorf("one heard %v, two heard %v", one.all, two.all)
	}
	if n := s.Count("GET"); n != 1 {
		t.Errorf("%d streams were asked for", n)
	}
	// Who comes back at once finds the server subscribed; what nobody wants ends.
	stop()
	_, stop = listenTo(t, u, `"resourceSubscriptions":["test://b"]`)
	u.mu.Lock()
	var e *ear
	for _, session := range u.sessions {
		e = session.ear
	}
	u.mu.Unlock()
	until(t, "the second", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.want["test://b"] == 1 })
	if n := s.Count("resources/subscribe"); n != 3 {
		t.Errorf("it was told %d times", n)
	}
	stop()
	e.clean(&relay.Call{Principal: principal(t), Capabilities: []byte("{}")})
	if n := s.Count("resources/unsubscribe"); n != 1 {
		t.Errorf("%d unsubscribed", n)
	}
	// The server restarts.
	acks := one.count(protocol.NotifyAcknowledged)
	s.Restart()
	if _, err := u.Call(t.Context(), &relay.Call{Principal: principal(t), Method: protocol.ListTools, Params: []byte("{}"), Capabilities: []byte("{}")}); err != nil {
		t.Error(err)
	}
	until(t, "another acknowledgement", func() bool { return one.count(protocol.NotifyAcknowledged) > acks })
	until(t, "the subscriptions anew", func() bool { return s.Count("resources/subscribe") == 5 })
	s.Updated("test://a")
	until(t, "the update", func() bool { return one.count("test://a") == 2 })
}

// TestLegacyCapabilities: a server is promised what is kept.
func TestLegacyCapabilities(t *testing.T) {
	for given, want := range map[string]string{
		``:   `{}`,
		`{}`: `{}`,
		`{"roots":{"listChanged":true},"sampling":{"tools":{}},"extensions":{"x/y":{}}}`: `{"roots":{},"sampling":{"tools":{}}}`,
		`{"elicitation":{"form":{},"url":{}}}`:                                           `{"elicitation":{"form":{},"url":{}}}`,
	} {
		if got := string(legacyCapabilities([]byte(given))); got != want {
			t.Errorf("%s becomes %s", given, got)
		}
	}
}
