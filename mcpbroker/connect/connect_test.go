package connect

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// She opens the link of a call, logs in, consents, grants, sees the connection and ends it. Every request goes to another broker.
func TestConnect(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	link := strings.TrimPrefix(w.page.Link(w.person("sara"), "github", "Some <Agent>"), w.url)
	resp, body := b.logIn("sara", link)
	for _, text := range []string{"github", "https://mcp.example.com/mcp", "<code>repo</code>", "as.example.com", "Some &lt;Agent&gt;", "<strong>sara</strong>"} {
		wants(t, resp, body, 200, text)
	}
	if !strings.HasSuffix(resp.Header.Get("Content-Security-Policy"), "form-action 'self' https://as.example.com") {
		t.Error(resp.Header)
	}
	if w.as.asked != 0 {
		t.Error("the authorization server was asked before she consented")
	}
	resp, _ = b.post("/connect/github", formOf(t, body))
	back := w.as.agrees(t, resp.Header.Get("Location"))
	resp, _ = b.get(callbackPath + "?" + back.Encode())
	if resp.StatusCode != 303 || resp.Header.Get("Location") != listPath || !w.connected("sara") || w.connected("bob") {
		t.Fatal("not connected", resp.Status, resp.Header)
	}
	resp, body = b.get(listPath)
	wants(t, resp, body, 200, "Disconnect github")
	resp, _ = b.post("/connect/github/disconnect", formOf(t, body))
	if resp.StatusCode != 303 || w.connected("sara") {
		t.Error("still connected")
	}
	if got := strings.Join(w.done, ", "); got != "sara github true, sara github false" {
		t.Error("written down was", got)
	}
	_, body = b.get(listPath)
	resp, body = b.post("/connect/logout", formOf(t, body))
	wants(t, resp, body, 200, "You are logged out")
	if resp, _ := b.get(listPath); resp.StatusCode != 303 {
		t.Error("still logged in")
	}
}

// A link that was made for somebody else, for another server, or that is no link, asks for nothing.
func TestLinkOfAnother(t *testing.T) {
	w := newWorld(t)
	for _, link := range []string{w.page.Link(w.person("mallory"), "github", "x"), w.page.Link(w.person("sara"), "slack", "x"), w.url + "/connect/github?for=nonsense"} {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		resp, body := w.browser().logIn("sara", "/connect/github?"+u.RawQuery)
		wants(t, resp, body, 403, "This link is not for you")
		if strings.Contains(body, "<form") {
			t.Error("it has a form")
		}
	}
}

// A state works once, in its browser, for its person, within its time.
func TestState(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.consent("sara")
	for name, other := range map[string]*browser{"another browser": w.browser(), "another person": w.browser()} {
		if name == "another person" {
			other.logIn("bob", listPath)
		}
		resp, body := other.get(callbackPath + "?" + back.Encode())
		wants(t, resp, body, 400, "This has expired")
	}
	if w.as.asked != 0 || w.connected("bob") || w.connected("sara") {
		t.Fatal("a stolen state was used")
	}
	if resp, _ := b.get(callbackPath + "?" + back.Encode()); resp.StatusCode != 303 || !w.connected("sara") {
		t.Fatal("her own was not", resp.Status)
	}
	asked := w.as.asked
	resp, body := b.get(callbackPath + "?" + back.Encode())
	wants(t, resp, body, 400, "This has expired")
	if w.as.asked != asked {
		t.Error("a code was exchanged again")
	}
	// A login's state is none of a connection's.
	fresh := w.browser()
	resp, _ = fresh.get(listPath)
	back = w.login.agrees(t, resp.Header.Get("Location"))
	resp, body = w.browser().get(loginPath + "?" + back.Encode())
	wants(t, resp, body, 400, "This has expired")
}

func TestAnswers(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		change func(url.Values)
		status int
		text   string
	}{
		{"another issuer", func(v url.Values) { v.Set("iss", "https://evil.example.com") }, 400, "The answer came from elsewhere"},
		{"no issuer", func(v url.Values) { v.Del("iss") }, 400, "The answer came from elsewhere"},
		{"she refuses", func(v url.Values) { v.Set("error", "access_denied") }, 403, "You did not agree"},
		{"an error", func(v url.Values) { v.Set("error", "secret words") }, 502, "The server refused"},
		{"no code", func(v url.Values) { v.Del("code") }, 400, "This has expired"},
		{"two codes", func(v url.Values) { v.Add("code", "x") }, 400, "This has expired"},
		{"a code that is none", func(v url.Values) { v.Set("code", "forged") }, 502, "The server gave no access"},
		{"no state", func(v url.Values) { v.Del("state") }, 400, "This has expired"},
		{"a state that is none", func(v url.Values) { v.Set("state", "forged") }, 400, "This has expired"},
	} {
		b := w.browser()
		back := b.consent("sara")
		c.change(back)
		resp, body := b.get(callbackPath + "?" + back.Encode())
		wants(t, resp, body, c.status, c.text)
		if w.connected("sara") {
			t.Fatal(c.name, "connected")
		}
	}
}

// A form without the token of its session, or of another origin, does nothing.
func TestForms(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(), w.browser()
	_, body := b.logIn("sara", listPath)
	own := formOf(t, body)
	_, body = other.logIn("bob", listPath)
	theirs := formOf(t, body)
	for _, path := range []string{"/connect/github", "/connect/github/disconnect", "/connect/logout"} {
		for name, c := range map[string]struct {
			form    url.Values
			headers []string
		}{
			"none": {url.Values{}, nil}, "another session's": {theirs, nil}, "empty": {url.Values{"csrf": {""}}, nil},
			"another origin": {own, []string{"Origin", "https://evil.example.com"}}, "across sites": {own, []string{"Sec-Fetch-Site", "cross-site"}},
			"no form": {own, []string{"Content-Type", "text/plain"}},
		} {
			resp, body := b.post(path, c.form, c.headers...)
			if resp.StatusCode != 403 || !strings.Contains(body, "The form is not this page") {
				t.Errorf("%s %s: %s", path, name, resp.Status)
			}
		}
	}
	if resp, _ := b.post("/connect/github", own, "Origin", w.url, "Sec-Fetch-Site", "same-origin"); resp.StatusCode != 303 {
		t.Error("her own form was refused", resp.Status)
	}
	resp, body := w.browser().post("/connect/github", own)
	wants(t, resp, body, 400, "This has expired")
}

// Nothing leads anywhere but to the configured endpoints and this page.
func TestRedirects(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/connect/?next=https://evil.example.com", "/connect/github?back=//evil.example.com", "/connect/github?for=https://evil.example.com"} {
		b := w.browser()
		resp, _ := b.get(path)
		to, err := url.Parse(resp.Header.Get("Location"))
		if err != nil || to.Host != "idp.example.com" || to.Query().Get("redirect_uri") != w.url+loginPath {
			t.Error(path, to, err)
		}
		b.logIn("sara", path)
	}
	for path, status := range map[string]int{"/connect//evil.example.com": 404, "/connect/nobody": 404, "/connect/github/x": 404, "/connect": 404, "//evil.example.com/connect/": 404} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://gw.example.com/", nil)
		r.URL.Path = path
		rec := httptest.NewRecorder()
		w.page.ServeHTTP(rec, r)
		if rec.Code != status || rec.Header().Get("Location") != "" {
			t.Error(path, rec.Code, rec.Header())
		}
	}
}

// An ID token that answers another question, or is another client's, logs nobody in.
func TestLogin(t *testing.T) {
	w := newWorld(t)
	for name, claims := range map[string]map[string]any{"nonce": {"nonce": "another"}, "audience": {"aud": "yellowjack"}} {
		mint := w.login.mint
		w.login.mint = func(nonce string) string {
			all := map[string]any{"sub": "sara", "aud": "page", "nonce": nonce}
			for k, v := range claims {
				all[k] = v
			}
			token, err := w.idp.Mint(all)
			if err != nil {
				t.Error(err)
			}
			return token
		}
		b := w.browser()
		resp, _ := b.get(listPath)
		back := w.login.agrees(t, resp.Header.Get("Location"))
		resp, body := b.get(loginPath + "?" + back.Encode())
		if resp.StatusCode != 403 || !strings.Contains(body, "You could not be logged in") {
			t.Error(name, resp.Status)
		}
		w.login.mint = mint
	}
}

// The session has another name after the login than before it, and its cookie cannot be read, set or sent from elsewhere.
func TestCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	resp, _ := b.get(listPath)
	before := resp.Cookies()[0].Value
	back := w.login.agrees(t, resp.Header.Get("Location"))
	resp, _ = b.get(loginPath + "?" + back.Encode())
	if after := resp.Cookies()[0].Value; after == before || len(after) < 26 {
		t.Error("the session kept its name")
	}
	config := w.page.c
	config.Origin, config.Servers = "https://gw.example.com", nil
	config.Login.Redirect = "https://gw.example.com/connect/login"
	page, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	page.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://gw.example.com/connect/", nil))
	cookie := rec.Result().Cookies()[0]
	if cookie.Name != "__Host-yellowjack_connect" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
		t.Error(cookie)
	}
}

// A state ends.
func TestStateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := store.RandomKeys()
		page := &Page{c: Config{Store: store.Memory(store.MemoryConfig{}), Keys: keys, Log: slog.New(slog.DiscardHandler)}, cookie: "c"}
		state, _, err := page.wait(t.Context(), "session", pending{Server: "github"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(stateTime + time.Second)
		rec := httptest.NewRecorder()
		if _, ok := page.back(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, callbackPath+"?state="+state, nil), "session", false); ok || rec.Code != 400 {
			t.Error("an old state was taken", rec.Code)
		}
	})
}

func TestNew(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*Config){
		"origin": func(c *Config) { c.Origin += "/x" }, "login": func(c *Config) { c.Login.Redirect = "https://evil.example.com/connect/login" },
		"name":     func(c *Config) { c.Servers = map[string]*tokens.Source{"login": w.source} },
		"redirect": func(c *Config) { c.Servers = map[string]*tokens.Source{"slack": w.source} }, "scopes": func(c *Config) { c.Scopes = nil },
		"flow": func(c *Config) { c.Servers = map[string]*tokens.Source{"x": {Flow: tokens.Own{}}} },
		"keys": func(c *Config) { c.Keys = nil },
	} {
		config := w.page.c
		change(&config)
		if _, err := New(config); err == nil {
			t.Error(name)
		}
	}
}

// What was begun to connect is no login, and what was begun for one person is nobody else's, even in the same session.
func TestStateOfAnotherKind(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	back := b.consent("sara")
	asked := w.login.asked
	resp, body := b.get(loginPath + "?" + back.Encode())
	wants(t, resp, body, 400, "This has expired")
	if w.login.asked != asked {
		t.Error("a server's code went to the issuer")
	}
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	state, _, err := w.page.wait(t.Context(), b.c.Jar.Cookies(u)[0].Value, pending{Server: "github", Person: w.person("bob").Key()})
	if err != nil {
		t.Fatal(err)
	}
	resp, body = b.get(callbackPath + "?" + url.Values{"state": {state}, "code": {"x"}, "iss": {"https://as.example.com"}}.Encode())
	wants(t, resp, body, 400, "This has expired")
	if w.as.asked != 0 {
		t.Error("somebody else's code was exchanged")
	}
}

// Nobody's answer is taken for another server's: it comes to the redirect URI of the server that she was sent for.
func TestMixUp(t *testing.T) {
	w := newWorld(t)
	other := *w.source
	flow := other.Flow.(tokens.Code)
	flow.Redirect, flow.Issuer = Callback(w.url, "jira"), ""
	other.Server, other.Flow = "jira", flow
	w.page.c.Servers["jira"] = &other
	b := w.browser()
	back := b.consent("sara")
	back.Del("iss")
	resp, body := b.get("/connect/jira/callback?" + back.Encode())
	wants(t, resp, body, 400, "This has expired")
	if w.as.asked != 0 || w.connected("sara") {
		t.Error("another server's code was taken")
	}
}

// What cannot be written down is not said to have happened.
func TestUndone(t *testing.T) {
	w := newWorld(t)
	w.undone = errors.New("the audit is full")
	b := w.browser()
	back := b.consent("sara")
	resp, body := b.get(callbackPath + "?" + back.Encode())
	wants(t, resp, body, 503, "This does not work at the moment")
}

// Serves: people of the issuer at which they log in, as themselves.
func TestServes(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		claims map[string]any
		want   bool
	}{
		"a person": {map[string]any{"sub": "sara", "azp": "agent"}, true}, "a client": {map[string]any{"sub": "agent", "azp": "agent"}, false},
		"an actor": {map[string]any{"sub": "sara", "act": map[string]any{"sub": "robot"}}, false},
	} {
		token, err := w.idp.Mint(c.claims)
		if err != nil {
			t.Fatal(err)
		}
		p, refused := w.verifier.Verify(t.Context(), token)
		if refused != nil {
			t.Fatal(refused)
		}
		if got := w.page.Serves(p); got != c.want {
			t.Error(name, got)
		}
	}
	w.page.c.Issuer = "partner"
	if w.page.Serves(w.person("sara")) {
		t.Error("somebody of another issuer")
	}
}

// Whoever disconnects ends what she granted at the authorization server too; where that does not hear it, she reads so, and it has ended here.
func TestDisconnectTold(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		w := newWorld(t)
		w.as.deaf = deaf
		b := w.browser()
		b.get(callbackPath + "?" + b.consent("sara").Encode())
		if !w.connected("sara") {
			t.Fatal("she is not connected")
		}
		_, body := b.get(listPath)
		resp, body := b.post("/connect/github/disconnect", formOf(t, body))
		if w.connected("sara") {
			t.Error("she is connected still")
		}
		told := "[refresh access]"
		if deaf {
			told = "[refresh]"
			wants(t, resp, body, http.StatusBadGateway, "it could not tell the authorization server")
		} else if resp.StatusCode != http.StatusSeeOther {
			t.Error(resp.Status, body)
		}
		if got := fmt.Sprint(w.as.told); got != told {
			t.Errorf("it was told of %s", got)
		}
		if got := fmt.Sprint(w.done); got != "[sara github true sara github false]" {
			t.Errorf("written down: %s", got)
		}
	}
}
