package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
	"github.com/yellowjack/yellowjack/mcpbroker/upstream"
)

// The official conformance suite starts a client for each of its scenarios, and looks at what it asks its authorization server and
// its MCP server. The client is this test's own binary (TestMain), with the broker's parts in it: its source of tokens, its page, its
// client of servers, and a person who uses the page.
//
// What an operator writes into the configuration, the client takes from where an operator would: who it is from the suite's context, and
// the authorization server and the resource from the server's metadata (RFC 9728), which the broker itself does not ask.

// logins are the suite's scenarios for clients that log in, each with the checks that fail, by design.
var logins = map[string][]string{
	"auth/pre-registration":                 nil,
	"auth/basic-cimd":                       nil,
	"auth/token-endpoint-auth-basic":        nil,
	"auth/token-endpoint-auth-post":         nil,
	"auth/token-endpoint-auth-none":         nil,
	"auth/metadata-default":                 {"client-registration"},
	"auth/metadata-var1":                    {"client-registration"},
	"auth/metadata-var2":                    {"client-registration"},
	"auth/metadata-var3":                    {"client-registration"},
	"auth/metadata-issuer-mismatch":         nil,
	"auth/scope-from-scopes-supported":      nil,
	"auth/scope-from-www-authenticate":      nil,
	"auth/scope-omitted-when-undefined":     nil,
	"auth/scope-step-up":                    {"scope-step-up-escalation", "sep-2350-scope-union-on-reauth"},
	"auth/scope-retry-limit":                nil,
	"auth/offline-access-scope":             nil,
	"auth/offline-access-not-supported":     nil,
	"auth/iss-supported":                    nil,
	"auth/iss-not-advertised":               nil,
	"auth/iss-supported-missing":            nil,
	"auth/iss-wrong-issuer":                 nil,
	"auth/iss-unexpected":                   nil,
	"auth/iss-normalized":                   nil,
	"auth/client-credentials-jwt":           nil,
	"auth/client-credentials-basic":         nil,
	"auth/enterprise-managed-authorization": nil,
	"auth/wif-jwt-bearer":                   nil,
}

// all runs the whole suite where a sample is usual; `make e2e-mcp` sets it.
var all = flag.Bool("mcp.all", false, "run the whole of the conformance suite's scenarios for clients that log in")

// sample is what runs without -mcp.all.
var sample = []string{
	"auth/pre-registration", "auth/token-endpoint-auth-post", "auth/metadata-var3", "auth/metadata-issuer-mismatch", "auth/iss-wrong-issuer", "auth/iss-supported-missing",
	"auth/client-credentials-jwt", "auth/enterprise-managed-authorization", "auth/wif-jwt-bearer",
}

// noLogins are those that do not apply, each with the reason.
var noLogins = map[string]string{
	"auth/resource-mismatch":                    "a server's metadata (RFC 9728) are not asked: the resource is the server's URL, or what the configuration says",
	"auth/authorization-server-migration":       "the same: a server cannot name another authorization server",
	"auth/2025-03-26-oauth-metadata-backcompat": "the same: a server is not taken for its own authorization server",
	"auth/2025-03-26-oauth-endpoint-fallback":   "the same, and no endpoint is guessed",
	"auth/dpop":       "an extension; tokens are borne",
	"auth/dpop-nonce": "the same",
}

// TestMain is the suite's client where the suite has started it.
func TestMain(m *testing.M) {
	if scenario := os.Getenv("MCP_CONFORMANCE_SCENARIO"); scenario != "" {
		if err := client(scenario, os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// configured is what an operator would have written down.
type configured struct {
	Issuer   string `json:"issuer"`
	Resource string `json:"-"`
	ID       string `json:"client_id"`
	Secret   string `json:"client_secret"`
	Key      string `json:"private_key_pem"`
	JWT      string `json:"valid_jwt"`
	IDToken  string `json:"idp_id_token"`
	IDPID    string `json:"idp_client_id"`
	IDP      string `json:"idp_token_endpoint"`
	Scopes   []string
}

// configure reads it.
func configure(scenario, server string) (configured, error) {
	var c configured
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return c, err
		}
	}
	resp, err := http.Post(server, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	if err != nil {
		return c, err
	}
	_ = resp.Body.Close()
	u, err := url.Parse(server)
	if err != nil {
		return c, err
	}
	places := []string{"http://" + u.Host + "/.well-known/oauth-protected-resource" + u.Path, "http://" + u.Host + "/.well-known/oauth-protected-resource"}
	challenge := resp.Header.Get("WWW-Authenticate")
	parameter := func(name string) string {
		_, after, _ := strings.Cut(challenge, name+`="`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	if at := parameter("resource_metadata"); at != "" {
		places = []string{at}
	}
	c.Scopes = strings.Fields(parameter("scope"))
	for _, place := range places {
		var said struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Scopes   []string `json:"scopes_supported"`
		}
		resp, err := http.Get(place)
		if err != nil {
			return c, err
		}
		failed := json.NewDecoder(resp.Body).Decode(&said)
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK || failed != nil || len(said.Servers) == 0 {
			continue
		}
		if c.Resource, c.Issuer = said.Resource, said.Servers[0]; len(c.Scopes) == 0 {
			c.Scopes = said.Scopes
		}
		break
	}
	switch {
	case scenario == "auth/basic-cimd": // where the operator has put a document that says what client the gateway is
		c.ID = "https://conformance-test.local/client-metadata.json"
	case c.ID == "": // what an operator is told who registers the gateway there
		c.ID, c.Secret = "test-client-id", "test-client-secret"
	}
	return c, nil
}

// text is a secret as a configuration has it.
func text(s string) func() (string, error) { return func() (string, error) { return s, nil } }

// flow is how the operator has tokens had in a scenario.
func (c configured) flow(scenario, origin string) tokens.Flow {
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	server := &tokens.Server{Issuer: c.Issuer, HTTP: plain}
	at := tokens.Endpoint{Server: server, HTTP: plain, Client: tokens.Client{ID: c.ID}}
	switch {
	case c.Key != "":
		at.Client.PrivateKey = text(c.Key)
	case c.Secret != "" && scenario != "auth/token-endpoint-auth-none":
		at.Client.Secret = text(c.Secret)
		at.Client.InForm = scenario == "auth/token-endpoint-auth-post"
	}
	switch scenario {
	case "auth/client-credentials-jwt", "auth/client-credentials-basic":
		return tokens.Own{Endpoint: at}
	case "auth/wif-jwt-bearer":
		return tokens.Workload{Endpoint: at, Assertion: text(c.JWT)}
	case "auth/enterprise-managed-authorization":
		return tokens.IDJAG{Issuer: tokens.Endpoint{URL: c.IDP, HTTP: plain, Client: tokens.Client{ID: c.IDPID}}, Audience: c.Issuer, Server: at}
	}
	return tokens.Code{Endpoint: at, Redirect: Callback(origin, "suite")}
}

// client is the broker as the suite's client: it calls the server as Sara, who connects her account where she is asked to.
func client(scenario, server string) error {
	ctx := context.Background()
	c, err := configure(scenario, server)
	if err != nil {
		return err
	}
	idp, err := issuer.Start(issuer.Config{Alg: "ES256", Clients: map[string]string{"page": ""}})
	if err != nil {
		return err
	}
	defer idp.Close()
	v, err := identity.New(ctx, identity.Config{Issuers: []identity.IssuerConfig{{Name: "corp", Issuer: idp.URL(), JWKS: idp.JWKSURL(), Audiences: []string{"yellowjack"}}}})
	if err != nil {
		return err
	}
	defer v.Close()
	var page *Page
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { page.ServeHTTP(w, r) }))
	defer front.Close()
	idp.Redirect("page", Login(front.URL))
	token, err := idp.Mint(map[string]any{"sub": "sara"})
	if err != nil {
		return err
	}
	sara, refused := v.Verify(ctx, token)
	if refused != nil {
		return refused
	}
	keys := store.RandomKeys()
	kept := store.Sealed(store.Memory(store.MemoryConfig{}), keys)
	source := &tokens.Source{
		Server: "suite", Flow: c.flow(scenario, front.URL), Want: tokens.Want{Resource: c.Resource, Scopes: c.Scopes}, Cache: &tokens.Cache{Store: kept, Keys: keys},
		Assertions: &tokens.Assertions{}, Callers: []string{"corp"},
	}
	if c.IDToken != "" {
		token = c.IDToken
	}
	source.Assertions.Hold(sara, token)
	_, connects := source.Flow.(tokens.Code)
	if connects {
		if page, err = New(Config{
			Origin: front.URL, Servers: map[string]*tokens.Source{"suite": source}, Issuer: "corp", Verifier: v, Store: kept, Keys: keys, Scopes: []string{"openid"}, Log: slog.New(slog.DiscardHandler),
			Login: tokens.Code{
				Redirect: Login(front.URL), Nonce: true,
				Endpoint: tokens.Endpoint{Server: &tokens.Server{Issuer: idp.URL(), HTTP: http.DefaultClient}, HTTP: http.DefaultClient, Client: tokens.Client{ID: "page"}},
			},
		}); err != nil {
			return err
		}
	}
	u := upstream.New(upstream.Config{Name: "suite", URL: server, Client: http.DefaultClient, Header: source.Header, ClientName: "yellowjack", ClientVersion: "test"})
	defer u.Close()
	call := func(method, params string) error {
		a, err := u.Call(ctx, &relay.Call{Principal: sara, Method: method, Params: []byte(params), Capabilities: []byte("{}"), Notify: func(string, []byte) error { return nil }})
		if err == nil && a.Err != nil {
			err = a.Err
		}
		return err
	}
	err = call(protocol.ListTools, "{}")
	if connects && errors.Is(err, tokens.ErrConnect) {
		idp.SignIn(map[string]any{"sub": "sara"})
		if err = browse(page.Link(sara, "suite", "the suite")); err == nil {
			err = call(protocol.ListTools, "{}")
		}
	}
	if err == nil {
		err = call(protocol.CallTool, `{"name":"test-tool","arguments":{}}`)
	}
	return err
}

// browse is a person who opens a link, logs in, and agrees.
func browse(link string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	c := &http.Client{Jar: jar}
	read := func(resp *http.Response, err error) (string, error) {
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, body)
		}
		return string(body), err
	}
	body, err := read(c.Get(link))
	if err != nil {
		return err
	}
	m := csrfField.FindStringSubmatch(body)
	if m == nil {
		return errors.New("there is no form")
	}
	at, _, _ := strings.Cut(link, "?")
	_, err = read(c.PostForm(at, url.Values{"csrf": {m[1]}}))
	return err
}

// TestConformance runs the official suite's scenarios for clients that log in. There is none that is not known here.
func TestConformance(t *testing.T) {
	root := filepath.Join("..", "..", ".tools", "mcp", "js", "node_modules")
	suite := filepath.Join(root, "conformance-2026-07-28", "dist", "index.js")
	if _, err := os.Stat(suite); err != nil {
		t.Fatalf("%v; run `make sdks`", err)
	}
	node := "node"
	if found, _ := filepath.Glob(filepath.Join(root, "node-*", "bin", "node")); len(found) > 0 {
		node = found[0]
	}
	list, err := exec.CommandContext(t.Context(), node, suite, "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(list)) {
		if _, runs := logins[word]; strings.HasPrefix(word, "auth/") && !runs && noLogins[word] == "" {
			t.Errorf("the scenario %s is not known", word)
		}
	}
	good, passed, names := 0, 0, sample
	if *all {
		names = slices.Sorted(maps.Keys(logins))
	}
	for _, name := range names {
		byDesign := logins[name]
		t.Run(strings.TrimPrefix(name, "auth/"), func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), node, suite, "client", "--command", os.Args[0], "--scenario", name, "--force", "--spec-version", "2026-07-28", "--timeout", "120000", "-o", dir)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // it waits a second else, where races are looked for
			ran := cmd.Run()                                           // it fails when a check does; which ones is in its file
			files, _ := filepath.Glob(filepath.Join(dir, "auth", "*", "checks.json"))
			if len(files) != 1 {
				t.Fatalf("it did not run: %v\n%s", ran, out.String())
			}
			doc, err := os.ReadFile(files[0])
			var checks []struct{ ID, Status string }
			if err == nil {
				err = json.Unmarshal(doc, &checks)
			}
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			succeeded := 0
			for _, one := range checks {
				switch one.Status {
				case "FAILURE", "WARNING":
					failed = append(failed, one.ID)
				case "SUCCESS":
					succeeded++
				}
			}
			slices.Sort(failed)
			if !slices.Equal(failed, byDesign) || succeeded == 0 {
				t.Errorf("%d checks pass, %q fail; want %q to fail\n%v\n%s", succeeded, failed, byDesign, ran, out.String())
			}
			if passed += succeeded; len(failed) == 0 {
				good++
			}
		})
	}
	t.Logf("FIGURES clients that log in, 2026-07-28: %d of %d scenarios pass whole, %d do not apply; %d checks pass", good, len(names), len(noLogins), passed)
}
