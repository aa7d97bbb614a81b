package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/yellowjack/yellowjack/internal/identity"
)

// idProvider is a real identity provider, npm's oidc-provider.
type idProvider struct {
	url      string
	verifier func(audience string) *identity.Verifier
}

// cli is a person's own client: what her MCP client logs her in as.
const cli = "http://127.0.0.1:9/callback"

// startProvider starts it, with the gateway's clients, for a gateway at an address.
func startProvider(t *testing.T, gateway string, publicKey object) *idProvider {
	t.Helper()
	exchange := "urn:ietf:params:oauth:grant-type:token-exchange"
	code := []string{"authorization_code", "refresh_token"}
	config, err := json.Marshal(object{
		"people": object{
			"sara": object{"groups": []string{"finance"}, "email": "sara@example.com", "email_verified": true}, "mona": object{"groups": []string{"comms"}},
		},
		"clients": []object{
			{"client_id": "cli", "token_endpoint_auth_method": "none", "application_type": "native", "grant_types": code, "redirect_uris": []string{cli}},
			{"client_id": "page", "client_secret": "its-secret", "grant_types": code, "redirect_uris": []string{gateway + "/connect/login"}},
			{"client_id": "hub", "client_secret": "its-secret", "grant_types": code, "redirect_uris": []string{gateway + "/connect/hub/callback"}},
			{"client_id": "nightly", "client_secret": "its-secret", "grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "response_types": []string{}},
			{
				"client_id": "exchanger", "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256", "jwks": object{"keys": []object{publicKey}},
				"grant_types": []string{exchange}, "redirect_uris": []string{}, "response_types": []string{},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs("../.tools/oidc/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		t.Fatalf("%v; run `make sdks`", err)
	}
	c, out, err := spawn("oidc", []string{"OIDC_MODULES=" + filepath.Dir(modules)}, node22(t), "provider.mjs", string(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.gone
		if t.Failed() {
			t.Log(c.stderr.String())
		}
	})
	line, err := c.ready(t.Context(), out)
	issuer, ready := strings.CutPrefix(line, "ready ")
	if err != nil || !ready {
		t.Fatal(line, err)
	}
	p := &idProvider{url: issuer}
	p.verifier = func(audience string) *identity.Verifier {
		v, err := identity.New(t.Context(), identity.Config{Issuers: []identity.IssuerConfig{{Name: "as", Issuer: p.url, Audiences: []string{audience}}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	return p
}

func (p *idProvider) signIn(t *testing.T, person string) {
	t.Helper()
	res, err := http.Post(p.url+"/sign-in?sub="+person, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// login gets a person an access token, as her client would: by code and PKCE, in a browser.
func (p *idProvider) login(t *testing.T, person, resource string) string {
	t.Helper()
	p.signIn(t, person)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back *url.URL
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), cli) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	config := oauth2.Config{ClientID: "cli", RedirectURL: cli, Scopes: []string{"mcp"}, Endpoint: oauth2.Endpoint{AuthURL: p.url + "/auth", TokenURL: p.url + "/token", AuthStyle: oauth2.AuthStyleInParams}}
	verifier := oauth2.GenerateVerifier()
	res, err := browser.Get(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", resource)))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if back == nil {
		t.Fatal("she was not sent back:", res.Request.URL, res.Status)
	}
	got, err := config.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier), oauth2.SetAuthURLParam("resource", resource))
	if err != nil {
		t.Fatal(err)
	}
	return got.AccessToken
}

// taker is a server that takes tokens of the provider's for itself, from whom a test says.
func (p *idProvider) taker(t *testing.T, tool string, from func(*identity.Principal) bool) *toolServer {
	t.Helper()
	var v *identity.Verifier
	s := behind(t, false, func(authorization string) bool {
		who, refused := v.Verify(context.Background(), strings.TrimPrefix(authorization, "Bearer "))
		return refused == nil && from(who)
	}, tool)
	v = p.verifier(s.url)
	return s
}

// TestIdentityProvider: people log in at a real identity provider, whose tokens the gateway verifies; the broker gets what it calls servers
// with there, by client credentials, by an exchange as a client that signs who it is, and by what people grant in a browser.
func TestIdentityProvider(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	public := object{
		"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}
	var p *idProvider
	servers := map[string]*toolServer{}
	g := own(t, setup{
		env: []string{"SECRET=its-secret"},
		tools: `jobs__run: {allow: ["*"], effect: read}
books__read: {allow: ["group:finance"], effect: read}
hub__issues: {allow: ["*"], effect: read}
`,
		change: func(config string) string {
			listen, _, _ := strings.Cut(strings.TrimPrefix(config, "listen: "), "\n")
			gateway := "http://" + listen
			p = startProvider(t, gateway, public)
			servers["jobs"] = p.taker(t, "run", func(who *identity.Principal) bool { return who.Client() == "nightly" && !who.IsPerson() })
			servers["books"] = p.taker(t, "read", func(who *identity.Principal) bool {
				return who.Subject() == "sara" && who.Actor() == "exchanger" && who.Client() == "exchanger"
			})
			servers["hub"] = p.taker(t, "issues", func(who *identity.Principal) bool { return who.Client() == "hub" && who.IsPerson() })
			// The identity provider is corp now, found by discovery.
			config = strings.ReplaceAll(config, fmt.Sprintf("      jwks: %q\n", theStage.corp.JWKSURL()), "")
			config = strings.ReplaceAll(config, fmt.Sprintf("%q", theStage.corp.URL()), fmt.Sprintf("%q", p.url))
			config = strings.Replace(config, "audiences: [yellowjack]", fmt.Sprintf("audiences: [%q]", gateway+"/mcp"), 1)
			return config + fmt.Sprintf(`mcp:
  connect: {issuer: corp, client_id: page, client_secret: {env: SECRET}, scopes: [openid]}
  servers:
    jobs: {url: %q, auth: {flow: client-credentials, authorization_server: %q, client_id: nightly, client_secret: {env: SECRET}}}
    books: {url: %q, auth: {flow: token-exchange, authorization_server: %q, client_id: exchanger, private_key: {file: key.pem}, key_id: k, scopes: [repo], callers: [corp]}}
    hub: {url: %q, auth: {flow: authorization-code, authorization_server: %q, client_id: hub, client_secret: {env: SECRET}, scopes: [repo]}}
`, servers["jobs"].url, p.url, servers["books"].url, p.url, servers["hub"].url, p.url)
		},
		files: map[string]string{"key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))},
	})
	hers := p.login(t, "sara", g.url+"/mcp")
	b := g.browser(t)
	c := opener(t, g, hers, "", func(link string) bool {
		p.signIn(t, "sara")
		b.read(b.c.Get(link))
		b.press("Connect to hub")
		if b.at.Path != "/connect/" || !strings.Contains(b.text, "Disconnect hub") {
			t.Errorf("%s: %s", b.at, b.text)
		}
		return true
	})
	if got := c.tools(t); got != "books__read jobs__run" {
		t.Errorf("she sees %s", got)
	}
	for _, tool := range []string{"jobs__run", "books__read", "hub__issues"} {
		if got, err := c.call(t, tool, object{}); err != nil || got != toolResult {
			t.Errorf("%s: %q %v", tool, got, err)
		}
	}
	b.press("Disconnect hub") // which the provider hears: it takes refresh tokens back, and no JWTs
	if b.code != 200 || b.at.Path != "/connect/" || !strings.Contains(b.text, "not connected") {
		t.Errorf("after disconnecting: %d %s: %s", b.code, b.at, b.text)
	}
	m := opener(t, g, p.login(t, "mona", g.url+"/mcp"), "", nil)
	if got := m.tools(t); got != "jobs__run" {
		t.Errorf("Mona sees %s", got)
	}
	other := p.login(t, "sara", "https://elsewhere.example.com/")
	if a := g.get(t, http.MethodGet, "/mcp", other); a.status != http.StatusUnauthorized {
		t.Errorf("a token for elsewhere: %d %s", a.status, a.body)
	}
	for name, s := range servers {
		if strings.Contains(s.received(), hers) {
			t.Errorf("%s has Sara's own token", name)
		}
	}
}
