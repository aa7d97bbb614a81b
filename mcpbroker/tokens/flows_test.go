package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestExchange: her token is exchanged for one of the server's, and only that one is in the header.
func TestExchange(t *testing.T) {
	w := newWorld(t)
	s := w.source(memory())
	sara, token := w.person(map[string]any{"sub": "sara"})
	if _, err := header(t.Context(), s, sara, false); !errors.Is(err, ErrNobody) {
		t.Errorf("without her token: %v", err)
	}
	s.Assertions.Hold(sara, token)
	h, err := header(t.Context(), s, sara, false)
	if err != nil || h != "Bearer upstream-1" {
		t.Fatalf("%q %v", h, err)
	}
	form, basic := w.as.last()
	for name, want := range map[string]string{
		"grant_type": grantExchange, "subject_token": token, "subject_token_type": AccessToken, "requested_token_type": AccessToken,
		"resource": "https://mcp.example.com/mcp", "scope": "b a", "client_id": "", "client_secret": "",
	} {
		if form.Get(name) != want {
			t.Errorf("%s is %q", name, form.Get(name))
		}
	}
	if basic != "gateway:its+secret" { // RFC 6749, section 2.3.1: both are encoded as in a form
		t.Errorf("the client is %q", basic)
	}
	if h, err = header(t.Context(), s, sara, false); err != nil || h != "Bearer upstream-1" || w.as.exchanges() != 1 {
		t.Errorf("the second time: %q %v, %d exchanges", h, err, w.as.exchanges())
	}
	nobody, _ := w.verifier.Anonymous()
	if h, err := header(t.Context(), s, nobody, false); !errors.Is(err, ErrNobody) {
		t.Errorf("nobody: %q %v", h, err)
	}
}

// TestStranger: the token of another issuer's caller is shown to no endpoint that is not for that issuer, whatever the flow.
func TestStranger(t *testing.T) {
	w := newWorld(t)
	sara, token := w.person(map[string]any{"sub": "sara"})
	for _, flow := range []Flow{Exchange{Endpoint: w.as.endpoint()}, OnBehalfOf{Endpoint: w.as.endpoint()}, IDJAG{Issuer: w.as.endpoint(), Server: w.as.endpoint()}} {
		s := w.source(memory())
		s.Flow = flow
		for _, callers := range [][]string{nil, {"partner"}} {
			s.Callers = callers
			s.Assertions.Hold(sara, token)
			if h, err := header(t.Context(), s, sara, false); !errors.Is(err, ErrStranger) || h != "" {
				t.Errorf("%s for %v: %q %v", flow.name(), callers, h, err)
			}
		}
	}
	if w.as.exchanges() != 0 {
		t.Error("an endpoint has seen it")
	}
}

func TestOnBehalfOf(t *testing.T) {
	w := newWorld(t)
	s := w.source(memory())
	e := w.as.endpoint()
	e.Client.InForm = true
	s.Flow = OnBehalfOf{Endpoint: e}
	sara, token := w.person(map[string]any{"sub": "sara"})
	s.Assertions.Hold(sara, token)
	if h, err := header(t.Context(), s, sara, false); err != nil || h != "Bearer upstream-1" {
		t.Fatalf("%q %v", h, err)
	}
	form, basic := w.as.last()
	if form.Get("grant_type") != grantJWT || form.Get("assertion") != token || form.Get("requested_token_use") != "on_behalf_of" || form.Get("scope") != "b a" || form.Has("resource") {
		t.Errorf("%v", form)
	}
	if form.Get("client_id") != "gateway" || form.Get("client_secret") != "its secret" || basic != ":" {
		t.Errorf("%v %q", form, basic)
	}
}

// TestIDJAG: her issuer gives an assertion for the server's authorization server, which gives the token; her own token goes to the issuer
// alone.
func TestIDJAG(t *testing.T) {
	w := newWorld(t)
	theirs := newServer(t)
	s := w.source(memory())
	s.Flow = IDJAG{Issuer: w.as.endpoint(), Audience: "https://as.example.com", Server: theirs.endpoint()}
	sara, token := w.person(map[string]any{"sub": "sara"})
	s.Assertions.Hold(sara, token)
	h, err := header(t.Context(), s, sara, false)
	if err != nil || h != "Bearer upstream-1" {
		t.Fatalf("%q %v", h, err)
	}
	first, _ := w.as.last()
	if first.Get("requested_token_type") != typeJAG || first.Get("audience") != "https://as.example.com" || first.Get("subject_token") != token || first.Get("subject_token_type") != IDToken || first.Get("resource") == "" {
		t.Errorf("%v", first)
	}
	second, _ := theirs.last()
	if second.Get("grant_type") != grantJWT || second.Get("assertion") != "upstream-1" || strings.Contains(second.Encode(), token) {
		t.Errorf("%v", second)
	}
}

func TestOwn(t *testing.T) {
	w := newWorld(t)
	s := w.source(memory())
	s.Flow = Own{Endpoint: w.as.endpoint()}
	sara, _ := w.person(map[string]any{"sub": "sara"})
	kim, _ := w.person(map[string]any{"sub": "kim"})
	a, err := header(t.Context(), s, sara, false)
	b, err2 := header(t.Context(), s, kim, false)
	if err != nil || err2 != nil || a != b || a != "Bearer upstream-1" || !s.Shared() {
		t.Errorf("%q %q %v %v", a, b, err, err2)
	}
	if form, _ := w.as.last(); form.Get("grant_type") != "client_credentials" || form.Get("resource") == "" {
		t.Errorf("%v", form)
	}
}

// TestPrivateKey: the broker signs who it is, for this endpoint, for a minute, once.
func TestPrivateKey(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for alg, c := range map[string]struct {
		key    any
		verify func(input, signature []byte) bool
	}{
		"RS256": {rsaKey, func(in, sig []byte) bool {
			sum := sha256.Sum256(in)
			return rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA256, sum[:], sig) == nil
		}},
		"ES256": {ecKey, func(in, sig []byte) bool {
			sum := sha256.Sum256(in)
			return len(sig) == 64 && ecdsa.Verify(&ecKey.PublicKey, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
		}},
		"EdDSA": {edKey, func(in, sig []byte) bool { return ed25519.Verify(edPublic, in, sig) }},
	} {
		der, err := x509.MarshalPKCS8PrivateKey(c.key)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		e := w.as.endpoint()
		e.Client.PrivateKey = func() (string, error) {
			return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
		}
		e.Client.KeyID = "k1"
		s := w.source(memory())
		s.Flow = Own{Endpoint: e}
		sara, _ := w.person(map[string]any{"sub": "sara"})
		if _, err := header(t.Context(), s, sara, false); err != nil {
			t.Fatal(alg, err)
		}
		form, basic := w.as.last()
		if form.Get("client_assertion_type") != bearerAssertion || form.Get("client_id") != "gateway" || basic != ":" || form.Has("client_secret") {
			t.Errorf("%s: %v %q", alg, form, basic)
		}
		parts := strings.Split(form.Get("client_assertion"), ".")
		if len(parts) != 3 {
			t.Fatalf("%s: %q", alg, parts)
		}
		part := func(i int) []byte {
			b, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil {
				t.Fatal(alg, err)
			}
			return b
		}
		var head, claims map[string]any
		_ = json.Unmarshal(part(0), &head)
		_ = json.Unmarshal(part(1), &claims)
		if head["alg"] != alg || head["kid"] != "k1" || claims["iss"] != "gateway" || claims["sub"] != "gateway" || claims["aud"] != w.as.url || claims["jti"] == "" ||
			claims["exp"].(float64)-claims["iat"].(float64) != 60 {
			t.Errorf("%s: %v %v", alg, head, claims)
		}
		if !c.verify([]byte(parts[0]+"."+parts[1]), part(2)) {
			t.Errorf("%s: the signature is wrong", alg)
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // which is refused
	if err == nil {
		der, _ := x509.MarshalPKCS8PrivateKey(weak)
		c := Client{ID: "x"}
		if _, err := c.sign(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "e", time.Now()); err == nil {
			t.Error("a short key signs")
		}
	}
	for _, text := range []string{"", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := (&Client{ID: "x"}).sign(text, "e", time.Now()); !errors.Is(err, errKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestEndpointRefuses: what is no token in a strict answer is none, and no error has what was sent or answered.
func TestEndpointRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		want   error
	}{
		"refused":        {400, `{"error":"invalid_grant","error_description":"its secret"}`, ErrRefused},
		"odd code":       {401, `{"error":"its secret"}`, ErrRefused},
		"down":           {503, `its secret`, ErrUnreachable},
		"too many":       {429, ``, ErrUnreachable},
		"redirect":       {302, ``, ErrRefused},
		"no json":        {200, `its secret`, ErrRefused},
		"twice":          {200, `{"access_token":"a","access_token":"its secret","token_type":"Bearer"}`, ErrRefused},
		"another case":   {200, `{"Access_Token":"a","token_type":"Bearer"}`, ErrRefused},
		"another type":   {200, `{"access_token":"a","token_type":"mac"}`, ErrRefused},
		"no type":        {200, `{"access_token":"a"}`, ErrRefused},
		"no token":       {200, `{"token_type":"Bearer"}`, ErrRefused},
		"a line break":   {200, `{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}`, ErrRefused},
		"ended":          {200, `{"access_token":"a","token_type":"Bearer","expires_in":5}`, ErrRefused},
		"ended long ago": {200, `{"access_token":"a","token_type":"Bearer","expires_in":-5}`, ErrRefused},
		"too long":       {200, `{"access_token":"` + strings.Repeat("a", maxAnswer) + `","token_type":"Bearer"}`, ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.as.status, w.as.answer = c.status, c.answer
			s := w.source(memory())
			sara, token := w.person(map[string]any{"sub": "sara"})
			s.Assertions.Hold(sara, token)
			h, err := header(t.Context(), s, sara, false)
			if !errors.Is(err, c.want) || h != "" || strings.Contains(fmt.Sprint(err), "its secret") || strings.Contains(fmt.Sprint(err), token) {
				t.Errorf("%q %v", h, err)
			}
		})
	}
}

// TestNothingPrints: a source and what it holds print nothing of a token.
func TestNothingPrints(t *testing.T) {
	w := newWorld(t)
	s := w.source(memory())
	sara, token := w.person(map[string]any{"sub": "sara"})
	s.Assertions.Hold(sara, token)
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, s.Assertions) + fmt.Sprintf(verb, s.Assertions.all); strings.Contains(text, token) {
			t.Error(verb)
		}
	}
}
