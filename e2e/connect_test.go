package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/net/html"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
)

// accounts is an authorization server at which people have accounts, and the server that takes its tokens.
type accounts struct {
	*issuer.Issuer
	server *toolServer
}

// connecting is a gateway before a GitHub at which people connect their own accounts.
func connecting(t *testing.T, legacy bool, more string) (*gateway, *accounts) {
	t.Helper()
	as, err := issuer.Start(issuer.Config{Alg: "ES256", Clients: map[string]string{"gateway": "its-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = as.Close() })
	a := &accounts{Issuer: as}
	a.server = behind(t, legacy, func(authorization string) bool {
		_, claims, err := as.Open(strings.TrimPrefix(authorization, "Bearer "))
		return err == nil && claims["aud"] == a.server.url && claims["scope"] == "repo"
	}, "get_issues")
	g := own(t, setup{
		env:   []string{"MCP_CLIENT=its-secret", "PAGE_CLIENT=its-secret"},
		tools: "hub__get_issues: {allow: [\"*\"], effect: read}\n",
		more: fmt.Sprintf(`mcp:
  connect: {issuer: corp, client_id: page, client_secret: {env: PAGE_CLIENT}}
  servers:
    hub: {url: %q, auth: {flow: authorization-code, authorization_server: %q, client_id: gateway, client_secret: {env: MCP_CLIENT}, scopes: [repo]}}
`, a.server.url, as.URL()) + more,
	})
	as.Redirect("gateway", g.url+"/connect/hub/callback")
	theStage.corp.Redirect("page", g.url+"/connect/login")
	return g, a
}

// surfer is a person's browser: it keeps cookies, follows redirects, and sends forms.
type surfer struct {
	t    *testing.T
	g    *gateway
	c    *http.Client
	at   *url.URL
	page *html.Node
	code int
	text string
	csp  []string // of each page
}

func (g *gateway) browser(t *testing.T) *surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &surfer{t: t, g: g, c: &http.Client{Jar: jar, Transport: transport}}
}

func (s *surfer) read(res *http.Response, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.g.mu.Lock()
	s.g.heard.Write(body)
	s.g.mu.Unlock()
	s.at, s.code, s.text = res.Request.URL, res.StatusCode, string(body)
	s.csp = append(s.csp, res.Header.Get("Content-Security-Policy"))
	if s.page, err = html.Parse(strings.NewReader(s.text)); err != nil {
		s.t.Fatal(err)
	}
}

// open goes to a page as a person of the identity provider's, who is logged in there.
func (s *surfer) open(link, person string) {
	s.t.Helper()
	theStage.corp.SignIn(object{"sub": person})
	s.read(s.c.Get(link))
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func words(n *html.Node) string {
	out := ""
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out += d.Data
		}
	}
	return strings.TrimSpace(out)
}

// press sends the form whose button says so.
func (s *surfer) press(button string) {
	s.t.Helper()
	for form := range s.page.Descendants() {
		if form.Data != "form" {
			continue
		}
		fields, found := url.Values{}, false
		for n := range form.Descendants() {
			found = found || n.Data == "button" && words(n) == button
			if n.Data == "input" {
				fields.Set(attribute(n, "name"), attribute(n, "value"))
			}
		}
		if found {
			to, err := s.at.Parse(attribute(form, "action"))
			if err != nil {
				s.t.Fatal(err)
			}
			s.read(s.c.PostForm(to.String(), fields))
			return
		}
	}
	s.t.Fatalf("there is no button %q in\n%s", button, s.text)
}

// opener is a client that can open links, and does so.
func opener(t *testing.T, g *gateway, token, version string, open func(link string) bool) *toolClient {
	t.Helper()
	c := &toolClient{changed: make(chan struct{}, 10), asked: make(chan string, 10)}
	client := mcp.NewClient(&mcp.Implementation{Name: "Sara's agent", Version: "1"}, &mcp.ClientOptions{
		Capabilities:           &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { c.changed <- struct{}{} },
		ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			if r.Params.Mode != "url" {
				return &mcp.ElicitResult{Action: "cancel"}, nil
			}
			c.asked <- r.Params.URL
			if open == nil {
				return &mcp.ElicitResult{Action: "decline"}, nil
			}
			if !open(r.Params.URL) {
				return &mcp.ElicitResult{Action: "cancel"}, nil
			}
			return &mcp.ElicitResult{Action: "accept"}, nil
		},
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: g.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{token, transport}},
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	c.ClientSession = session
	return c
}

// TestConnectPage: Sara's call leads her to the page, by a link that is hers; she logs in, agrees, and the same call is answered, with a
// token of her account there, and of nobody else's. In each era, before a server of each.
func TestConnectPage(t *testing.T) {
	for _, version := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(version, func(t *testing.T) {
			g, as := connecting(t, version == "2026-07-28", "")
			b := g.browser(t)
			hers := sara(t)
			c := opener(t, g, hers, version, func(link string) bool {
				b.open(link, "sara")
				for _, text := range []string{"hub", "Sara&#39;s agent", "<strong>sara</strong>", as.URL()[len("http://"):], "<code>repo</code>"} {
					if b.code != 200 || !strings.Contains(b.text, text) {
						t.Errorf("%d: the page does not say %q: %s", b.code, text, b.text)
					}
				}
				as.SignIn(object{"sub": "octosara"})
				b.press("Connect to hub")
				return true
			})
			if got := c.tools(t); got != "" {
				t.Errorf("before, she sees %s", got)
			}
			if got, err := c.call(t, "hub__get_issues", object{}); err != nil || got != toolResult {
				t.Fatalf("%q %v", got, err)
			}
			link := <-c.asked
			if b.code != 200 || b.at.Path != "/connect/" || !strings.Contains(b.text, "Disconnect hub") {
				t.Errorf("%d %s: %s", b.code, b.at, b.text)
			}
			for _, csp := range b.csp {
				if !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") || !strings.Contains(csp, "'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'") {
					t.Errorf("the policy is %q", csp)
				}
			}
			if got := c.tools(t); got != "hub__get_issues" {
				t.Errorf("she sees %s", got)
			}
			t.Run("nobody else's", func(t *testing.T) {
				m := opener(t, g, mona(t), version, nil)
				if got, err := m.call(t, "hub__get_issues", object{}); err != nil || !strings.Contains(got, "no account was connected") {
					t.Errorf("Mona, who declines: %q %v", got, err)
				}
				other := g.browser(t)
				other.open(link, "mona")
				if other.code != 403 || !strings.Contains(other.text, "This link is not for you") {
					t.Errorf("Mona opens Sara's link: %d %s", other.code, other.text)
				}
				plain := connect(t, g, mona(t), "/mcp", version)
				if got, err := plain.call(t, "hub__get_issues", object{}); err != nil || !strings.Contains(got, g.url+"/connect/hub in a browser") {
					t.Errorf("a client that opens no links: %q %v", got, err)
				}
			})
			if got := as.server.calls(); got != "get_issues" {
				t.Errorf("the server was called: %s", got)
			}
			b.press("Disconnect hub")
			for line := range strings.Lines(as.server.received()) {
				if authorization, ok := strings.CutPrefix(line, "Authorization: Bearer "); ok {
					if _, _, err := as.Open(strings.TrimSpace(authorization)); err == nil {
						t.Error("after disconnecting: the authorization server takes her token as good still")
					}
				}
			}
			if got, err := connect(t, g, hers, "/mcp", version).call(t, "hub__get_issues", object{}); err != nil || !strings.Contains(got, "not connected") {
				t.Errorf("after disconnecting: %q %v", got, err)
			}
			b.press("Log out")
			for line, want := range map[string]string{"connected": "hub", "disconnected": "hub"} {
				if !strings.Contains(string(g.file("audit.jsonl")), `"code":"`+line+`"`) {
					t.Errorf("the audit does not say that %s was %s", want, line)
				}
			}
			for place, text := range map[string]string{"the server": as.server.received(), "the log": g.guard.stderr.String(), "what clients read": g.heard.String()} {
				if strings.Contains(text, hers) {
					t.Errorf("%s has Sara's own token", place)
				}
			}
		})
	}
}

// TestConnectWhose: each person's calls carry a token of her own account, and when her access is revoked the connection has ended with it.
func TestConnectWhose(t *testing.T) {
	g, as := connecting(t, false, "")
	var who atomic.Value
	call := func(person, token string) (string, error) {
		b := g.browser(t)
		c := opener(t, g, token, "", func(link string) bool {
			b.open(link, person)
			as.SignIn(object{"sub": "account-of-" + person})
			b.press("Connect to hub")
			who.Store(person)
			return true
		})
		return c.call(t, "hub__get_issues", object{})
	}
	for _, person := range []string{"sara", "kim"} {
		if got, err := call(person, token(t, object{"sub": person, "groups": []string{"finance"}})); err != nil || got != toolResult {
			t.Fatalf("%s: %s %v", person, got, err)
		}
	}
	whose := func() (out []string) {
		for line := range strings.Lines(as.server.received()) {
			if authorization, ok := strings.CutPrefix(line, "Authorization: Bearer "); ok {
				_, claims, err := as.Open(strings.TrimSpace(authorization))
				if err != nil {
					t.Fatal(err)
				}
				if sub, _ := claims["sub"].(string); len(out) == 0 || out[len(out)-1] != sub {
					out = append(out, sub)
				}
			}
		}
		return out
	}
	if got := strings.Join(whose(), " "); got != "account-of-sara account-of-kim" {
		t.Errorf("the server was called as %s", got)
	}
	who.Store("")
	// Her groups are others: what she had before is gone, and so is her connection.
	eventually(t, "that she has to connect anew", func() bool {
		_, _ = call("sara", token(t, object{"sub": "sara", "groups": []string{"comms"}})) // one may end as the change is seen
		return who.Load() == "sara"
	})
}

// TestConnectStrangers: the page is nobody's who is of another issuer, or who is no person; they read so, and are not asked.
func TestConnectStrangers(t *testing.T) {
	g, _ := connecting(t, false, "")
	pats, err := theStage.partner.Mint(object{"sub": "pat"})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"another issuer's": pats, "a client": token(t, object{"sub": "nightly-agent", "client_id": "nightly-agent"}), "an actor": token(t, object{"sub": "sara", "act": object{"sub": "robot"}})} {
		c := opener(t, g, token, "", func(string) bool { t.Error(name, "was asked"); return false })
		if got, err := c.call(t, "hub__get_issues", object{}); err != nil || !strings.Contains(got, "you cannot log in where that is done") {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	a := g.get(t, http.MethodGet, "/connect/hub/callback?code=x&state=y&iss=z", "")
	if a.status != 400 || !strings.Contains(a.body, "This has expired") {
		t.Errorf("a callback of nobody's: %d %s", a.status, a.body)
	}
}
