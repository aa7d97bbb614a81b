package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func metricsFor(t testing.TB) (*Metrics, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewRegistry()
	m, err := New(Config{Registerer: r, Providers: []string{"openrouter"}, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

func finished() *audit.Record {
	r := &audit.Record{
		Decision: "allow", Surface: "chat", Path: "/v1/chat/completions", Provider: "openrouter", ModelLabel: "fast", Status: 200, UpstreamStatus: 200,
		ToolsOffered: []string{"a", "b"}, ToolsHidden: []string{"c"},
	}
	r.Usage = &audit.Usage{Input: 100, Output: 20, Price: audit.PriceUnknown}
	return r
}

func TestExchange(t *testing.T) {
	m, r := metricsFor(t)
	m.Begin()
	m.Begin()
	m.End(finished(), [2]time.Duration{90 * time.Microsecond, 40 * time.Microsecond}, 2*time.Second)
	m.Refused("model_denied")
	m.ToolCall(true)
	m.ToolCall(false)
	m.ToolCall(false)
	m.Held(2)
	m.Held(-1)
	m.FirstByte("openrouter", 0.2)
	m.FirstToken("openrouter", "", 0.3)
	m.Overloaded()
	m.AuditFailed(errors.New("x"))
	m.Policy("r1")
	m.Policy("r2")
	const want = `
# HELP yellowjack_exchanges_total Exchanges that ended, by what was decided.
# TYPE yellowjack_exchanges_total counter
yellowjack_exchanges_total{decision="allow",provider="openrouter",status="2xx",surface="chat"} 1
# HELP yellowjack_exchanges_in_flight Exchanges that are open.
# TYPE yellowjack_exchanges_in_flight gauge
yellowjack_exchanges_in_flight 1
# HELP yellowjack_refusals_total Refusals, by machine code.
# TYPE yellowjack_refusals_total counter
yellowjack_refusals_total{code="model_denied"} 1
# HELP yellowjack_tool_calls_total Tool calls that models made, by verdict.
# TYPE yellowjack_tool_calls_total counter
yellowjack_tool_calls_total{verdict="allow"} 1
yellowjack_tool_calls_total{verdict="deny"} 2
# HELP yellowjack_tools_total Tools that clients brought, by whether the model was offered them.
# TYPE yellowjack_tools_total counter
yellowjack_tools_total{offer="hidden"} 1
yellowjack_tools_total{offer="offered"} 2
# HELP yellowjack_held_calls Tool calls that are held back until they are decided.
# TYPE yellowjack_held_calls gauge
yellowjack_held_calls 1
# HELP yellowjack_overloaded_total Exchanges refused because too many were open.
# TYPE yellowjack_overloaded_total counter
yellowjack_overloaded_total 1
# HELP yellowjack_audit_failures_total Audit lines not taken and writes of lines that failed.
# TYPE yellowjack_audit_failures_total counter
yellowjack_audit_failures_total 1
# HELP yellowjack_policy_info The policy revision that decides; always 1.
# TYPE yellowjack_policy_info gauge
yellowjack_policy_info{revision="r2"} 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want),
		"yellowjack_exchanges_total", "yellowjack_exchanges_in_flight", "yellowjack_refusals_total", "yellowjack_tool_calls_total",
		"yellowjack_tools_total", "yellowjack_held_calls", "yellowjack_overloaded_total", "yellowjack_audit_failures_total", "yellowjack_policy_info"); err != nil {
		t.Error(err)
	}
	got := text(t, r)
	for _, line := range []string{
		`yellowjack_own_seconds_count{half="request"} 1`, `yellowjack_own_seconds_bucket{half="request",le="0.0001"} 1`,
		`yellowjack_own_seconds_sum{half="response"} 4e-05`,
		`gen_ai_client_token_usage_sum{gen_ai_provider_name="openrouter",gen_ai_request_model="fast",gen_ai_token_type="input"} 100`,
		`gen_ai_client_token_usage_sum{gen_ai_provider_name="openrouter",gen_ai_request_model="fast",gen_ai_token_type="output"} 20`,
		`gen_ai_server_request_duration_seconds_sum{gen_ai_provider_name="openrouter",gen_ai_request_model="fast"} 2`,
		`gen_ai_server_time_to_first_token_seconds_count{gen_ai_provider_name="openrouter",gen_ai_request_model="other"} 1`,
		`yellowjack_upstream_first_byte_seconds_count{provider="openrouter"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

// TestTreated: what untrusted content says is counted by tool, and what was asked about it; however many tools there are, and however
// long their names, the label has a bounded set of values.
func TestTreated(t *testing.T) {
	m, r := metricsFor(t)
	m.Treated(Treatment{Tool: "github__get_issue", How: "quarantine", Bits: 12.5, Asked: 3, Failed: 1, Model: 2 * time.Second})
	m.Treated(Treatment{Tool: "github__get_issue", How: "quarantine", Bits: 1.5, Asked: 2, Cached: true})
	m.Treated(Treatment{How: "quarantine", Status: "withheld", Bits: 1})
	m.Treated(Treatment{Tool: "crm__read", How: "pass"})
	const want = `
# HELP yellowjack_quarantine_bits_total Bits of information that untrusted content was charged.
# TYPE yellowjack_quarantine_bits_total counter
yellowjack_quarantine_bits_total{tool="github__get_issue"} 14
yellowjack_quarantine_bits_total{tool="unknown"} 1
# HELP yellowjack_quarantine_questions_total Questions about untrusted content, by what came of them.
# TYPE yellowjack_quarantine_questions_total counter
yellowjack_quarantine_questions_total{cached="false",outcome="answered"} 2
yellowjack_quarantine_questions_total{cached="false",outcome="failed"} 1
yellowjack_quarantine_questions_total{cached="true",outcome="answered"} 2
yellowjack_quarantine_questions_total{cached="true",outcome="failed"} 0
# HELP yellowjack_results_total Tool results in requests, by what became of them.
# TYPE yellowjack_results_total counter
yellowjack_results_total{status="shown",treatment="pass"} 1
yellowjack_results_total{status="shown",treatment="quarantine"} 2
yellowjack_results_total{status="withheld",treatment="quarantine"} 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want),
		"yellowjack_quarantine_bits_total", "yellowjack_quarantine_questions_total", "yellowjack_results_total"); err != nil {
		t.Error(err)
	}
	got := text(t, r)
	for _, line := range []string{"yellowjack_quarantine_model_seconds_count 1", "yellowjack_quarantine_model_seconds_sum 2"} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	for i := range 3 * maxTools {
		m.Treated(Treatment{Tool: fmt.Sprint("tool_", i), How: "quarantine", Bits: 1})
	}
	m.Treated(Treatment{Tool: strings.Repeat("x", 65), How: "quarantine", Bits: 1})
	if n := testutil.CollectAndCount(m.bits); n != maxTools+1 {
		t.Errorf("%d values of the label, want %d and other", n, maxTools)
	}
}

// TestCost: what is known is summed by who says so; what is not is counted, and is no cost of zero.
func TestCost(t *testing.T) {
	m, r := metricsFor(t)
	for _, cost := range []float64{0.25, 0.5, 0} {
		one := finished()
		one.Usage.Cost, one.Usage.Price = &cost, audit.PriceTable
		m.Begin()
		m.End(one, [2]time.Duration{}, time.Second)
	}
	m.Begin()
	m.End(finished(), [2]time.Duration{}, time.Second)
	got := text(t, r)
	for _, line := range []string{
		`yellowjack_cost_usd_total{gen_ai_provider_name="openrouter",gen_ai_request_model="fast",price="table"} 0.75`,
		`yellowjack_cost_unknown_total{gen_ai_provider_name="openrouter",gen_ai_request_model="fast"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

// TestNative: our own time is a native histogram for scrapers that ask for one.
func TestNative(t *testing.T) {
	m, r := metricsFor(t)
	m.Begin()
	m.End(finished(), [2]time.Duration{90 * time.Microsecond, 0}, time.Second)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "yellowjack_own_seconds" && f.GetMetric()[0].GetHistogram().Schema != nil {
			return
		}
	}
	t.Error("no native histogram")
}

// TestBoundedLabels: what clients, policies and mistakes can name does not make new series without end.
func TestBoundedLabels(t *testing.T) {
	m, r := metricsFor(t)
	for i := range 1000 {
		m.Begin()
		m.End(&audit.Record{
			Decision: fmt.Sprint("d", i), Path: fmt.Sprint("/p", i), Provider: fmt.Sprint("p", i), NamedModel: fmt.Sprint("m", i), Model: fmt.Sprint("m", i),
			UpstreamStatus: 200, Status: 200, Usage: &audit.Usage{},
		}, [2]time.Duration{}, time.Second)
		m.Refused(fmt.Sprint("code", i))
		m.FirstByte(fmt.Sprint("p", i), 1)
		m.FirstToken(fmt.Sprint("p", i), "", 1)
	}
	m.Refused("code0")
	m.Refused(strings.Repeat("long", 100))
	for name, most := range map[string]int{
		"yellowjack_exchanges_total": 1, "yellowjack_refusals_total": 101, "gen_ai_client_token_usage": 2,
		"gen_ai_server_request_duration_seconds": 1, "gen_ai_server_time_to_first_token_seconds": 1, "yellowjack_upstream_first_byte_seconds": 2,
	} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n > most || n == 0 {
			t.Errorf("%s has %d series, %v", name, n, err)
		}
	}
	if got := text(t, r); !strings.Contains(got, `yellowjack_refusals_total{code="code0"} 2`) || !strings.Contains(got, `yellowjack_refusals_total{code="other"} 901`) {
		t.Error("the codes are not counted right")
	}
}

// TestNoProvider: an exchange that never came to a provider is no request of one.
func TestNoProvider(t *testing.T) {
	m, r := metricsFor(t)
	m.Begin()
	m.End(&audit.Record{Decision: "refuse", Surface: "models", Status: 401}, [2]time.Duration{time.Microsecond, 0}, time.Second)
	got := text(t, r)
	if !strings.Contains(got, `yellowjack_exchanges_total{decision="refuse",provider="",status="4xx",surface="models"} 1`) || strings.Contains(got, "gen_ai_") {
		t.Error(got)
	}
}

func TestConcurrent(t *testing.T) {
	m, r := metricsFor(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				m.Begin()
				m.Refused(fmt.Sprint(i))
				m.Policy(fmt.Sprint(i))
				m.End(finished(), [2]time.Duration{1, 1}, 1)
			}
		})
	}
	wg.Wait()
	if n, _ := testutil.GatherAndCount(r, "yellowjack_refusals_total"); n != 101 {
		t.Errorf("%d codes", n)
	}
	if n, _ := testutil.GatherAndCount(r, "yellowjack_policy_info"); n != 1 {
		t.Errorf("%d policies at once", n)
	}
}

func TestRegisterTwice(t *testing.T) {
	_, r := metricsFor(t)
	if _, err := New(Config{Registerer: r}); err == nil {
		t.Error("two sets of metrics in one registry")
	}
}

// TestReference holds docs/telemetry.md and the metrics together.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("../../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	doc, _, _ := strings.Cut(string(b), "## The audit")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)(?:\\{[^`]*\\})?` \\|").FindAllStringSubmatch(doc, -1) {
		documented = append(documented, m[1])
	}
	name := regexp.MustCompile(`fqName: "([^"]+)"`)
	for _, c := range definitions().all() {
		ch := make(chan *prometheus.Desc, 1)
		c.Describe(ch)
		n := name.FindStringSubmatch((<-ch).String())[1]
		i := slices.Index(documented, n)
		if i < 0 {
			t.Errorf("%s is not documented", n)
			continue
		}
		documented = slices.Delete(documented, i, i+1)
	}
	for _, n := range documented {
		if !strings.HasPrefix(n, "yellowjack_policy_") && !strings.HasPrefix(n, "yellowjack_mcp_") { // those of packages policies and mcpbroker
			t.Errorf("%s is documented and does not exist", n)
		}
	}
}

func text(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	s := serve(t, ServerConfig{Gatherer: g})
	return get(t, s, "/metrics", http.StatusOK)
}

func serve(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	cfg.Address, cfg.Log = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	if cfg.Gatherer == nil {
		cfg.Gatherer = NewRegistry()
	}
	s, err := Serve(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(context.Background()), s.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func get(t *testing.T, s *Server, path string, status int) string {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Get("http://" + s.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		t.Errorf("%s: %d, want %d; %v\n%s", path, resp.StatusCode, status, err, b)
	}
	return string(b)
}

func TestProbes(t *testing.T) {
	var broken atomic.Bool
	s := serve(t, ServerConfig{Checks: []Check{
		{"audit", func(context.Context) error { return nil }},
		{"policies", func(context.Context) error {
			if broken.Load() {
				return errors.New("no policy is loaded")
			}
			return nil
		}},
	}})
	var got readiness
	if err := json.Unmarshal([]byte(get(t, s, "/readyz", http.StatusOK)), &got); err != nil || !got.Ready || got.Checks["policies"] != "ok" {
		t.Errorf("%+v %v", got, err)
	}
	broken.Store(true)
	if err := json.Unmarshal([]byte(get(t, s, "/readyz", http.StatusServiceUnavailable)), &got); err != nil ||
		got.Ready || got.Checks["policies"] != "no policy is loaded" || got.Checks["audit"] != "ok" {
		t.Errorf("%+v %v", got, err)
	}
	if got := get(t, s, "/healthz", http.StatusOK); got != "ok\n" {
		t.Errorf("healthz: %q", got)
	}
	if got := get(t, s, "/metrics", http.StatusOK); !strings.Contains(got, "go_goroutines") {
		t.Error("no metrics of the runtime")
	}
	get(t, s, "/", http.StatusNotFound)
}

// TestChecksThatFail: a check that hangs or panics is not ready, and does not hold up the answer.
func TestChecksThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := ask(t.Context(), Check{"hangs", func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != checkWait {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := ask(t.Context(), Check{"panics", func(context.Context) error { panic("x") }}); err == nil {
			t.Error("a check that panics is ready")
		}
	})
}

func TestServeRefuses(t *testing.T) {
	s := serve(t, ServerConfig{})
	if _, err := Serve(t.Context(), ServerConfig{Address: s.Addr().String(), Gatherer: NewRegistry(), Log: slog.Default()}); err == nil {
		t.Error("two servers on one address")
	}
}

func BenchmarkEnd(b *testing.B) {
	m, _ := metricsFor(b)
	r := finished()
	b.ReportAllocs()
	for b.Loop() {
		m.Begin()
		m.End(r, [2]time.Duration{90 * time.Microsecond, 40 * time.Microsecond}, time.Second)
	}
}
