package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
)

// TestMCPStreams: many clients listen, all hear of each change, and memory stays what it was.
func TestMCPStreams(t *testing.T) {
	streams, rounds := 60, 10
	if *all {
		streams, rounds = 500, 60
	}
	server, _ := bank(t)
	g := own(t, setup{
		tools: "bank__balance: {allow: [\"*\"], effect: read}\nbank__more: {allow: [\"*\"], effect: read}\n",
		more:  fmt.Sprintf("mcp:\n  servers:\n    bank: {url: %q}\n", server.URL()),
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var heard, ended atomic.Int64
	var wait sync.WaitGroup
	const users = 5
	tokens := make([]string, users)
	for i := range tokens {
		tokens[i] = token(t, object{"sub": fmt.Sprintf("user-%d", i), "groups": []string{"finance"}})
	}
	for i := range streams {
		token := tokens[i%users]
		r := listening(ctx, t, g, token, i%2 == 0)
		wait.Go(func() {
			defer ended.Add(1)
			resp, err := streaming.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			lines := bufio.NewScanner(resp.Body)
			for lines.Scan() {
				if strings.Contains(lines.Text(), "tools/list_changed") {
					heard.Add(1)
				}
			}
		})
	}
	_, alone := g.probe(t, "/metrics")
	eventually(t, "all streams", func() bool {
		_, metrics := g.probe(t, "/metrics")
		return strings.Contains(metrics, fmt.Sprintf("yellowjack_mcp_listening %d\n", streams))
	})
	more := false
	change := func() {
		t.Helper()
		more = !more
		before := heard.Load()
		server.Change("notifications/tools/list_changed", func(c *mcpserver.Config) {
			if more {
				c.Tools["more"] = mcpserver.Tool("more", "", nil)
			} else {
				delete(c.Tools, "more")
			}
		})
		eventually(t, "a change, at all clients", func() bool { return heard.Load() >= before+int64(streams) })
	}
	for range 20 { // until the collector has found its pace
		change()
	}
	// used is what is in use, times what the collector lets it grow by, as a collection counts it that began after the last change.
	used := func() float64 {
		t.Helper()
		collections := func() (n, next float64) {
			_, metrics := g.probe(t, "/metrics")
			return metric(t, metrics, "go_gc_duration_seconds_count"), metric(t, metrics, "go_memstats_next_gc_bytes")
		}
		first, _ := collections()
		for range 2000 {
			if n, next := collections(); n >= first+2 { // the first may have been under way
				return next
			}
			change()
		}
		t.Fatal("nothing is collected")
		return 0
	}
	then := used()
	_, begun := g.probe(t, "/metrics")
	for range rounds {
		change()
	}
	_, after := g.probe(t, "/metrics")
	first, last := metric(t, begun, "process_resident_memory_bytes"), metric(t, after, "process_resident_memory_bytes")
	t.Logf("%d streams: %.1f MB at first, %.1f MB with all open, %.1f MB after %d changes; %.0f and then %.0f goroutines", streams,
		metric(t, alone, "process_resident_memory_bytes")/1e6, first/1e6, last/1e6, rounds, metric(t, begun, "go_goroutines"), metric(t, after, "go_goroutines"))
	if raceFlag != "-race" && last > first*1.1+8e6 { // the race detector remembers more with each access
		t.Errorf("memory grew from %.1f MB to %.1f MB", first/1e6, last/1e6)
	}
	// Of what is lost, no later collection counts less.
	for again, now := 0, used(); now > then*1.25+8e6; again, now = again+1, used() {
		if again == 5 {
			t.Errorf("what is in use grew from %.1f MB to %.1f MB", then/1e6, now/1e6)
			break
		}
	}
	if now, then := metric(t, after, "go_goroutines"), metric(t, begun, "go_goroutines"); now > then+50 {
		t.Errorf("goroutines grew from %.0f to %.0f", then, now)
	}
	if n := ended.Load(); n != 0 {
		t.Errorf("%d streams ended", n)
	}
	cancel()
	wait.Wait()
	eventually(t, "the end of all streams", func() bool {
		_, metrics := g.probe(t, "/metrics")
		return strings.Contains(metrics, "yellowjack_mcp_listening 0\n")
	})
}

// listening is a request for a stream of changes, of one era or the other.
func listening(ctx context.Context, t *testing.T, g *gateway, token string, modern bool) *http.Request {
	t.Helper()
	body, method := "", http.MethodGet
	kv := map[string]string{"Authorization": "Bearer " + token, "Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
	if modern {
		body, method = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, http.MethodPost
		kv["MCP-Protocol-Version"], kv["Mcp-Method"] = "2026-07-28", "subscriptions/listen"
	} else {
		kv["Mcp-Session-Id"], _ = openSession(t, g, token)
	}
	r, err := http.NewRequestWithContext(ctx, method, g.url+"/mcp", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range kv {
		r.Header.Set(k, v)
	}
	return r
}

// metric is one figure of a page of metrics.
func metric(t *testing.T, page, name string) float64 {
	t.Helper()
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}
