package mcpserver

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// say posts a message and returns the response with its body, or its first events up to the answer.
func say(t *testing.T, s *Server, body string, kv ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i+1 < len(kv); i += 2 {
		r.Header.Set(kv[i], kv[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if body == "" || strings.Contains(body, "subscriptions/listen") {
		return resp, ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

const meta = `"_meta":{"progressToken":7,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}`

func start(t *testing.T) *Server {
	t.Helper()
	s, err := Start(Suite())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestModern(t *testing.T) {
	s := start(t)
	modern := func(method, name, params string) string {
		t.Helper()
		_, body := say(t, s, `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{`+params+meta+`}}`,
			"MCP-Protocol-Version", Modern, "Mcp-Method", method, "Mcp-Name", name)
		return body
	}
	for want, got := range map[string]string{
		`"supportedVersions":["2026-07-28"`:         modern("server/discover", "", ""),
		`"$anchor":"addressDef"`:                    modern("tools/list", "", ""),
		`"text":"This is a simple text response`:    modern("tools/call", "test_simple_text", `"name":"test_simple_text",`),
		`"progress":50`:                             modern("tools/call", "test_tool_with_progress", `"name":"test_tool_with_progress",`),
		`"resultType":"input_required"`:             modern("tools/call", "test_elicitation", `"name":"test_elicitation",`),
		`"requiredCapabilities":{"sampling":{}}`:    modern("tools/call", "test_missing_capability", `"name":"test_missing_capability",`),
		`"text":"Hello, Ann!"`:                      modern("tools/call", "test_input_required_result_elicitation", `"name":"test_input_required_result_elicitation","inputResponses":{"user_name":{"action":"accept","content":{"name":"Ann"}}},`),
		`the state is not one of ours`:              modern("tools/call", "test_input_required_result_tampered_state", `"name":"test_input_required_result_tampered_state","requestState":"x.y",`),
		`\"id\":\"a b\"`:                            modern("resources/read", "test://template/a%20b/data", `"uri":"test://template/a%20b/data",`),
		`"code":-32602,"data":{"uri":"test://none"`: modern("resources/read", "test://none", `"uri":"test://none",`),
		`"code":-32020`:                             modern("tools/call", "another", `"name":"test_simple_text",`),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func TestLegacy(t *testing.T) {
	s := start(t)
	resp, hello := say(t, s, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}`)
	id := resp.Header.Get("Mcp-Session-Id")
	if id == "" || !strings.Contains(hello, `"protocolVersion":"2025-06-18"`) {
		t.Fatal(id, hello)
	}
	if resp, _ := say(t, s, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Mcp-Session-Id", "another"); resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
	// A stream that is cut goes on for who comes back with the id of the last event.
	_, first := say(t, s, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"test_reconnection"}}`, "Mcp-Session-Id", id)
	_, last, _ := strings.Cut(first, "id: ")
	last, _, _ = strings.Cut(last, "\n")
	if last == "" || !strings.Contains(first, "retry: 500") || strings.Contains(first, "completed") {
		t.Fatalf("%q", first)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(), nil)
	r.Header.Set("Mcp-Session-Id", id)
	r.Header.Set("Last-Event-ID", last)
	rest, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer rest.Body.Close()
	if b, _ := io.ReadAll(rest.Body); !strings.Contains(string(b), "Reconnection test completed") {
		t.Errorf("%s", b)
	}
	s.Forget()
	if resp, _ := say(t, s, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Mcp-Session-Id", id); resp.StatusCode != http.StatusNotFound || s.Sessions() != 0 {
		t.Error("a forgotten session is known", resp.Status)
	}
}

// TestChange: who listens hears what was asked for, and nothing else.
func TestChange(t *testing.T) {
	s := start(t)
	resp, _ := say(t, s, `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://a"]},`+meta+`}}`,
		"MCP-Protocol-Version", Modern, "Mcp-Method", "subscriptions/listen")
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return "the end"
	}
	timer := time.AfterFunc(20*time.Second, func() { _ = resp.Body.Close() })
	defer timer.Stop()
	if got := next(); !strings.Contains(got, "acknowledged") {
		t.Fatal(got)
	}
	s.Change("notifications/prompts/list_changed", func(*Config) {})
	s.Updated("test://b")
	s.Updated("test://a")
	if got := next(); !strings.Contains(got, `"uri":"test://a"`) || !strings.Contains(got, `"io.modelcontextprotocol/subscriptionId":"l"`) {
		t.Error(got)
	}
	s.Change("notifications/tools/list_changed", func(*Config) {})
	if got := next(); !strings.Contains(got, "tools/list_changed") {
		t.Error(got)
	}
	if s.Count("subscriptions/listen") != 1 {
		t.Error(s.Count("subscriptions/listen"))
	}
}
