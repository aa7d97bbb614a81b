package mcpbroker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/upstream"
)

// serve puts a handler in front of the world's broker.
func (w *world) serve(change func(*HandlerConfig)) string {
	w.t.Helper()
	c := HandlerConfig{
		Broker: w.broker, Verifier: w.verifier, Keys: w.keys, Resource: "https://gw.example.com/mcp", Issuers: []string{w.idp.URL()}, Scopes: []string{"mcp:tools", "mcp:read"},
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	h, err := NewHandler(c)
	if err != nil {
		w.t.Fatal(err)
	}
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	return s.URL
}

// bearing is a client that sends a token.
func bearing(t testing.TB, token string) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
		return transport.RoundTrip(r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func get(t testing.TB, url string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp, string(b)
}

// TestMetadata: whose tokens are taken, for /mcp and for each set (RFC 9728).
func TestMetadata(t *testing.T) {
	w := newWorld(t, nil)
	url := w.serve(nil)
	for path, resource := range map[string]string{"": "https://gw.example.com/mcp", "/mcp": "https://gw.example.com/mcp", "/mcp/chat": "https://gw.example.com/mcp/chat"} {
		resp, body := get(t, url+metadataPath+path, nil)
		want := fmt.Sprintf(`{"resource":%q,"authorization_servers":[%q],"scopes_supported":["mcp:tools","mcp:read"],"bearer_methods_supported":["header"],"resource_name":"yellowjack"}`, resource, w.idp.URL())
		if resp.StatusCode != 200 || body != want || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	for _, path := range []string{"/mcp/none", "/mcp/", "/mcp/chat/x", "x", "/other"} {
		if resp, _ := get(t, url+metadataPath+path, nil); resp.StatusCode != 404 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// TestChallenge: who has no token is told where to get one and for what, at once; nothing of what was sent comes back.
func TestChallenge(t *testing.T) {
	w := newWorld(t, nil)
	url := w.serve(nil)
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	good := w.token("sara")
	const where, scopes = `Bearer resource_metadata="https://gw.example.com/.well-known/oauth-protected-resource/mcp`, `scope="mcp:tools mcp:read"`
	for name, c := range map[string]struct {
		path   string
		change func(*http.Request)
		status int
		want   string
	}{
		"no token":             {"/mcp", nil, 401, where + `", ` + scopes},
		"of a set":             {"/mcp/chat", nil, 401, where + `/chat", ` + scopes},
		"a bad token":          {"/mcp", bearer("x.y.z"), 401, where + `", ` + scopes + `, error="invalid_token"`},
		"no such set":          {"/mcp/none", bearer(good), 404, ""},
		"a token in the query": {"/mcp?key=" + good, nil, 401, where + `", ` + scopes},
		"two tokens": {"/mcp", func(r *http.Request) {
			bearer(good)(r)
			r.Header.Set("X-Api-Key", "other")
		}, 400, ""},
	} {
		resp, body := get(t, url+c.path, c.change)
		if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != c.status || got != c.want || strings.Contains(body, "x.y.z") {
			t.Errorf("%s: %d %q %s", name, resp.StatusCode, got, body)
		}
	}
}

// TestPlaces: one principal has so many calls at once, and another is not kept out by them.
func TestPlaces(t *testing.T) {
	w := newWorld(t, nil)
	url := w.serve(func(c *HandlerConfig) { c.PerPrincipal = 2 })
	hold, held := make(chan struct{}), make(chan struct{}, 2)
	w.servers["slack"].answers(func(*relay.Call) (relay.Answer, error) {
		held <- struct{}{}
		<-hold
		return relay.Answer{Result: []byte(`{"content":[]}`)}, nil
	})
	post := func(token string) int {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slack__whoami","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`))
		for name, value := range map[string]string{
			"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
			protocol.HeaderVersion: protocol.V20260728, protocol.HeaderMethod: protocol.CallTool, protocol.HeaderName: "slack__whoami",
		} {
			r.Header.Set(name, value)
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	sara, mona := w.token("sara"), w.token("mona")
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() { post(sara) })
		<-held
	}
	if got := post(sara); got != 429 {
		t.Errorf("the third call gets %d", got)
	}
	go func() { <-held; close(hold) }()
	if got := post(mona); got != 200 {
		t.Errorf("another's call gets %d", got)
	}
	wait.Wait()
	w.servers["slack"].answers(nil)
	if got := post(sara); got != 200 {
		t.Errorf("after the calls ended it is %d", got)
	}
}

// TestSDK: the official client of Go, in each era and through a real upstream of each, lists, calls and is told of changes.
func TestSDK(t *testing.T) {
	for _, version := range protocol.Versions() {
		t.Run(version, func(t *testing.T) {
			servers := map[string]*mcp.Server{}
			w := newWorld(t, func(c *Config, w *world) {
				for name, era := range map[string]string{"snowflake": "legacy", "slack": "modern"} {
					server, url := sdkServer(t, era)
					servers[name] = server
					u := upstream.New(upstream.Config{
						Name: name, URL: url, Client: &http.Client{Transport: transport(t)}, ClientName: "yellowjack", ClientVersion: "1", Log: slog.New(slog.DiscardHandler),
						Header: (&Static{Secret: func() (string, error) { return "upstream-secret", nil }}).Header,
					})
					t.Cleanup(u.Close)
					c.Servers[name] = Server{Receiver: u, Shared: true}
				}
			})
			url := w.serve(nil)
			changed := make(chan struct{}, 10)
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
				ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
				ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					if strings.Contains(r.Params.Message, "snowflake__drop") {
						return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"confirm": true}}, nil
					}
					return &mcp.ElicitResult{Action: "decline"}, nil
				},
			})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url + "/mcp", HTTPClient: bearing(t, w.token("sara", "finance"))}, &mcp.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := session.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("they speak %s", got)
			}
			var names []string
			for tool, err := range session.Tools(ctx, nil) {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, tool.Name)
			}
			if got := strings.Join(names, " "); got != "slack__whoami snowflake__drop snowflake__query" {
				t.Errorf("Sara sees %s", got)
			}
			call := func(name string) (string, error) {
				r, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: map[string]any{"text": "hi"}})
				if err != nil {
					return "", err
				}
				var out []string
				for _, c := range r.Content {
					out = append(out, c.(*mcp.TextContent).Text)
				}
				return strings.Join(out, " "), nil
			}
			if got, err := call("snowflake__query"); err != nil || got != "query hi" {
				t.Errorf("%q %v", got, err)
			}
			if got, err := call("slack__whoami"); err != nil || got != "whoami hi" {
				t.Errorf("%q %v", got, err)
			}
			if got, err := call("slack__post_message"); err == nil || !strings.Contains(err.Error(), "Unknown tool") {
				t.Errorf("a hidden tool: %q %v", got, err)
			}
			if got, err := call("snowflake__drop"); version >= protocol.V20250618 && (err != nil || got != "drop hi") {
				t.Errorf("confirmed: %q %v", got, err)
			}
			servers["slack"].RemoveTools("whoami")
			eventually(t, "the change", func() bool {
				l, err := session.ListTools(ctx, nil)
				return err == nil && len(l.Tools) == 2
			})
			if protocol.Modern(version) {
				return // it says that it listens by another call
			}
			select {
			case <-changed:
			case <-ctx.Done():
				t.Error("nobody told of the change")
			}
		})
	}
}

func transport(t testing.TB) *http.Transport {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// sdkServer is a server made with the official SDK, of one era.
func sdkServer(t testing.TB, era string) (*mcp.Server, string) {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: era, Version: "1"}, nil)
	names := []string{"query", "drop"}
	if era == "modern" {
		names = []string{"whoami", "post_message"}
	}
	type in struct {
		Text string `json:"text"`
	}
	for _, name := range names {
		mcp.AddTool(server, &mcp.Tool{Name: name, Description: "does " + name}, func(_ context.Context, _ *mcp.CallToolRequest, args in) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name + " " + args.Text}}}, nil, nil
		})
	}
	h := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: era == "modern"})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer upstream-secret":
			w.WriteHeader(http.StatusUnauthorized)
		case era == "legacy" && r.Header.Get(protocol.HeaderMethod) != "":
			w.WriteHeader(http.StatusBadRequest) // it knows nothing of the other era
		default:
			h.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		for session := range server.Sessions() {
			_ = session.Close()
		}
		s.CloseClientConnections()
		s.Close()
	})
	return server, s.URL
}

func TestHandlerConfig(t *testing.T) {
	w := newWorld(t, nil)
	for _, resource := range []string{"", "/mcp", "https://gw.example.com", "https://gw.example.com/other", "https://gw.example.com/mcp?x", "ftp://gw.example.com/mcp"} {
		if _, err := NewHandler(HandlerConfig{Broker: w.broker, Verifier: w.verifier, Keys: w.keys, Resource: resource}); err == nil {
			t.Errorf("%q is taken", resource)
		}
	}
}

func TestStatic(t *testing.T) {
	value := "one"
	s := &Static{Secret: func() (string, error) { return value, nil }}
	header := func(again bool) string {
		h, err := s.Header(t.Context(), nil, again)
		if err != nil {
			t.Fatal(err)
		}
		return h.Get("Authorization") + h.Get("X-Api-Key")
	}
	first := header(false)
	value = "two"
	if kept, fresh := header(false), header(true); first != "Bearer one" || kept != first || fresh != "Bearer two" {
		t.Errorf("%s %s %s", first, kept, fresh)
	}
	s.Name = "x-api-key"
	if got := header(false); got != "two" {
		t.Errorf("%s", got)
	}
	bad := &Static{Secret: func() (string, error) { return "", errors.New("is not there") }}
	if _, err := bad.Header(t.Context(), nil, false); err == nil {
		t.Error("no secret is one")
	}
}
