package policies

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/label"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is the contract's example: Sara may read Snowflake, not post to Slack.
func sample() map[string]any {
	return map[string]any{"tools": map[string]any{
		"snowflake__query":    map[string]any{"allow": []any{"group:finance"}, "effect": "read", "result": "trusted", "confidentiality": "internal"},
		"slack__post_message": map[string]any{"allow": []any{"group:comms"}, "effect": "write", "audience": "public"},
		"github__get_issue":   map[string]any{"allow": []any{"*"}, "effect": "read", "result": "untrusted"},
	}}
}

func sara() Principal {
	return Principal{
		Issuer: "corp", Subject: "sara", User: "sara@example.com", Client: "agent",
		Groups: []string{"finance"}, Subjects: []string{"*", "group:finance", "user:sara@example.com", "sub:sara", "client:agent"},
	}
}

// many is data with n tools of which every principal of group g(i) sees one in
// two, beside a hundred tools that nobody asks for.
func many(n int) map[string]any {
	tools := map[string]any{}
	for i := range n + 100 {
		tools[fmt.Sprintf("tool_%d", i)] = map[string]any{
			"allow": []any{fmt.Sprintf("group:g%d", i%2), "user:someone@example.com"}, "effect": "read", "result": "trusted", "confidentiality": "internal",
		}
	}
	return map[string]any{"tools": tools}
}

func principal(i int) Principal {
	user := fmt.Sprintf("user%d@example.com", i)
	return Principal{
		Issuer: "corp", Subject: fmt.Sprint(i), User: user, Client: "agent", Tenant: "example",
		Groups: []string{fmt.Sprintf("g%d", i%2), "staff"}, Teams: []string{"t1"}, Scopes: []string{"llm"},
		Subjects: []string{"*", fmt.Sprintf("group:g%d", i%2), "group:staff", "team:t1", "user:" + user, fmt.Sprintf("sub:%d", i), "client:agent"},
	}
}

func requestInput(tools int) *RequestInput {
	in := &RequestInput{
		Principal: principal(0), Surface: "/v1/chat/completions", Stream: true,
		Model: Model{Named: "mock/small", Provider: "mock", Name: "small"}, Context: label.Clean(),
	}
	for i := range tools {
		in.Tools = append(in.Tools, Tool{Name: fmt.Sprintf("tool_%d", i), Type: "function"})
	}
	return in
}

func toolcallInput(calls int) *ToolcallInput {
	in := &ToolcallInput{Principal: principal(0), Context: label.Clean(), Model: Model{Named: "mock/small", Provider: "mock", Name: "small"}}
	for i := range calls {
		in.Calls = append(in.Calls, Call{
			Index: i, Tool: fmt.Sprintf("tool_%d", 2*i), Offered: true,
			Arguments: []byte(fmt.Sprintf(`{"query":"select %d","limit":%d}`, i, i)),
		})
	}
	return in
}

func engine(t testing.TB, c Config) *Engine {
	t.Helper()
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute // a busy machine is not what is tested
	}
	e, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// folder writes files into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	return dir
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// cpu is the time that this process has worked: on a busy machine it says more
// than the clock.
func cpu() int64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}
