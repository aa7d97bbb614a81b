package tokens

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
)

func (w *world) connected(c *Cache) *Source {
	s := w.source(c)
	s.Flow = Code{Authorization: "https://as.example.com/authorize?audience=x&keep=1", Endpoint: w.as.endpoint(), Redirect: "https://gw.example.com/connect/callback"}
	return s
}

// grants sets what the authorization server answers.
func (w *world) grants(access, refresh string) {
	w.as.set(func() {
		w.as.status = 0
		w.as.answer = `{"access_token":"` + access + `","token_type":"Bearer","expires_in":3600,"refresh_token":"` + refresh + `"}`
	})
}

func (w *world) refuses(code string) {
	w.as.set(func() { w.as.status, w.as.answer = 400, `{"error":"`+code+`"}` })
}

// connect connects, as she does in her browser.
func (w *world) connect(s *Source, p *identity.Principal, access, refresh string) {
	w.t.Helper()
	w.grants(access, refresh)
	if err := s.Connect(w.t.Context(), p, "the code", "the verifier"); err != nil {
		w.t.Fatal(err)
	}
}

// ends lets her access token end.
func (w *world) ends(s *Source, p *identity.Principal) {
	w.t.Helper()
	_, at, err := s.person(w.t.Context(), p)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.Cache.Store.Do(w.t.Context(), &store.Delete{Key: at.name}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wants(s *Source, p *identity.Principal, token string, want error) {
	w.t.Helper()
	got, err := header(w.t.Context(), s, p, false)
	if want != nil && !errors.Is(err, want) || want == nil && (err != nil || got != "Bearer "+token) {
		w.t.Fatalf("got %q, %v; want %q, %v", got, err, token, want)
	}
}

func TestConnect(t *testing.T) {
	w := newWorld(t)
	s := w.connected(memory())
	sara, _ := w.person(map[string]any{"sub": "sara"})
	bob, _ := w.person(map[string]any{"sub": "bob"})
	w.wants(s, sara, "", ErrConnect)
	w.wants(s, sara, "", ErrConnect) // it is not remembered as a failure
	if w.as.exchanges() != 0 {
		t.Fatal("somebody was asked without a connection")
	}
	w.connect(s, sara, "a1", "r1")
	form, _ := w.as.last()
	for name, want := range map[string]string{
		"grant_type": "authorization_code", "code": "the code", "code_verifier": "the verifier",
		"redirect_uri": "https://gw.example.com/connect/callback", "resource": "https://mcp.example.com/mcp",
	} {
		if form.Get(name) != want {
			t.Errorf("%s = %q", name, form.Get(name))
		}
	}
	w.wants(s, sara, "a1", nil)
	w.wants(s, bob, "", ErrConnect)
	elsewhere, _ := w.person(map[string]any{"sub": "sara", "azp": "another application"})
	w.wants(s, elsewhere, "a1", nil)
	actor, _ := w.person(map[string]any{"sub": "sara", "act": map[string]any{"sub": "robot"}})
	w.wants(s, actor, "", ErrConnect)
	nobody, _ := w.verifier.Anonymous()
	if err := s.Connect(t.Context(), nobody, "c", "v"); !errors.Is(err, ErrNobody) {
		t.Error("nobody in particular connected", err)
	}
	if err := s.Disconnect(t.Context(), sara); err != nil {
		t.Fatal(err)
	}
	w.wants(s, sara, "", ErrConnect)
}

// A refresh token that was used is replaced; one that comes with no other is used again.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	s := w.connected(memory())
	sara, _ := w.person(map[string]any{"sub": "sara"})
	w.connect(s, sara, "a1", "r1")
	for _, step := range []struct{ access, next, used string }{{"a2", "r2", "r1"}, {"a3", "r3", "r2"}, {"a4", "", "r3"}, {"a5", "r5", "r3"}} {
		w.ends(s, sara)
		w.grants(step.access, step.next)
		w.wants(s, sara, step.access, nil)
		form, _ := w.as.last()
		if form.Get("grant_type") != "refresh_token" || form.Get("refresh_token") != step.used || form.Get("resource") == "" {
			t.Fatalf("%s: asked with %v", step.access, form)
		}
	}
}

// A refused refresh token ends the connection; a server that is away, or refuses something else, does not.
func TestRefreshRefused(t *testing.T) {
	w := newWorld(t)
	s := w.connected(memory())
	sara, _ := w.person(map[string]any{"sub": "sara"})
	for code, ends := range map[string]bool{"invalid_grant": true, "invalid_client": false, "temporarily_unavailable": false} {
		w.connect(s, sara, "a1", "r1")
		w.ends(s, sara)
		w.refuses(code)
		want := ErrRefused
		if ends {
			want = ErrConnect
		}
		w.wants(s, sara, "", want)
		if there, err := s.Connected(t.Context(), sara); err != nil || there == ends {
			t.Errorf("%s: connected %v, %v", code, there, err)
		}
		if asked := w.as.exchanges(); ends {
			w.wants(s, sara, "", ErrConnect)
			if w.as.exchanges() != asked {
				t.Error("a refused refresh token was used again")
			}
		}
	}
}

// Two brokers use a refresh token once, however many calls want it.
func TestOneRefresh(t *testing.T) {
	w := newWorld(t)
	first := w.connected(memory())
	second := w.connected(&Cache{Store: first.Cache.Store, Keys: first.Cache.Keys})
	sara, _ := w.person(map[string]any{"sub": "sara"})
	w.connect(first, sara, "a1", "r1")
	w.ends(first, sara)
	w.grants("a2", "r2")
	asked := w.as.exchanges()
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			got, err := header(t.Context(), []*Source{first, second}[i%2], sara, false)
			if err != nil || got != "Bearer a2" {
				t.Error(got, err)
			}
		})
	}
	all.Wait()
	if n := w.as.exchanges() - asked; n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// What comes of a refresh is thrown away when she disconnected, or connected anew, while it was on its way.
func TestMeanwhile(t *testing.T) {
	w := newWorld(t)
	s := w.connected(memory())
	sara, _ := w.person(map[string]any{"sub": "sara"})
	w.connect(s, sara, "a1", "r1")
	w.ends(s, sara)
	w.grants("a2", "r2")
	w.as.set(func() {
		w.as.before = func(int) {
			if err := s.Disconnect(context.Background(), sara); err != nil {
				t.Error(err)
			}
		}
	})
	if got, err := header(t.Context(), s, sara, false); err == nil {
		t.Error("a token came of a connection that is gone", got)
	}
	// The refresh itself says so too.
	w.as.set(func() { w.as.before = nil })
	w.connect(s, sara, "a1", "r1")
	_, at, err := s.person(t.Context(), sara)
	if err != nil {
		t.Fatal(err)
	}
	w.as.set(func() {
		w.as.before = func(int) {
			if err := s.Disconnect(context.Background(), sara); err != nil {
				t.Error(err)
			}
		}
	})
	if got, err := s.refresh(t.Context(), at, s.Flow.(Code)); err == nil || got.token != "" {
		t.Error("the refresh gave a token of a connection that is gone", err)
	}
	if there, err := s.Connected(t.Context(), sara); there || err != nil {
		t.Error("the refresh brought the connection back", err)
	}
}

// Another epoch leaves connections behind.
func TestEpochDisconnects(t *testing.T) {
	w := newWorld(t)
	s := w.connected(memory())
	epoch := int64(1)
	s.Cache.Epoch = func(context.Context, string) (int64, error) { return epoch, nil }
	sara, _ := w.person(map[string]any{"sub": "sara"})
	w.connect(s, sara, "a1", "r1")
	w.wants(s, sara, "a1", nil)
	epoch = 2
	w.wants(s, sara, "", ErrConnect)
}

// spy keeps what is put.
type spy struct {
	store.Store
	seen [][]byte
}

func (s *spy) Do(ctx context.Context, ops ...store.Op) error {
	for _, op := range ops {
		switch o := op.(type) {
		case *store.Put:
			s.seen = append(s.seen, o.Value)
		case *store.PutOwned:
			s.seen = append(s.seen, o.Value)
		}
	}
	return s.Store.Do(ctx, ops...)
}

// Refresh tokens are sealed before the store seals all.
func TestRefreshSealed(t *testing.T) {
	w := newWorld(t)
	cache := memory()
	watched := &spy{Store: cache.Store}
	cache.Store = watched
	s := w.connected(cache)
	sara, _ := w.person(map[string]any{"sub": "sara"})
	w.connect(s, sara, "access-one", "refresh-one")
	w.ends(s, sara)
	w.grants("access-two", "refresh-two")
	w.wants(s, sara, "access-two", nil)
	joined := bytes.Join(watched.seen, nil)
	if !bytes.Contains(joined, []byte("access-two")) { // the spy sees values before the store's own sealing
		t.Fatal("the spy saw nothing")
	}
	if bytes.Contains(joined, []byte("refresh-")) {
		t.Error("a refresh token went to the store as it is")
	}
}

func TestAuthorizationURL(t *testing.T) {
	w := newWorld(t)
	s := w.connected(memory())
	flow := s.Flow.(Code)
	at, err := flow.Start(t.Context())
	if err != nil || at.Issuer != "" || at.Names {
		t.Fatal(at, err)
	}
	text, err := flow.URL(at, s.Want, "the state", "the verifier", url.Values{"nonce": {"n"}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("the verifier"))
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "gateway", "redirect_uri": "https://gw.example.com/connect/callback", "state": "the state", "nonce": "n",
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256", "scope": "b a", "resource": "https://mcp.example.com/mcp", "keep": "1",
	} {
		if got := u.Query()[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q", name, got)
		}
	}
	if u.Query().Has("audience") || strings.Contains(text, "the+verifier") {
		t.Error(text)
	}
}

// TestStart: where her browser goes, the server says itself; one that does not say that it has PKCE is not gone to, unless a nonce binds
// its answer.
func TestStart(t *testing.T) {
	for name, c := range map[string]struct {
		said  string
		nonce bool
		want  Start
		err   error
	}{
		"all":       {`"authorization_endpoint":"https://as.example.com/authorize","code_challenge_methods_supported":["plain","S256"],"authorization_response_iss_parameter_supported":true`, false, Start{URL: "https://as.example.com/authorize", Names: true}, nil},
		"no name":   {`"authorization_endpoint":"https://as.example.com/authorize","code_challenge_methods_supported":["S256"]`, false, Start{URL: "https://as.example.com/authorize"}, nil},
		"no S256":   {`"authorization_endpoint":"https://as.example.com/authorize","code_challenge_methods_supported":["plain"]`, false, Start{}, ErrRefused},
		"no PKCE":   {`"authorization_endpoint":"https://as.example.com/authorize"`, false, Start{}, ErrRefused},
		"a nonce":   {`"authorization_endpoint":"https://as.example.com/authorize"`, true, Start{URL: "https://as.example.com/authorize"}, nil},
		"a script":  {`"authorization_endpoint":"javascript:alert(1)","code_challenge_methods_supported":["S256"]`, false, Start{}, ErrRefused},
		"not there": {`"code_challenge_methods_supported":["S256"]`, false, Start{}, ErrRefused},
	} {
		var id string
		ts := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(rw, `{"issuer":%q,"token_endpoint":"https://as.example.com/token",%s}`, id, c.said)
		}))
		id = ts.URL
		flow := Code{Endpoint: Endpoint{Server: &Server{Issuer: id, HTTP: ts.Client()}}, Nonce: c.nonce}
		if c.err == nil {
			c.want.Issuer = id
		}
		if got, err := flow.Start(t.Context()); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		ts.Close()
	}
}
