package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/edge"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

func principal(t *testing.T) *identity.Principal {
	t.Helper()
	v, err := identity.New(t.Context(), identity.Config{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	p, _ := v.Anonymous()
	return p
}

// receiver is what the servers of the tests do.
type receiver func(ctx context.Context, c *relay.Call) (relay.Answer, error)

func (f receiver) Call(ctx context.Context, c *relay.Call) (relay.Answer, error) { return f(ctx, c) }

func serverOf(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	result := func(s string) (relay.Answer, error) { return relay.Answer{Result: []byte(s)}, nil }
	switch c.Method {
	case protocol.Discover:
		return result(`{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"hi","ttlMs":1,"cacheScope":"private"}`)
	case protocol.Listen:
		_ = c.Notify(protocol.NotifyAcknowledged, []byte(`{"notifications":{}}`))
		_ = c.Notify(protocol.NotifyTools, []byte(`{}`))
		<-ctx.Done()
		return relay.Answer{}, ctx.Err()
	}
	name, _ := rpc.Text(c.Params, "name")
	switch name {
	case "progress":
		_ = c.Notify(protocol.NotifyProgress, []byte(`{"progressToken":"t","progress":1}`))
	case "ask":
		if c.Inputs == nil {
			return relay.Answer{NeedInput: true, State: []byte("s"), Result: []byte(`{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"message":"name?","requestedSchema":{"type":"object","$x":12345678901234567890}}}}}`)}, nil
		}
		for _, key := range []string{"who"} {
			return result(`{"content":[],"got":` + string(rpc.Raw(c.Inputs, key)) + `}`)
		}
	case "url":
		return relay.Answer{Err: &relay.Error{Code: rpc.CodeURLRequired, Message: "go", Data: []byte(`{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example/","message":"m"}]}`)}}, nil
	case "no":
		return relay.Answer{Err: &relay.Error{Code: -32000, Message: "no", Data: []byte(`{"n":12345678901234567890}`)}}, nil
	}
	return result(`{"content":[{"type":"future","x":1.0}],"params":` + string(c.Params) + `}`)
}

// serve starts a server of an era; the legacy one knows nothing of the other.
func serve(t *testing.T, legacy bool) string {
	t.Helper()
	p := principal(t)
	e, err := edge.New(edge.Config{
		Receiver: receiver(serverOf), Keys: store.RandomKeys(), Name: "server", Version: "1", Log: slog.New(slog.DiscardHandler),
		Authenticate: func(r *http.Request, _ string) (*identity.Principal, *edge.Denied) {
			if r.Header.Get("Authorization") != "Bearer upstream" {
				return nil, &edge.Denied{Status: 401, Challenge: "Bearer x"}
			}
			return p, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if legacy && r.Header.Get(protocol.HeaderMethod) != "" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "Bad Request: No valid session ID provided")
			return
		}
		e.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/mcp"
}

func client(t *testing.T, url string, change func(*Config)) *Upstream {
	t.Helper()
	c := Config{
		Name: "server", URL: url, Client: http.DefaultClient, ClientName: "yellowjack", ClientVersion: "1", Timeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
		Header: func(context.Context, *relay.Call, bool) (http.Header, error) {
			return http.Header{"Authorization": {"Bearer upstream"}}, nil
		},
	}
	if change != nil {
		change(&c)
	}
	u := New(c)
	t.Cleanup(u.Close)
	return u
}

func TestBothEras(t *testing.T) {
	for era, legacy := range map[string]bool{"modern": false, "legacy": true} {
		t.Run(era, func(t *testing.T) {
			p := principal(t)
			u := client(t, serve(t, legacy), nil)
			var heard []string
			call := func(method, params, caps string) relay.Answer {
				t.Helper()
				a, err := u.Call(t.Context(), &relay.Call{
					Principal: p, Method: method, Params: []byte(params), Capabilities: []byte(caps),
					Notify: func(method string, params []byte) error {
						heard = append(heard, method+string(params))
						return nil
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			a := call(protocol.Discover, "{}", "{}")
			if version, _ := rpc.Text([]byte(`{"v":`+string(rpc.Raw(a.Result, "supportedVersions")[1:13])+`}`), "v"); legacy != (version == protocol.V20251125) || string(rpc.Raw(a.Result, "instructions")) != `"hi"` {
				t.Errorf("%s", a.Result)
			}
			if a = call(protocol.CallTool, `{"name":"x","arguments":{"n":12345678901234567890},"_meta":{"com.example/k":1.0}}`, "{}"); !strings.Contains(string(a.Result), `{"content":[{"type":"future","x":1.0}],"params":{"name":"x","arguments":{"n":12345678901234567890},"_meta":{"com.example/k":1.0`) {
				t.Errorf("%s", a.Result)
			}
			call(protocol.CallTool, `{"name":"progress","_meta":{"progressToken":"t"}}`, "{}")
			if len(heard) != 1 || heard[0] != `notifications/progress{"progressToken":"t","progress":1}` {
				t.Errorf("%v", heard)
			}
			if a = call(protocol.CallTool, `{"name":"no"}`, "{}"); a.Err == nil || a.Err.Code != -32000 || string(a.Err.Data) != `{"n":12345678901234567890}` {
				t.Errorf("%+v", a.Err)
			}
			// A server that asks in the middle.
			a = call(protocol.CallTool, `{"name":"ask"}`, `{"elicitation":{}}`)
			if !a.NeedInput || !strings.Contains(string(a.Result), `"$x":12345678901234567890`) || strings.Contains(string(a.Result), "requestState") || len(a.State) == 0 {
				t.Fatalf("%+v %s", a, a.Result)
			}
			key := "who"
			if legacy {
				key = "input"
			}
			again := &relay.Call{Principal: p, Method: protocol.CallTool, Params: []byte(`{"name":"ask"}`), Capabilities: []byte(`{"elicitation":{}}`), Inputs: []byte(`{"` + key + `":{"action":"accept","content":{"n":1.0}}}`), State: a.State}
			b, err := u.Call(t.Context(), again)
			if err != nil || !strings.Contains(string(b.Result), `"got":{"action":"accept","content":{"n":1.0}}`) {
				t.Errorf("%+v %s %v", b, b.Result, err)
			}
			if legacy {
				if b, err = u.Call(t.Context(), again); err != nil || b.Err == nil {
					t.Errorf("a parked call is resumed twice: %+v %v", b, err)
				}
				if a = call(protocol.CallTool, `{"name":"url"}`, `{"elicitation":{"url":{}}}`); !a.NeedInput || !strings.Contains(string(a.Result), `"url0":{"method":"elicitation/create","params":{"mode":"url"`) {
					t.Errorf("%+v", a)
				}
			}
			// Listening.
			ctx, cancel := context.WithCancel(t.Context())
			notes := make(chan string, 16)
			go func() {
				_, err := u.Call(ctx, &relay.Call{Principal: p, Method: protocol.Listen, Params: []byte(`{"notifications":{"toolsListChanged":true}}`), Capabilities: []byte("{}"), Notify: func(method string, _ []byte) error {
					notes <- method
					return nil
				}})
				notes <- fmt.Sprint("ended ", errors.Is(err, context.Canceled))
			}()
			if a, b := <-notes, <-notes; a != protocol.NotifyAcknowledged || b != protocol.NotifyTools {
				t.Error(a, b)
			}
			cancel()
			if end := <-notes; end != "ended true" {
				t.Error(end)
			}
		})
	}
}

// TestCredentials: a 401 is tried once more with a new credential, and never without one.
func TestCredentials(t *testing.T) {
	url := serve(t, false)
	asked := 0
	u := client(t, url, func(c *Config) {
		c.Header = func(_ context.Context, _ *relay.Call, again bool) (http.Header, error) {
			asked++
			if again {
				return http.Header{"Authorization": {"Bearer upstream"}}, nil
			}
			return http.Header{"Authorization": {"Bearer old"}}, nil
		}
	})
	call := &relay.Call{Principal: principal(t), Method: protocol.CallTool, Params: []byte(`{"name":"x"}`)}
	if a, err := u.Call(t.Context(), call); err != nil || a.Err != nil || asked != 4 {
		t.Errorf("%+v %v, asked %d times", a, err, asked)
	}
	u = client(t, url, func(c *Config) {
		c.Header = func(context.Context, *relay.Call, bool) (http.Header, error) {
			return http.Header{"Authorization": {"x"}}, nil
		}
	})
	_, err := u.Call(t.Context(), call)
	if bad, ok := errors.AsType[*Unauthorized](err); !ok || bad.Challenge != "Bearer x" || bad.Status != 401 {
		t.Error(err)
	}
	boom := errors.New("no token")
	u = client(t, url, func(c *Config) {
		c.Header = func(context.Context, *relay.Call, bool) (http.Header, error) { return nil, boom }
	})
	if _, err := u.Call(t.Context(), call); !errors.Is(err, boom) {
		t.Error(err)
	}
}

// TestOddServers: whatever a server says, the caller gets an error and nothing of it.
func TestOddServers(t *testing.T) {
	p := principal(t)
	modern := `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}}`
	for name, c := range map[string]struct {
		kind, body string
		status     int
		want       error
	}{
		"invalid json":          {"application/json", `{"jsonrpc":`, 200, ErrInvalid},
		"duplicate names":       {"application/json", `{"jsonrpc":"2.0","id":2,"result":{"a":1,"a":2}}`, 200, ErrInvalid},
		"two messages":          {"application/json", `[{"jsonrpc":"2.0","id":2,"result":{}}]`, 200, ErrInvalid},
		"another id":            {"application/json", `{"jsonrpc":"2.0","id":77,"result":{}}`, 200, ErrInvalid},
		"an id of another type": {"application/json", `{"jsonrpc":"2.0","id":"2","result":{}}`, 200, ErrInvalid},
		"unknown result type":   {"application/json", `{"jsonrpc":"2.0","id":2,"result":{"resultType":"later"}}`, 200, ErrInvalid},
		"input of nothing":      {"application/json", `{"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required"}}`, 200, ErrInvalid},
		"html":                  {"text/html", `<html>`, 200, ErrInvalid},
		"no content type":       {"", `{"jsonrpc":"2.0","id":2,"result":{}}`, 200, ErrInvalid},
		"a redirect":            {"", ``, 307, ErrInvalid},
		"a 500":                 {"application/json", `{"jsonrpc":"2.0","id":2,"result":{}}`, 500, ErrUnavailable},
		"a 429":                 {"application/json", ``, 429, ErrUnavailable},
		"a 403":                 {"application/json", `{"jsonrpc":"2.0","id":2,"result":{}}`, 403, nil},
		"huge":                  {"application/json", `{"jsonrpc":"2.0","id":2,"result":{"x":"` + strings.Repeat("x", 2<<20) + `"}}`, 200, ErrInvalid},
		"huge event":            {"text/event-stream", "data: " + strings.Repeat("x", 2<<20) + "\n\n", 200, ErrInvalid},
		"a cut stream":          {"text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":2,", 200, ErrInvalid},
		"an empty stream":       {"text/event-stream", ": nothing\n\n", 200, ErrInvalid},
		"a server that asks":    {"text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\"}\n\n", 200, ErrInvalid},
		"no events":             {"text/event-stream", "data: nonsense\n\n", 200, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			first := true
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if first {
					first = false
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, modern)
					return
				}
				if w.Header()["Content-Type"] = nil; c.kind != "" {
					w.Header().Set("Content-Type", c.kind)
				}
				if c.status == 307 {
					w.Header().Set("Location", "http://169.254.169.254/")
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer s.Close()
			u := client(t, s.URL, func(c *Config) {
				c.BodyBytes = 1 << 20
				c.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			})
			a, err := u.Call(t.Context(), &relay.Call{Principal: p, Method: protocol.CallTool, Params: []byte(`{"name":"x"}`), Capabilities: []byte(`{"sampling":{}}`)})
			if err == nil || a.Result != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s %v", a.Result, err)
			}
		})
	}
}

// TestMirror: arguments are mirrored as the list of tools says, invalid tools are left out, and a list that changed is read anew.
func TestMirror(t *testing.T) {
	lists := atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := string(rpc.Raw(body, "id"))
		w.Header().Set("Content-Type", "application/json")
		switch method, _ := rpc.Text(body, "method"); method {
		case protocol.Discover:
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id+`,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}}`)
		case protocol.ListTools:
			lists.Add(1)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id+`,"result":{"tools":[{"name":"bad","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}},{"name":"x","inputSchema":{"$x":1.0,"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}}`)
		case protocol.CallTool:
			if r.Header.Get("Mcp-Param-Region") != "eu" || r.Header.Get("Mcp-Name") != "x" {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id+`,"error":{"code":-32020,"message":"no header"}}`)
				return
			}
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id+`,"result":{"content":[]}}`)
		}
	}))
	defer s.Close()
	u := client(t, s.URL, nil)
	p := principal(t)
	a, err := u.Call(t.Context(), &relay.Call{Principal: p, Method: protocol.CallTool, Params: []byte(`{"name":"x","arguments":{"region":"eu"}}`)})
	if err != nil || a.Err != nil || lists.Load() != 1 {
		t.Errorf("%+v %v %d", a, err, lists.Load())
	}
	if a, err = u.Call(t.Context(), &relay.Call{Principal: p, Method: protocol.ListTools, Params: []byte(`{}`)}); err != nil || string(a.Result) != `{"tools":[{"name":"x","inputSchema":{"$x":1.0,"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}` {
		t.Errorf("%s %v", a.Result, err)
	}
}

func TestNeverEnds(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	u := client(t, s.URL, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	call := &relay.Call{Principal: principal(t), Method: protocol.CallTool, Params: []byte(`{"name":"x"}`)}
	for range tooMany {
		if _, err := u.Call(t.Context(), call); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if _, err := u.Call(t.Context(), call); !errors.Is(err, ErrUnavailable) || time.Since(began) > 40*time.Millisecond {
		t.Error("a server that keeps failing is asked", err)
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		for range tooMany {
			if !b.allow(time.Now()) {
				t.Fatal("too early")
			}
			b.done(time.Now(), true)
		}
		pause := firstPause
		for range 10 {
			if b.allow(time.Now()) || !b.open(time.Now()) {
				t.Fatal("not left alone")
			}
			time.Sleep(pause)
			if !b.allow(time.Now()) || b.allow(time.Now()) {
				t.Fatal("one probe")
			}
			b.done(time.Now(), true)
			pause = min(2*pause, maxPause)
		}
		time.Sleep(maxPause)
		if !b.allow(time.Now()) {
			t.Fatal("no probe")
		}
		b.done(time.Now(), false)
		if first, second := b.allow(time.Now()), b.allow(time.Now()); !first || !second || b.open(time.Now()) {
			t.Fatal("not well again")
		}
	})
}

// TestSessionEnds: a session that nobody uses is ended, at the server too; one that is listened to, or in which a call waits, is not.
func TestSessionEnds(t *testing.T) {
	deleted := make(chan string, 10)
	url := serve(t, true)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			deleted <- r.Header.Get(protocol.HeaderSession)
		}
		target, err := http.NewRequestWithContext(r.Context(), r.Method, url, r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		target.Header = r.Header.Clone()
		resp, err := http.DefaultClient.Do(target)
		if err != nil {
			return // the client went
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_ = http.NewResponseController(w).Flush()
		buf := make([]byte, 4096)
		for {
			n, err := resp.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = http.NewResponseController(w).Flush()
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	u := client(t, front.URL, func(c *Config) { c.Idle = 200 * time.Millisecond })
	p := principal(t)
	call := &relay.Call{Principal: p, Method: protocol.CallTool, Params: []byte(`{"name":"x"}`)}
	if _, err := u.Call(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	first := <-deleted
	if first == "" {
		t.Error("no session was named")
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = u.Call(ctx, &relay.Call{Principal: p, Method: protocol.Listen, Params: []byte(`{"notifications":{"toolsListChanged":true}}`), Notify: func(method string, _ []byte) error {
			heard <- method
			return nil
		}})
	}()
	for <-heard != protocol.NotifyTools {
	}
	select {
	case id := <-deleted:
		t.Errorf("the session %s was ended while somebody listens", id)
	case <-time.After(500 * time.Millisecond): // more than twice the time after which an unused one ends
	}
	cancel()
	<-ended
	if id := <-deleted; id == "" || id == first {
		t.Errorf("the session %q was ended", id)
	}
	if a, err := u.Call(t.Context(), call); err != nil || a.Err != nil {
		t.Errorf("the next call: %+v %v", a, err)
	}
}
