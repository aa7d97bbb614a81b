package edge

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// behind is a Receiver that does what the tool's name says.
type behind struct {
	mu      sync.Mutex
	calls   []relay.Call
	release chan struct{} // closed: the slow tool answers
	ended   chan error    // why a slow or listening call ended
	changes chan string   // notifications for whoever listens
}

func (b *behind) Call(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	b.mu.Lock()
	b.calls = append(b.calls, *c)
	b.mu.Unlock()
	result := func(s string) (relay.Answer, error) { return relay.Answer{Result: []byte(s)}, nil }
	switch c.Method {
	case protocol.Discover:
		return result(`{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"extensions":{"x/y":{}}},"instructions":"hi"}`)
	case protocol.Listen:
		_ = c.Notify(protocol.NotifyAcknowledged, []byte(`{"notifications":{}}`))
		for {
			select {
			case method := <-b.changes:
				if method == "end" {
					return result(`{}`)
				}
				_ = c.Notify(method, nil)
			case <-ctx.Done():
				b.ended <- ctx.Err()
				return relay.Answer{}, ctx.Err()
			}
		}
	}
	name, _ := rpc.Text(c.Params, "name")
	if c.Method == protocol.ReadResource {
		name, _ = rpc.Text(c.Params, "uri")
	}
	switch name {
	case "public":
		return result(`{"contents":[],"ttlMs":7,"cacheScope":"public"}`)
	case "gone":
		return relay.Answer{Err: &relay.Error{Code: rpc.CodeNoResource, Message: "Resource not found", Data: []byte(`{"uri":"gone"}`)}}, nil
	case "progress":
		_ = c.Notify(protocol.NotifyProgress, []byte(`{"progressToken":"t","progress":1}`))
		_ = c.Notify(protocol.NotifyMessage, []byte(`{"level":"debug","data":"quiet"}`))
		_ = c.Notify(protocol.NotifyMessage, []byte(`{"level":"error","data":"loud"}`))
	case "ask", "ask-url", "sample":
		if c.Inputs == nil {
			want := map[string]string{
				"ask":     `{"who":{"method":"elicitation/create","params":{"mode":"form","message":"name?","requestedSchema":{"type":"object"}}}}`,
				"ask-url": `{"who":{"method":"elicitation/create","params":{"mode":"url","message":"go","url":"https://x.example/"}}}`,
				"sample":  `{"text":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}`,
			}[name]
			return relay.Answer{Result: []byte(`{"resultType":"input_required","inputRequests":` + want + `}`), NeedInput: true, State: []byte("upstream's")}, nil
		}
		if string(c.State) != "upstream's" {
			return relay.Answer{Err: &relay.Error{Code: rpc.CodeInvalidParams, Message: "state lost"}}, nil
		}
		return result(`{"content":[],"got":` + string(c.Inputs) + `}`)
	case "slow":
		select {
		case <-b.release:
		case <-ctx.Done():
			b.ended <- ctx.Err()
			return relay.Answer{}, ctx.Err()
		}
	case "broken":
		return relay.Answer{}, io.ErrUnexpectedEOF
	case "unknown":
		return relay.Answer{Err: &relay.Error{Code: rpc.CodeInvalidParams, Message: "Unknown tool"}}, nil
	case "nothing":
		return relay.Answer{}, nil
	}
	return result(`{"content":[{"type":"text","text":"ok"}],"params":` + string(c.Params) + `}`)
}

type world struct {
	t      *testing.T
	url    string
	edge   *Edge
	behind *behind
	tokens map[string]string
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	idp, err := issuer.Start(issuer.Config{Alg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	verifier, err := identity.New(t.Context(), identity.Config{Issuers: []identity.IssuerConfig{{Name: "corp", Issuer: idp.URL(), JWKS: idp.JWKSURL(), Audiences: []string{"yellowjack"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	w := &world{t: t, behind: &behind{release: make(chan struct{}), ended: make(chan error, 16), changes: make(chan string)}, tokens: map[string]string{}}
	for _, who := range []string{"sara", "mallory"} {
		if w.tokens[who], err = idp.Mint(map[string]any{"sub": who}); err != nil {
			t.Fatal(err)
		}
	}
	c := Config{
		Receiver: w.behind, Keys: store.RandomKeys(), Origins: []string{"https://app.example"}, Name: "yellowjack", Version: "1",
		Keepalive: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Authenticate: func(r *http.Request, _ string) (*identity.Principal, *Denied) {
			p, refused := verifier.Verify(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			if refused != nil {
				return nil, &Denied{Status: http.StatusUnauthorized, Challenge: `Bearer resource_metadata="x"`, Message: "no"}
			}
			return p, nil
		},
		Params: func(_ context.Context, _ *identity.Principal, _, tool string) ([]protocol.Param, error) {
			if tool != "mirrored" {
				return nil, nil
			}
			return []protocol.Param{{Header: "Region", Path: []string{"region"}, Kind: "string"}}, nil
		},
	}
	if change != nil {
		change(&c)
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.edge = e
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// request sends a request as sara with the headers that every client sends; kv changes them, an empty value takes one away.
func (w *world) request(ctx context.Context, method, path, body string, kv ...string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens["sara"])
	r.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] == "" {
			r.Header.Del(kv[i])
		} else {
			r.Header.Set(kv[i], kv[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// post is request, with the whole answer: the messages of a stream are in lines.
func (w *world) post(body string, kv ...string) (int, string) {
	w.t.Helper()
	resp := w.request(w.t.Context(), http.MethodPost, "/mcp", body, kv...)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp.StatusCode, string(b)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			lines = append(lines, strings.TrimSpace(data))
		}
	}
	return resp.StatusCode, strings.Join(lines, "\n")
}

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{CAPS},"progressToken":"t","com.example/x":12345678901234567890}`

// modern is a request of the stateless era and its headers.
func modern(method, params, caps string) (string, []string) {
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + strings.Replace(meta, "CAPS", caps, 1) + `}}`
	kv := []string{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	if name, ok := protocol.NameOf(method, []byte("{"+strings.TrimSuffix(params, ",")+"}")); ok {
		kv = append(kv, "Mcp-Name", name)
	}
	return body, kv
}

func (w *world) modern(method, params, caps string) (int, string) {
	w.t.Helper()
	body, kv := modern(method, params, caps)
	return w.post(body, kv...)
}

// initialize opens a session of the legacy era.
func (w *world) initialize(version, caps string) (id, result string) {
	w.t.Helper()
	resp := w.request(w.t.Context(), http.MethodPost, "/mcp",
		`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+version+`","capabilities":{`+caps+`},"clientInfo":{"name":"c","version":"1"}}}`)
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatal(resp.StatusCode, string(b), err)
	}
	return resp.Header.Get("Mcp-Session-Id"), string(b)
}

// events reads the messages of a stream one by one.
func events(resp *http.Response) func() string {
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return ""
	}
}
