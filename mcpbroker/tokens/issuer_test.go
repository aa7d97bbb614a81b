package tokens

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
)

const callback = "https://gw.example.com/connect/callback"

// behaving is an authorization server that checks all that it is shown.
func (w *world) behaving(trusts ...*issuer.Issuer) *issuer.Issuer {
	w.t.Helper()
	as, err := issuer.Start(issuer.Config{Alg: "ES256", Clients: map[string]string{"gateway": "its secret"}, Redirects: map[string][]string{"gateway": {callback}}, Trusts: trusts})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = as.Close() })
	return as
}

func (w *world) at(as *issuer.Issuer) Endpoint {
	return Endpoint{
		Server: &Server{Issuer: as.URL(), HTTP: http.DefaultClient}, HTTP: http.DefaultClient,
		Client: Client{ID: "gateway", Secret: func() (string, error) { return "its secret", nil }},
	}
}

// TestIssuer: an authorization server that verifies what it is shown gives a token of hers by each flow, and none for somebody whom it
// does not know.
func TestIssuer(t *testing.T) {
	w := newWorld(t)
	as := w.behaving()
	theirs := w.behaving(as)
	v, err := identity.New(t.Context(), identity.Config{Issuers: []identity.IssuerConfig{{Name: "corp", Issuer: as.URL(), JWKS: as.JWKSURL(), Audiences: []string{"yellowjack"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	token, err := as.Mint(map[string]any{"sub": "sara"})
	if err != nil {
		t.Fatal(err)
	}
	sara, refused := v.Verify(t.Context(), token)
	if refused != nil {
		t.Fatal(refused)
	}
	kim, kims := w.person(map[string]any{"sub": "kim"}) // of another issuer, which the server does not know
	for _, c := range []struct {
		flow Flow
		by   *issuer.Issuer
		want map[string]any
	}{
		{Exchange{Endpoint: w.at(as)}, as, map[string]any{"sub": "sara", "aud": "https://mcp.example.com/mcp", "scope": "b a", "act": "gateway"}},
		{Exchange{Endpoint: w.at(as), Actor: func() (string, error) { return as.Mint(map[string]any{"sub": "robot"}) }}, as, map[string]any{"sub": "sara", "act": "robot"}},
		{OnBehalfOf{Endpoint: w.at(as)}, as, map[string]any{"sub": "sara", "scope": "b a"}},
		{IDJAG{Issuer: w.at(as), Audience: theirs.URL(), Server: w.at(theirs)}, theirs, map[string]any{"sub": "sara", "aud": "https://mcp.example.com/mcp", "scope": "b a"}},
		{Own{Endpoint: w.at(as)}, as, map[string]any{"sub": "gateway", "aud": "https://mcp.example.com/mcp"}},
	} {
		s := w.source(memory())
		s.Flow = c.flow
		s.Assertions.Hold(sara, token)
		h, err := header(t.Context(), s, sara, false)
		got := strings.TrimPrefix(h, "Bearer ")
		if err != nil || got == token {
			t.Errorf("%s: %v", c.flow.name(), err)
			continue
		}
		_, claims, err := c.by.Open(got)
		if err != nil {
			t.Fatal(c.flow.name(), err)
		}
		if act, ok := claims["act"].(map[string]any); ok {
			claims["act"] = act["sub"]
		}
		for name, want := range c.want {
			if claims[name] != want {
				t.Errorf("%s: %s is %v", c.flow.name(), name, claims[name])
			}
		}
		if c.flow.shared() {
			continue
		}
		s.Assertions.Hold(kim, kims)
		if h, err := header(t.Context(), s, kim, false); !errors.Is(err, ErrRefused) || h != "" {
			t.Errorf("%s for Kim: %q %v", c.flow.name(), h, err)
		}
	}
}

// TestIssuerConnects: a person connects in her browser by code and PKCE, her tokens are renewed by refresh tokens that are good once,
// and one that was used by somebody else as well ends her connection.
func TestIssuerConnects(t *testing.T) {
	w := newWorld(t)
	as := w.behaving()
	as.SignIn(map[string]any{"sub": "sara at the server"})
	s := w.connected(memory())
	flow := Code{Endpoint: w.at(as), Redirect: callback}
	s.Flow = flow
	sara, _ := w.person(map[string]any{"sub": "sara"})
	browse := func(verifier string) url.Values {
		t.Helper()
		at, err := flow.Start(t.Context())
		if err != nil || at != (Start{URL: as.AuthorizeURL(), Issuer: as.URL(), Names: true}) {
			t.Fatal(at, err)
		}
		to, err := flow.URL(at, s.Want, "the state", verifier, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := c.Get(to)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		back, err := res.Location()
		if err != nil || !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("state") != "the state" || back.Query().Get("iss") != as.URL() {
			t.Fatal(back, err)
		}
		return back.Query()
	}
	verifier := strings.Repeat("v", 43)
	if err := s.Connect(t.Context(), sara, browse(verifier).Get("code"), verifier+"x"); !errors.Is(err, ErrRefused) {
		t.Errorf("with another verifier: %v", err)
	}
	w.wants(s, sara, "", ErrConnect)
	code := browse(verifier).Get("code")
	if err := s.Connect(t.Context(), sara, code, verifier); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 3 {
		h, err := header(t.Context(), s, sara, false)
		if err != nil || seen[h] {
			t.Fatalf("%q %v", h, err)
		}
		seen[h] = true
		if _, claims, err := as.Open(strings.TrimPrefix(h, "Bearer ")); err != nil || claims["sub"] != "sara at the server" || claims["aud"] != "https://mcp.example.com/mcp" {
			t.Error(claims, err)
		}
		w.ends(s, sara)
	}
	_, at, err := s.person(t.Context(), sara)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := s.Cache.granted(t.Context(), at)
	if err != nil || stolen == "" {
		t.Fatal(stolen, err)
	}
	if _, err := flow.fetch(context.Background(), stolen, s.Want); err != nil { // whoever stole it is first
		t.Fatal(err)
	}
	w.wants(s, sara, "", ErrConnect)
	if there, err := s.Connected(t.Context(), sara); there || err != nil {
		t.Errorf("she is connected still: %v %v", there, err)
	}
}
