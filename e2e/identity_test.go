package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
)

// TestTokens: whoever is not verified gets nowhere, and is told why.
func TestTokens(t *testing.T) {
	g := shared(t)
	good := sara(t)
	foreign, err := issuer.New(issuer.Config{URL: theStage.corp.URL()}) // says that it is corp, and has its own key
	if err != nil {
		t.Fatal(err)
	}
	forged, err := foreign.Mint(object{"sub": "sara", "groups": []string{"finance"}})
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := issuer.New(issuer.Config{URL: "http://127.0.0.1:9/"})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := unknown.Mint(object{"sub": "sara"})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	unsigned := segment(t, object{"alg": "none", "typ": "JWT"}) + "." + parts[1] + "."
	for _, c := range []struct{ name, token, code string }{
		{"none", "", "no_credential"},
		{"no token at all", "hello", "bad_credential"},
		{"another's signature", forged, "bad_credential"},
		{"a changed signature", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), "bad_credential"},
		{"changed claims", parts[0] + "." + segment(t, object{"iss": theStage.corp.URL(), "sub": "mona", "aud": "yellowjack", "exp": time.Now().Add(time.Hour).Unix()}) + "." + parts[2], "bad_credential"},
		{"no signature", unsigned, "bad_credential"},
		{"the public key as an HMAC secret", confused(t, parts[1]), "bad_credential"},
		{"expired", token(t, object{"sub": "sara", "exp": time.Now().Add(-time.Minute).Unix()}), "expired_token"},
		{"another audience", token(t, object{"sub": "sara", "aud": "payroll"}), "wrong_audience"},
		{"an unknown issuer", stranger, "unknown_issuer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, stream bool) {
				g.ask(t, chat{token: c.token, say: "hi", stream: stream}).refused(t, 401, c.code)
			})
			a := g.get(t, http.MethodGet, "/v1/models", c.token)
			a.refused(t, 401, c.code)
		})
	}
}

func segment(t *testing.T, v object) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// confused signs by HS256 with what everyone knows: the issuer's public keys.
func confused(t *testing.T, claims string) string {
	t.Helper()
	input := segment(t, object{"alg": "HS256", "typ": "JWT", "kid": "key-1"}) + "." + claims
	mac := hmac.New(sha256.New, theStage.corp.JWKS())
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TestCredentials: the SDKs put the one credential in different places; none of it goes on to the provider.
func TestCredentials(t *testing.T) {
	g := shared(t)
	good := sara(t)
	for _, c := range []struct {
		name   string
		header map[string]string
		path   string
	}{
		{"authorization", map[string]string{"Authorization": "Bearer " + good}, ""},
		{"a small bearer", map[string]string{"Authorization": "bearer " + good}, ""},
		{"x-api-key", map[string]string{"X-Api-Key": good}, ""},
		{"api-key", map[string]string{"Api-Key": good}, ""},
		{"x-goog-api-key", map[string]string{"X-Goog-Api-Key": good}, ""},
		{"a query parameter", nil, "?key=" + good},
		{"the same one twice", map[string]string{"Authorization": "Bearer " + good, "X-Api-Key": good}, "?key=" + good},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := g.ask(t, chat{header: c.header, path: "/v1/chat/completions" + c.path, say: "hi"}).upstream(t)
			var all bytes.Buffer
			if err := r.Header.Write(&all); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(all.String()+r.Path, good) {
				t.Errorf("the token went on: %s\n%s", r.Path, &all)
			}
			if r.Header.Get("Authorization") != "Bearer "+saraKey || r.Path != "/v1/chat/completions" {
				t.Errorf("%s with %v", r.Path, r.Header)
			}
			for name := range r.Header {
				if strings.HasPrefix(strings.ToLower(name), "x-yellowjack") {
					t.Errorf("%s went on", name)
				}
			}
		})
	}
	t.Run("two that differ", func(t *testing.T) {
		g.ask(t, chat{token: good, header: map[string]string{"X-Api-Key": mona(t)}, say: "hi"}).refused(t, 400, "conflicting_credentials")
	})
	t.Run("a signature of AWS", func(t *testing.T) {
		g.ask(t, chat{say: "hi", header: map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu/bedrock/aws4_request, SignedHeaders=host, Signature=00"}}).
			refused(t, 400, "sigv4_unsupported")
	})
	t.Run("a client by its credentials", func(t *testing.T) {
		token, err := theStage.corp.Token(t.Context(), http.DefaultClient, "nightly-agent", "its-secret")
		if err != nil {
			t.Fatal(err)
		}
		a := g.ask(t, chat{token: token, say: "What can you do?", tools: storyTools})
		if a.text[0] != "The tools that I see: github__get_issue." {
			t.Errorf("got %d %s", a.status, a.body)
		}
		if line := g.audit(t, a.header.Get("X-Yellowjack-Decision-Id")); line["client"] != "nightly-agent" {
			t.Errorf("the audit says %v", line)
		}
	})
	t.Run("a key of one's own, which policy does not allow", func(t *testing.T) {
		g.ask(t, chat{token: good, say: "hi", header: map[string]string{"X-Yellowjack-Provider-Key": "sk-mine"}}).refused(t, 403, "byok_denied")
	})
}

// TestRotation: a new key is found without a restart, a withdrawn one no longer counts.
func TestRotation(t *testing.T) {
	idp, err := issuer.Start(issuer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer idp.Close()
	g := own(t, setup{issuer: idp.JWKSURL(), change: func(c string) string {
		return strings.ReplaceAll(c, fmt.Sprintf("issuer: %q", theStage.corp.URL()), fmt.Sprintf("issuer: %q", idp.URL()))
	}})
	mint := func() string {
		token, err := idp.Mint(object{"sub": "sara"})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if a := g.ask(t, chat{token: mint(), say: "hi"}); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if _, err := idp.AddKey("ES256"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new key", func() bool { return g.ask(t, chat{token: mint(), say: "hi"}).status == 200 })
	// An issuer that is down afterwards takes nobody's access away while its keys are fresh.
	idp.SetDown(true)
	if a := g.ask(t, chat{token: mint(), say: "hi"}); a.status != 200 {
		t.Errorf("with the issuer down: %d %s", a.status, a.body)
	}
}

// TestKeysDown: an issuer that is down when the gateway starts locks its own people out, with a 503, until it is up; the
// gateway is ready while it can verify anyone.
func TestKeysDown(t *testing.T) {
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprintf("alone %v", alone), func(t *testing.T) {
			idp, err := issuer.Start(issuer.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer idp.Close()
			idp.SetDown(true)
			g := own(t, setup{issuer: idp.JWKSURL(), change: func(c string) string {
				if alone {
					c = regexp.MustCompile(`(?s)    - name: partner.*?(\nproviders:)`).ReplaceAllString(c, "$1")
				}
				return strings.ReplaceAll(c, fmt.Sprintf("issuer: %q", theStage.corp.URL()), fmt.Sprintf("issuer: %q", idp.URL()))
			}})
			token, err := idp.Mint(object{"sub": "sara"})
			if err != nil {
				t.Fatal(err)
			}
			g.ask(t, chat{token: token, say: "hi"}).refused(t, 503, "keys_unavailable")
			if status, _ := g.probe(t, "/healthz"); status != 200 {
				t.Errorf("healthz says %d", status)
			}
			if alone {
				if status, body := g.probe(t, "/readyz"); status != 503 || !strings.Contains(body, "identity") {
					t.Errorf("readyz says %d %s", status, body)
				}
			} else {
				other, err := theStage.partner.Mint(object{"sub": "pat"})
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, "the other issuer's people", func() bool { return g.ask(t, chat{token: other, say: "hi"}).status == 200 })
			}
			idp.SetDown(false)
			eventually(t, "the issuer's keys", func() bool { return g.ask(t, chat{token: token, say: "hi"}).status == 200 })
			eventually(t, "readiness", func() bool { status, _ := g.probe(t, "/readyz"); return status == 200 })
		})
	}
}
