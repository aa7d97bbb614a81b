package identity

import (
	"net/http"
	"testing"

	fake "github.com/yellowjack/yellowjack/internal/fake/issuer"
)

// An ID token is taken of the one issuer, for the one client and in answer to the one question, and is the same person's as her
// access token.
func TestVerifyLogin(t *testing.T) {
	corp, err := fake.New(fake.Config{URL: corpURL, Alg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	partner, err := fake.New(fake.Config{URL: partnerURL, Alg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	w := &http.Client{Transport: wire{corpURL: corp, partnerURL: partner}}
	v, err := New(t.Context(), Config{HTTPClient: w, Issuers: []IssuerConfig{
		{Name: "corp", Issuer: corpURL, Audiences: []string{"yellowjack"}}, {Name: "partner", Issuer: partnerURL, Audiences: []string{"yellowjack"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	want := Login{Issuer: "corp", Client: "connect", Nonce: "n1"}
	for _, c := range []struct {
		name   string
		by     *fake.Issuer
		header map[string]any
		claims map[string]any
		want   Login
		taken  bool
	}{
		{"hers", corp, nil, nil, want, true},
		{"with azp", corp, nil, map[string]any{"azp": "connect", "aud": []string{"connect", "other"}}, want, true},
		{"another issuer's", partner, nil, nil, want, false},
		{"another client's", corp, nil, map[string]any{"aud": "yellowjack"}, want, false},
		{"made for another of two", corp, nil, map[string]any{"aud": []string{"connect", "other"}, "azp": "other"}, want, false},
		{"of two without azp", corp, nil, map[string]any{"aud": []string{"connect", "other"}}, want, false},
		{"another question", corp, nil, map[string]any{"nonce": "n2"}, want, false},
		{"no question", corp, nil, map[string]any{"nonce": nil}, want, false},
		{"none asked", corp, nil, map[string]any{"nonce": ""}, Login{Issuer: "corp", Client: "connect"}, false},
		{"an access token", corp, map[string]any{"typ": "at+jwt"}, nil, want, false},
		{"a logout token", corp, nil, map[string]any{"events": map[string]any{}}, want, false},
		{"ended", corp, nil, map[string]any{"exp": 1}, want, false},
		{"a client's", corp, nil, map[string]any{"sub": "connect", "azp": "connect"}, want, false},
		{"nobody's", corp, nil, map[string]any{"sub": nil, "azp": "connect"}, want, false},
		{"an actor's", corp, nil, map[string]any{"act": map[string]any{"sub": "agent"}}, want, false},
	} {
		claims := map[string]any{"aud": "connect", "nonce": "n1"}
		for k, x := range c.claims {
			claims[k] = x
		}
		p, r := v.VerifyLogin(t.Context(), mintWith(t, c.by, c.header, claims), c.want)
		if (r == nil) != c.taken || (p != nil) != c.taken {
			t.Errorf("%s: %v %v", c.name, p, r)
		}
		if p != nil && p.Key() != mustVerify(t, v, mint(t, corp, nil)).Key() {
			t.Errorf("%s: %s is somebody else", c.name, p.Key())
		}
	}
}
