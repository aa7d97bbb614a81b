package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// bank is a server that counts what is done.
func bank(t *testing.T) (*mcpserver.Server, *atomic.Int64) {
	t.Helper()
	paid := &atomic.Int64{}
	s, err := mcpserver.Start(mcpserver.Config{Tools: map[string]mcpserver.Item{
		"pay": mcpserver.Tool("pay", "", func(*mcpserver.Call) (any, *mcpserver.Error) {
			return mcpserver.Text("paid %d", paid.Add(1)), nil
		}),
		"balance": mcpserver.Tool("balance", "", func(*mcpserver.Call) (any, *mcpserver.Error) {
			return mcpserver.Text("the balance of the account is 12 and a half"), nil
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, paid
}

// branch is a gateway with a broker before the bank, whose store others share.
func branch(t *testing.T, r *storetest.Redis, key, url string) *gateway {
	t.Helper()
	g := own(t, setup{
		tools: `bank__pay: {allow: ["*"], effect: write, grant: required}
bank__balance: {allow: ["*"], effect: read, result: trusted}
`,
		more: fmt.Sprintf("store: redis://%s/0\nstore_key: {file: %q}\nmcp:\n  resource: https://gateway.example.com/mcp\n  servers:\n    bank: {url: %q}\n", r.Addr, key, url),
	})
	counting(t, g, sara)
	return g
}

// TestMCPTwoBrokers: of two brokers one makes a call that was released once; a session and a question of one are good at the other;
// with the store away nothing is done that it has to know of, and it recovers by itself, without what it forgot.
func TestMCPTwoBrokers(t *testing.T) {
	redis := storetest.Start(t)
	key := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(key, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, paid := bank(t)
	gateways := []*gateway{branch(t, redis, key, server.URL()), branch(t, redis, key, server.URL())}
	token := sara(t)
	var clients []*toolClient
	for _, g := range gateways {
		clients = append(clients, connect(t, g, token, "/mcp", "2026-07-28"), connect(t, g, token, "/mcp", "2025-11-25"))
	}
	release := func(g *gateway, amount int) object {
		t.Helper()
		a := g.ask(t, chat{token: token, say: fmt.Sprintf(`call bank__pay {"to":"bob","amount":%d}`, amount), tools: []string{"bank__pay"}})
		if a.names() != "bank__pay" {
			t.Fatalf("the model's call is not released: %s", a.body)
		}
		return object{"amount": amount, "to": "bob"}
	}
	rounds := 3
	if *all {
		rounds = 20
	}
	for round := range rounds {
		arguments := release(gateways[round%2], round)
		var wait sync.WaitGroup
		var done atomic.Int64
		for i := range 24 {
			wait.Go(func() {
				if got, err := clients[i%len(clients)].call(t, "bank__pay", arguments); err == nil && strings.HasPrefix(got, "paid") {
					done.Add(1)
				}
			})
		}
		wait.Wait()
		if done.Load() != 1 || paid.Load() != int64(round+1) {
			t.Fatalf("of 24 callers %d paid, the bank was called %d times in %d rounds", done.Load(), paid.Load(), round+1)
		}
	}

	// The store goes in the middle of traffic. Whoever calls is answered, and reads a result only while it is remembered.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var traffic sync.WaitGroup
	var answered, withheld atomic.Int64
	for _, c := range clients {
		traffic.Go(func() {
			for ctx.Err() == nil {
				got, err := c.call(t, "bank__balance", nil)
				switch {
				case err != nil || strings.HasPrefix(got, "error: "):
					withheld.Add(1)
				case strings.Contains(got, "12 and a half"):
					answered.Add(1)
				default:
					t.Errorf("a caller reads %q", got)
				}
			}
		})
	}
	more := func(what string, of *atomic.Int64) {
		t.Helper()
		before := of.Load()
		eventually(t, what, func() bool { return of.Load() > before+20 })
	}
	more("traffic", &answered)
	forgotten := release(gateways[0], 1000)
	before := paid.Load()
	redis.Kill()
	more("results that are withheld", &withheld)
	for _, c := range clients {
		if got, err := c.call(t, "bank__pay", forgotten); err == nil && strings.HasPrefix(got, "paid") {
			t.Errorf("without the store it pays: %s", got)
		}
	}
	redis.Restart() // empty
	stop()
	traffic.Wait()
	// Who was revoked is forgotten too: tokens of before count no more, and with a new one everybody begins anew.
	const list = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}`
	for _, g := range gateways {
		eventually(t, "a refusal of the token of before", func() bool {
			status, _ := postMCP(t, g, token, list)
			return status == http.StatusUnauthorized
		})
	}
	for _, g := range gateways {
		token = counting(t, g, sara)
	}
	for i := range clients {
		clients[i] = connect(t, gateways[i/2], token, "/mcp", []string{"2026-07-28", "2025-11-25"}[i%2])
		if got, err := clients[i].call(t, "bank__balance", nil); err != nil || !strings.Contains(got, "12 and a half") {
			t.Errorf("it does not recover: %q %v", got, err)
		}
	}
	for _, c := range clients {
		if got, _ := c.call(t, "bank__pay", forgotten); strings.HasPrefix(got, "paid") {
			t.Errorf("a grant that was forgotten pays: %s", got)
		}
	}
	if paid.Load() != before {
		t.Errorf("the bank was called %d times more", paid.Load()-before)
	}
	var arguments object
	eventually(t, "calls that are released again", func() bool {
		a := gateways[1].ask(t, chat{token: token, say: `call bank__pay {"to":"bob","amount":7}`, tools: []string{"bank__pay"}})
		arguments = object{"amount": 7, "to": "bob"}
		return a.names() == "bank__pay"
	})
	if got, err := clients[0].call(t, "bank__pay", arguments); err != nil || !strings.HasPrefix(got, "paid") {
		t.Errorf("after all that: %q %v", got, err)
	}

	// A session of one broker goes on at the other.
	id, _ := openSession(t, gateways[0], token)
	for _, g := range gateways {
		status, body := postMCP(t, g, token, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Mcp-Session-Id", id)
		if status != http.StatusOK || !strings.Contains(body, "bank__balance") {
			t.Errorf("%d %s", status, body)
		}
	}
	if status, body := postMCP(t, gateways[1], mona(t), `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Mcp-Session-Id", id); status != http.StatusNotFound {
		t.Errorf("somebody else's session: %d %s", status, body)
	}
}

// openSession begins a session of the legacy era by hand.
func openSession(t *testing.T, g *gateway, token string) (id, body string) {
	t.Helper()
	resp := sendMCP(t, g, http.MethodPost, token, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}`)
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", resp.StatusCode, b, err)
	}
	return resp.Header.Get("Mcp-Session-Id"), string(b)
}

// sendMCP sends one message to /mcp; the test reads the answer.
func sendMCP(t *testing.T, g *gateway, method, token, body string, kv ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.url+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(kv); i += 2 {
		r.Header.Set(kv[i], kv[i+1])
	}
	resp, err := streaming.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// streaming is a client of streams that last.
var streaming = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}

func postMCP(t *testing.T, g *gateway, token, body string, kv ...string) (int, string) {
	t.Helper()
	resp := sendMCP(t, g, http.MethodPost, token, body, kv...)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestMCPSilentServer: one server takes connections and never says anything. The others' tools are called and listed all the same.
func TestMCPSilentServer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	var taken atomic.Int64
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			taken.Add(1)
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	server, _ := bank(t)
	g := own(t, setup{
		tools: "bank__balance: {allow: [\"*\"], effect: read}\nsilent__x: {allow: [\"*\"], effect: read}\n",
		more:  fmt.Sprintf("mcp:\n  list_timeout: 2s\n  servers:\n    bank: {url: %q}\n    silent: {url: \"http://%s/mcp\"}\n", server.URL(), silent.Addr()),
	})
	token := sara(t)
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bank__balance","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	headers := []string{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "bank__balance"}
	listed := make(chan string)
	go func() {
		c := connect(t, g, token, "/mcp", "2026-07-28")
		listed <- c.tools(t)
	}()
	eventually(t, "the silent server is asked", func() bool { return taken.Load() > 0 })
	for range 20 { // while its list is waited for
		if status, body := postMCP(t, g, token, call, headers...); status != http.StatusOK || !strings.Contains(body, "12 and a half") {
			t.Errorf("%d %s", status, body)
		}
	}
	select {
	case got := <-listed:
		t.Errorf("the list was there before: %s", got)
	default:
	}
	if got := <-listed; got != "bank__balance" {
		t.Errorf("she sees %s", got)
	}
	c := connect(t, g, token, "/mcp", "2026-07-28")
	for range 5 {
		if got := c.tools(t); got != "bank__balance" { // from memory, and nobody waits for who was down
			t.Errorf("she sees %s", got)
		}
	}
	if n := taken.Load(); n > 20 {
		t.Errorf("the silent server was asked %d times", n)
	}
}
