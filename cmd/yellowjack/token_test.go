package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/revoke"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// TestTokenCommand: what a gateway keeps in a Redis is shown and forgotten by the command, and no token is ever printed.
func TestTokenCommand(t *testing.T) {
	r := storetest.Start(t)
	idp, err := issuer.Start(issuer.Config{Alg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	defer idp.Close()
	asked := 0
	var told []string
	as := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/revoke":
			told = append(told, r.FormValue("token"))
			return
		case "/deaf":
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		asked++
		_, _ = fmt.Fprintf(w, `{"access_token":"SECRET-%d","token_type":"Bearer","expires_in":3600}`, asked)
	}))
	defer as.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOKEN_TEST_SECRET", "its-secret")
	body := fmt.Sprintf(`
identity: {issuers: [{name: corp, issuer: %q, audiences: [a]}]}
providers: {mock: {base_url: "http://127.0.0.1:1/v1"}}
mcp:
  servers:
    github: {url: "https://mcp.example.com/mcp", auth: {flow: token-exchange, token_url: %q, revocation_url: %q, scopes: [repo]}}
    jira: {url: "https://jira.example.com/mcp", auth: {flow: client-credentials, token_url: %q, revocation_url: %q, client_id: gw, client_secret: {env: TOKEN_TEST_SECRET}}}
`, idp.URL(), as.URL, as.URL+"/revoke", as.URL, as.URL+"/deaf")
	file := writeConfig(t, body+fmt.Sprintf("store: %q\nstore_key: {file: %q}\n", r.URL(), key))
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	kept, keys, err := openStore(t.Context(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	revoked, err := revoke.New(t.Context(), revoke.Config{Store: kept, Keys: keys}) // not as one that may have lost a board: her token is older than this one
	if err != nil {
		t.Fatal(err)
	}
	defer revoked.Close()
	names := identityConfig(cfg, nil, quiet)
	names.Epochs = revoked
	verifier, err := identity.New(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	token, err := idp.Mint(map[string]any{"sub": "sara", "aud": "a", "azp": "agent\n\tx"})
	if err != nil {
		t.Fatal(err)
	}
	sara, refused := verifier.Verify(t.Context(), token)
	if refused != nil {
		t.Fatal(refused)
	}
	gateway := newCredentials(parts{store: kept, keys: keys, revoked: revoked, verifier: verifier})
	gateway.assertions.Hold(sara, token)
	gets := func(server, want string) {
		t.Helper()
		source, err := gateway.source(cfg, server, cfg.MCP.Servers[server], as.Client())
		if err != nil {
			t.Fatal(err)
		}
		h, err := source.Header(t.Context(), &relay.Call{Principal: sara}, false)
		if err != nil || h.Get("Authorization") != "Bearer SECRET-"+want {
			t.Fatalf("%v %v", h, err)
		}
	}
	run := func(args string) (int, string, string) {
		var out, errs strings.Builder
		code := execute(t.Context(), append(strings.Fields(args), "-c", file), &out, &errs)
		if all := out.String() + errs.String(); strings.Contains(all, "SECRET") || strings.Contains(all, token) {
			t.Errorf("%s prints a token: %s", args, all)
		}
		return code, out.String(), errs.String()
	}
	gets("github", "1")
	gets("jira", "2")
	for args, want := range map[string][]string{
		"--user sara":               {"github"},
		"--user sara --issuer corp": {"github"},
		"--principal corp|sara":     {"github"},
		"--user sara --server jira": nil,
		"--user sara --tenant acme": nil,
		"--user kim":                nil,
		"--broker":                  {"jira"},
		"--broker --server github":  nil,
	} {
		code, out, errs := run("token list " + args)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code != exitOK || len(lines) != 1+len(want) || !strings.HasPrefix(lines[0], "SERVER") {
			t.Errorf("%s: %d %s%s", args, code, out, errs)
			continue
		}
		for i, one := range want {
			if !strings.HasPrefix(lines[i+1], one+" ") || strings.Contains(lines[i+1], "\t") {
				t.Errorf("%s: %q", args, lines[i+1])
			}
		}
	}
	if _, out, _ := run("token list --user sara"); !strings.Contains(out, "token-exchange  agent%0A%09x") || !strings.Contains(out, " repo ") || !strings.Contains(out, "Z ") {
		t.Errorf("%s", out)
	}
	if code, out, errs := run("token revoke --user sara --server jira"); code != exitOK || out != "" {
		t.Errorf("%d %s%s", code, out, errs)
	}
	gets("github", "1")
	if code, out, errs := run("token revoke --user sara"); code != exitOK || out != "forgot github token-exchange, and told its authorization server\n" || fmt.Sprint(told) != "[SECRET-1]" {
		t.Errorf("%d %s%s, told of %s", code, out, errs, told)
	}
	if code, out, errs := run("token revoke --broker"); code != exitFailed || out != "forgot jira client-credentials\n" || !strings.Contains(errs, "jira: tokens: they are forgotten here, but") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if all, err := gateway.cache.List(t.Context(), tokens.Owner{Principal: "corp|sara"}); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
	gets("github", "3")
	gets("jira", "4")
	gets("github", "3")
	if err := revoked.Revoke(t.Context(), revoke.Revocation{Handles: sara.Handles()}); err != nil {
		t.Fatal(err)
	}
	source, err := gateway.source(cfg, "github", cfg.MCP.Servers["github"], as.Client())
	if err != nil {
		t.Fatal(err)
	}
	if h, err := source.Header(t.Context(), &relay.Call{Principal: sara}, false); !errors.Is(err, tokens.ErrNobody) || asked != 4 {
		t.Errorf("her token, which was revoked, was shown: %v %v, %d exchanges", h, err, asked)
	}
	for args, want := range map[string]string{
		"":                              "give one of",
		"--user sara --broker":          "give one of",
		"--broker --tenant acme":        "--tenant goes with",
		"--principal corp|a --issuer x": "--issuer goes with",
		"--user a --issuer x":           "no issuer",
		"--principal sara":              "no principal's key",
		"--broker --server gone":        "no server",
	} {
		for _, verb := range []string{"list ", "revoke "} {
			if code, out, errs := run("token " + verb + args); code != exitUsage || !strings.Contains(errs, want) || out != "" {
				t.Errorf("%s%s: %d %s%s", verb, args, code, out, errs)
			}
		}
	}
	r.Kill()
	if code, out, errs := run("token list --broker"); code != exitFailed || out != "" {
		t.Errorf("without Redis: %d %s%s", code, out, errs)
	}
	file = writeConfig(t, body)
	if code, _, errs := run("token list --broker"); code != exitFailed || !strings.Contains(errs, "is memory") {
		t.Errorf("in memory: %d %s", code, errs)
	}
}
