package identity

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

// epochsFunc is Epochs of which nobody is told.
type epochsFunc func([]string) (Epoch, error)

func (f epochsFunc) Epoch(handles []string) (Epoch, error) { return f(handles) }
func (epochsFunc) Watch([]string, func()) func()           { return func() {} }
func (epochsFunc) Saw(Sighting)                            {}

// TestIssuedBefore: a token that was issued before a revocation is refused, remembered or not, and one of after is taken.
func TestIssuedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		corp := newIssuer(t, corpURL, "EdDSA")
		var epoch Epoch
		v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, Epochs: epochsFunc(func([]string) (Epoch, error) { return epoch, nil })}, corp)
		defer v.Close()
		start := time.Now()
		at := func(d time.Duration) string { return mint(t, corp, map[string]any{"iat": seconds(start, d)}) }
		old, bare := at(0), mint(t, corp, map[string]any{"iat": nil})
		mustVerify(t, v, old)
		mustVerify(t, v, bare)
		pass(10 * time.Second)
		epoch = Epoch{Number: 1, Own: start.Add(10 * time.Second)}
		wantRefused(t, v, old, refuse.BadCredential)
		wantRefused(t, v, bare, refuse.BadCredential)
		wantRefused(t, v, at(9*time.Second), refuse.BadCredential)
		mustVerify(t, v, at(10*time.Second))
		epoch = Epoch{Number: 2, Issuer: start.Add(20 * time.Second)}
		wantRefused(t, v, at(19*time.Second), refuse.BadCredential)
		wantRefused(t, v, bare, refuse.BadCredential)
		ahead := at(40 * time.Second) // the issuer's clock is 30 s ahead of ours
		mustVerify(t, v, ahead)
		mustVerify(t, v, at(20*time.Second)) // the issuer's own clock compares as it is
		epoch = Epoch{Number: 3, Own: start.Add(10 * time.Second)}
		wantRefused(t, v, at(39*time.Second), refuse.BadCredential)
		mustVerify(t, v, at(40*time.Second))
		token, err := v.Delegate(mustVerify(t, v, ahead), "x", "answer", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		epoch.Own = start.Add(11 * time.Second)
		if _, r := v.VerifyDelegated(token); r == nil || r.Code != refuse.BadCredential {
			t.Errorf("a delegated token outlived its principal's: %v", r)
		}
	})
}

// TestAheadIsOfVerified: what nobody signed teaches nothing about a clock.
func TestAheadIsOfVerified(t *testing.T) {
	corp, stranger := newIssuer(t, corpURL, "EdDSA"), newIssuer(t, corpURL, "EdDSA")
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}}, corp)
	defer v.Close()
	wantRefused(t, v, mint(t, stranger, map[string]any{"iat": seconds(time.Now(), 50*time.Second)}), refuse.BadCredential)
	wantRefused(t, v, mint(t, corp, map[string]any{"iat": seconds(time.Now(), 50*time.Second), "aud": "another"}), refuse.WrongAudience)
	if got := v.ahead("corp"); got != 0 {
		t.Errorf("%v", got)
	}
	mustVerify(t, v, mint(t, corp, map[string]any{"iat": seconds(time.Now(), 50*time.Second)}))
	if got := v.ahead("corp"); got < 45*time.Second || got > 50*time.Second {
		t.Errorf("%v", got)
	}
}

// told is Epochs whose watchers a test calls.
type told struct {
	epoch   atomic.Pointer[Epoch]
	changed map[*func()][]string
}

func (w *told) Epoch([]string) (Epoch, error) { return *w.epoch.Load(), nil }
func (w *told) Saw(Sighting)                  {}
func (w *told) Watch(handles []string, changed func()) func() {
	w.changed[&changed] = handles
	return func() { delete(w.changed, &changed) }
}

func (w *told) revoke(e Epoch) {
	w.epoch.Store(&e)
	for c := range w.changed {
		(*c)()
	}
}

// TestWatch: whoever holds a stream open for a principal hears when its token counts no more, and not of another one.
func TestWatch(t *testing.T) {
	corp := newIssuer(t, corpURL, "EdDSA")
	w := &told{changed: map[*func()][]string{}}
	w.epoch.Store(&Epoch{})
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, Anonymous: true, Epochs: w}, corp)
	defer v.Close()
	now := time.Now()
	old := mustVerify(t, v, mint(t, corp, map[string]any{"iat": seconds(now, -20*time.Second)}))
	fresh := mustVerify(t, v, mint(t, corp, map[string]any{"iat": seconds(now, -5*time.Second)}))
	var heard, other, changes int
	stop := v.Watch(old, func() { heard++ })
	stopOther := v.Watch(fresh, func() { other++ })
	stopChanges := v.Changes(fresh, func() { changes++ })
	for _, e := range []Epoch{{Number: 1}, {Number: 2, Issuer: now.Add(-10 * time.Second)}, {Number: 3, Issuer: now.Add(-9 * time.Second)}} {
		w.revoke(e)
	}
	if heard != 1 || other != 0 || changes != 3 {
		t.Errorf("heard %d and %d times, %d changes", heard, other, changes)
	}
	stop()
	stopOther()
	stopChanges()
	late := false
	v.Watch(old, func() { late = true })()
	anonymous, _ := v.Anonymous()
	v.Watch(anonymous, func() { t.Error("the anonymous principal was revoked") })()
	if len(w.changed) != 0 || !late {
		t.Errorf("%d watchers are left; one that came late heard: %v", len(w.changed), late)
	}
}

func TestHandles(t *testing.T) {
	corp, partner := newIssuer(t, corpURL, "EdDSA"), newIssuer(t, partnerURL, "EdDSA")
	cc, pc := corpConfig(), partnerConfig()
	cc.EmailDomains = []string{"example.com"}
	v := verifier(t, Config{Issuers: []IssuerConfig{cc, pc}}, corp, partner)
	defer v.Close()
	claims := map[string]any{"sub": "u|1", "email": "Sara@Example.com", "email_verified": true, "sid": "s1"}
	p := mustVerify(t, v, mint(t, corp, claims))
	if got := p.Handles(); !slices.Equal(got, []string{"corp|u|1", "@sara@example.com", "corp~s1"}) {
		t.Error(got)
	}
	if got := mustVerify(t, v, mint(t, partner, claims)).Handles(); !slices.Equal(got, []string{"partner|u|1", "partner~s1"}) {
		t.Error("an address that the issuer may not assert:", got)
	}
	wantRefused(t, v, mint(t, corp, map[string]any{"sid": 1}), refuse.BadCredential)
	if got := mustVerify(t, v, mint(t, corp, map[string]any{"sub": "app", "azp": "app"})).Handles(); !slices.Equal(got, []string{"corp#app"}) {
		t.Error(got)
	}
	for _, c := range []struct {
		s    Subject
		want string // or what the error says
	}{
		{Subject{Issuer: "corp", Sub: "u|1"}, "corp|u|1"},
		{Subject{Issuer: corpURL, Sub: "u1", Client: "u1"}, "corp|u1 corp#u1"},
		{Subject{Issuer: "corp", Sub: "u%\n"}, "corp|u%25%0A"},
		{Subject{Issuer: "partner", Session: "s1"}, "partner~s1"},
		{Subject{Email: "SARA@example.com"}, "@sara@example.com"},
		{Subject{Issuer: "corp", Email: "sara@example.com"}, "@sara@example.com"},
		{Subject{Issuer: "partner", Email: "sara@example.com"}, "may assert"},
		{Subject{Issuer: "partner", Sub: "x", Email: "sara@example.com"}, "partner|x"},
		{Subject{Email: "sara@elsewhere.com"}, "may assert"},
		{Subject{Key: "corp|u1"}, "corp|u1"},
		{Subject{Key: "partner#app"}, "partner#app"},
		{Subject{Key: "corp"}, "no principal's key"},
		{Subject{Key: "corp|"}, "no principal's key"},
		{Subject{Key: "other|u1"}, "no principal's key"},
		{Subject{Key: "@sara@example.com"}, "no principal's key"},
		{Subject{Sub: "u1"}, "which one"},
		{Subject{Issuer: "nobody", Sub: "u1"}, "no issuer"},
		{Subject{}, "nobody"},
		{Subject{Issuer: "corp"}, "nobody"},
	} {
		got, err := v.Handles(c.s)
		if said := strings.Join(got, " "); err != nil && !strings.Contains(err.Error(), c.want) || err == nil && said != c.want {
			t.Errorf("%+v: %q, %v", c.s, said, err)
		}
	}
}

func TestStatement(t *testing.T) {
	corp, partner := newIssuer(t, corpURL, "EdDSA"), newIssuer(t, partnerURL, "EdDSA")
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig(), partnerConfig()}}, corp, partner)
	defer v.Close()
	kind := StatementKind{
		Types: []string{"secevent+jwt"}, Issuers: []string{"corp"}, MaxAge: time.Hour,
		Audience: func(name string) []string { return []string{"events of " + name} },
	}
	typ := map[string]any{"typ": "secevent+jwt"}
	good := map[string]any{"aud": "events of corp", "exp": nil, "events": map[string]any{"x": map[string]any{}}}
	with := func(more map[string]any) map[string]any {
		all := map[string]any{}
		for k, c := range good {
			all[k] = c
		}
		for k, c := range more {
			all[k] = c
		}
		return all
	}
	s, r := v.VerifyStatement(t.Context(), mintWith(t, corp, typ, good), kind)
	if r != nil || s.Issuer != "corp" || s.ID == "" || s.Issued.IsZero() || s.Claims["events"] == nil {
		t.Fatal(s, r)
	}
	for name, c := range map[string]struct{ token, code string }{
		"an access token":      {mint(t, corp, nil), refuse.BadCredential},
		"no type":              {mintWith(t, corp, map[string]any{"typ": nil}, good), refuse.BadCredential},
		"another issuer":       {mintWith(t, partner, typ, with(map[string]any{"aud": "events of partner"})), refuse.UnknownIssuer},
		"another audience":     {mintWith(t, corp, typ, with(map[string]any{"aud": "yellowjack"})), refuse.WrongAudience},
		"expired":              {mintWith(t, corp, typ, with(map[string]any{"exp": seconds(time.Now(), -2*time.Minute)})), refuse.ExpiredToken},
		"no time":              {mintWith(t, corp, typ, with(map[string]any{"iat": nil})), refuse.BadCredential},
		"from the future":      {mintWith(t, corp, typ, with(map[string]any{"iat": seconds(time.Now(), time.Hour)})), refuse.BadCredential},
		"old":                  {mintWith(t, corp, typ, with(map[string]any{"iat": seconds(time.Now(), -2*time.Hour)})), refuse.BadCredential},
		"no id":                {mintWith(t, corp, typ, with(map[string]any{"jti": nil})), refuse.BadCredential},
		"an id that is none":   {mintWith(t, corp, typ, with(map[string]any{"jti": 7})), refuse.BadCredential},
		"nothing":              {"", refuse.BadCredential},
		"another's signature":  {strings.Join(append(strings.Split(mintWith(t, corp, typ, good), ".")[:2], strings.Split(mintWith(t, partner, typ, good), ".")[2]), "."), refuse.BadCredential},
		"no algorithm":         {mintWith(t, corp, map[string]any{"typ": "secevent+jwt", "alg": "none"}, good), refuse.BadCredential},
		"too large":            {strings.Repeat("a", maxToken+1), refuse.BadCredential},
		"of an unknown issuer": {mintWith(t, corp, typ, with(map[string]any{"iss": "https://else.test"})), refuse.UnknownIssuer},
	} {
		if s, r := v.VerifyStatement(t.Context(), c.token, kind); s != nil || r == nil || r.Code != c.code {
			t.Errorf("%s: %+v %+v", name, s, r)
		}
	}
	// And a statement is no access token, even where its type and audience would do.
	wantRefused(t, v, mint(t, corp, map[string]any{"events": map[string]any{}}), refuse.BadCredential)
	wantRefused(t, v, mintWith(t, corp, map[string]any{"typ": "logout+jwt"}, nil), refuse.BadCredential)
}

// sightings are Epochs that remember what was seen.
type sightings struct {
	epochsFunc
	all []Sighting
}

func (s *sightings) Saw(one Sighting) { s.all = append(s.all, one) }

func TestSaw(t *testing.T) {
	corp := newIssuer(t, corpURL, "EdDSA")
	s := &sightings{epochsFunc: func([]string) (Epoch, error) { return Epoch{}, nil }}
	v := verifier(t, Config{Issuers: []IssuerConfig{corpConfig()}, Epochs: s}, corp)
	defer v.Close()
	see := func(claims map[string]any) Sighting {
		t.Helper()
		before := len(s.all)
		token := mint(t, corp, claims)
		p := mustVerify(t, v, token)
		mustVerify(t, v, token)
		if len(s.all) != before+1 || s.all[before].Handles[0] != p.Key() || !s.all[before].Issued.Equal(p.Issued()) || s.all[before].Scope != p.Scope() {
			t.Fatalf("%+v", s.all[before:])
		}
		return s.all[before]
	}
	one, same := see(map[string]any{"groups": []any{"a", "b"}}), see(map[string]any{"groups": []any{"b", "a"}, "jti": "x"})
	if one.Groups != same.Groups || one.Context != same.Context {
		t.Error("the same says something else")
	}
	if other := see(map[string]any{"groups": []any{"a"}}); other.Groups == one.Groups || other.Context != one.Context {
		t.Error("other groups are the same")
	}
	for name, claims := range map[string]map[string]any{
		"client": {"azp": "app"}, "scopes": {"scope": "x"}, "audience": {"aud": []any{"yellowjack", "other"}},
	} {
		claims["groups"] = []any{"a", "b"}
		if other := see(claims); other.Groups != one.Groups || other.Context == one.Context {
			t.Errorf("another %s is the same context", name)
		}
	}
	if _, r := v.Verify(t.Context(), mint(t, corp, map[string]any{"iat": nil})); r != nil || len(s.all) != 6 {
		t.Error("a token without a time can be compared with nothing", r, len(s.all))
	}
	if _, err := v.Epoch(mustVerify(t, v, mint(t, corp, nil))); err != nil {
		t.Error(err)
	}
	s.epochsFunc = func([]string) (Epoch, error) { return Epoch{}, errors.New("away") }
	wantRefused(t, v, mint(t, corp, nil), refuse.KeysUnavailable)
}
