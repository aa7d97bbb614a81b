package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWorkload: the broker's own JWT, read anew each time, gives one token for all; without it there is none, and nothing else is shown.
func TestWorkload(t *testing.T) {
	w := newWorld(t)
	s := w.source(memory())
	mine, failed := "first", error(nil)
	s.Flow = Workload{Endpoint: w.as.endpoint(), Assertion: func() (string, error) { return mine, failed }}
	sara, hers := w.person(map[string]any{"sub": "sara"})
	s.Assertions.Hold(sara, hers)
	nobody, _ := w.verifier.Anonymous()
	a, err := header(t.Context(), s, sara, false)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := header(t.Context(), s, nobody, false); err != nil || a != b || w.as.exchanges() != 1 || !s.Shared() {
		t.Errorf("%q and %q, %v", a, b, err)
	}
	form, _ := w.as.last()
	if form.Get("grant_type") != grantJWT || form.Get("assertion") != "first" || form.Get("resource") == "" || form.Get("scope") != "b a" || strings.Contains(form.Encode(), hers) {
		t.Errorf("%v", form)
	}
	other := w.source(memory())
	other.Flow = s.Flow
	failed = errors.New("cannot be read")
	if h, err := header(t.Context(), other, sara, false); err == nil || w.as.exchanges() != 1 {
		t.Errorf("without it: %q", h)
	}
}

// TestAssertionAudience: who the broker is, it says to the authorization server alone that the configuration names, wherever that has its
// endpoint.
func TestAssertionAudience(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var id string
	ts := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(rw, `{"issuer":%q,"token_endpoint":%q}`, id, w.as.url)
	}))
	defer ts.Close()
	id = ts.URL
	for _, c := range []struct {
		server *Server
		want   string
	}{{nil, w.as.url}, {&Server{Issuer: id, HTTP: ts.Client()}, id}} {
		e := w.as.endpoint()
		e.Client.PrivateKey = func() (string, error) {
			return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
		}
		if c.server != nil {
			e.URL, e.Server = "", c.server
		}
		s := w.source(memory())
		s.Flow = Own{Endpoint: e}
		sara, _ := w.person(map[string]any{"sub": "sara"})
		if _, err := header(t.Context(), s, sara, false); err != nil {
			t.Fatal(err)
		}
		form, _ := w.as.last()
		var claims map[string]any
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(form.Get("client_assertion"), ".")[1])
		if json.Unmarshal(payload, &claims) != nil || claims["aud"] != c.want {
			t.Errorf("%v, want the audience %s", claims, c.want)
		}
	}
}
