package policies

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/yellowjack/yellowjack/internal/label"
)

// watched is an engine over a folder, and the reloads as they happen.
func watched(t *testing.T, dir string, poll time.Duration) (*Engine, chan error, *prometheus.Registry, *bytes.Buffer) {
	t.Helper()
	reloads, registry, log := make(chan error, 100), prometheus.NewRegistry(), &bytes.Buffer{}
	e := engine(t, Config{
		Folder: dir, Data: sample(), Registerer: registry, Poll: poll,
		Logger: slog.New(slog.NewTextHandler(log, nil)), OnReload: func(err error) { reloads <- err },
	})
	return e, reloads, registry, log
}

func next(t *testing.T, reloads chan error) error {
	t.Helper()
	select {
	case err := <-reloads:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("no reload")
		return nil
	}
}

// counted compares the metrics of reloads: taken, refused, and the last one.
func counted(t *testing.T, r *prometheus.Registry, ok, refused, last int) {
	t.Helper()
	want := fmt.Sprintf(`
# HELP yellowjack_policy_last_reload_successful Whether the last load of policies was taken.
# TYPE yellowjack_policy_last_reload_successful gauge
yellowjack_policy_last_reload_successful %d
# HELP yellowjack_policy_reloads_total Times that policies were loaded, by result.
# TYPE yellowjack_policy_reloads_total counter
yellowjack_policy_reloads_total{result="ok"} %d
yellowjack_policy_reloads_total{result="refused"} %d
`, last, ok, refused)
	if err := testutil.GatherAndCompare(r, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func sees(t *testing.T, e *Engine, tool string) bool {
	t.Helper()
	v, err := e.Visible(t.Context(), sara(), label.Clean(), []string{tool})
	if err != nil {
		t.Fatal(err)
	}
	return v[tool] == tool
}

func TestReload(t *testing.T) {
	dir := folder(t, map[string]string{"d.yaml": "tools:\n  jira: {allow: [\"group:finance\"]}\n"})
	e, reloads, registry, log := watched(t, dir, time.Hour) // events only
	counted(t, registry, 1, 0, 1)
	if !sees(t, e, "jira") {
		t.Fatal("the folder's data is not there")
	}
	first := e.Revision()

	write(t, dir, map[string]string{"d.yaml": "tools:\n  jira: {allow: [\"group:comms\"]}\n"})
	if err := next(t, reloads); err != nil || sees(t, e, "jira") || e.Revision() == first {
		t.Fatalf("a good change: %v", err)
	}
	counted(t, registry, 2, 0, 1)
	second := e.Revision()

	write(t, dir, map[string]string{"p.rego": "package acme\n\nx := y\n"})
	if err := next(t, reloads); err == nil || !strings.Contains(err.Error(), dir+"/p.rego:3: ") {
		t.Fatalf("a broken policy: %v", err)
	}
	if e.Revision() != second || !sees(t, e, "snowflake__query") || sees(t, e, "jira") || e.Ready() != nil {
		t.Error("the last good policies are gone")
	}
	counted(t, registry, 2, 1, 0)

	write(t, dir, map[string]string{"p.rego": "package acme\n\nx := 1\n"})
	if err := next(t, reloads); err != nil || e.Revision() == second {
		t.Fatalf("mended: %v", err)
	}
	counted(t, registry, 3, 1, 1)

	write(t, dir, map[string]string{"below/d.json": `{"tools": 1}`})
	if err := next(t, reloads); err != nil {
		t.Fatalf("data of one's own below a folder: %v", err)
	}
	write(t, dir, map[string]string{"below/d.json": `{"tools": 2}`}) // the new folder is watched too
	if err := next(t, reloads); err != nil {
		t.Fatal(err)
	}

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for next(t, reloads) == nil { // removed file by file
	}
	if !sees(t, e, "snowflake__query") {
		t.Error("the last good policies went with the folder")
	}
	e.Close() // the log is ours again
	for _, want := range []string{"level=ERROR", "p.rego:3", "the last good policies stay", "policies: reloaded", "revision=" + second} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

// A link that is moved to another folder raises no event where we watch.
func TestReloadByPolling(t *testing.T) {
	one := folder(t, map[string]string{"d.yaml": "tools:\n  jira: {allow: [\"group:finance\"]}\n"})
	two := folder(t, map[string]string{"d.yaml": "tools:\n  jira: {allow: [\"group:comms\"]}\n"})
	link := filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(one, link); err != nil {
		t.Fatal(err)
	}
	e, reloads, _, _ := watched(t, link, 20*time.Millisecond)
	if !sees(t, e, "jira") {
		t.Fatal("not loaded")
	}
	if err := os.Symlink(two, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	if err := next(t, reloads); err != nil || sees(t, e, "jira") {
		t.Errorf("after the link moved: %v", err)
	}
}

// No decision sees the policy of one revision and the data of another.
func TestRevisionsDoNotMix(t *testing.T) {
	const rounds = 60
	text := func(n int) []file {
		return []file{
			{name: "p.rego", text: []byte(requestPolicy(fmt.Sprintf(`{"allowed": false, "reason": sprintf("%d %%d", [data.acme.n])}`, n)))},
			{name: "d.json", text: []byte(fmt.Sprintf(`{"acme": {"n": %d}}`, n))},
		}
	}
	e := engine(t, Config{Data: sample()})
	if err := e.load(t.Context(), text(0)); err != nil {
		t.Fatal(err)
	}
	revisions := sync.Map{}
	var deciding sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		deciding.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := e.Request(t.Context(), requestInput(1))
				a, b, _ := strings.Cut(d.Reason, " ")
				if err != nil || a != b {
					t.Errorf("mixed: %q, %v", d.Reason, err)
					return
				}
				if was, _ := revisions.LoadOrStore(d.Revision, d.Reason); was != d.Reason {
					t.Errorf("revision %s decided %q and %q", d.Revision, was, d.Reason)
					return
				}
			}
		})
	}
	for n := range rounds {
		if err := e.load(t.Context(), text(n)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	deciding.Wait()
}

// The queries are swapped while the commit still holds the store: a decision
// that comes in between would find new data under old policies.
func TestTheSwapIsPartOfTheCommit(t *testing.T) {
	e := engine(t, Config{Data: sample()})
	before, during := e.Revision(), ""
	e.manager.RegisterCompilerTrigger(func(storage.Transaction) { during = e.Revision() })
	if err := e.load(t.Context(), []file{{name: "d.json", text: []byte(`{"acme": {}}`)}}); err != nil {
		t.Fatal(err)
	}
	if after := e.Revision(); after == before || during != after {
		t.Errorf("revision %s before, %s during, %s after the commit", before, during, after)
	}
}
