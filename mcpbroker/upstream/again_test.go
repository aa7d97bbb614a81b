package upstream

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// TestCut: a call goes on whose server closed the stream in its middle.
func TestCut(t *testing.T) {
	c := mcpserver.Suite()
	c.NoModern = true
	s, err := mcpserver.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	u := client(t, s.URL(), nil)
	a, err := u.Call(t.Context(), &relay.Call{Principal: principal(t), Method: protocol.CallTool, Params: []byte(`{"name":"test_reconnection","arguments":{}}`), Capabilities: []byte("{}")})
	if err != nil || !strings.Contains(string(a.Result), "Reconnection test completed") {
		t.Errorf("%s %v", a.Result, err)
	}
	if n := s.Count("GET"); n != 1 {
		t.Errorf("the stream was taken up %d times", n)
	}
}

// TestCutAgain: a stream is taken up from its last event, as long as it brings something, and while the server has it.
func TestCutAgain(t *testing.T) {
	for name, c := range map[string]struct {
		first string
		more  func(n int, last string) (int, string)
		want  string
	}{
		"in three parts": {"id: a\nretry: 1\ndata: \n\n", func(n int, last string) (int, string) {
			if n < 3 {
				return 200, fmt.Sprintf("id: %s%d\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n", last, n)
			}
			return 200, `data: {"jsonrpc":"2.0","id":2,"result":{"after":"` + last + `"}}` + "\n\n"
		}, `{"after":"a12"}`},
		"within an event": {"id: a\nretry: 1\ndata: \n\nid: b\ndata: {\"json", func(_ int, last string) (int, string) {
			return 200, `data: {"jsonrpc":"2.0","id":2,"result":{"after":"` + last + `"}}` + "\n\n"
		}, `{"after":"a"}`},
		"no id":               {": open\n\n", func(int, string) (int, string) { return 500, "" }, "no response"},
		"it is gone":          {"id: a\nretry: 1\ndata: \n\n", func(int, string) (int, string) { return 404, "" }, "no response"},
		"it brings no more":   {"id: a\nretry: 1\ndata: \n\n", func(int, string) (int, string) { return 200, ": open\n\n" }, "no response"},
		"an empty id ends it": {"id: a\nretry: 1\ndata: \n\nid:\ndata: \n\n", func(int, string) (int, string) { return 500, "" }, "no response"},
	} {
		t.Run(name, func(t *testing.T) {
			var gets atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				w.Header().Set("Content-Type", "text/event-stream")
				switch {
				case strings.Contains(string(body), `"server/discover"`):
					w.WriteHeader(http.StatusBadRequest)
				case strings.Contains(string(body), `"initialize"`):
					_, _ = io.WriteString(w, `data: {"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`+"\n\n")
				case strings.Contains(string(body), `"tools/call"`):
					_, _ = io.WriteString(w, c.first)
				case r.Method == http.MethodGet:
					status, text := c.more(int(gets.Add(1)), r.Header.Get("Last-Event-ID"))
					w.WriteHeader(status)
					_, _ = io.WriteString(w, text)
				default:
					w.WriteHeader(http.StatusAccepted)
				}
			}))
			defer s.Close()
			u := client(t, s.URL, nil)
			a, err := u.Call(t.Context(), &relay.Call{Principal: principal(t), Method: protocol.CallTool, Params: []byte(`{"name":"x"}`), Capabilities: []byte("{}"), Notify: func(string, []byte) error { return nil }})
			if got := string(a.Result); err != nil && !strings.Contains(err.Error(), c.want) || err == nil && got != c.want {
				t.Errorf("%s %v", got, err)
			}
			if n := gets.Load(); n > maxIdle {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	var p place
	if p.pause() != usualRetry {
		t.Error(p.pause())
	}
	for _, c := range []struct {
		stream, last string
		pause        time.Duration
	}{
		{"id: a\nretry: 20\ndata: x\n\n", "a", 20 * time.Millisecond},
		{"data: x\n\n", "a", 20 * time.Millisecond},
		{"retry: soon\nid: b\n\n", "b", 20 * time.Millisecond},
		{"retry: 99999999999999999999\n\n", "b", maxRetry},
		{"id\nretry: 1000\n\n", "", time.Second},
	} {
		r := sse.NewReader(1000)
		r.Feed([]byte(c.stream))
		e, ok, err := r.Next()
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		p.note(e)
		if p.last != c.last || p.pause() != c.pause {
			t.Errorf("%q: %q %v", c.stream, p.last, p.pause())
		}
	}
}
