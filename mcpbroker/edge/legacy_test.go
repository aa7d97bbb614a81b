package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
)

func TestInitialize(t *testing.T) {
	w := newWorld(t, nil)
	for asked, want := range map[string]string{"2025-11-25": "2025-11-25", "2025-06-18": "2025-06-18", "2025-03-26": "2025-03-26", "2024-11-05": "2025-11-25", "2026-07-28": "2025-11-25"} {
		id, result := w.initialize(asked, "")
		if id == "" || result != `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"`+want+`","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"yellowjack","version":"1"},"instructions":"hi"}}` {
			t.Errorf("%s: %s %s", asked, id, result)
		}
		if strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
			t.Errorf("an id that no header carries: %q", id)
		}
	}
	if _, answer := w.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}`); !strings.Contains(answer, "-32602") {
		t.Error(answer)
	}
}

func TestSession(t *testing.T) {
	w := newWorld(t, nil)
	id, _ := w.initialize(protocol.V20251125, "")
	list := `{"jsonrpc":"2.0","id":"a","method":"tools/list"}`
	for name, c := range map[string]struct {
		body   string
		kv     []string
		status int
		has    string
	}{
		"a call":            {list, nil, 200, `"id":"a","result":{"content"`},
		"with its version":  {list, []string{"MCP-Protocol-Version", "2025-11-25"}, 200, `"result"`},
		"another version":   {list, []string{"MCP-Protocol-Version", "2025-06-18"}, 200, `"result"`},
		"a modern version":  {list, []string{"MCP-Protocol-Version", "2026-07-28"}, 400, "-32600"},
		"no version at all": {list, []string{"MCP-Protocol-Version", "0"}, 400, "-32600"},
		"no session":        {list, []string{"Mcp-Session-Id", ""}, 400, "-32600"},
		"stolen":            {list, []string{"Authorization", "Bearer " + w.tokens["mallory"]}, 404, "-32600"},
		"forged":            {list, []string{"Mcp-Session-Id", id[:len(id)-2] + "xx"}, 404, "-32600"},
		"ping":              {`{"jsonrpc":"2.0","id":1,"method":"ping"}`, nil, 200, `"result":{}`},
		"unknown method":    {`{"jsonrpc":"2.0","id":1,"method":"tools/burn"}`, nil, 200, "-32601"},
		"a modern method":   {`{"jsonrpc":"2.0","id":1,"method":"server/discover"}`, nil, 200, "-32601"},
		"a notification":    {`{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, ""},
		"nobody's answer":   {`{"jsonrpc":"2.0","id":77,"result":{}}`, nil, 202, ""},
		"no level":          {`{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"shout"}}`, nil, 200, "-32602"},
		"a level":           {`{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}`, nil, 200, `"result":{}`},
		"no uri":            {`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{}}`, nil, 200, "-32602"},
		"a batch":           {"[" + list + "]", nil, 400, "no batches"},
		"an unknown tool":   {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"unknown"}}`, nil, 200, "-32602"},
		"a broken server":   {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"broken"}}`, nil, 200, "-32603"},
		"its _meta goes on": {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":7}}}`, nil, 200, `"_meta":{"progressToken":7}`},
	} {
		status, answer := w.post(c.body, append([]string{"Mcp-Session-Id", id}, c.kv...)...)
		if status != c.status || !strings.Contains(answer, c.has) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	resp := w.request(t.Context(), http.MethodPost, "/mcp/dev", list, "Mcp-Session-Id", id)
	if resp.StatusCode != http.StatusNotFound {
		t.Error("a session of another endpoint is taken", resp.StatusCode)
	}
	if resp := w.request(t.Context(), http.MethodDelete, "/mcp", "", "Mcp-Session-Id", id); resp.StatusCode != http.StatusNoContent {
		t.Error(resp.StatusCode)
	}
	if status, _ := w.post(list, "Mcp-Session-Id", id); status != http.StatusNotFound {
		t.Error("a session that was ended goes on", status)
	}
}

func TestLegacyInput(t *testing.T) {
	w := newWorld(t, nil)
	for name, c := range map[string]struct{ caps, tool, want, answer, got string }{
		"form":   {`"elicitation":{}`, "ask", `"method":"elicitation/create","params":{"mode":"form"`, `"result":{"action":"accept","content":{"n":1}}`, `"got":{"who":{"action":"accept","content":{"n":1}}}`},
		"url":    {`"elicitation":{"url":{}}`, "ask-url", `"elicitationId":"`, `"result":{"action":"accept"}`, `"got":{"who":{"action":"accept"}}`},
		"sample": {`"sampling":{}`, "sample", `"method":"sampling/createMessage"`, `"result":{"role":"assistant"}`, `"got":{"text":{"role":"assistant"}}`},
		"error":  {`"sampling":{}`, "sample", `"method":"sampling/createMessage"`, `"error":{"code":-1,"message":"the person said no"}`, `"code":-1`},
	} {
		id, _ := w.initialize(protocol.V20251125, c.caps)
		next := events(w.request(t.Context(), http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"`+c.tool+`"}}`, "Mcp-Session-Id", id))
		asked := next()
		if !strings.Contains(asked, c.want) || !strings.HasPrefix(asked, `{"jsonrpc":"2.0","id":"yj-1",`) {
			t.Errorf("%s: %s", name, asked)
		}
		// Another session's answer is nobody's.
		other, _ := w.initialize(protocol.V20251125, c.caps)
		for _, session := range []string{other, id} {
			body := `{"jsonrpc":"2.0","id":"yj-1",` + c.answer + `}`
			if session == other {
				body = `{"jsonrpc":"2.0","id":"yj-1","result":{"action":"forged"}}`
			}
			if status, _ := w.post(body, "Mcp-Session-Id", session); status != http.StatusAccepted {
				t.Errorf("%s: %d", name, status)
			}
		}
		if got := next(); !strings.Contains(got, c.got) || !strings.Contains(got, `"id":5`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	id, _ := w.initialize(protocol.V20251125, "")
	if _, answer := w.post(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"ask"}}`, "Mcp-Session-Id", id); !strings.Contains(answer, "cannot give") {
		t.Errorf("a client is asked for what it cannot: %s", answer)
	}
}

func TestLegacyCancel(t *testing.T) {
	w := newWorld(t, nil)
	id, _ := w.initialize(protocol.V20251125, "")
	slow := `{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"slow"}}`
	first := w.request(t.Context(), http.MethodPost, "/mcp", slow, "Mcp-Session-Id", id)
	if _, answer := w.post(slow, "Mcp-Session-Id", id); !strings.Contains(answer, "in use") {
		t.Errorf("an id is used twice: %s", answer)
	}
	// Another session cannot cancel it.
	other, _ := w.initialize(protocol.V20251125, "")
	w.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"s"}}`, "Mcp-Session-Id", other)
	select {
	case <-w.behind.ended:
		t.Error("another session cancels a call")
	case <-time.After(50 * time.Millisecond):
	}
	w.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"s"}}`, "Mcp-Session-Id", id)
	if got := events(first)(); got != "" {
		t.Errorf("a cancelled call is answered: %s", got)
	}
	<-w.behind.ended

	// A client that goes has not cancelled.
	ctx, cancel := context.WithCancel(t.Context())
	w.request(ctx, http.MethodPost, "/mcp", slow, "Mcp-Session-Id", id)
	cancel()
	select {
	case err := <-w.behind.ended:
		t.Error("a call ends with the connection", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(w.behind.release)
}

func TestLegacyStream(t *testing.T) {
	w := newWorld(t, nil)
	id, _ := w.initialize(protocol.V20251125, "")
	open := func() (func() string, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		return events(w.request(ctx, http.MethodGet, "/mcp", "", "Mcp-Session-Id", id)), cancel
	}
	next, cancel := open()
	w.behind.changes <- protocol.NotifyTools
	if got := next(); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}` {
		t.Error(got)
	}
	if _, answer := w.post(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"file:///x"}}`, "Mcp-Session-Id", id); !strings.Contains(answer, "result") {
		t.Error(answer)
	}
	<-w.behind.ended // it listens anew
	w.behind.changes <- protocol.NotifyUpdated
	if got := next(); !strings.Contains(got, protocol.NotifyUpdated) {
		t.Error(got)
	}
	w.behind.mu.Lock()
	last := string(w.behind.calls[len(w.behind.calls)-1].Params)
	w.behind.mu.Unlock()
	if !strings.Contains(last, `"resourceSubscriptions":["file:///x"]`) {
		t.Error(last)
	}
	second, cancelSecond := open()
	if next() != "" { // the first one ends
		t.Error("two streams of one session")
	}
	<-w.behind.ended
	w.behind.changes <- protocol.NotifyPrompts
	if got := second(); !strings.Contains(got, protocol.NotifyPrompts) {
		t.Error(got)
	}
	cancel()
	cancelSecond()
	<-w.behind.ended
	if resp := w.request(t.Context(), http.MethodGet, "/mcp", "", "Mcp-Session-Id", id, "Accept", "application/json"); resp.StatusCode != http.StatusNotAcceptable {
		t.Error(resp.StatusCode)
	}
}

func TestBatch(t *testing.T) {
	w := newWorld(t, nil)
	id, _ := w.initialize(protocol.V20250326, "")
	ping, note := `{"jsonrpc":"2.0","id":1,"method":"ping"}`, `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	if status, answer := w.post("["+ping+","+note+","+strings.Replace(ping, "1", "2", 1)+"]", "Mcp-Session-Id", id); status != 200 || answer != `[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]` &&
		!strings.Contains(answer, `"id":2`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, _ := w.post("["+note+"]", "Mcp-Session-Id", id); status != 202 {
		t.Error(status)
	}
	if _, answer := w.post(`[{"jsonrpc":"2.0","id":9,"method":"initialize","params":{}}]`, "Mcp-Session-Id", id); !strings.Contains(answer, "-32600") {
		t.Error(answer)
	}
	if _, answer := w.post(`[`+ping+`,{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"progress"}}]`, "Mcp-Session-Id", id); !strings.Contains(answer, "loud") || !strings.Contains(answer, `"id":3`) || !strings.Contains(answer, `"id":1`) {
		t.Errorf("%s", answer)
	}
}

// TestSessionsAreBounded: the session that was silent for longest makes room, one that is busy does not.
func TestSessionsAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Sessions = 1 })
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	a, _ := w.initialize(protocol.V20251125, "")
	b, _ := w.initialize(protocol.V20251125, "")
	for _, id := range []string{a, b, a} { // a forgotten one is taken up again
		if status, answer := w.post(ping, "Mcp-Session-Id", id); status != 200 {
			t.Error(status, answer)
		}
	}
	w.request(t.Context(), http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"slow"}}`, "Mcp-Session-Id", a)
	if status, _ := w.post(ping, "Mcp-Session-Id", b); status != http.StatusNotFound {
		t.Error(status)
	}
	close(w.behind.release)
}
