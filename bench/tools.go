package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
)

// What the broker is held to.
const (
	// hopTarget is the most that the broker may add to a warm call, in times of the bare hop.
	hopTarget = 1.5
	// The long list: so many servers with so many tools each.
	manyServers, toolsEach = 50, 20
	// listers is how many principals list, each twice.
	listers = 10
)

// toolCalls is what a warm tools/call costs through Envoy alone and through Envoy and the broker, for one degree of load.
type toolCalls struct {
	Connections int     `json:"connections"`
	Hop         sample  `json:"hop"`
	Broker      sample  `json:"broker"`
	Times       float64 `json:"times"` // the median of the rounds' p50 through the broker, in times of the hop's
	Added       float64 `json:"added"` // what of it the broker adds
}

// toolLists is what the long list costs.
type toolLists struct {
	Tools   int     `json:"tools"`
	Rounds  float64 `json:"upstream_rounds_per_server"`
	ColdMS  float64 `json:"cold_ms"`
	WarmP50 float64 `json:"warm_p50_ms"`
}

// measureTools measures the broker: warm calls, then a long list.
func measureTools(ctx context.Context, l *lab, o options, who []string, r *results) error {
	r.ToolCalls = nil
	for _, conns := range slices.Compact([]int{1, o.conns[0]}) {
		c, err := measureCalls(ctx, l, o, who, conns)
		if err != nil {
			return err
		}
		r.ToolCalls = append(r.ToolCalls, c)
	}
	var err error
	r.ToolLists, err = measureLists(ctx, l, who)
	return err
}

// beginBroker starts Yellowjack before MCP servers, with a bare set of the first, so that the same request fits it and its server.
func (l *lab) beginBroker(servers []string, tools int) (*arm, error) {
	listen, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.dir, "broker")
	if err != nil {
		return nil, err
	}
	a := &arm{name: "broker", addr: fmt.Sprintf("127.0.0.1:%d", listen)}
	text := fmt.Sprintf(`listen: %s
envoy: {binary: %q, concurrency: %d, run_dir: %q}
telemetry: {metrics: "", log_level: warn}
audit: {file: audit.jsonl}
limits: {concurrent_per_principal: 1000}
identity:
  cache_size: 10000
  issuers:
    - {name: corp, issuer: %q, jwks: %q, audiences: [yellowjack], email_domains: [example.com], claims: {tenant: org, teams: teams}}
providers:
  mock: {base_url: "http://%s/v1", models: [bench]}
default_provider: mock
mcp:
  sets: {bare: {servers: [s0], bare: true}}
  servers:
`, a.addr, l.envoy, l.workers, filepath.Join(dir, "run"), l.idp.URL(), l.idp.JWKSURL(), l.upstream)
	data := "policies:\n  data:\n    tools:\n"
	for i, url := range servers {
		text += fmt.Sprintf("    s%d: {url: %q}\n", i, url)
		for n := range tools {
			data += fmt.Sprintf("      s%d__tool_%d: {allow: [\"group:bench\"], effect: read, result: trusted}\n", i, n)
		}
	}
	config := filepath.Join(dir, "yellowjack.yaml")
	if err := os.WriteFile(config, []byte(text+data), 0o600); err != nil {
		return nil, err
	}
	p, line, err := l.start("broker", true, l.binary, "run", "--config", config)
	if err != nil {
		return nil, err
	}
	a.procs = append(a.procs, p)
	if !strings.HasPrefix(line, "ready ") {
		return nil, p.failed(fmt.Errorf("it said %q", line))
	}
	return a, l.family(a)
}

// family notes the arm's processes.
func (l *lab) family(a *arm) error {
	for _, p := range a.procs {
		pids, err := family(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		a.pids = append(a.pids, pids...)
	}
	return nil
}

// toolRequest is a stateless call of a tool as a client writes it.
func toolRequest(path, token, method, name, params string) []byte {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}}}`, method, params)
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: %s\r\n", path, token, method)
	if name != "" {
		fmt.Fprintf(&b, "Mcp-Name: %s\r\n", name)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

func measureCalls(ctx context.Context, l *lab, o options, who []string, conns int) (toolCalls, error) {
	out := toolCalls{Connections: conns}
	build := exec.CommandContext(ctx, "go", "build", "-o", l.dir+"/", "./bench/toolserver")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return out, fmt.Errorf("building the tool server: %w", err)
	}
	server, address, err := l.start("toolserver", true, filepath.Join(l.dir, "toolserver"))
	if err != nil {
		return out, err
	}
	defer server.stop()
	hop := &arm{name: "hop"}
	own := *l
	own.upstream = address
	if err := own.beginYardstick(hop, false); err != nil {
		return out, err
	}
	if err := l.family(hop); err != nil {
		return out, err
	}
	broker, err := l.beginBroker([]string{"http://" + address + "/mcp"}, 1)
	if err != nil {
		return out, err
	}
	defer func() {
		for _, p := range append(hop.procs, broker.procs...) {
			p.stop()
		}
	}()
	arms := []*arm{hop, broker}
	var reqs [2][][]byte
	for i, path := range []string{"/mcp", "/mcp/bare"} {
		for n, token := range who {
			reqs[i] = append(reqs[i], toolRequest(path, token, "tools/call", "tool_0", fmt.Sprintf(`"name":"tool_0","arguments":{"account":%d,"of":"tool_0"},`, n)))
		}
	}
	var rounds [2][]sample
	for i, a := range arms {
		if err := l.await(ctx, a, reqs[i][0]); err != nil {
			return out, err
		}
	}
	for round := -1; round < o.rounds; round++ {
		for i := range arms {
			n := (i + max(round, 0)) % len(arms)
			length := o.length
			if round < 0 {
				length = o.warm
			}
			s, err := one(arms[n], kind{Shape: "tools/call", Connections: conns}, reqs[n], length)
			if err != nil {
				return out, err
			}
			if round >= 0 {
				rounds[n] = append(rounds[n], s)
				fmt.Printf("round %d  tools/call %d conns  %-6s %s\n", round+1, conns, arms[n].name, s)
			}
		}
	}
	out.Hop, out.Broker = middleOf(rounds[0]), middleOf(rounds[1])
	var times []float64
	for i := range rounds[0] {
		times = append(times, rounds[1][i].P50/rounds[0][i].P50)
	}
	out.Times = median(times)
	out.Added = out.Times - 1
	return out, nil
}

// middleOf has the medians of some samples.
func middleOf(all []sample) sample {
	of := func(f func(sample) float64) float64 { return median(each(all, f)) }
	return sample{
		Requests: all[0].Requests, PerSec: of(perSec), P50: of(func(s sample) float64 { return s.P50 }), P99: of(func(s sample) float64 { return s.P99 }),
		CPU: of(cpuOf), Envoy: of(func(s sample) float64 { return s.Envoy }),
	}
}

// measureLists lists many tools: cold, and then from memory, for several principals; and counts how often each server was asked.
func measureLists(ctx context.Context, l *lab, who []string) (*toolLists, error) {
	var urls []string
	var servers []*mcpserver.Server
	for range manyServers {
		c := mcpserver.Config{Tools: map[string]mcpserver.Item{}}
		for n := range toolsEach {
			name := fmt.Sprintf("tool_%d", n)
			c.Tools[name] = mcpserver.Tool(name, "", nil)
		}
		s, err := mcpserver.Start(c)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		servers, urls = append(servers, s), append(urls, s.URL())
	}
	a, err := l.beginBroker(urls, toolsEach)
	if err != nil {
		return nil, err
	}
	defer a.procs[0].stop()
	out := &toolLists{}
	var warm []float64
	for i := range 2 * listers {
		began := time.Now()
		n, err := listOnce(ctx, a.addr, who[i%listers])
		if err != nil {
			return nil, a.procs[0].failed(err)
		}
		if took := ms(time.Since(began)); i == 0 {
			out.ColdMS, out.Tools = took, n
		} else {
			warm = append(warm, took)
		}
		if n != manyServers*toolsEach {
			return nil, fmt.Errorf("%d tools are listed", n)
		}
	}
	out.WarmP50 = median(warm)
	asked := 0
	for _, s := range servers {
		asked += s.Count("tools/list")
	}
	out.Rounds = float64(asked) / manyServers
	fmt.Printf("tools/list of %d tools: cold %.1f ms, from memory %.1f ms, %.2f rounds a server\n", out.Tools, out.ColdMS, out.WarmP50, out.Rounds)
	return out, nil
}

// listOnce lists all tools and counts them.
func listOnce(ctx context.Context, addr, token string) (int, error) {
	raw := toolRequest("/mcp", token, "tools/list", "", "")
	_, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/mcp", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for k, v := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"} {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	var answer struct {
		Result struct {
			Tools      []json.RawMessage `json:"tools"`
			NextCursor string            `json:"nextCursor"`
		} `json:"result"`
	}
	if err = errors.Join(err, json.Unmarshal(b, &answer)); err != nil || answer.Result.NextCursor != "" {
		return 0, fmt.Errorf("a list of one page is no list: %.300s: %w", b, err)
	}
	return len(answer.Result.Tools), nil
}

// toolTable writes what the broker costs.
func (r *results) toolTable(w io.Writer) {
	if len(r.ToolCalls) > 0 {
		fmt.Fprintln(w, "\n| warm tools/call | conns | requests/s | p50 ms | p99 ms | CPU ms/request | p50, in times of the hop | added | target |")
		fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	}
	for _, c := range r.ToolCalls {
		fmt.Fprintf(w, "| Envoy alone, to the same server | %d | %.0f | %.2f | %.2f | %.3f | 1 | | |\n", c.Connections, c.Hop.PerSec, c.Hop.P50, c.Hop.P99, c.Hop.CPU)
		fmt.Fprintf(w, "| Envoy and the broker | %d | %.0f | %.2f | %.2f | %.3f | %.2f | %.2f%s | ≤ %.1f |\n", c.Connections, c.Broker.PerSec, c.Broker.P50, c.Broker.P99, c.Broker.CPU,
			c.Times, c.Added, missed(c.Added > hopTarget), hopTarget)
	}
	if t := r.ToolLists; t != nil {
		fmt.Fprintf(w, "\n%d tools of %d servers list in %.1f ms the first time, with %.2f rounds to each server%s, then from memory in %.1f ms, for %d principals.\n",
			t.Tools, manyServers, t.ColdMS, t.Rounds, missed(t.Rounds != 1), t.WarmP50, listers)
	}
}
