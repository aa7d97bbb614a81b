package edge

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
)

// watched are those who are to be told of a revocation.
type watched struct {
	mu  sync.Mutex
	all map[*func()]string
}

func (w *watched) watch(p *identity.Principal, revoked func()) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[&revoked] = p.Key()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, &revoked)
	}
}

func (w *watched) revoke(key string) {
	w.mu.Lock()
	var told []func()
	for f, of := range w.all {
		if of == key {
			told = append(told, *f)
		}
	}
	w.mu.Unlock()
	for _, f := range told {
		f()
	}
}

func (w *watched) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}

// TestRevoked: whatever a principal has open ends when its token counts no more, with an answer that says so; what another has goes on.
func TestRevoked(t *testing.T) {
	who := &watched{all: map[*func()]string{}}
	w := newWorld(t, func(c *Config) { c.Watch = who.watch })
	body, kv := modern(protocol.CallTool, `"name":"slow",`, "")
	mallory := w.request(t.Context(), http.MethodPost, "/mcp", body, append(kv, "Authorization", "Bearer "+w.tokens["mallory"])...)
	modernCall := w.request(t.Context(), http.MethodPost, "/mcp", body, kv...)
	listenBody, listenKV := modern(protocol.Listen, `"notifications":{"toolsListChanged":true},`, "")
	modernStream := events(w.request(t.Context(), http.MethodPost, "/mcp", listenBody, listenKV...))
	if got := modernStream(); !strings.Contains(got, protocol.NotifyAcknowledged) {
		t.Fatal(got)
	}
	id, _ := w.initialize(protocol.V20251125, "")
	legacyCall := w.request(t.Context(), http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"slow"}}`, "Mcp-Session-Id", id)
	legacyStream := events(w.request(t.Context(), http.MethodGet, "/mcp", "", "Mcp-Session-Id", id))
	ctx, cancel := context.WithCancel(t.Context())
	w.request(ctx, http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":"gone","method":"tools/call","params":{"name":"slow"}}`, "Mcp-Session-Id", id)
	cancel() // it goes on without its client

	who.revoke("corp|sara")
	for range 5 {
		<-w.behind.ended
	}
	for name, next := range map[string]func() string{"modern call": events(modernCall), "modern stream": modernStream, "legacy call": events(legacyCall)} {
		if got := next(); !strings.Contains(got, `"error"`) || !strings.Contains(got, "revoked") {
			t.Errorf("%s: %s", name, got)
		}
		if got := next(); got != "" {
			t.Errorf("%s goes on: %s", name, got)
		}
	}
	if got := legacyStream(); got != "" {
		t.Errorf("the session's stream goes on: %s", got)
	}
	close(w.behind.release)
	if got := events(mallory)(); !strings.Contains(got, `"result"`) {
		t.Errorf("another principal's call: %s", got)
	}
	mallory.Body.Close()
	for who.left() > 0 { // its handlers have returned a moment later
		if t.Context().Err() != nil {
			t.Fatalf("%d watch for ever", who.left())
		}
	}
}

// TestRevokedSessions: a principal's sessions are gone, and nobody else's.
func TestRevokedSessions(t *testing.T) {
	w := newWorld(t, nil)
	id, _ := w.initialize(protocol.V20251125, "")
	other, _ := w.initialize(protocol.V20251125, "")
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, one := range []string{id, other} {
		if status, answer := w.post(ping, "Mcp-Session-Id", one); status != http.StatusOK {
			t.Fatal(status, answer)
		}
	}
	w.edge.Revoked("corp|mallory")
	if status, _ := w.post(ping, "Mcp-Session-Id", id); status != http.StatusOK {
		t.Error("another principal's session ended")
	}
	w.edge.Revoked("corp|sara")
	for _, one := range []string{id, other} {
		if status, _ := w.post(ping, "Mcp-Session-Id", one); status != http.StatusNotFound {
			t.Error("a session lives on", status)
		}
	}
	fresh, _ := w.initialize(protocol.V20251125, "")
	if status, _ := w.post(ping, "Mcp-Session-Id", fresh); status != http.StatusOK {
		t.Error(status)
	}
}
