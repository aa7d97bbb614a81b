package identity

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	fake "github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/refuse"
)

func TestKeysDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		corp.SetDown(true)
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
		defer v.Close()
		if err := v.Ready(); err == nil || !strings.Contains(err.Error(), "corp") {
			t.Error(err)
		}
		token := mint(t, corp, nil)
		if r := wantRefused(t, v, token, refuse.KeysUnavailable); r.Status != 503 || r.RetryAfter == 0 || strings.Contains(r.Client, "reset") {
			t.Errorf("%+v", r)
		}
		corp.SetDown(false)
		pass(retryMost)
		if err := v.Ready(); err != nil {
			t.Error(err)
		}
		mustVerify(t, v, token)
	})
}

// While keys cannot be fetched those we have stay in use, but not for ever; cached tokens included.
func TestStaleKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, MaxStale: 10 * time.Minute, Refresh: time.Minute}, corp)
		defer v.Close()
		pass(90 * time.Second) // the last good fetch is 30 s old
		corp.SetDown(true)
		token := mint(t, corp, map[string]any{"exp": seconds(time.Now(), 24*time.Hour)})
		mustVerify(t, v, token)
		pass(9 * time.Minute)
		mustVerify(t, v, token)
		pass(time.Minute)
		wantRefused(t, v, token, refuse.KeysUnavailable)
		if v.Ready() == nil {
			t.Error("ready with stale keys")
		}
		corp.SetDown(false)
		pass(refetchEvery)
		mustVerify(t, v, token)
	})
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
		defer v.Close()
		before := mint(t, corp, nil)
		mustVerify(t, v, before)
		if _, err := corp.Rotate("ES256"); err != nil {
			t.Fatal(err)
		}
		mustVerify(t, v, mint(t, corp, nil)) // found at once, by fetching once more
		wantRefused(t, v, before, refuse.BadCredential)
	})
}

// Tokens that anyone can make up must not become requests to the issuer.
func TestUnknownKidsAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
		defer v.Close()
		start := corp.Fetches()
		forged := mintWith(t, corp, map[string]any{"kid": "made-up"}, nil)
		var many sync.WaitGroup
		for range 100 {
			many.Go(func() { wantRefused(t, v, forged, refuse.BadCredential) })
		}
		many.Wait()
		if n := corp.Fetches() - start; n != 1 {
			t.Errorf("100 made-up kids made %d fetches", n)
		}
		pass(refetchEvery - time.Millisecond)
		wantRefused(t, v, forged, refuse.BadCredential)
		if n := corp.Fetches() - start; n != 1 {
			t.Errorf("%d fetches within %v", n, refetchEvery)
		}
		pass(time.Millisecond)
		wantRefused(t, v, forged, refuse.BadCredential)
		if n := corp.Fetches() - start; n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestBackgroundRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, Refresh: time.Minute}, corp)
		defer v.Close()
		before, token := corp.Fetches(), mint(t, corp, nil)
		p := mustVerify(t, v, token)
		pass(3*time.Minute + time.Second)
		if n := corp.Fetches() - before; n != 3 {
			t.Errorf("%d fetches in 3 minutes", n)
		}
		if mustVerify(t, v, token) != p {
			t.Error("the same keys, fetched again, emptied the cache")
		}
		corp.SetDown(true)
		before = corp.Fetches()
		pass(10 * time.Minute)
		if n := corp.Fetches() - before; n < 50 || n > 70 {
			t.Errorf("%d fetches in 10 minutes of an issuer that is down", n)
		}
	})
}

// An issuer that hangs delays the start, and no more.
func TestHangingIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		v, err := New(t.Context(), Config{Issuers: []IssuerConfig{corpConfig()}, HTTPClient: &http.Client{Transport: hangs{}}})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if d := time.Since(began); d > startWait {
			t.Errorf("New took %v", d)
		}
		token := mint(t, newIssuer(t, corpURL, "EdDSA"), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, r := v.Verify(ctx, token); r == nil || r.Code != refuse.KeysUnavailable {
			t.Error(r)
		}
		if d := time.Since(began); d > startWait+time.Second {
			t.Errorf("Verify outlived its context: %v", d)
		}
	})
}

type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestSeveralKeysNeedAKid(t *testing.T) {
	corp := newIssuer(t, corpURL, "EdDSA")
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
	mustVerify(t, v, mintWith(t, corp, map[string]any{"kid": nil}, nil))
	v.Close()
	if _, err := corp.AddKey("ES256"); err != nil {
		t.Fatal(err)
	}
	v = verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
	defer v.Close()
	wantRefused(t, v, mintWith(t, corp, map[string]any{"kid": nil}, nil), refuse.BadCredential)
	mustVerify(t, v, mintWith(t, corp, map[string]any{"kid": "key-1"}, nil))
	mustVerify(t, v, mintWith(t, corp, map[string]any{"kid": "key-2"}, nil))
}

func TestParseKeys(t *testing.T) {
	for name, tt := range map[string]struct {
		doc  string
		want int // keys, or -1 for an error
	}{
		"empty set":         {`{"keys":[]}`, 0},
		"a secret":          {`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, 0},
		"for encryption":    {`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"enc"}]}`, 0},
		"for wrapping":      {`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","key_ops":["wrapKey"]}]}`, 0},
		"good":              {`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, 1},
		"key agreement":     {`{"keys":[{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, 0},
		"of a kind unknown": {`{"keys":[{"kty":"AKP","alg":"ML-DSA-44"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, 1},
		"private":           {`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`, 1},
		"RSA of 512 bits":   {`{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("z", 86) + `"}]}`, 0},
		"no JSON":           {`<html>`, -1},
		"nothing":           {``, -1},
	} {
		set, err := parseKeys([]byte(tt.doc))
		switch {
		case tt.want < 0 && err == nil:
			t.Errorf("%s: no error", name)
		case tt.want >= 0 && (err != nil || len(set.keys) != tt.want):
			t.Errorf("%s: %+v %v", name, set, err)
		}
	}
}

// A set that is emptied verifies nothing any more.
func TestEmptiedSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	corp := newIssuer(t, corpURL, "EdDSA")
	write := func(doc []byte) {
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(corp.JWKS())
	synctest.Test(t, func(t *testing.T) {
		cfg := corpConfig()
		cfg.JWKS = path
		v := verifier(t, Config{Issuers: []IssuerConfig{cfg}, Refresh: time.Minute})
		defer v.Close()
		token := mint(t, corp, map[string]any{"iat": nil, "exp": 9999999999})
		mustVerify(t, v, token)
		write([]byte(`{"keys":[]}`))
		pass(time.Minute)
		wantRefused(t, v, token, refuse.KeysUnavailable)
		if v.Ready() == nil {
			t.Error("ready without keys")
		}
		write([]byte("torn wri")) // what is no JWKS is not taken
		pass(time.Minute)
		write(corp.JWKS())
		pass(time.Minute)
		mustVerify(t, v, token)
	})
}

// Over a real connection: discovery, client credentials, down and up again.
func TestOverHTTP(t *testing.T) {
	idp, err := fake.Start(fake.Config{Clients: map[string]string{"agent": "s"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := idp.Close(); err != nil {
			t.Error(err)
		}
	}()
	v, err := New(t.Context(), Config{Issuers: []IssuerConfig{{Name: "idp", Issuer: idp.URL(), Audiences: []string{"yellowjack"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	token, err := idp.Token(t.Context(), c, "agent", "s")
	if err != nil {
		t.Fatal(err)
	}
	p := mustVerify(t, v, token)
	if p.Client() != "agent" || p.Subject() != "agent" || p.Key() != "idp#agent" {
		t.Errorf("%+v", p)
	}
	idp.SetDown(true)
	mustVerify(t, v, mint(t, idp, nil))
	if _, err := idp.Rotate("ES256"); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, v, mint(t, idp, nil), refuse.BadCredential)
}

// A discovery document of someone else, or one that leads out of TLS, names no keys.
func TestDiscoveryIsChecked(t *testing.T) {
	for name, tt := range map[string]struct{ doc, want string }{
		"another issuer": {`{"issuer":"https://evil.test","jwks_uri":"https://corp.test/jwks"}`, "of issuer"},
		"a slash more":   {`{"issuer":"https://corp.test/","jwks_uri":"https://corp.test/jwks"}`, "of issuer"},
		"without TLS":    {`{"issuer":"https://corp.test","jwks_uri":"http://corp.test/jwks"}`, "https"},
		"a file":         {`{"issuer":"https://corp.test","jwks_uri":"file:///etc/passwd"}`, "jwks_uri"},
		"nothing":        {`{"issuer":"https://corp.test"}`, "jwks_uri"},
		"twice":          {`{"issuer":"https://evil.test","issuer":"https://corp.test","jwks_uri":"https://corp.test/jwks"}`, "duplicate"},
		"no JSON":        {`<html>`, "object"},
		"too large":      {`{"x":"` + strings.Repeat("x", maxJWKS) + `"}`, "larger"},
	} {
		_, err := discover(t.Context(), client(&http.Client{Transport: says(tt.doc)}), corpURL)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedirectsStayInTLS(t *testing.T) {
	c := client(&http.Client{Transport: redirects("http://corp.test/jwks")})
	if _, err := get(t.Context(), c, corpURL+"/jwks"); err == nil || !strings.Contains(err.Error(), "not fetched from http") {
		t.Error(err)
	}
	c = client(&http.Client{Transport: redirects(corpURL + "/again")})
	if _, err := get(t.Context(), c, corpURL+"/jwks"); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Error(err)
	}
}
