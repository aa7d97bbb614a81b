package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// exchanger is an authorization server that exchanges people's tokens, and counts how often.
type exchanger struct {
	url string
	mu  sync.Mutex
	by  map[string]int
}

func newExchanger(t *testing.T) *exchanger {
	e := &exchanger{by: map[string]int{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		id, secret, _ := r.BasicAuth()
		parts := strings.Split(r.PostForm.Get("subject_token"), ".")
		var claims struct{ Sub string }
		if len(parts) == 3 {
			payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
			_ = json.Unmarshal(payload, &claims)
		}
		w.Header().Set("Content-Type", "application/json")
		if id != "gateway" || secret != "its-secret" || claims.Sub == "" || claims.Sub == "mona" ||
			r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" || !strings.HasSuffix(r.PostForm.Get("resource"), "/mcp") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, r.PostForm.Encode())
			return
		}
		e.mu.Lock()
		e.by[claims.Sub]++
		e.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"access_token":"exchanged-for-%s","token_type":"Bearer","expires_in":600,"issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`, claims.Sub)
	}))
	t.Cleanup(s.Close)
	e.url = s.URL
	return e
}

func (e *exchanger) exchanges(sub string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.by[sub]
}

// TestTokenExchange: a server is called with a token that was exchanged for the one who calls; hers goes to the authorization server and
// nowhere else; for whom there is none, the server's tools are not there, and the rest is.
func TestTokenExchange(t *testing.T) {
	as := newExchanger(t)
	warehouse := behind(t, false, func(a string) bool { return strings.HasPrefix(a, "Bearer exchanged-for-") }, "query")
	open := behind(t, true, func(a string) bool { return a == "" }, "whoami")
	g := own(t, setup{
		env: []string{"MCP_CLIENT=its-secret"},
		tools: `warehouse__query: {allow: ["*"], effect: read}
open__whoami: {allow: ["*"], effect: read}
`,
		more: fmt.Sprintf(`mcp:
  servers:
    warehouse: {url: %q, auth: {flow: token-exchange, token_url: %q, client_id: gateway, client_secret: {env: MCP_CLIENT}, callers: [corp]}}
    open: {url: %q}
`, warehouse.url, as.url+"/token", open.url),
	})
	hers, his, monas := sara(t), token(t, object{"sub": "kim", "groups": []string{"finance"}}), mona(t)
	c := connect(t, g, hers, "/mcp", "")
	if got := c.tools(t); got != "open__whoami warehouse__query" {
		t.Errorf("she sees %s", got)
	}
	for range 3 {
		if got, err := c.call(t, "warehouse__query", object{"q": 1}); err != nil || got != toolResult {
			t.Errorf("%q %v", got, err)
		}
	}
	kim := connect(t, g, his, "/mcp", "2025-11-25")
	if got, err := kim.call(t, "warehouse__query", object{"q": 1}); err != nil || got != toolResult {
		t.Errorf("%q %v", got, err)
	}
	got := warehouse.received()
	if !strings.Contains(got, "Bearer exchanged-for-sara") || !strings.Contains(got, "Bearer exchanged-for-kim") {
		t.Errorf("the server was called as nobody: %s", got)
	}
	if as.exchanges("sara") != 1 || as.exchanges("kim") != 1 {
		t.Errorf("%d and %d exchanges", as.exchanges("sara"), as.exchanges("kim"))
	}
	m := connect(t, g, monas, "/mcp", "")
	if got := m.tools(t); got != "open__whoami" {
		t.Errorf("Mona sees %s", got)
	}
	if _, err := m.call(t, "warehouse__query", nil); err == nil {
		t.Error("Mona, for whom there is no token, calls")
	}
	if got, err := m.call(t, "open__whoami", object{}); err != nil || got != toolResult {
		t.Errorf("%q %v", got, err)
	}
	pats, err := theStage.partner.Mint(object{"sub": "pat"})
	if err != nil {
		t.Fatal(err)
	}
	p := connect(t, g, pats, "/mcp", "")
	if got := p.tools(t); got != "open__whoami" {
		t.Errorf("Pat, of another issuer, sees %s", got)
	}
	if as.exchanges("pat") != 0 {
		t.Error("Pat's token was shown to corp's authorization server")
	}
	log := g.guard.stderr.String()
	for who, secret := range map[string]string{"Sara": hers, "Kim": his, "Mona": monas, "Pat": pats} {
		for where, text := range map[string]string{"the server": warehouse.received(), "the open server": open.received(), "the log": log, "what clients read": g.heard.String()} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %s's token", where, who)
			}
		}
	}
	if strings.Contains(log, "exchanged-for-") || strings.Contains(g.heard.String(), "exchanged-for-") {
		t.Error("the server's token is where it must not be")
	}
}
