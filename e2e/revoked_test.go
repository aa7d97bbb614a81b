package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// felt is how soon a revocation has to be noticed.
const felt = 2 * time.Second

// lines reads a stream in the background; the time of each line comes with it, and the channel is closed at the end.
func lines(r io.Reader) <-chan timed {
	out := make(chan timed, 10_000)
	go func() {
		defer close(out)
		for s := bufio.NewScanner(r); s.Scan(); {
			out <- timed{s.Text(), time.Now()}
		}
	}()
	return out
}

type timed struct {
	text string
	at   time.Time
}

// counting is a token that counts: one that was issued in the very second in which the store began, or somebody was revoked, may be of
// before.
func counting(t *testing.T, g *gateway, who func(*testing.T) string) (token string) {
	t.Helper()
	eventually(t, "a token that counts", func() bool {
		token = who(t)
		return g.ask(t, chat{token: token, say: "say hello"}).status == http.StatusOK
	})
	return token
}

// TestRevoked: of two gateways that share a Redis, both refuse Sara's token felt two seconds after `yellowjack revoke`; what she has
// open ends by then, in the shape of its API, on the LLM walk and at the broker; a new token is taken, and nobody else notices.
func TestRevoked(t *testing.T) {
	server := storetest.Start(t)
	key := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(key, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{}, 4)
	slow, err := mcpserver.Start(mcpserver.Config{Tools: map[string]mcpserver.Item{
		"wait": mcpserver.Tool("wait", "", func(c *mcpserver.Call) (any, *mcpserver.Error) {
			entered <- struct{}{}
			<-c.Context().Done()
			return mcpserver.Text("it was cut off"), nil
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(slow.Close)
	gateways := make([]*gateway, 2)
	for i := range gateways {
		gateways[i] = own(t, setup{tools: "slow__wait: {allow: [\"*\"], effect: read}\n", more: fmt.Sprintf(
			"store: redis://%s/0\nstore_key: {file: %q}\nmcp:\n  resource: https://gateway.example.com/mcp\n  servers:\n    slow: {url: %q}\n", server.Addr, key, slow.URL())})
	}
	good := func(who func(*testing.T) string) (token string) {
		for _, g := range gateways {
			token = counting(t, g, who)
		}
		return token
	}
	sarasToken, monasToken := good(sara), good(mona)

	type open struct {
		name  string
		lines <-chan timed
		want  string
	}
	stream := func(g *gateway, token string) *http.Response {
		t.Helper()
		res, _, err := g.send(t.Context(), chat{token: token, model: "mock/pace-200ms", say: "say " + strings.Repeat("word ", 200), stream: true})
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	id, _ := openSession(t, gateways[0], sarasToken)
	all := []open{
		{"a stream of a model", lines(stream(gateways[1], sarasToken).Body), `"code":"bad_credential"`},
		{"a call of a tool", lines(sendMCP(t, gateways[0], http.MethodPost, sarasToken, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"slow__wait","arguments":{}}}`, "Mcp-Session-Id", id).Body), "revoked"},
		{"a session's stream", lines(sendMCP(t, gateways[0], http.MethodGet, sarasToken, "", "Mcp-Session-Id", id).Body), "notifications/tools/list_changed"},
	}
	others := lines(stream(gateways[0], monasToken).Body)
	<-entered

	began := time.Now()
	out, err := exec.CommandContext(t.Context(), theStage.binary, "revoke", "--config", gateways[0].config, "--user", "sara@example.com").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "revoked ") {
		t.Fatalf("%v: %s", err, out)
	}
	done := time.Now()
	for _, o := range all {
		var last []string
		at := began
		for line := range o.lines {
			last, at = append(last, line.text), line.at
		}
		if text := strings.Join(last, "\n"); !strings.Contains(text, o.want) || strings.HasSuffix(text, "[DONE]") {
			t.Errorf("%s ends with %s", o.name, text[max(0, len(text)-600):])
		}
		if took := at.Sub(done); took > felt {
			t.Errorf("%s went on for %s", o.name, took)
		}
	}
	for i, g := range gateways {
		for {
			status, mcp := g.ask(t, chat{token: sarasToken, say: "say hello"}).status, sendMCP(t, g, http.MethodPost, sarasToken, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Mcp-Session-Id", id).StatusCode
			if status == http.StatusUnauthorized && mcp == http.StatusUnauthorized {
				break
			}
			if time.Since(done) > felt {
				t.Fatalf("gateway %d: after %s the answers are %d and %d", i, time.Since(done), status, mcp)
			}
		}
	}
	good(sara)
	if answer := gateways[1].ask(t, chat{token: monasToken, say: "say hello"}); answer.status != http.StatusOK {
		t.Errorf("somebody else: %d %s", answer.status, answer.body)
	}
	select {
	case line, on := <-others:
		if !on {
			t.Errorf("somebody else's stream ended: %+v", line)
		}
	case <-time.After(felt):
		t.Error("somebody else's stream stands still")
	}
}

// TestGroupsChange: a token that says other groups makes the older one count no more.
func TestGroupsChange(t *testing.T) {
	g := own(t, setup{})
	now := time.Now()
	mint := func(ago time.Duration, groups ...string) string {
		return token(t, object{"sub": "gus", "azp": "agent", "iat": now.Add(-ago).Unix(), "groups": groups})
	}
	status := func(token string) int { return g.ask(t, chat{token: token, say: "say hello"}).status }
	old, app := mint(time.Minute, "finance"), token(t, object{"sub": "gus", "azp": "another", "iat": now.Add(-time.Minute).Unix(), "groups": []string{"finance"}})
	if got := status(old); got != http.StatusOK {
		t.Fatal(got)
	}
	fresh := mint(time.Second, "comms")
	if got := status(fresh); got != http.StatusOK {
		t.Fatal(got)
	}
	for began := time.Now(); status(old) != http.StatusUnauthorized; {
		if time.Since(began) > felt {
			t.Fatal("the token of before still counts")
		}
	}
	if got := status(fresh); got != http.StatusOK {
		t.Errorf("the token of now: %d", got)
	}
	if got := status(app); got != http.StatusUnauthorized {
		t.Errorf("a token of before for another application: %d", got)
	}
}
