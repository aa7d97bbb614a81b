package tokens

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// world is an issuer with people, and an authorization server.
type world struct {
	t        *testing.T
	idp      *issuer.Issuer
	verifier *identity.Verifier
	as       *server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	idp, err := issuer.Start(issuer.Config{Alg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	v, err := identity.New(t.Context(), identity.Config{Anonymous: true, Issuers: []identity.IssuerConfig{{Name: "corp", Issuer: idp.URL(), JWKS: idp.JWKSURL(), Audiences: []string{"yellowjack"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return &world{t: t, idp: idp, verifier: v, as: newServer(t)}
}

// person is a principal with the token that it came with.
func (w *world) person(claims map[string]any) (*identity.Principal, string) {
	w.t.Helper()
	all := map[string]any{"aud": "yellowjack", "azp": "agent"}
	for k, v := range claims {
		all[k] = v
	}
	token, err := w.idp.Mint(all)
	if err != nil {
		w.t.Fatal(err)
	}
	p, refused := w.verifier.Verify(w.t.Context(), token)
	if refused != nil {
		w.t.Fatal(refused)
	}
	return p, token
}

// server is a token endpoint that gives tokens with numbers, and keeps what it was asked.
type server struct {
	url  string
	http *http.Client

	mu     sync.Mutex
	asked  []url.Values
	basic  []string
	status int
	answer string        // instead of a token
	life   int           // seconds
	before func(n int)   // called before the answer
	took   time.Duration // before each answer
}

func newServer(t *testing.T) *server {
	s := &server{life: 3600}
	ts := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(ts.Close)
	s.url, s.http = ts.URL+"/token", ts.Client()
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	id, secret, _ := r.BasicAuth()
	s.mu.Lock()
	s.asked = append(s.asked, r.PostForm)
	s.basic = append(s.basic, id+":"+secret)
	n, status, answer, life, before, took := len(s.asked), s.status, s.answer, s.life, s.before, s.took
	s.mu.Unlock()
	time.Sleep(took)
	if before != nil {
		before(n)
	}
	w.Header().Set("Content-Type", "application/json")
	if status != 0 {
		w.WriteHeader(status)
	}
	if answer == "" {
		kind := "Bearer"
		if r.PostForm.Get("requested_token_type") == typeJAG {
			kind = "N_A"
		}
		b, _ := json.Marshal(map[string]any{"access_token": fmt.Sprint("upstream-", n), "token_type": kind, "expires_in": life})
		answer = string(b)
	}
	_, _ = w.Write([]byte(answer))
}

func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) exchanges() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *server) last() (url.Values, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1], s.basic[len(s.basic)-1]
}

func (s *server) endpoint() Endpoint {
	return Endpoint{URL: s.url, HTTP: s.http, Client: Client{ID: "gateway", Secret: func() (string, error) { return "its secret", nil }}}
}

func memory() *Cache {
	k := store.RandomKeys()
	return &Cache{Store: store.Sealed(store.Memory(store.MemoryConfig{}), k), Keys: k}
}

// source is one that exchanges, for a server.
func (w *world) source(c *Cache) *Source {
	return &Source{
		Server: "github", Flow: Exchange{Endpoint: w.as.endpoint()}, Want: Want{Resource: "https://mcp.example.com/mcp", Scopes: []string{"b", "a"}},
		Cache: c, Assertions: &Assertions{}, Callers: []string{"corp"},
	}
}

func header(ctx context.Context, s *Source, p *identity.Principal, again bool) (string, error) {
	h, err := s.Header(ctx, &relay.Call{Principal: p}, again)
	return h.Get("Authorization"), err
}
