package issuer

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, cfg Config) (*Issuer, *http.Client) {
	t.Helper()
	i, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i, c
}

// Every kind of key signs what another implementation verifies by the published set.
func TestSignsAndPublishes(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		i, c := start(t, Config{Alg: alg})
		set, err := jwk.Fetch(t.Context(), i.JWKSURL(), jwk.WithHTTPClient(c))
		if err != nil {
			t.Fatal(alg, err)
		}
		raw, err := i.Mint(map[string]any{"sub": "sara", "groups": []string{"finance"}, "jti": nil})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := jwt.Parse([]byte(raw), jwt.WithKeySet(set), jwt.WithIssuer(i.URL()), jwt.WithAudience("yellowjack"))
		if err != nil {
			t.Fatal(alg, err)
		}
		if sub, _ := tok.Subject(); sub != "sara" {
			t.Error(alg, sub)
		}
		if tok.Has("jti") {
			t.Error("a claim that is nil was minted")
		}
	}
}

func TestRotateAndAdd(t *testing.T) {
	i, _ := start(t, Config{Alg: "EdDSA"})
	kids := func() string {
		var set struct{ Keys []struct{ Kid string } }
		if err := json.Unmarshal(i.JWKS(), &set); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, k := range set.Keys {
			out = append(out, k.Kid)
		}
		return strings.Join(out, " ")
	}
	if _, err := i.AddKey("ES256"); err != nil || kids() != "key-1 key-2" {
		t.Error(kids(), err)
	}
	if kid, err := i.Rotate("EdDSA"); err != nil || kid != "key-3" || kids() != "key-3" {
		t.Error(kids(), err)
	}
	if _, err := i.AddKey("HS256"); err == nil {
		t.Error("made a key for HS256")
	}
}

func TestDown(t *testing.T) {
	i, c := start(t, Config{Alg: "EdDSA"})
	i.SetDown(true)
	if res, err := c.Get(i.JWKSURL()); err == nil {
		t.Fatal("a down issuer answered", res.Status, res.Body.Close())
	}
	i.SetDown(false)
	res, err := c.Get(i.JWKSURL())
	if err != nil || res.StatusCode != 200 {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || i.Fetches() < 2 {
		t.Error(err, i.Fetches())
	}
}

func TestClientCredentials(t *testing.T) {
	i, c := start(t, Config{Alg: "EdDSA", Clients: map[string]string{"agent": "s3cret"}})
	raw, err := i.Token(t.Context(), c, "agent", "s3cret")
	if err != nil || strings.Count(raw, ".") != 2 {
		t.Fatal(raw, err)
	}
	if _, err := i.Token(t.Context(), c, "agent", "wrong"); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Error(err)
	}
	if _, err := i.Token(t.Context(), c, "nobody", ""); err == nil {
		t.Error("an unknown client got a token")
	}
	for _, tt := range []struct {
		form url.Values
		want int
	}{
		{url.Values{"grant_type": {"password"}, "client_id": {"agent"}, "client_secret": {"s3cret"}}, 400},
		{url.Values{"grant_type": {"client_credentials"}, "client_id": {"agent"}, "client_secret": {"s3cret"}, "scope": {"a b"}}, 200},
		{url.Values{"grant_type": {"client_credentials"}}, 401},
	} {
		res, err := c.PostForm(i.TokenURL(), tt.form)
		if err != nil || res.StatusCode != tt.want {
			t.Errorf("%v: %v %v", tt.form, res.StatusCode, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
