package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

func TestVerifyEveryAlgorithm(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		corp := newIssuer(t, corpURL, alg)
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
		p := mustVerify(t, v, mint(t, corp, nil))
		if p.Issuer() != "corp" || p.Subject() != "u1" || !p.First() || p.Key() != "corp|u1" || p.IsAnonymous() {
			t.Errorf("%s: %+v", alg, p)
		}
		v.Close()
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// signedByHand is a token with this very header and payload, signed as HS256 with secret, or not at all.
func signedByHand(header, payload string, secret []byte) string {
	input := b64(header) + "." + b64(payload)
	if secret == nil {
		return input + "."
	}
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// What RFC 8725 warns of, and what else a stranger may send: each is refused, by a code that says why.
func TestForgedTokens(t *testing.T) {
	corp, partner := newIssuer(t, corpURL, "RS256"), newIssuer(t, partnerURL, "RS256")
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig(), partnerConfig()}}, corp, partner)
	defer v.Close()
	good := mint(t, corp, nil)
	parts := strings.Split(good, ".")
	payload := `{"iss":"` + corpURL + `","aud":"yellowjack","sub":"root","exp":9999999999}`
	var set struct {
		Keys []struct{ N, Kid string }
	}
	if err := json.Unmarshal(corp.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	modulus, err := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	if err != nil {
		t.Fatal(err)
	}
	es := newIssuer(t, corpURL, "ES256")
	flip := func(s string) string { // another signature of the same length, in its middle
		b := []byte(s)
		if b[100]++; b[100] > 'y' {
			b[100] = 'A'
		}
		return string(b)
	}
	for name, tt := range map[string]struct{ token, code string }{
		"nothing":               {"", refuse.NoCredential},
		"no token":              {"sk-1234", refuse.BadCredential},
		"two parts":             {parts[0] + "." + parts[1], refuse.BadCredential},
		"five parts (JWE)":      {good + ".a.b", refuse.BadCredential},
		"empty signature":       {parts[0] + "." + parts[1] + ".", refuse.BadCredential},
		"changed signature":     {parts[0] + "." + parts[1] + "." + flip(parts[2]), refuse.BadCredential},
		"changed claims":        {parts[0] + "." + b64(payload) + "." + parts[2], refuse.BadCredential},
		"padding":               {parts[0] + "=." + parts[1] + "." + parts[2], refuse.BadCredential},
		"a line end":            {parts[0] + "." + parts[1] + "." + parts[2] + "\n", refuse.BadCredential},
		"too large":             {mint(t, corp, map[string]any{"x": strings.Repeat("x", maxToken)}), refuse.BadCredential},
		"alg none":              {signedByHand(`{"alg":"none"}`, payload, nil), refuse.BadCredential},
		"alg none, signature":   {signedByHand(`{"alg":"none"}`, payload, []byte("x")), refuse.BadCredential},
		"alg NonE":              {signedByHand(`{"alg":"NonE"}`, payload, []byte("x")), refuse.BadCredential},
		"no alg":                {signedByHand(`{}`, payload, []byte("x")), refuse.BadCredential},
		"HS256 of the modulus":  {signedByHand(`{"alg":"HS256","kid":"`+set.Keys[0].Kid+`"}`, payload, modulus), refuse.BadCredential},
		"HS256 of the JWKS":     {signedByHand(`{"alg":"HS256"}`, payload, corp.JWKS()), refuse.BadCredential},
		"RS256 said, HMAC made": {signedByHand(`{"alg":"RS256","kid":"`+set.Keys[0].Kid+`"}`, payload, modulus), refuse.BadCredential},
		"PS256 said, RS256 key": {mintWith(t, corp, map[string]any{"alg": "PS256"}, nil), refuse.BadCredential},
		"ES256 said, RS256 key": {mintWith(t, corp, map[string]any{"alg": "ES256"}, nil), refuse.BadCredential},
		"RS512 is not listed":   {mintWith(t, corp, map[string]any{"alg": "RS512"}, nil), refuse.BadCredential},
		"EC key by its kid":     {mint(t, es, nil), refuse.BadCredential},
		"crit":                  {mintWith(t, corp, map[string]any{"crit": []string{"x"}, "x": 1}, nil), refuse.BadCredential},
		"empty crit":            {mintWith(t, corp, map[string]any{"crit": []string{}}, nil), refuse.BadCredential},
		"b64":                   {mintWith(t, corp, map[string]any{"b64": true}, nil), refuse.BadCredential},
		"kid is a number":       {mintWith(t, corp, map[string]any{"kid": 1}, nil), refuse.BadCredential},
		"unknown kid":           {mintWith(t, corp, map[string]any{"kid": "other"}, nil), refuse.BadCredential},
		"logout token":          {mintWith(t, corp, map[string]any{"typ": "logout+jwt"}, nil), refuse.BadCredential},
		"dpop proof":            {mintWith(t, corp, map[string]any{"typ": "dpop+jwt"}, nil), refuse.BadCredential},
		"own key in the header": {mintWith(t, newIssuer(t, corpURL, "RS256"), map[string]any{"jwk": map[string]any{"kty": "RSA"}, "jku": "https://evil.test"}, nil), refuse.BadCredential},
		"other issuer's key":    {mint(t, partner, map[string]any{"iss": corpURL}), refuse.BadCredential},
		"unknown issuer":        {mint(t, corp, map[string]any{"iss": "https://evil.test"}), refuse.UnknownIssuer},
		"issuer with a slash":   {mint(t, corp, map[string]any{"iss": corpURL + "/"}), refuse.UnknownIssuer},
		"no issuer":             {mint(t, corp, map[string]any{"iss": nil}), refuse.UnknownIssuer},
		"issuer is a list":      {mint(t, corp, map[string]any{"iss": []string{corpURL}}), refuse.UnknownIssuer},
		"duplicate claim":       {signedByHand(`{"alg":"RS256"}`, `{"iss":"`+corpURL+`","iss":"`+partnerURL+`"}`, []byte("x")), refuse.BadCredential},
		"duplicate alg":         {signedByHand(`{"alg":"none","alg":"RS256"}`, payload, []byte("x")), refuse.BadCredential},
		"trailing data":         {signedByHand(`{"alg":"RS256"}{}`, payload, []byte("x")), refuse.BadCredential},
		"claims are a list":     {signedByHand(`{"alg":"RS256"}`, `[]`, []byte("x")), refuse.BadCredential},
	} {
		t.Run(name, func(t *testing.T) {
			r := wantRefused(t, v, tt.token, tt.code)
			if r.Status != 401 || r.Client == "" || strings.Contains(r.Client, "test") {
				t.Errorf("%d %q", r.Status, r.Client)
			}
			if len(tt.token) > 20 && (strings.Contains(r.Log, tt.token) || len(r.Log) > 500) {
				t.Errorf("the log holds the token: %q", r.Log)
			}
		})
	}
	mustVerify(t, v, good)
}

func TestClaimsAreChecked(t *testing.T) {
	corp := newIssuer(t, corpURL, "EdDSA")
	cfg := corpConfig()
	cfg.Claims.Tenant, cfg.Tenants = "org", []string{"acme"}
	v := verifier(t, Config{Issuers: []IssuerConfig{cfg}}, corp)
	defer v.Close()
	now := time.Now()
	for name, tt := range map[string]struct {
		claims map[string]any
		code   string // "" lets in
	}{
		"plain":                   {nil, ""},
		"aud in a list":           {map[string]any{"aud": []string{"other", "yellowjack"}}, ""},
		"another aud":             {map[string]any{"aud": "other"}, refuse.WrongAudience},
		"a longer aud":            {map[string]any{"aud": "yellowjack2"}, refuse.WrongAudience},
		"no aud":                  {map[string]any{"aud": nil}, refuse.WrongAudience},
		"empty aud list":          {map[string]any{"aud": []string{}}, refuse.WrongAudience},
		"aud is a number":         {map[string]any{"aud": 1}, refuse.BadCredential},
		"expired":                 {map[string]any{"exp": seconds(now, -2*time.Minute)}, refuse.ExpiredToken},
		"expired within the skew": {map[string]any{"exp": seconds(now, -30*time.Second)}, ""},
		"no exp":                  {map[string]any{"exp": nil}, refuse.BadCredential},
		"exp is a text":           {map[string]any{"exp": "9999999999"}, refuse.BadCredential},
		"exp overflows":           {map[string]any{"exp": 1e300}, refuse.BadCredential},
		"exp below zero":          {map[string]any{"exp": -1}, refuse.BadCredential},
		"exp with a fraction":     {map[string]any{"exp": float64(now.Unix()) + 100.5}, ""},
		"nbf soon":                {map[string]any{"nbf": seconds(now, 30*time.Second)}, ""},
		"nbf later":               {map[string]any{"nbf": seconds(now, 5*time.Minute)}, refuse.BadCredential},
		"iat in the future":       {map[string]any{"iat": seconds(now, 5*time.Minute)}, refuse.BadCredential},
		"iat is a text":           {map[string]any{"iat": "now"}, refuse.BadCredential},
		"another tenant":          {map[string]any{"org": "evil"}, refuse.BadCredential},
		"no tenant":               {map[string]any{"org": nil}, refuse.BadCredential},
		"tenant is a list":        {map[string]any{"org": []string{"acme"}}, refuse.BadCredential},
		"no sub and no client":    {map[string]any{"sub": nil}, refuse.BadCredential},
		"sub is a number":         {map[string]any{"sub": 7}, refuse.BadCredential},
		"groups of numbers":       {map[string]any{"groups": []any{"a", 1}}, refuse.BadCredential},
		"groups are an object":    {map[string]any{"groups": map[string]any{}}, refuse.BadCredential},
		"groups are null":         {map[string]any{"groups": json.RawMessage("null")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			claims := map[string]any{"org": "acme"}
			maps.Copy(claims, tt.claims)
			token := mint(t, corp, claims)
			if tt.code != "" {
				wantRefused(t, v, token, tt.code)
				return
			}
			if p := mustVerify(t, v, token); p.Tenant() != "acme" {
				t.Error(p.Tenant())
			}
		})
	}
}

// A cached token is looked at again at each hit.
func TestCachedTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, Skew: -1}, corp)
		defer v.Close()
		token := mint(t, corp, map[string]any{"exp": seconds(time.Now(), 90*time.Second)})
		p := mustVerify(t, v, token)
		pass(89 * time.Second)
		if mustVerify(t, v, token) != p {
			t.Error("the second Verify was no hit")
		}
		pass(time.Second)
		wantRefused(t, v, token, refuse.ExpiredToken)
		if n := v.cache.size(); n != 0 {
			t.Errorf("%d entries left", n)
		}
	})
}

// A token is verified again after five minutes at the latest, however long it lives.
func TestCacheIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
		defer v.Close()
		token := mint(t, corp, nil)
		p := mustVerify(t, v, token)
		pass(maxCached)
		if mustVerify(t, v, token) == p {
			t.Error("still the entry of five minutes ago")
		}
	})
}

// A key that its issuer takes back takes the cached tokens with it.
func TestCachedTokenOfAWithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, Refresh: time.Minute}, corp)
		defer v.Close()
		token := mint(t, corp, nil)
		mustVerify(t, v, token)
		if _, err := corp.Rotate("EdDSA"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		wantRefused(t, v, token, refuse.BadCredential)
	})
}

func TestEpochs(t *testing.T) {
	corp := newIssuer(t, corpURL, "EdDSA")
	var epoch int64
	var fails error
	asked := 0
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, Epochs: epochsFunc(func(handles []string) (Epoch, error) {
		if asked++; !slices.Equal(handles, []string{"corp|u1"}) {
			t.Error(handles)
		}
		return Epoch{Number: epoch}, fails
	})}, corp)
	defer v.Close()
	token := mint(t, corp, nil)
	p := mustVerify(t, v, token)
	if mustVerify(t, v, token) != p || asked != 2 {
		t.Error("no hit, or the epoch was not asked at it", asked)
	}
	epoch = 1
	q := mustVerify(t, v, token)
	if q == p {
		t.Error("another epoch, and the old entry was used")
	}
	fails = errors.New("stale for 3s")
	if r := wantRefused(t, v, token, refuse.KeysUnavailable); r.Status != 503 || strings.Contains(r.Client, "stale for") {
		t.Error(r)
	}
	wantRefused(t, v, mint(t, corp, nil), refuse.KeysUnavailable)
	fails = ErrRevoked
	if r := wantRefused(t, v, token, refuse.BadCredential); r.Status != 401 {
		t.Error(r)
	}
	fails = nil
	mustVerify(t, v, token)
}

func TestCacheSize(t *testing.T) {
	corp := newIssuer(t, corpURL, "EdDSA")
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, CacheSize: 2 * shards}, corp)
	defer v.Close()
	for range 6 * shards {
		mustVerify(t, v, mint(t, corp, nil)) // each with a jti of its own
	}
	if n := v.cache.size(); n > 2*shards || n < shards {
		t.Errorf("%d entries in a cache of %d", n, 2*shards)
	}
	none := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, CacheSize: -1}, corp)
	defer none.Close()
	token := mint(t, corp, nil)
	first := mustVerify(t, none, token)
	if again := mustVerify(t, none, token); first == again {
		t.Error("a cache of no size had an entry")
	}
}

func TestAnonymous(t *testing.T) {
	v := verifier(t, Config{Anonymous: true})
	defer v.Close()
	p, ok := v.Anonymous()
	if !ok || !p.IsAnonymous() || p.User() != "" || !slices.Equal(p.Subjects(), []string{"*"}) || p.Key() == "" {
		t.Errorf("%+v", p)
	}
	wantRefused(t, v, "a.b.c", refuse.BadCredential)
	wantRefused(t, v, "", refuse.NoCredential) // who asks for anonymous asks for it by name
	if err := v.Ready(); err != nil {
		t.Error(err)
	}
	corp := newIssuer(t, corpURL, "EdDSA")
	w := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
	defer w.Close()
	if p, ok := w.Anonymous(); ok || p != nil {
		t.Error("an anonymous principal that nobody configured")
	}
}
