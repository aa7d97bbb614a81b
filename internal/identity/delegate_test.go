package identity

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

var testDelegationKey = bytes.Repeat([]byte{7}, delegationKey)

// delegating is a verifier with a clock of its own, and a principal of it.
func delegating(t *testing.T, change func(*Config)) (*Verifier, *Principal, *time.Time) {
	t.Helper()
	now := time.Now()
	corp := newIssuer(t, corpURL, "ES256")
	cfg := Config{Issuers: []IssuerConfig{corpConfig()}, DelegationKey: testDelegationKey, Now: func() time.Time { return now }}
	if change != nil {
		change(&cfg)
	}
	v := verifier(t, cfg, corp)
	t.Cleanup(v.Close)
	p, r := v.Verify(t.Context(), mint(t, corp, map[string]any{"sub": "sara", "groups": []string{"finance", "Größe"}, "azp": "cli"}))
	if r != nil {
		t.Fatal(r)
	}
	return v, p, &now
}

func TestDelegate(t *testing.T) {
	v, p, now := delegating(t, func(c *Config) { c.Anonymous = true })
	token, err := v.Delegate(p, "x-1", "answer", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	d, r := v.VerifyDelegated(token)
	if r != nil || d.Exchange != "x-1" || d.Purpose != "answer" || !reflect.DeepEqual(d.Principal, p) {
		t.Fatalf("got %+v, %v, want %+v", d, r, p)
	}
	if strings.Contains(token, "sara") || !visible(token) {
		t.Errorf("token %q", token)
	}
	if again, _ := v.Delegate(p, "x-1", "answer", time.Minute); again == token {
		t.Error("two tokens are the same bytes")
	}
	if _, r := v.Verify(t.Context(), token); r == nil || r.Code != refuse.BadCredential {
		t.Errorf("the other door took it: %v", r)
	}
	nobody, _ := v.Anonymous()
	if token, err = v.Delegate(nobody, "x-2", "plan", time.Second); err != nil {
		t.Fatal(err)
	}
	if d, r := v.VerifyDelegated(token); r != nil || d.Principal != nobody {
		t.Errorf("got %+v, %v", d, r)
	}
	*now = now.Add(time.Second)
	if _, r := v.VerifyDelegated(token); r == nil || r.Code != refuse.ExpiredToken {
		t.Errorf("an expired token: %v", r)
	}
}

func TestDelegatedRefused(t *testing.T) {
	v, p, _ := delegating(t, nil)
	other, _, _ := delegating(t, func(c *Config) { c.DelegationKey = bytes.Repeat([]byte{8}, delegationKey) })
	random, _, _ := delegating(t, func(c *Config) { c.DelegationKey = nil })
	good, err := v.Delegate(p, "x", "answer", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	changed := []byte(good)
	changed[len(changed)/2] ^= 1
	foreign, err := other.Delegate(p, "x", "answer", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	jwt := mint(t, newIssuer(t, corpURL, "ES256"), nil)
	for name, token := range map[string]string{
		"none": "", "a JWT": jwt, "the prefix alone": delegatedPrefix, "short": delegatedPrefix + "AAAA", "no base64": delegatedPrefix + "!!!!",
		"cut": good[:len(good)-4], "longer": good + "AAAA", "a bit changed": string(changed), "another gateway's": foreign,
		"without its prefix": strings.TrimPrefix(good, delegatedPrefix), "huge": delegatedPrefix + strings.Repeat("A", maxDelegated),
	} {
		if d, r := v.VerifyDelegated(token); r == nil || d.Principal != nil {
			t.Errorf("%s: got %+v", name, d)
		}
	}
	if _, r := random.VerifyDelegated(good); r == nil {
		t.Error("a verifier with a random key took it")
	}
	for name, ttl := range map[string]time.Duration{"none": 0, "negative": -1, "too long": maxDelegation + 1} {
		if _, err := v.Delegate(p, "x", "answer", ttl); err == nil {
			t.Errorf("a life of %s was given", name)
		}
	}
	if _, err := v.Delegate(nil, "x", "answer", time.Minute); err == nil {
		t.Error("nobody got a token")
	}
	if _, err := v.Delegate(&Principal{}, "x", "answer", time.Minute); err == nil {
		t.Error("the zero principal got a token")
	}
	if _, err := New(t.Context(), Config{Anonymous: true, DelegationKey: []byte("short")}); err == nil {
		t.Error("a short key was taken")
	}
}

// TestDelegatedEnds: a delegated token ends with the token that its principal came with, with the configuration that let
// it in, and with its epoch.
func TestDelegatedEnds(t *testing.T) {
	epoch, unknown := int64(1), error(nil)
	v, p, now := delegating(t, func(c *Config) {
		c.Skew = -1
		c.Epochs = epochsFunc(func([]string) (Epoch, error) { return Epoch{Number: epoch}, unknown })
	})
	short := *p
	short.expires = now.Add(2 * time.Second)
	token, err := v.Delegate(&short, "x", "answer", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, r := v.VerifyDelegated(token); r != nil {
		t.Fatal(r)
	}
	epoch = 2
	if _, r := v.VerifyDelegated(token); r == nil || r.Code != refuse.BadCredential {
		t.Errorf("a revoked principal: %v", r)
	}
	epoch, unknown = 1, errors.New("away")
	if _, r := v.VerifyDelegated(token); r == nil || r.Code != refuse.KeysUnavailable {
		t.Errorf("an epoch that nobody knows: %v", r)
	}
	if _, err := v.Delegate(p, "x", "answer", time.Minute); err == nil {
		t.Error("delegated without knowing the epoch")
	}
	unknown = nil
	*now = now.Add(2 * time.Second)
	if _, r := v.VerifyDelegated(token); r == nil || r.Code != refuse.ExpiredToken {
		t.Errorf("it outlived its principal's token: %v", r)
	}
	elsewhere, _, _ := delegating(t, func(c *Config) { c.Issuers[0].Name = "other" })
	fresh, err := v.Delegate(p, "x", "answer", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, r := elsewhere.VerifyDelegated(fresh); r == nil || r.Code != refuse.UnknownIssuer {
		t.Errorf("an issuer that is not configured: %v", r)
	}
}

// TestPack: what is unpacked is what was packed, for any principal that claims can make.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~äß%/|#]{0,8}`)
		claims := map[string]any{"sub": text.Draw(t, "sub"), "azp": text.Draw(t, "azp"), "sid": text.Draw(t, "sid"), "iat": float64(rapid.Int64Range(0, 1<<33).Draw(t, "iat")), "org": text.Draw(t, "org"), "scope": text.Draw(t, "scope")}
		for _, name := range []string{"groups", "teams"} {
			var list []any
			for _, s := range rapid.SliceOfN(text, 0, 4).Draw(t, name) {
				list = append(list, s)
			}
			claims[name] = list
		}
		is := &issuer{IssuerConfig: IssuerConfig{Name: "corp", Claims: Claims{Tenant: "org", Teams: rapid.SampledFrom([]string{"", "teams"}).Draw(t, "claim")}}, first: rapid.Bool().Draw(t, "first")}
		want, err := is.principal(claims, time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "exp"), 0))
		if err != nil {
			t.Skip(err)
		}
		w := &packer{}
		w.principal(want)
		r := &unpacker{b: w.b}
		got := r.principal()
		if err := r.end(); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

// FuzzUnpack: bytes that no gateway wrote are an error or a principal, never a panic or memory without bound.
func FuzzUnpack(f *testing.F) {
	w := &packer{}
	w.principal(&Principal{issuer: "corp", key: "corp|x", groups: []string{"a", "b"}, teams: []string{"c"}})
	f.Add(w.b)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(_ *testing.T, b []byte) {
		r := &unpacker{b: b}
		r.principal()
		_ = r.end()
	})
}
