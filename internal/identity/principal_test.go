package identity

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// principalOf makes a principal of claims written as JSON, without a token around them.
func principalOf(t testing.TB, cfg IssuerConfig, first bool, claims string) (*Principal, error) {
	t.Helper()
	m, err := decodeObject([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	is := &issuer{IssuerConfig: cfg, first: first, domains: setOf(cfg.EmailDomains)}
	return is.principal(m, time.Unix(1, 0))
}

func mustPrincipal(t testing.TB, cfg IssuerConfig, first bool, claims string) *Principal {
	t.Helper()
	p, err := principalOf(t, cfg, first, claims)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Two issuers assert the same subject, e-mail address, group, team and client: nothing of the one is the other's.
func TestTwoIssuersSameNames(t *testing.T) {
	corp, partner := newIssuer(t, corpURL, "EdDSA"), newIssuer(t, partnerURL, "EdDSA")
	cc := corpConfig()
	cc.EmailDomains = []string{"example.com"}
	v := verifier(t, Config{Issuers: []IssuerConfig{cc, partnerConfig()}}, corp, partner)
	defer v.Close()
	claims := map[string]any{
		"sub": "sara", "email": "Sara@Example.com", "email_verified": true,
		"groups": []string{"finance"}, "azp": "agent", "act": map[string]any{"sub": "bot"},
	}
	p, q := mustVerify(t, v, mint(t, corp, claims)), mustVerify(t, v, mint(t, partner, claims))
	if want := []string{"*", "client:agent", "group:finance", "sub:sara", "team:finance", "user:sara@example.com"}; !slices.Equal(p.Subjects(), want) {
		t.Errorf("corp: %q", p.Subjects())
	}
	if want := []string{"*", "client:partner/agent", "group:partner/finance", "sub:partner/sara", "team:partner/finance"}; !slices.Equal(q.Subjects(), want) {
		t.Errorf("partner: %q", q.Subjects())
	}
	if p.User() != "sara@example.com" || q.User() != "" || p.Key() == q.Key() || p.Actor() != "bot" || q.Actor() != "partner/bot" {
		t.Errorf("%q %q %q %q %q %q", p.User(), q.User(), p.Key(), q.Key(), p.Actor(), q.Actor())
	}
	if q.Client() != "partner/agent" || q.Subject() != "partner/sara" || q.Teams()[0] != "partner/finance" || q.First() {
		t.Errorf("%+v", q)
	}
}

// Whatever the first issuer asserts, none of its names reads like one of another issuer's; and no two names of one issuer
// become one.
func TestNamesNeverCollide(t *testing.T) {
	values := []string{
		"finance", "partner/finance", "partner%2Ffinance", "partner%252Ffinance", "partner//finance", "/partner/finance",
		"partner/", "partner", "Partner/finance", "p/x/y", "p%x", "%", "%25", "a\nb", "a%0Ab", "a\u202eb", "a\u200bb", "a b",
		"\tx", "\x00", "é", "e\u0301", "x.y-z_1/w", "https://idp.test/group", "spiffe://td/a", "-x/y", "*",
		strings.Repeat("a", 62) + "/b", strings.Repeat("a", 63) + "/b", strings.Repeat("a", 64) + "/b",
	}
	seen := map[string]string{}
	for _, first := range []bool{true, false} {
		for _, name := range []string{"partner", "p", "x.y-z_1", "corp"} {
			if first && name != "corp" {
				continue
			}
			is := &issuer{IssuerConfig: IssuerConfig{Name: name}, first: first}
			if !first && name == "corp" {
				continue
			}
			for _, v := range values {
				got := is.scoped(v)
				if whose, ok := seen[got]; ok {
					t.Errorf("%q of %s is written %q, as is %s", v, name, got, whose)
				}
				seen[got] = v + " of " + name
				if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x202e || r == 0x200b }) {
					t.Errorf("%q is written %q", v, got)
				}
			}
		}
	}
	is := &issuer{IssuerConfig: corpConfig(), first: true}
	for in, want := range map[string]string{
		"partner/finance": "partner%2Ffinance", "eng/a/b": "eng%2Fa/b", "/finance": "/finance", "Domain Admins": "Domain Admins",
		"https://x.test/g": "https://x.test/g", "auth0|123": "auth0|123", "50%": "50%25", "a\x7f": "a%7F",
	} {
		if got := is.scoped(in); got != want {
			t.Errorf("%q is written %q, want %q", in, got, want)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("partner/finance", "finance", "partner")
	f.Add("a%2Fb", "b", "a")
	f.Fuzz(func(t *testing.T, mine, theirs, name string) {
		if !issuerName.MatchString(name) {
			t.Skip()
		}
		first := &issuer{IssuerConfig: corpConfig(), first: true}
		other := &issuer{IssuerConfig: IssuerConfig{Name: name}}
		if got := first.scoped(mine); got == other.scoped(theirs) {
			t.Errorf("%q of the first issuer and %q of %s are both %q", mine, theirs, name, got)
		}
		if mine != theirs && (first.scoped(mine) == first.scoped(theirs) || other.scoped(mine) == other.scoped(theirs)) {
			t.Errorf("%q and %q of one issuer are one name", mine, theirs)
		}
	})
}

func TestEmail(t *testing.T) {
	cfg := corpConfig()
	cfg.EmailDomains = []string{"example.com"}
	for claims, want := range map[string]string{
		`"email":"sara@example.com","email_verified":true`:            "sara@example.com",
		`"email":"Sara@EXAMPLE.com","email_verified":true`:            "sara@example.com",
		`"email":"sara@example.com","email_verified":false`:           "",
		`"email":"sara@example.com","email_verified":"true"`:          "",
		`"email":"sara@example.com","email_verified":1`:               "",
		`"email":"sara@example.com"`:                                  "",
		`"email":"sara@other.com","email_verified":true`:              "",
		`"email":"sara@sub.example.com","email_verified":true`:        "",
		`"email":"sara@example.com.evil.com","email_verified":true`:   "",
		`"email":"sara@evil.com@example.com","email_verified":true`:   "",
		`"email":"sara@example.com@evil.com","email_verified":true`:   "",
		`"email":"sara@example.com ","email_verified":true`:           "",
		`"email":"\"a b\"@example.com","email_verified":true`:         "",
		`"email":"sara@example.com\n","email_verified":true`:          "",
		`"email":"\u212aai@example.com","email_verified":true`:        "",
		`"email":"sara@ex\u0430mple.com","email_verified":true`:       "",
		`"email":"@example.com","email_verified":true`:                "",
		`"email":"sa ra@example.com","email_verified":true`:           "",
		`"email":"sa\u0000ra@example.com","email_verified":true`:      "",
		`"email":"sara","email_verified":true`:                        "",
		`"email":"a@b,sara@example.com","email_verified":true`:        "",
		`"email_verified":true`:                                       "",
		`"email":["sara@example.com"],"email_verified":[true]`:        "",
		`"email":"<sara@example.com>","email_verified":true`:          "",
		`"email":"sara+tag@example.com","email_verified":true`:        "sara+tag@example.com",
		`"email":"sara%40evil.com@example.com","email_verified":true`: "",
	} {
		p := mustPrincipal(t, cfg, true, `{"sub":"u",`+claims+`}`)
		if p.User() != want {
			t.Errorf("%s: %q, want %q", claims, p.User(), want)
		}
		if got := slices.Contains(p.Subjects(), "user:"+want); got != (want != "") {
			t.Errorf("%s: subjects %q", claims, p.Subjects())
		}
	}
	cfg.EmailDomains = nil
	if p := mustPrincipal(t, cfg, true, `{"sub":"u","email":"sara@","email_verified":true}`); p.User() != "" {
		t.Error(p.User())
	}
	if _, err := principalOf(t, cfg, true, `{"sub":"u","email":["x"],"email_verified":true}`); err == nil {
		t.Error("a list of addresses was passed over")
	}
}

func TestClaimMap(t *testing.T) {
	type is = map[string]any
	for name, tt := range map[string]struct {
		claims Claims
		token  string
		want   is // method → value
	}{
		"Keycloak": {
			Claims{Groups: "realm_access.roles"},
			`{"sub":"f:1:sara","azp":"app","realm_access":{"roles":["b","a","b"]},"scope":"openid  email"}`,
			is{"Groups": []string{"a", "b"}, "Teams": []string{"a", "b"}, "Client": "app", "Scopes": []string{"email", "openid"}},
		},
		"Auth0, a key with dots": {
			Claims{Groups: "https://x.com/groups", Teams: "https://x.com/app.teams"},
			`{"sub":"auth0|1","https://x.com/groups":["g"],"https://x.com/app":{"teams":"t"}}`,
			is{"Groups": []string{"g"}, "Teams": []string{"t"}, "Subject": "auth0|1"},
		},
		"the literal key wins": {
			Claims{Groups: "a.b"},
			`{"sub":"u","a.b":["literal"],"a":{"b":["nested"]}}`,
			is{"Groups": []string{"literal"}},
		},
		"one group as a text": {Claims{}, `{"sub":"u","groups":"Domain Admins"}`, is{"Groups": []string{"Domain Admins"}}},
		"no groups":           {Claims{}, `{"sub":"u","groups":["",null]}`, nil},
		"empty groups":        {Claims{}, `{"sub":"u","groups":["","x"]}`, is{"Groups": []string{"x"}}},
		"Azure's scp":         {Claims{}, `{"sub":"u","scp":"a b"}`, is{"Scopes": []string{"a", "b"}}},
		"Okta's scp":          {Claims{}, `{"sub":"u","scp":["b","a"]}`, is{"Scopes": []string{"a", "b"}}},
		"client_id":           {Claims{}, `{"sub":"u","client_id":"c"}`, is{"Client": "c"}},
		"azp before it":       {Claims{}, `{"sub":"u","client_id":"c","azp":"z"}`, is{"Client": "z"}},
		"cid by configuration": {
			Claims{Client: "cid"}, `{"sub":"u","cid":"c","azp":"z"}`, is{"Client": "c"},
		},
		"act":                   {Claims{}, `{"sub":"u","act":{"sub":"bot","act":{"sub":"older"}}}`, is{"Actor": "bot"}},
		"client credentials":    {Claims{}, `{"sub":"agent","client_id":"agent"}`, is{"Subject": "agent", "Client": "agent", "Key": "corp#agent", "Subjects": []string{"*", "client:agent"}}},
		"no sub":                {Claims{}, `{"azp":"agent"}`, is{"Subject": "agent", "Key": "corp#agent", "Subjects": []string{"*", "client:agent"}}},
		"a user of that id":     {Claims{}, `{"sub":"agent","azp":"web"}`, is{"Key": "corp|agent", "Subjects": []string{"*", "client:web", "sub:agent"}}},
		"a tenant, not listed":  {Claims{Tenant: "org"}, `{"sub":"u","org":"acme"}`, is{"Tenant": "acme"}},
		"a tenant, not claimed": {Claims{}, `{"sub":"u","org":"acme","tenant":"acme"}`, is{"Tenant": ""}},
		"a null":                {Claims{}, `{"sub":"u","azp":null,"groups":null,"act":null}`, is{"Client": "", "Groups": []string{}}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := corpConfig()
			cfg.Claims = tt.claims
			p, err := principalOf(t, cfg, true, tt.token)
			if tt.want == nil {
				if err == nil {
					t.Error("let in")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for method, want := range tt.want {
				got := reflect.ValueOf(p).MethodByName(method).Call(nil)[0].Interface()
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s is %v, want %v", method, got, want)
				}
			}
			if !slices.IsSorted(p.Subjects()) {
				t.Errorf("%q is not sorted", p.Subjects())
			}
		})
	}
}

// A tenant that an issuer is not configured to assert is its own, as any name is.
func TestTenantsAreScoped(t *testing.T) {
	cfg := partnerConfig()
	cfg.Claims.Tenant = "org"
	if p := mustPrincipal(t, cfg, false, `{"sub":"u","org":"acme"}`); p.Tenant() != "partner/acme" {
		t.Error(p.Tenant())
	}
	cfg.Tenants = []string{"acme"}
	if p := mustPrincipal(t, cfg, false, `{"sub":"u","org":"acme"}`); p.Tenant() != "acme" {
		t.Error(p.Tenant())
	}
	if _, err := principalOf(t, cfg, false, `{"sub":"u","org":"corp"}`); err == nil {
		t.Error("a tenant that is not listed was asserted")
	}
}

// Any claims and any path: no panic, and what is found is what encoding/json finds under the literal key, if it is there.
func FuzzClaimPath(f *testing.F) {
	f.Add(`{"realm_access":{"roles":["a"]}}`, "realm_access.roles")
	f.Add(`{"a.b":1,"a":{"b":2}}`, "a.b")
	f.Add(`{"":{"":{"":3}}}`, "..")
	f.Add(`{"a":null}`, "a")
	f.Fuzz(func(t *testing.T, doc, path string) {
		m, err := decodeObject([]byte(doc))
		if err != nil || len(path) > maxClaimPath {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(doc), &plain); err != nil {
			t.Fatalf("taken here and refused by encoding/json: %v", err)
		}
		if !reflect.DeepEqual(m, plain) {
			t.Fatalf("%v is not %v", m, plain)
		}
		got, ok := lookup(m, path)
		if want, there := plain[path]; there && path != "" && (ok != (want != nil) || !reflect.DeepEqual(got, want)) {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
		if ok && got == nil {
			t.Error("found a null")
		}
		for _, read := range []func() error{
			func() error { _, err := listClaim(m, path); return err },
			func() error { _, err := textClaim(m, path); return err },
			func() error { _, err := scopeClaim(m, path); return err },
			func() error { _, _, err := timeClaim(m, path); return err },
		} {
			_ = read()
		}
	})
}
