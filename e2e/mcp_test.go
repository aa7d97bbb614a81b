package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// staticSecret is what the broker shows one of its servers.
const staticSecret = "sk-upstream-static-31aa"

// toolServer is a server made with the official SDK, of one era, that remembers everything that it received.
type toolServer struct {
	*mcp.Server
	url    string
	mu     sync.Mutex
	got    bytes.Buffer
	called []string
}

func (s *toolServer) received() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func (s *toolServer) calls() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.called, " ")
}

const toolResult = "The figures of the third quarter, which nobody outside may read."

// behind starts a server; may tells which credentials it takes.
func behind(t *testing.T, legacy bool, may func(authorization string) bool, tools ...string) *toolServer {
	t.Helper()
	s := &toolServer{Server: mcp.NewServer(&mcp.Implementation{Name: "behind", Version: "1"}, nil)}
	for _, name := range tools {
		s.add(name)
	}
	h := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.Server }, &mcp.StreamableHTTPOptions{Stateless: !legacy})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		_ = r.Header.Write(&s.got)
		s.got.WriteString(r.Method + " " + r.URL.String())
		s.got.Write(body)
		s.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		switch {
		case !may(r.Header.Get("Authorization")):
			w.WriteHeader(http.StatusUnauthorized)
		case legacy && r.Header.Get("Mcp-Method") != "":
			w.WriteHeader(http.StatusBadRequest)
		default:
			h.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	s.url = server.URL + "/mcp"
	return s
}

func (s *toolServer) add(name string) {
	mcp.AddTool(s.Server, &mcp.Tool{Name: name, Description: "Does " + name}, func(_ context.Context, _ *mcp.CallToolRequest, in object) (*mcp.CallToolResult, any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.called = append(s.called, name)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: toolResult}}}, nil, nil
	})
}

// brokered is a gateway with a broker, before a legacy Snowflake and a modern Slack.
func brokered(t *testing.T, more string) (g *gateway, snowflake, slack *toolServer) {
	t.Helper()
	snowflake = behind(t, true, func(a string) bool { return a == "Bearer "+staticSecret }, "query", "drop", "transfer")
	slack = behind(t, false, func(a string) bool { return strings.HasPrefix(a, "Bearer eyJ") }, "post_message", "whoami")
	g = own(t, setup{
		env: []string{"MCP_STATIC=" + staticSecret, "MCP_CLIENT=its-secret"},
		tools: `snowflake__drop: {allow: ["group:finance"], effect: destructive, confirm: always}
snowflake__transfer: {allow: ["group:finance"], effect: write, grant: required}
slack__whoami: {allow: ["*"], effect: read}
`,
		more: fmt.Sprintf(`mcp:
  scopes: [mcp]
  servers:
    snowflake: {url: %q, auth: {flow: static, secret: {env: MCP_STATIC}}}
    slack: {url: %q, auth: {flow: client-credentials, token_url: %q, client_id: nightly-agent, client_secret: {env: MCP_CLIENT}}}
  sets:
    chat: {servers: [slack]}
`, snowflake.url, slack.url, theStage.corp.TokenURL()) + more,
	})
	t.Cleanup(func() { // what the broker shows its servers is nobody else's
		for place, text := range map[string]string{"the log": g.guard.stderr.String(), "what clients read": g.heard.String()} {
			if strings.Contains(text, staticSecret) {
				t.Errorf("%s has the broker's secret", place)
			}
		}
	})
	return g, snowflake, slack
}

// bearer sends a token with each request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// toolClient is a client made with the official SDK.
type toolClient struct {
	*mcp.ClientSession
	changed chan struct{}
	asked   chan string
}

func connect(t *testing.T, g *gateway, token, path, version string) *toolClient {
	t.Helper()
	c := &toolClient{changed: make(chan struct{}, 10), asked: make(chan string, 10)}
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { c.changed <- struct{}{} },
		ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			c.asked <- r.Params.Message
			return &mcp.ElicitResult{Action: "accept", Content: object{"confirm": true, "name": "Sara"}}, nil
		},
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: g.url + path, HTTPClient: &http.Client{Transport: bearer{token, transport}},
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	c.ClientSession = session
	return c
}

func (c *toolClient) tools(t *testing.T) string {
	t.Helper()
	var names []string
	for tool, err := range c.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, tool.Name)
	}
	return strings.Join(names, " ")
}

// call is what a tool says; of an error of its own, that it is one.
func (c *toolClient) call(t *testing.T, name string, arguments object) (string, error) {
	t.Helper()
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		return "", err
	}
	text := ""
	for _, content := range r.Content {
		text += content.(*mcp.TextContent).Text
	}
	if r.IsError {
		text = "error: " + text
	}
	return text, nil
}

// TestStorySaraMCP: Sara's client sees Snowflake's tools and not Slack's, calls one, and a hidden one is refused: in each era, before
// servers of both, through Envoy. Her token goes no further than the broker.
func TestStorySaraMCP(t *testing.T) {
	g, snowflake, slack := brokered(t, "")
	tokens := []string{}
	for _, version := range []string{"2026-07-28", "2025-11-25", "2025-06-18"} {
		t.Run(version, func(t *testing.T) {
			token := sara(t)
			tokens = append(tokens, token)
			c := connect(t, g, token, "/mcp", version)
			if got := c.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("they speak %s", got)
			}
			if got := c.tools(t); got != "slack__whoami snowflake__drop snowflake__query snowflake__transfer" {
				t.Errorf("she sees %s", got)
			}
			if got, err := c.call(t, "snowflake__query", object{"sql": "select 1"}); err != nil || got != toolResult {
				t.Errorf("%q %v", got, err)
			}
			if got, err := c.call(t, "slack__post_message", object{"text": "hi"}); err == nil || !strings.Contains(err.Error(), "Unknown tool") {
				t.Errorf("the hidden tool: %q %v", got, err)
			}
			if got, err := c.call(t, "slack__whoami", nil); err != nil || got != toolResult {
				t.Errorf("%q %v", got, err)
			}
			if got, err := c.call(t, "snowflake__drop", object{"table": "payroll"}); err != nil || got != toolResult || !strings.Contains(<-c.asked, "payroll") {
				t.Errorf("confirmed: %q %v", got, err)
			}
			if got, err := c.call(t, "snowflake__transfer", object{"to": "eve"}); err != nil || !strings.Contains(got, "tools.grant") {
				t.Errorf("a call that no model made: %q %v", got, err)
			}
		})
	}
	t.Run("Mona is the other way round", func(t *testing.T) {
		c := connect(t, g, mona(t), "/mcp", "")
		if got := c.tools(t); got != "slack__post_message slack__whoami" {
			t.Errorf("she sees %s", got)
		}
	})
	t.Run("a set has its own servers alone", func(t *testing.T) {
		c := connect(t, g, sara(t), "/mcp/chat", "")
		if got := c.tools(t); got != "slack__whoami" {
			t.Errorf("she sees %s", got)
		}
		if _, err := c.call(t, "snowflake__query", nil); err == nil {
			t.Error("a tool of another endpoint is called")
		}
	})
	if got := slack.calls(); strings.Contains(got, "post_message") {
		t.Errorf("Slack was called: %s", got)
	}
	for _, token := range tokens {
		if strings.Contains(snowflake.received()+slack.received(), token) {
			t.Error("her token went on")
		}
	}
	if g.ended() {
		t.Error("the gateway is gone")
	}
	var lines []object
	eventually(t, "the audit", func() bool {
		lines = nil
		for line := range bytes.Lines(g.file("audit.jsonl")) {
			var v object
			if json.Unmarshal(line, &v) == nil && v["mcp_method"] == "tools/call" {
				lines = append(lines, v)
			}
		}
		return len(lines) > 15
	})
	for _, l := range lines {
		if l["subject"] != "sara" || l["path"] != "/mcp" && l["path"] != "/mcp/chat" {
			t.Errorf("the audit says %v", l)
		}
	}
}

// TestMCPMetadata: where to get a token, and for what, through Envoy; what is not the broker's stays refused.
func TestMCPMetadata(t *testing.T) {
	g, _, _ := brokered(t, "")
	for path, resource := range map[string]string{"": "/mcp", "/mcp": "/mcp", "/mcp/chat": "/mcp/chat"} {
		a := g.get(t, http.MethodGet, "/.well-known/oauth-protected-resource"+path, "")
		if a.status != 200 || !strings.Contains(a.body, `"resource":"`+g.url+resource+`"`) || !strings.Contains(a.body, theStage.corp.URL()) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	a := g.get(t, http.MethodGet, "/mcp/chat", "")
	if want := `Bearer resource_metadata="` + g.url + `/.well-known/oauth-protected-resource/mcp/chat", scope="mcp"`; a.status != 401 || a.header.Get("WWW-Authenticate") != want {
		t.Errorf("%d %q", a.status, a.header.Get("WWW-Authenticate"))
	}
	for _, path := range []string{"/mcp/chat/x", "/mcpx", "/.well-known/other", "/mcp/"} {
		if a := g.get(t, http.MethodGet, path, sara(t)); a.status < 400 || a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := g.get(t, http.MethodGet, "/mcp/none", sara(t)); a.status != 404 {
		t.Errorf("no such set: %d", a.status)
	}
}

// TestMCPBothWalks: a call that a model made and that was released runs at the broker, once; and what the broker returned is known when
// it comes to the model in another role.
func TestMCPBothWalks(t *testing.T) {
	g, snowflake, _ := brokered(t, "")
	c := connect(t, g, sara(t), "/mcp", "")
	a := g.ask(t, chat{token: sara(t), say: `call snowflake__transfer {"to":"bob","amount":10}`, tools: []string{"snowflake__transfer"}})
	if a.names() != "snowflake__transfer" {
		t.Fatalf("the model's call is not released: %s", a.body)
	}
	if got, _ := c.call(t, "snowflake__transfer", object{"to": "eve", "amount": 10}); !strings.Contains(got, "tools.grant") {
		t.Errorf("with other arguments: %q", got)
	}
	mine := connect(t, g, mona(t), "/mcp", "")
	if _, err := mine.call(t, "snowflake__transfer", object{"to": "bob", "amount": 10}); err == nil {
		t.Error("somebody else runs it")
	}
	if got, err := c.call(t, "snowflake__transfer", object{"amount": 10, "to": "bob"}); err != nil || got != toolResult {
		t.Errorf("the released call: %q %v", got, err)
	}
	if got, _ := c.call(t, "snowflake__transfer", object{"to": "bob", "amount": 10}); !strings.Contains(got, "tools.grant") {
		t.Errorf("once more: %q", got)
	}
	if got := snowflake.calls(); got != "transfer" {
		t.Errorf("Snowflake was called: %s", got)
	}
	// The result of a tool that is not trusted, as the person's own words in a conversation with tool traffic.
	messages := g.history(t, sara(t), "snowflake__query", []string{"snowflake__query"}, `"x"`)
	reply := g.ask(t, chat{token: sara(t), messages: messages, tools: []string{"snowflake__query"}})
	messages = append(messages, object{"role": "assistant", "content": reply.text[0]}, object{"role": "user", "content": toolResult})
	b := g.ask(t, chat{token: sara(t), messages: messages, tools: []string{"snowflake__query"}})
	if r := b.upstream(t); strings.Contains(r.Body, "third quarter") {
		t.Errorf("the model reads what the broker returned: %s", r.Body)
	}
}

// TestMCPChanges: a server that changes is heard of; one that dies leaves the list, and the rest stays; and the gateway ends in time
// though clients listen.
func TestMCPChanges(t *testing.T) {
	g, snowflake, _ := brokered(t, "")
	c := connect(t, g, sara(t), "/mcp", "2025-11-25")
	if got := c.tools(t); !strings.Contains(got, "snowflake__query") {
		t.Fatalf("she sees %s", got)
	}
	eventually(t, "her stream, and the one to the server", func() bool {
		_, metrics := g.probe(t, "/metrics")
		return strings.Contains(metrics, "yellowjack_mcp_listening 1") && strings.Contains(snowflake.received(), "GET /mcp")
	})
	snowflake.RemoveTools("drop")
	select {
	case <-c.changed:
	case <-time.After(20 * time.Second):
		t.Error("nobody tells her")
	}
	eventually(t, "the new list", func() bool { return c.tools(t) == "slack__whoami snowflake__query snowflake__transfer" })
	began := time.Now()
	for _, p := range g.end() {
		t.Error(p)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it ended after %v", took)
	}
}

// TestMCPServerDown: a server that was never there costs the others nothing.
func TestMCPServerDown(t *testing.T) {
	nobody, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	down := own(t, setup{
		tools: "slack__whoami: {allow: [\"*\"], effect: read}\n",
		more:  fmt.Sprintf("mcp:\n  list_timeout: 1s\n  servers:\n    snowflake: {url: \"http://%s/mcp\"}\n    slack: {url: %q}\n", nobody, behind(t, false, func(string) bool { return true }, "whoami").url),
	})
	c := connect(t, down, sara(t), "/mcp", "")
	if got := c.tools(t); got != "slack__whoami" {
		t.Errorf("she sees %s", got)
	}
	if got, err := c.call(t, "slack__whoami", nil); err != nil || got != toolResult {
		t.Errorf("%q %v", got, err)
	}
	if !strings.Contains(down.guard.stderr.String(), "a server leaves the lists") {
		t.Errorf("the log says %s", down.guard.stderr)
	}
}

// TestMCPAlone: the broker as a process of its own, behind an Envoy that somebody has already.
func TestMCPAlone(t *testing.T) {
	slack := behind(t, false, func(string) bool { return true }, "whoami")
	g := own(t, setup{
		split: true, tools: "slack__whoami: {allow: [\"*\"], effect: read}\n",
		more: fmt.Sprintf("mcp:\n  servers:\n    slack: {url: %q}\n", slack.url),
	})
	// It has an address for its metrics of its own, as it is another process.
	text := strings.Replace(string(g.file("yellowjack.yaml")), g.metrics, "127.0.0.1:0", 1)
	file := filepath.Join(g.dir, "broker.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	broker, out, err := spawn(g.dir, nil, theStage.binary, "mcpbroker", "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	line, err := broker.ready(t.Context(), out)
	if err != nil || line != "ready unix://"+filepath.Join(g.dir, "run", "mcpbroker.sock") {
		t.Fatalf("%q %v", line, err)
	}
	c := connect(t, g, sara(t), "/mcp", "")
	if got := c.tools(t); got != "slack__whoami" {
		t.Errorf("she sees %s", got)
	}
	if got, err := c.call(t, "slack__whoami", nil); err != nil || got != toolResult {
		t.Errorf("%q %v", got, err)
	}
	_ = c.Close()
	began := time.Now()
	_ = broker.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-broker.gone:
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it ended after %v\n%s", took, broker.stderr)
		}
		if broker.err != nil {
			t.Errorf("it ended with %v\n%s", broker.err, broker.stderr)
		}
	case <-time.After(25 * time.Second):
		_ = broker.cmd.Process.Kill()
		t.Error("it did not end in time")
	}
	// Without it, the broker's paths are an error of the gateway, in the shape of JSON-RPC.
	if a := g.get(t, http.MethodGet, "/mcp", sara(t)); a.status != 503 || !strings.Contains(a.body, "jsonrpc") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
