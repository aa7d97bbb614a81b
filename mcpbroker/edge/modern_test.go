package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
)

func TestDoor(t *testing.T) {
	w := newWorld(t, nil)
	body, kv := modern(protocol.ListTools, "", "")
	for name, c := range map[string]struct {
		method, path string
		body         string
		kv           []string
		status       int
	}{
		"as it should be":      {"POST", "/mcp", body, nil, 200},
		"a set":                {"POST", "/mcp/dev", body, nil, 200},
		"a path below":         {"POST", "/mcp/dev/x", body, nil, 404},
		"another path":         {"POST", "/mcpx", body, nil, 404},
		"a listed origin":      {"POST", "/mcp", body, []string{"Origin", "https://app.example"}, 200},
		"another origin":       {"POST", "/mcp", body, []string{"Origin", "https://evil.example"}, 403},
		"the null origin":      {"POST", "/mcp", body, []string{"Origin", "null"}, 403},
		"no token":             {"POST", "/mcp", body, []string{"Authorization", ""}, 401},
		"content type":         {"POST", "/mcp", body, []string{"Content-Type", "text/plain"}, 415},
		"charset":              {"POST", "/mcp", body, []string{"Content-Type", "application/json; charset=utf-16"}, 415},
		"accepts json alone":   {"POST", "/mcp", body, []string{"Accept", "application/json"}, 406},
		"accepts events alone": {"POST", "/mcp", body, []string{"Accept", "text/event-stream"}, 406},
		"accepts all":          {"POST", "/mcp", body, []string{"Accept", "*/*"}, 200},
		"malformed":            {"POST", "/mcp", `{"jsonrpc":`, nil, 400},
		"too large":            {"POST", "/mcp", strings.Repeat(" ", 5<<20) + body, nil, 413},
		"get":                  {"GET", "/mcp", "", nil, 405},
		"delete":               {"DELETE", "/mcp", "", nil, 405},
		"put":                  {"PUT", "/mcp", body, nil, 405},
		"a batch":              {"POST", "/mcp", "[" + body + "]", nil, 400},
		"a response":           {"POST", "/mcp", `{"jsonrpc":"2.0","id":1,"result":{}}`, nil, 400},
		"no era":               {"POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, []string{"MCP-Protocol-Version", "", "Mcp-Method", ""}, 400},
		"a made-up session":    {"POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, []string{"MCP-Protocol-Version", "", "Mcp-Method", "", "Mcp-Session-Id", "abc"}, 404},
	} {
		resp := w.request(t.Context(), c.method, c.path, c.body, append(append([]string{}, kv...), c.kv...)...)
		if resp.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, c.status)
		}
		if c.status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
	}
}

func TestModernValidation(t *testing.T) {
	w := newWorld(t, nil)
	call := `"name":"echo","arguments":{},`
	body, kv := modern(protocol.CallTool, call, "")
	for name, c := range map[string]struct {
		body   string
		kv     []string
		status int
		code   string
	}{
		"no version header":  {body, []string{"MCP-Protocol-Version", ""}, 400, "-32020"},
		"another version":    {body, []string{"MCP-Protocol-Version", "2025-11-25"}, 400, "-32020"},
		"no method header":   {body, []string{"Mcp-Method", ""}, 400, "-32020"},
		"another method":     {body, []string{"Mcp-Method", "tools/list"}, 400, "-32020"},
		"another name":       {body, []string{"Mcp-Name", "other"}, 400, "-32020"},
		"no name":            {body, []string{"Mcp-Name", ""}, 400, "-32020"},
		"unknown version":    {strings.ReplaceAll(body, "2026-07-28", "1900-01-01"), []string{"MCP-Protocol-Version", "1900-01-01"}, 400, `-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28"`},
		"a legacy version":   {strings.ReplaceAll(body, "2026-07-28", "2025-11-25"), []string{"MCP-Protocol-Version", "2025-11-25"}, 400, "-32022"},
		"no version in meta": {strings.Replace(body, `"io.modelcontextprotocol/protocolVersion":"2026-07-28",`, "", 1), nil, 400, "-32602"},
		"no capabilities":    {strings.Replace(body, `"io.modelcontextprotocol/clientCapabilities":{},`, "", 1), nil, 400, "-32602"},
		"a level of its own": {strings.Replace(body, `"progressToken"`, `"io.modelcontextprotocol/logLevel":"shout","progressToken"`, 1), nil, 400, "-32602"},
		"unknown method":     {strings.ReplaceAll(body, "tools/call", "tools/burn"), []string{"Mcp-Method", "tools/burn", "Mcp-Name", ""}, 404, "-32601"},
		"a legacy method":    {strings.ReplaceAll(body, "tools/call", "ping"), []string{"Mcp-Method", "ping"}, 404, "-32601"},
		"bad inputs":         {strings.Replace(body, `"arguments":{}`, `"arguments":{},"inputResponses":[]`, 1), nil, 200, "-32602"},
		"a made-up state":    {strings.Replace(body, `"arguments":{}`, `"arguments":{},"requestState":"abc"`, 1), nil, 200, "-32602"},
		"header not there":   {strings.Replace(body, `"echo","arguments":{}`, `"mirrored","arguments":{"region":"eu"}`, 1), []string{"Mcp-Name", "mirrored"}, 400, "-32020"},
	} {
		status, answer := w.post(c.body, append(append([]string{}, kv...), c.kv...)...)
		if status != c.status || !strings.Contains(answer, `"code":`+c.code) || !strings.Contains(answer, `"id":1`) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if len(w.behind.calls) != 0 {
		t.Errorf("%d refused requests were called", len(w.behind.calls))
	}
	mirrored := strings.Replace(body, `"echo","arguments":{}`, `"mirrored","arguments":{"region":"eu"}`, 1)
	if status, answer := w.post(mirrored, append(kv, "Mcp-Name", "mirrored", "Mcp-Param-Region", "eu")...); status != 200 || !strings.Contains(answer, `"ok"`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := w.post(`{"jsonrpc":"2.0","id":1,"result":{}}`, kv[:2]...); status != 400 || !strings.Contains(answer, "-32600") {
		t.Errorf("a response: %d %s", status, answer)
	}
	if status, _ := w.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{`+strings.Replace(meta, "CAPS", "", 1)+`}}`, kv[:2]...); status != 202 {
		t.Errorf("a notification: %d", status)
	}
}

func TestModernCall(t *testing.T) {
	w := newWorld(t, nil)
	status, answer := w.modern(protocol.CallTool, `"name":"echo","arguments":{"n":12345678901234567890,"$schema":"s"},`, "")
	want := `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"ok"}],"params":{"name":"echo","arguments":{"n":12345678901234567890,"$schema":"s"},"_meta":{"progressToken":"t","com.example/x":12345678901234567890}},"resultType":"complete"}}`
	if status != 200 || answer != want {
		t.Errorf("%d\n%s\n%s", status, answer, want)
	}
	status, answer = w.modern(protocol.CallTool, `"name":"progress",`, "")
	if status != 200 || !strings.HasPrefix(answer, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}`) || strings.Contains(answer, "loud") {
		t.Errorf("%d %s", status, answer) // who names no level hears no message
	}
	for tool, code := range map[string]string{"broken": "-32603", "unknown": "-32602", "nothing": "-32603"} {
		if status, answer = w.modern(protocol.CallTool, `"name":"`+tool+`",`, ""); status != 200 || !strings.Contains(answer, code) || strings.Contains(answer, "EOF") {
			t.Errorf("%s: %d %s", tool, status, answer)
		}
	}
}

// TestModernResource: a result says how long it may be kept and that it is one principal's, whatever its server says; and what is not
// there has the code of the version.
func TestModernResource(t *testing.T) {
	w := newWorld(t, nil)
	for uri, want := range map[string]string{
		"public": `{"contents":[],"ttlMs":7,"cacheScope":"private","resultType":"complete"}`,
		"x":      `"resultType":"complete","ttlMs":0,"cacheScope":"private"}`,
		"gone":   `"error":{"code":-32602,"message":"Resource not found","data":{"uri":"gone"}}`,
	} {
		if status, answer := w.modern(protocol.ReadResource, `"uri":"`+uri+`",`, ""); status != 200 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", uri, status, answer)
		}
	}
	id, _ := w.initialize(protocol.V20251125, "")
	read := `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"gone"}}`
	if status, answer := w.post(read, "Mcp-Session-Id", id); status != 200 || !strings.Contains(answer, "-32002") {
		t.Errorf("of a session: %d %s", status, answer)
	}
}

func TestModernInput(t *testing.T) {
	w := newWorld(t, nil)
	if status, answer := w.modern(protocol.CallTool, `"name":"ask",`, ""); status != 400 || !strings.Contains(answer, `-32021`) || !strings.Contains(answer, `{"requiredCapabilities":{"elicitation":{}}}`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := w.modern(protocol.CallTool, `"name":"ask-url",`, `"elicitation":{}`); status != 400 || !strings.Contains(answer, `{"elicitation":{"url":{}}}`) {
		t.Errorf("%d %s", status, answer)
	}
	_, answer := w.modern(protocol.CallTool, `"name":"ask","arguments":{"a":1,"b":2},`, `"elicitation":{}`)
	_, rest, ok := strings.Cut(answer, `"requestState":"`)
	state, _, _ := strings.Cut(rest, `"`)
	if !ok || !strings.Contains(answer, `"resultType":"input_required"`) || strings.Contains(answer, "upstream") {
		t.Fatal(answer)
	}
	again := func(arguments string) string {
		return `"name":"ask","arguments":` + arguments + `,"inputResponses":{"who":{"action":"accept"}},"requestState":"` + state + `",`
	}
	if _, answer = w.modern(protocol.CallTool, again(`{"b":2,"a":1}`), `"elicitation":{}`); !strings.Contains(answer, `"got":{"who":{"action":"accept"}}`) {
		t.Error(answer)
	}
	if last := w.behind.calls[len(w.behind.calls)-1]; strings.Contains(string(last.Params), "requestState") || strings.Contains(string(last.Params), "inputResponses") {
		t.Errorf("the state goes on: %s", last.Params)
	}
	if _, answer = w.modern(protocol.CallTool, again(`{"a":2}`), `"elicitation":{}`); !strings.Contains(answer, "-32602") {
		t.Errorf("the state of another request opens: %s", answer)
	}
	body, kv := modern(protocol.CallTool, again(`{"a":1,"b":2}`), `"elicitation":{}`)
	if _, answer = w.post(body, append(kv, "Authorization", "Bearer "+w.tokens["mallory"])...); !strings.Contains(answer, "-32602") {
		t.Errorf("a stolen state opens: %s", answer)
	}
	resp := w.request(t.Context(), http.MethodPost, "/mcp/dev", body, kv...)
	if next := make([]byte, 4096); true {
		n, _ := resp.Body.Read(next)
		if !strings.Contains(string(next[:n]), "-32602") {
			t.Errorf("a state of another endpoint opens: %s", next[:n])
		}
	}
}

func TestModernListen(t *testing.T) {
	w := newWorld(t, nil)
	body, kv := modern(protocol.Listen, `"notifications":{"toolsListChanged":true},`, "")
	next := events(w.request(t.Context(), http.MethodPost, "/mcp", strings.Replace(body, `"id":1`, `"id":"l"`, 1), kv...))
	if got := next(); got != `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}` {
		t.Error(got)
	}
	w.behind.changes <- protocol.NotifyTools
	if got := next(); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}` {
		t.Error(got)
	}
	w.behind.changes <- "end"
	if got := next(); got != `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}` {
		t.Error(got)
	}
	if got := next(); got != `{"jsonrpc":"2.0","id":"l","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}` {
		t.Error(got)
	}
}

// TestModernDisconnect: a client that goes cancels what it asked for.
func TestModernDisconnect(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	body, kv := modern(protocol.CallTool, `"name":"slow",`, "")
	resp := w.request(ctx, http.MethodPost, "/mcp", body, kv...) // answers when the silence made it a stream
	if resp.Header.Get("X-Accel-Buffering") != "no" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Error(resp.Header)
	}
	cancel()
	select {
	case <-w.behind.ended:
	case <-time.After(10 * time.Second):
		t.Error("the call goes on")
	}
}
