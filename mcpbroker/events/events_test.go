package events

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	fake "github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/revoke"
	"github.com/yellowjack/yellowjack/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// revoker writes down what is revoked, or fails.
type revoker struct {
	mu    sync.Mutex
	all   []revoke.Revocation
	fails error
}

func (r *revoker) Revoke(_ context.Context, all ...revoke.Revocation) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails != nil {
		return r.fails
	}
	r.all = append(r.all, all...)
	return nil
}

// take is what was revoked since: handles, and the time where the issuer said one.
func (r *revoker) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, one := range r.all {
		text := strings.Join(one.Handles, " ")
		if !one.Before.IsZero() {
			text += " before " + one.Before.UTC().Format("15:04:05")
		}
		out = append(out, text)
	}
	r.all = nil
	return strings.Join(out, "; ")
}

type world struct {
	t             testing.TB
	corp, partner *fake.Issuer
	revoker       *revoker
	handler       *Handler
	now           time.Time
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, revoker: &revoker{}, now: time.Now().Truncate(time.Second)}
	start := func() *fake.Issuer {
		i, err := fake.Start(fake.Config{Alg: "ES256"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = i.Close() })
		return i
	}
	w.corp, w.partner = start(), start()
	verifier, err := identity.New(t.Context(), identity.Config{Issuers: []identity.IssuerConfig{
		{Name: "corp", Issuer: w.corp.URL(), JWKS: w.corp.JWKSURL(), Audiences: []string{"yellowjack"}, EmailDomains: []string{"example.com"}},
		{Name: "partner", Issuer: w.partner.URL(), JWKS: w.partner.JWKSURL(), Audiences: []string{"yellowjack"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	secret := func(s string) func() (string, error) { return func() (string, error) { return s, nil } }
	c := Config{
		Sources: []Source{
			{Issuer: "corp", URL: w.corp.URL(), Audiences: []string{"receiver"}, Signals: true, Logout: true, SCIM: secret("scim secret of corp")},
			{Issuer: "partner", URL: w.partner.URL(), Audiences: []string{"receiver"}, Signals: true, Authorization: secret("agreed on"), SCIM: secret("scim secret of partner")},
		},
		Verifier: verifier, Revoker: w.revoker, Store: store.Sealed(store.Memory(store.MemoryConfig{}), store.RandomKeys()), Keys: store.RandomKeys(), PerSecond: 1e6,
	}
	for _, f := range change {
		f(&c)
	}
	if w.handler, err = New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) do(method, path, kind, body string, kv ...string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(kv); i += 2 {
		r.Header.Set(kv[i], kv[i+1])
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	b, _ := io.ReadAll(out.Result().Body)
	if out.Result().Header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%s %s may be kept", method, path)
	}
	return out.Code, string(b)
}

type object = map[string]any

func (w *world) mint(i *fake.Issuer, typ any, claims object) string {
	w.t.Helper()
	all := object{"aud": "receiver", "exp": nil, "iat": w.now.Unix()}
	maps.Copy(all, claims)
	token, err := i.MintWith(object{"typ": typ}, all)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

const caep, risc = "https://schemas.openid.net/secevent/caep/event-type/", "https://schemas.openid.net/secevent/risc/event-type/"

func (w *world) push(token string, kv ...string) (int, string) {
	w.t.Helper()
	return w.do(http.MethodPost, "/events/signals", "application/secevent+jwt", token, kv...)
}

// TestSignals: each event of each form of a subject, and what follows.
func TestSignals(t *testing.T) {
	w := newWorld(t)
	issSub := object{"format": "iss_sub", "iss": w.corp.URL(), "sub": "u1"}
	at := func(d time.Duration) string { return w.now.Add(d).UTC().Format("15:04:05") }
	later := " before " + at(time.Second)
	for name, c := range map[string]struct {
		claims object
		want   string
	}{
		"session revoked":        {object{"sub_id": issSub, "events": object{caep + "session-revoked": object{}}}, "corp|u1 corp#u1" + later},
		"claims changed":         {object{"sub_id": issSub, "events": object{caep + "token-claims-change": object{"claims": object{"groups": []any{}}}}}, "corp|u1 corp#u1" + later},
		"credential revoked":     {object{"sub_id": issSub, "events": object{caep + "credential-change": object{"change_type": "revoke"}}}, "corp|u1 corp#u1" + later},
		"credential made":        {object{"sub_id": issSub, "events": object{caep + "credential-change": object{"change_type": "create"}}}, ""},
		"account disabled":       {object{"sub_id": issSub, "events": object{risc + "account-disabled": object{"reason": "hijacking"}}}, "corp|u1 corp#u1" + later},
		"by e-mail":              {object{"sub_id": object{"format": "email", "email": "Sara@example.com"}, "events": object{caep + "session-revoked": object{}}}, "@sara@example.com" + later},
		"opaque":                 {object{"sub_id": object{"format": "opaque", "id": "00u1"}, "events": object{caep + "session-revoked": object{}}}, "corp|00u1 corp#00u1" + later},
		"aliases":                {object{"sub_id": object{"format": "aliases", "identifiers": []any{issSub, object{"format": "email", "email": "sara@example.com"}, object{"format": "did"}}}, "events": object{caep + "session-revoked": object{}}}, "corp|u1 corp#u1 @sara@example.com" + later},
		"complex":                {object{"sub_id": object{"format": "complex", "user": issSub, "session": object{"format": "opaque", "id": "s1"}}, "events": object{caep + "session-revoked": object{}}}, "corp|u1 corp#u1 corp~s1" + later},
		"a session alone":        {object{"sub_id": object{"format": "complex", "session": object{"format": "opaque", "id": "s1"}}, "events": object{caep + "session-revoked": object{}}}, "corp~s1" + later},
		"subject in the event":   {object{"events": object{caep + "session-revoked": object{"subject": issSub}}}, "corp|u1 corp#u1" + later},
		"of a draft":             {object{"events": object{risc + "account-disabled": object{"subject": object{"subject_type": "iss-sub", "iss": w.corp.URL(), "sub": "u1"}}}}, "corp|u1 corp#u1" + later},
		"when it happened":       {object{"sub_id": issSub, "events": object{caep + "session-revoked": object{"event_timestamp": w.now.Add(-time.Hour).Unix()}}}, "corp|u1 corp#u1 before " + at(time.Second-time.Hour)},
		"when the token says":    {object{"sub_id": issSub, "toe": w.now.Add(-time.Hour).Unix(), "events": object{caep + "session-revoked": object{}}}, "corp|u1 corp#u1 before " + at(time.Second-time.Hour)},
		"in milliseconds":        {object{"sub_id": issSub, "events": object{caep + "session-revoked": object{"event_timestamp": w.now.UnixMilli()}}}, "corp|u1 corp#u1" + later},
		"after it was told":      {object{"sub_id": issSub, "events": object{caep + "session-revoked": object{"event_timestamp": w.now.Add(time.Hour).Unix()}}}, "corp|u1 corp#u1" + later},
		"verification":           {object{"sub_id": object{"format": "opaque", "id": "stream"}, "events": object{verification: object{"state": "x"}}}, ""},
		"something else":         {object{"sub_id": issSub, "events": object{caep + "assurance-level-change": object{}}}, ""},
		"of the configured type": {object{"sub_id": issSub, "events": object{caep + "session-revoked": object{}}}, "corp|u1 corp#u1" + later},
	} {
		token := w.mint(w.corp, "secevent+jwt", c.claims)
		status, body := w.push(token)
		if got := w.revoker.take(); status != http.StatusAccepted || body != "" || got != c.want {
			t.Errorf("%s: %d %s: revoked %q, want %q", name, status, body, got, c.want)
		}
		if status, _ := w.push(token); status != http.StatusAccepted || w.revoker.take() != "" {
			t.Errorf("%s: the same again: %d", name, status)
		}
	}
}

// TestSignalsRefused: what is not to be believed revokes nobody, and the sender reads why in the words of RFC 8935.
func TestSignalsRefused(t *testing.T) {
	w := newWorld(t)
	issSub := object{"format": "iss_sub", "iss": w.corp.URL(), "sub": "u1"}
	revoked := object{caep + "session-revoked": object{}}
	good := object{"sub_id": issSub, "events": revoked}
	with := func(more object) object {
		all := maps.Clone(good)
		maps.Copy(all, more)
		return all
	}
	many := make([]any, maxAliases+1)
	for i := range many {
		many[i] = issSub
	}
	for name, c := range map[string]struct {
		token  string
		status int
		code   string
	}{
		"an access token":    {w.mint(w.corp, "at+jwt", with(nil)), 400, "invalid_request"},
		"no type":            {w.mint(w.corp, nil, with(nil)), 400, "invalid_request"},
		"a logout token":     {w.mint(w.corp, "logout+jwt", with(nil)), 400, "invalid_request"},
		"for somebody else":  {w.mint(w.corp, "secevent+jwt", with(object{"aud": "yellowjack"})), 400, "invalid_audience"},
		"a stranger":         {w.mint(w.corp, "secevent+jwt", with(object{"iss": "https://else.example.com"})), 400, "invalid_issuer"},
		"another's user":     {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "iss_sub", "iss": w.partner.URL(), "sub": "u1"}})), 400, "invalid_request"},
		"another's domain":   {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "email", "email": "x@else.com"}})), 400, "invalid_request"},
		"nobody":             {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": nil})), 400, "invalid_request"},
		"no name":            {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "opaque"}})), 400, "invalid_request"},
		"a telephone":        {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "phone_number", "phone_number": "+1"}})), 400, "invalid_request"},
		"no user":            {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "complex", "tenant": issSub}})), 400, "invalid_request"},
		"two of a kind":      {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "aliases", "identifiers": []any{issSub, object{"format": "opaque", "id": "u2"}}}})), 400, "invalid_request"},
		"no alias known":     {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "aliases", "identifiers": []any{object{"format": "did"}}}})), 400, "invalid_request"},
		"many aliases":       {w.mint(w.corp, "secevent+jwt", with(object{"sub_id": object{"format": "aliases", "identifiers": many}})), 400, "invalid_request"},
		"no events":          {w.mint(w.corp, "secevent+jwt", with(object{"events": nil})), 400, "invalid_request"},
		"empty events":       {w.mint(w.corp, "secevent+jwt", with(object{"events": object{}})), 400, "invalid_request"},
		"an event of texts":  {w.mint(w.corp, "secevent+jwt", with(object{"events": object{caep + "session-revoked": "now"}})), 400, "invalid_request"},
		"old":                {w.mint(w.corp, "secevent+jwt", with(object{"iat": w.now.Add(-15 * 24 * time.Hour).Unix()})), 400, "invalid_request"},
		"no token":           {"", 400, "invalid_request"},
		"large":              {strings.Repeat("a", maxStatement+1), 400, "invalid_request"},
		"without the secret": {w.mint(w.partner, "secevent+jwt", object{"sub_id": object{"format": "opaque", "id": "x"}, "events": revoked}), 401, "authentication_failed"},
	} {
		status, body := w.push(c.token)
		if got := w.revoker.take(); status != c.status || !strings.Contains(body, `"err":"`+c.code+`"`) || got != "" {
			t.Errorf("%s: %d %s: revoked %q", name, status, body, got)
		}
	}
	partners := func() string {
		return w.mint(w.partner, "secevent+jwt", object{"sub_id": object{"format": "opaque", "id": "x"}, "events": revoked})
	}
	if status, _ := w.push(partners(), "Authorization", "Bearer wrong"); status != 401 {
		t.Error(status)
	}
	if status, body := w.push(partners(), "Authorization", "Bearer agreed on"); status != 202 || !strings.HasPrefix(w.revoker.take(), "partner|x") {
		t.Error(status, body)
	}
	if status, _ := w.do("POST", "/events/signals", "application/json", w.mint(w.corp, "secevent+jwt", good)); status != http.StatusUnsupportedMediaType {
		t.Error(status)
	}
	if status, _ := w.do("GET", "/events/signals", "", ""); status != http.StatusMethodNotAllowed {
		t.Error(status)
	}
}

// TestAgain: what could not be done, since the store or the keys are away, is to be sent again, and works then.
func TestAgain(t *testing.T) {
	w := newWorld(t)
	w.revoker.fails = errors.New("away")
	set := w.mint(w.corp, "secevent+jwt", object{"sub_id": object{"format": "opaque", "id": "u1"}, "events": object{caep + "session-revoked": object{}}})
	if status, body := w.push(set); status != http.StatusServiceUnavailable || strings.Contains(body, "away") {
		t.Error(status, body)
	}
	out := w.logoutToken(object{"sub": "u1"})
	if status, body := w.logout(out); status != http.StatusBadRequest || !strings.Contains(body, "server_error") {
		t.Error(status, body)
	}
	w.revoker.fails = nil
	if status, _ := w.push(set); status != http.StatusAccepted || w.revoker.take() == "" {
		t.Error(status)
	}
	if status, _ := w.logout(out); status != http.StatusOK || w.revoker.take() == "" {
		t.Error(status)
	}
}

func (w *world) logoutToken(claims object) string {
	all := object{"exp": w.now.Add(2 * time.Minute).Unix(), "events": object{logoutEvent: object{}}}
	maps.Copy(all, claims)
	return w.mint(w.corp, "logout+jwt", all)
}

func (w *world) logout(token string) (int, string) {
	w.t.Helper()
	return w.do(http.MethodPost, "/events/logout", "application/x-www-form-urlencoded", url.Values{"logout_token": {token}}.Encode())
}

// TestLogout: each check of a logout token (section 2.6), and whom it logs out.
func TestLogout(t *testing.T) {
	w := newWorld(t)
	later := " before " + w.now.Add(time.Second).UTC().Format("15:04:05")
	for name, c := range map[string]struct{ token, want string }{
		"sub":          {w.logoutToken(object{"sub": "u1"}), "corp|u1" + later},
		"sid":          {w.logoutToken(object{"sid": "s1"}), "corp~s1" + later},
		"both":         {w.logoutToken(object{"sub": "u1", "sid": "s1"}), "corp|u1 corp~s1" + later},
		"an old type":  {w.mint(w.corp, "JWT", object{"sub": "u1", "exp": w.now.Add(time.Minute).Unix(), "events": object{logoutEvent: object{}}}), "corp|u1" + later},
		"without type": {w.mint(w.corp, nil, object{"sub": "u1", "exp": w.now.Add(time.Minute).Unix(), "events": object{logoutEvent: object{}}}), "corp|u1" + later},
	} {
		status, body := w.logout(c.token)
		if got := w.revoker.take(); status != http.StatusOK || got != c.want {
			t.Errorf("%s: %d %s: revoked %q, want %q", name, status, body, got, c.want)
		}
		if status, body := w.logout(c.token); status != http.StatusBadRequest || !strings.Contains(body, "used before") || w.revoker.take() != "" {
			t.Errorf("%s: replayed: %d %s", name, status, body)
		}
	}
	for name, token := range map[string]string{
		"a nonce":           w.logoutToken(object{"sub": "u1", "nonce": "n"}),
		"no events":         w.logoutToken(object{"sub": "u1", "events": nil}),
		"another event":     w.logoutToken(object{"sub": "u1", "events": object{caep + "session-revoked": object{}}}),
		"an event of texts": w.logoutToken(object{"sub": "u1", "events": object{logoutEvent: "yes"}}),
		"nobody":            w.logoutToken(nil),
		"a number":          w.logoutToken(object{"sub": 7}),
		"no session":        w.logoutToken(object{"sub": "u1", "sid": ""}),
		"no end":            w.logoutToken(object{"sub": "u1", "exp": nil}),
		"no id":             w.logoutToken(object{"sub": "u1", "jti": nil}),
		"no time":           w.logoutToken(object{"sub": "u1", "iat": nil}),
		"expired":           w.logoutToken(object{"sub": "u1", "exp": w.now.Add(-5 * time.Minute).Unix()}),
		"old":               w.logoutToken(object{"sub": "u1", "iat": w.now.Add(-time.Hour).Unix()}),
		"for somebody else": w.logoutToken(object{"sub": "u1", "aud": "yellowjack"}),
		"an event token":    w.mint(w.corp, "secevent+jwt", object{"sub": "u1", "exp": w.now.Add(time.Minute).Unix(), "events": object{logoutEvent: object{}}}),
		"an access token":   w.mint(w.corp, "at+jwt", object{"sub": "u1", "exp": w.now.Add(time.Minute).Unix()}),
		"an ID token":       w.mint(w.corp, "JWT", object{"sub": "u1", "exp": w.now.Add(time.Minute).Unix(), "nonce": "n"}),
		"of who has none":   w.mint(w.partner, "logout+jwt", object{"sub": "u1", "exp": w.now.Add(time.Minute).Unix(), "events": object{logoutEvent: object{}}}),
		"nothing":           "",
	} {
		if status, body := w.logout(token); status != http.StatusBadRequest || !strings.Contains(body, "invalid_request") || w.revoker.take() != "" {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	good := w.logoutToken(object{"sub": "u1"})
	for name, body := range map[string]string{"two": "logout_token=" + good + "&logout_token=" + good, "none": "x=y", "large": "x=" + strings.Repeat("y", maxStatement)} {
		if status, _ := w.do("POST", "/events/logout", "application/x-www-form-urlencoded", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := w.do("POST", "/events/logout?logout_token="+good, "application/x-www-form-urlencoded", ""); status != http.StatusBadRequest {
		t.Errorf("in the query: %d", status)
	}
	if status, _ := w.do("POST", "/events/logout", "text/plain", "logout_token="+good); status != http.StatusBadRequest {
		t.Errorf("as a text: %d", status)
	}
}

// TestSCIM: the secret of an issuer opens its own door, and what is pushed revokes its own users.
func TestSCIM(t *testing.T) {
	w := newWorld(t)
	path := func(issuer string) string { return "/events/scim/" + issuer + "/v2/Users" }
	user := `{"userName":"Sara@example.com","externalId":"00u1","emails":[{"value":"sara@else.com"}],"active":false}`
	for name, kv := range map[string][]string{
		"none": nil, "wrong": {"Authorization", "Bearer wrong"}, "another's": {"Authorization", "Bearer scim secret of partner"}, "basic": {"Authorization", "Basic scim secret of corp"},
	} {
		if status, _ := w.do("POST", path("corp"), "application/scim+json", user, kv...); status != 401 || w.revoker.take() != "" {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := w.do("POST", path("nobody"), "application/scim+json", user, "Authorization", "Bearer scim secret of corp"); status != 401 {
		t.Error("an issuer that does not push", status)
	}
	if status, body := w.do("POST", path("corp"), "application/scim+json", user, "Authorization", "bearer scim secret of corp"); status != 201 {
		t.Error(status, body)
	}
	if got := w.revoker.take(); got != "corp|00u1 corp|Sara@example.com @sara@example.com" {
		t.Error(got)
	}
	if status, body := w.do("POST", path("partner"), "application/scim+json", user, "Authorization", "Bearer scim secret of partner"); status != 201 {
		t.Error(status, body)
	}
	if got := w.revoker.take(); got != "partner|00u1 partner|Sara@example.com" {
		t.Error("a domain that it may not assert:", got)
	}
}

// TestPaths: what nobody configured is not there, and each endpoint takes so many requests.
func TestPaths(t *testing.T) {
	none := newWorld(t, func(c *Config) { c.Sources = nil })
	for _, path := range []string{"/events/signals", "/events/logout", "/events/", "/events/x"} {
		if status, _ := none.do("POST", path, "", ""); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	now := time.Now()
	few := newWorld(t, func(c *Config) { c.PerSecond, c.Now = 1, func() time.Time { return now } })
	for path, kind := range map[string]string{"/events/signals": "application/secevent+jwt", "/events/logout": "application/x-www-form-urlencoded", "/events/scim/corp/v2/Users": "application/scim+json"} {
		taken := 0
		for range 20 {
			if status, _ := few.do("POST", path, kind, "x"); status != http.StatusTooManyRequests {
				taken++
			}
		}
		if taken != 4 {
			t.Errorf("%s took %d requests at once", path, taken)
		}
	}
	now = now.Add(time.Second)
	if status, _ := few.do("POST", "/events/logout", "", ""); status == http.StatusTooManyRequests {
		t.Error("it never takes one again")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a handler of nothing")
	}
}

// TestRevokes: a pushed event makes a real token count no more.
func TestRevokes(t *testing.T) {
	corp, err := fake.Start(fake.Config{Alg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = corp.Close() }()
	kept, keys := store.Memory(store.MemoryConfig{}), store.RandomKeys()
	service, err := revoke.New(t.Context(), revoke.Config{Store: kept, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	verifier, err := identity.New(t.Context(), identity.Config{Epochs: service, Issuers: []identity.IssuerConfig{{Name: "corp", Issuer: corp.URL(), JWKS: corp.JWKSURL(), Audiences: []string{"yellowjack"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	w := newWorld(t, func(c *Config) {
		c.Verifier, c.Revoker, c.Store, c.Keys = verifier, service, kept, keys
		c.Sources = []Source{{Issuer: "corp", URL: corp.URL(), Audiences: []string{"receiver"}, Signals: true}}
	})
	token := func(issued time.Time) string {
		text, err := corp.Mint(object{"sub": "sara", "iat": issued.Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	old, fresh := token(w.now.Add(-time.Minute)), token(w.now.Add(time.Second))
	if _, refused := verifier.Verify(t.Context(), old); refused != nil {
		t.Fatal(refused)
	}
	if status, body := w.push(w.mint(corp, "secevent+jwt", object{"sub_id": object{"format": "iss_sub", "iss": corp.URL(), "sub": "sara"}, "events": object{caep + "session-revoked": object{}}})); status != 202 {
		t.Fatal(status, body)
	}
	if _, refused := verifier.Verify(t.Context(), old); refused == nil {
		t.Error("the token still counts")
	}
	if _, refused := verifier.Verify(t.Context(), fresh); refused != nil {
		t.Error(refused)
	}
}

// FuzzSubject: no subject is somebody whom it does not name.
func FuzzSubject(f *testing.F) {
	f.Add("iss_sub", "https://corp", "u1", "")
	f.Add("complex", "", "", "s")
	f.Add("aliases", "https://else", "x", "y")
	f.Fuzz(func(t *testing.T, format, iss, name, session string) {
		one := object{"format": format, "iss": iss, "sub": name, "id": name, "email": name, "session": object{"id": session}}
		one["user"], one["identifiers"] = maps.Clone(one), []any{maps.Clone(one)}
		got, err := subjectOf(Source{Issuer: "corp", URL: "https://corp"}, one)
		if err != nil {
			return
		}
		for _, s := range []string{got.Sub, got.Client, got.Email} {
			if s != "" && s != name {
				t.Errorf("%+v", got)
			}
		}
		if got.Issuer != "corp" || got.Key != "" || got.Session != "" && got.Session != session || got.Sub == "" && got.Email == "" && got.Session == "" {
			t.Errorf("%+v", got)
		}
	})
}
