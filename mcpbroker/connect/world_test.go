package connect

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// authority is a token endpoint that takes codes once, with PKCE, for the redirect URI that they were made for.
type authority struct {
	mint func(nonce string) string // ID tokens; nil: access tokens
	deaf bool                      // it does not take what is not needed any more

	mu    sync.Mutex
	codes map[string]url.Values // the authorization request of each
	asked int
	told  []string // which tokens are not needed any more
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	a.mu.Lock()
	defer a.mu.Unlock()
	if token := r.PostForm.Get("token"); token != "" { // RFC 7009
		if a.told = append(a.told, token); a.deaf {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	a.asked++
	code := r.PostForm.Get("code")
	request, ok := a.codes[code]
	delete(a.codes, code)
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != request.Get("code_challenge") || r.PostForm.Get("redirect_uri") != request.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"secret words"}`)
		return
	}
	answer := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh"}
	if a.mint != nil {
		answer["id_token"] = a.mint(request.Get("nonce"))
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// agrees is what a person's browser comes back with.
func (a *authority) agrees(t *testing.T, location string) url.Values {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" {
		t.Fatal("no authorization request:", location)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	code := "code-" + q.Get("state")
	a.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {"https://as.example.com"}}
}

// callbackPath is where she comes back to from the server github's authorization server.
const callbackPath = "/connect/github/callback"

type world struct {
	t        *testing.T
	idp      *issuer.Issuer
	verifier *identity.Verifier
	page     *Page
	url      string
	login    *authority
	as       *authority
	source   *tokens.Source
	subject  string // who logs in

	mu     sync.Mutex
	done   []string
	undone error // what Done answers
}

func (w *world) note(_ context.Context, who *identity.Principal, server string, connected bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, fmt.Sprint(who.Subject(), " ", server, " ", connected))
	return w.undone
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, subject: "sara"}
	var err error
	if w.idp, err = issuer.Start(issuer.Config{Alg: "ES256"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.idp.Close() })
	if w.verifier, err = identity.New(t.Context(), identity.Config{Issuers: []identity.IssuerConfig{
		{Name: "corp", Issuer: w.idp.URL(), JWKS: w.idp.JWKSURL(), Audiences: []string{"yellowjack"}},
	}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.verifier.Close)
	w.login = &authority{codes: map[string]url.Values{}, mint: func(nonce string) string {
		token, err := w.idp.Mint(map[string]any{"sub": w.subject, "aud": "page", "nonce": nonce})
		if err != nil {
			t.Error(err)
		}
		return token
	}}
	w.as = &authority{codes: map[string]url.Values{}}
	loginServer, server := httptest.NewServer(w.login), httptest.NewServer(w.as)
	t.Cleanup(loginServer.Close)
	t.Cleanup(server.Close)
	var first http.Handler
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { first.ServeHTTP(rw, r) }))
	t.Cleanup(front.Close)
	w.url = front.URL
	keys := store.RandomKeys()
	kept := store.Sealed(store.Memory(store.MemoryConfig{}), keys)
	w.source = &tokens.Source{
		Server: "github", Cache: &tokens.Cache{Store: kept, Keys: keys}, Assertions: &tokens.Assertions{},
		Want: tokens.Want{Resource: "https://mcp.example.com/mcp", Scopes: []string{"repo"}},
		Flow: tokens.Code{
			Authorization: "https://as.example.com/authorize", Redirect: w.url + callbackPath, Issuer: "https://as.example.com",
			Endpoint: tokens.Endpoint{URL: server.URL, Revocation: server.URL, HTTP: server.Client(), Client: tokens.Client{ID: "gateway"}},
		},
	}
	config := Config{
		Origin: w.url, Servers: map[string]*tokens.Source{"github": w.source}, Issuer: "corp", Verifier: w.verifier, Store: kept, Keys: keys, Scopes: []string{"openid"},
		Done: w.note,
		Login: tokens.Code{
			Authorization: "https://idp.example.com/authorize", Redirect: w.url + loginPath,
			Endpoint: tokens.Endpoint{URL: loginServer.URL, HTTP: loginServer.Client(), Client: tokens.Client{ID: "page"}},
		},
		Log: slog.New(slog.DiscardHandler),
	}
	if w.page, err = New(config); err != nil {
		t.Fatal(err)
	}
	second, err := New(config) // of another broker
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var mu sync.Mutex
	first = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		to := []*Page{w.page, second}[n%2] // each request another broker's
		mu.Unlock()
		to.ServeHTTP(rw, r)
	})
	return w
}

// person is a principal, as her access token makes her.
func (w *world) person(sub string) *identity.Principal {
	w.t.Helper()
	token, err := w.idp.Mint(map[string]any{"sub": sub})
	if err != nil {
		w.t.Fatal(err)
	}
	p, refused := w.verifier.Verify(w.t.Context(), token)
	if refused != nil {
		w.t.Fatal(refused)
	}
	return p
}

func (w *world) connected(sub string) bool {
	w.t.Helper()
	there, err := w.source.Connected(w.t.Context(), w.person(sub))
	if err != nil {
		w.t.Fatal(err)
	}
	return there
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	*world
	c *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) do(r *http.Request, err error) (*http.Response, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.sound(resp, string(body))
	return resp, string(body)
}

func (b *browser) get(path string) (*http.Response, string) {
	b.t.Helper()
	return b.do(http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil))
}

func (b *browser) post(path string, form url.Values, headers ...string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.do(r, nil)
}

var strictPolicy = regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[0-9A-Za-z+/=]{44}'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'( https://as\.example\.com)?$`)

// sound checks what holds of every answer.
func (b *browser) sound(resp *http.Response, body string) {
	b.t.Helper()
	policy := resp.Header.Get("Content-Security-Policy")
	if !strictPolicy.MatchString(policy) || strings.Contains(policy, "script") ||
		resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Referrer-Policy") != "no-referrer" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		b.t.Errorf("headers: %v", resp.Header)
	}
	if strings.Contains(body, "secret words") || strings.Contains(body, "code-") {
		b.t.Error("an answer repeats what it should not: ", body)
	}
	if body == "" || resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return
	}
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	count := map[string]int{}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" {
				b.t.Errorf("<%s %s>", n.Data, a.Key)
			}
		}
		if n.Data == "button" && (n.FirstChild == nil || strings.TrimSpace(n.FirstChild.Data) == "") {
			b.t.Error("a button without a name")
		}
	}
	if count["script"]+count["link"]+count["img"]+count["iframe"] != 0 || count["style"] != 1 || count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 {
		b.t.Errorf("the page has %v", count)
	}
}

// logIn logs a person in and returns the page that she wanted.
func (b *browser) logIn(sub, path string) (*http.Response, string) {
	b.t.Helper()
	b.subject = sub
	resp, _ := b.get(path)
	if resp.StatusCode != http.StatusSeeOther {
		b.t.Fatal("not sent to log in:", resp.Status)
	}
	back := b.login.agrees(b.t, resp.Header.Get("Location"))
	resp, _ = b.get(loginPath + "?" + back.Encode())
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != path {
		b.t.Fatal("not logged in:", resp.Status, resp.Header)
	}
	return b.get(path)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)

func formOf(t *testing.T, body string) url.Values {
	t.Helper()
	m := csrfField.FindStringSubmatch(body)
	if m == nil {
		t.Fatal("no form in", body)
	}
	return url.Values{"csrf": {m[1]}}
}

// consent goes as far as the authorization server, and returns what it sends her back with.
func (b *browser) consent(sub string) url.Values {
	b.t.Helper()
	_, body := b.logIn(sub, "/connect/github")
	resp, _ := b.post("/connect/github", formOf(b.t, body))
	if resp.StatusCode != http.StatusSeeOther {
		b.t.Fatal(resp.Status)
	}
	return b.as.agrees(b.t, resp.Header.Get("Location"))
}

func wants(t *testing.T, resp *http.Response, body string, status int, text string) {
	t.Helper()
	if resp.StatusCode != status || !strings.Contains(body, text) {
		t.Errorf("%s\n%s\nwant %d with %q", resp.Status, body, status, text)
	}
}
