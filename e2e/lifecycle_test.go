package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

// TestRefusesToStart: what is wrong with the configuration is said with file, line and key, and nothing is served.
func TestRefusesToStart(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "mine.rego"), []byte("package mine\n\nallow if {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) func(string) string {
		return func(c string) string {
			if !strings.Contains(c, old) {
				t.Fatalf("the configuration has no %q", old)
			}
			return strings.Replace(c, old, new, 1)
		}
	}
	for name, c := range map[string]struct {
		setup setup
		want  []string
	}{
		"a typo":             {setup{change: replace("default_provider:", "defualt_provider:")}, []string{"yellowjack.yaml:", "defualt_provider", "default_provider"}},
		"a key not built":    {setup{change: replace("policies:\n", "policies:\n  signing: {key: x}\n")}, []string{"yellowjack.yaml:", "policies.signing", "not built yet"}},
		"a secret in it":     {setup{change: replace("secret: {file: everyone.key}", "secret: sk-inline-1234")}, []string{"yellowjack.yaml:", "secret"}},
		"a key file missing": {setup{change: replace("everyone.key", "nowhere.key")}, []string{"yellowjack.yaml:", "credentials[0].secret", "cannot be read"}},
		"no policy folder":   {setup{bundle: "/nowhere/policies"}, []string{"yellowjack.yaml:", "policies.bundle", "cannot be read"}},
		"a broken policy":    {setup{bundle: broken}, []string{"mine.rego:"}},
		"two issuers for one domain": {
			setup{change: replace("claims: {groups: realm_access.roles}", "email_domains: [example.com]")},
			[]string{"yellowjack.yaml:", "email_domains"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := launch(t.Context(), c.setup)
			if err == nil {
				for _, p := range g.end() {
					t.Error(p)
				}
				t.Fatal("it started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "sk-inline-1234") || strings.Contains(err.Error(), "goroutine") {
				t.Errorf("it says %v", err)
			}
		})
	}
}

// TestDrain: on SIGTERM an open stream goes on to its end, nothing new is taken, and the exit status is 0.
func TestDrain(t *testing.T) {
	g := own(t, setup{})
	who := sara(t)
	res, _, err := g.send(t.Context(), chat{token: who, say: "say one two three four five\npace 300ms", stream: true})
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(res.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := g.guard.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a readiness that is gone", func() bool {
		res, err := http.Get("http://" + g.metrics + "/readyz")
		if err != nil {
			return true
		}
		defer res.Body.Close()
		return res.StatusCode == 503
	})
	a := g.read(res)
	if !a.done || a.text[0] != "one two three four five" {
		t.Errorf("the open stream ended with %v %s", a.err, a.body)
	}
	<-g.guard.gone
	if g.guard.err != nil {
		t.Errorf("it ended with %v\n%s", g.guard.err, g.guard.stderr)
	}
	if a := g.ask(t, chat{token: who, say: "hi"}); a.err == nil {
		t.Errorf("after its end: %d", a.status)
	}
	for _, p := range g.leaks() {
		t.Error(p)
	}
}

// TestEnvoyDies: the guard without its Envoy ends, and says why.
func TestEnvoyDies(t *testing.T) {
	g := own(t, setup{})
	out, err := exec.CommandContext(t.Context(), "ps", "-o", "pid=", "--ppid", strconv.Itoa(g.guard.cmd.Process.Pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatalf("its children are %q", out)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-g.guard.gone
	if g.guard.err == nil || !strings.Contains(g.guard.stderr.String(), "envoy ended") || !strings.Contains(g.guard.stderr.String(), "killed") {
		t.Errorf("it ended with %v and said %s", g.guard.err, g.guard.stderr)
	}
}

// TestGuardDies: without the service nothing passes, in either half, whatever a client sends; and clients read an error
// of their API.
func TestGuardDies(t *testing.T) {
	g := own(t, setup{split: true})
	who := sara(t)
	if a := g.ask(t, chat{token: who, say: "say well"}); a.text[0] != "well" {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	type result struct {
		a answer
		c chat
	}
	results := make(chan result)
	open := []chat{
		{token: who, say: "say unguarded\nslow 2s"},
		{token: who, say: "say unguarded\nslow 2s", stream: true},
		{token: who, say: "say begun\ncall snowflake__query {\"sql\":\"unguarded\"}\nhold 2s", tools: storyTools, stream: true},
	}
	for _, c := range open {
		body, mark := c.body()
		go func() {
			a := g.ask(t, chat{token: c.token, raw: body})
			results <- result{a, c}
		}()
		await(t, func(r provider.Received) bool { return strings.Contains(r.Body, mark) })
	}
	if err := g.guard.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-g.guard.gone
	for range open {
		r := <-results
		if strings.Contains(r.a.body, "unguarded") || r.a.done || len(r.a.calls) > 0 {
			t.Errorf("%s passed unguarded: %s", r.c.say, r.a.body)
		}
		if r.a.err == nil && r.a.status == 200 && !strings.Contains(r.c.say, "begun") {
			t.Errorf("%s: 200 %q", r.c.say, r.a.body)
		}
	}
	before := len(theStage.upstream.Received())
	for _, header := range []map[string]string{nil, {"X-Yellowjack-Cluster": "mock"}, {"X-Yellowjack-Cluster": "provider_mock"}} {
		both(t, func(t *testing.T, stream bool) {
			g.ask(t, chat{token: who, say: "hi", header: header, stream: stream}).refused(t, 503, "internal")
		})
		g.get(t, http.MethodGet, "/v1/models", who).refused(t, 503, "internal")
	}
	if after := len(theStage.upstream.Received()); after != before {
		t.Errorf("%d requests reached the provider", after-before)
	}
	// And with a service again, so does the gateway work again.
	var err error
	if g.guard, err = g.again(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a guarded answer", func() bool { return g.ask(t, chat{token: who, say: "say well"}).text[0] == "well" })
}

// again starts the service once more.
func (g *gateway) again(ctx context.Context) (*child, error) {
	c, out, err := spawn(g.dir, nil, theStage.binary, "extproc", "--config", g.config)
	if err != nil {
		return nil, err
	}
	_, err = c.ready(ctx, out)
	return c, err
}

// pause stops a process, and waits until none of its threads runs any more: the signal may take a while on a busy machine.
func (c *child) pause(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stop of all its threads", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.cmd.Process.Pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("it has no threads: %v", err)
		}
		for _, name := range threads {
			stat, _ := os.ReadFile(name) // a thread may have ended
			if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return true
	})
}

// TestGuardHangs: a service that says nothing is as good as none.
func TestGuardHangs(t *testing.T) {
	g := own(t, setup{
		split: true, limits: "{request_deadline: 500ms, response_wait: 1s, stream_idle: 1s}",
		change: func(c string) string {
			c = strings.Replace(c, "run_dir: run}", "run_dir: run, message_timeout: 1s}", 1)
			return strings.Replace(c, "policies:\n", "policies:\n  timeout: 200ms\n", 1)
		},
		// Envoy's own limit for a silent stream stands half a minute above ours, as the last resort; here is no time for that.
		bootstrap: func(b string) string {
			return strings.ReplaceAll(strings.ReplaceAll(b, "streamIdleTimeout: 31s", "streamIdleTimeout: 3s"), "stream_idle_timeout: 31s", "stream_idle_timeout: 3s")
		},
	})
	who := sara(t)
	held := make(chan answer)
	c := chat{token: who, say: "say unguarded\nslow 500ms"}
	body, mark := c.body()
	go func() { held <- g.ask(t, chat{token: who, raw: body}) }()
	await(t, func(r provider.Received) bool { return strings.Contains(r.Body, mark) })
	g.guard.pause(t)
	before := len(theStage.upstream.Received())
	g.ask(t, chat{token: who, say: "hi"}).refused(t, 503, "internal")
	g.ask(t, chat{token: who, say: "hi", stream: true}).refused(t, 503, "internal")
	if after := len(theStage.upstream.Received()); after != before {
		t.Errorf("%d requests reached the provider", after-before)
	}
	if a := <-held; a.status == 200 || strings.Contains(a.body, "unguarded") {
		t.Errorf("an answer passed a service that hung: %d %s", a.status, a.body)
	}
	if err := g.guard.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a guarded answer", func() bool { return g.ask(t, chat{token: who, say: "say well"}).text[0] == "well" })
}

// TestReload: policies are edited while traffic flows; broken ones change nothing and are told of.
func TestReload(t *testing.T) {
	folder := t.TempDir()
	write := func(rego string) {
		t.Helper()
		// Written beside and moved, as deployments do it.
		if err := os.WriteFile(filepath.Join(folder, ".mine"), []byte(rego), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(folder, ".mine"), filepath.Join(folder, "mine.rego")); err != nil {
			t.Fatal(err)
		}
	}
	const deny = `package yellowjack.request

import data.yellowjack.shipped

decision := {"allowed": false, "http_status": 403, "code": "policy_denied", "rule": "acme.closed", "reason": "we are closed (rule acme.closed)"} if {
	input.principal.subject == %q
} else := shipped.request.decision
`
	write(fmt.Sprintf(deny, "nobody"))
	g := own(t, setup{bundle: folder})
	sara, mona := sara(t), mona(t)
	if a := g.ask(t, chat{token: sara, say: "hi"}); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	write(fmt.Sprintf(deny, "sara"))
	eventually(t, "the new policy", func() bool { return g.ask(t, chat{token: sara, say: "hi"}).status == 403 })
	a := g.ask(t, chat{token: sara, say: "hi"})
	a.refused(t, 403, "policy_denied")
	if !strings.Contains(a.fault.Message, "we are closed (rule acme.closed)") {
		t.Errorf("she reads %q", a.fault.Message)
	}
	write("package yellowjack.request\n\ndecision := {\n")
	eventually(t, "the metric", func() bool {
		_, metrics := g.probe(t, "/metrics")
		return strings.Contains(metrics, "yellowjack_policy_last_reload_successful 0")
	})
	if log := g.guard.stderr.String(); !strings.Contains(log, "mine.rego:") {
		t.Errorf("the log says %s", log)
	}
	g.ask(t, chat{token: sara, say: "hi"}).refused(t, 403, "policy_denied")
	if a := g.ask(t, chat{token: mona, say: "hi"}); a.status != 200 {
		t.Errorf("mona got %d %s", a.status, a.body)
	}
	write(fmt.Sprintf(deny, "mona"))
	eventually(t, "the third policy", func() bool { return g.ask(t, chat{token: mona, say: "hi"}).status == 403 })
	if a := g.ask(t, chat{token: sara, say: "hi"}); a.status != 200 {
		t.Errorf("sara got %d %s", a.status, a.body)
	}
}

// TestSeen: what happened is in the metrics, the audit and Envoy's access log.
func TestSeen(t *testing.T) {
	g := own(t, setup{change: func(c string) string {
		return strings.Replace(c, "run_dir: run}", "run_dir: run, access_log: access.log}", 1)
	}})
	a := g.ask(t, chat{token: sara(t), say: "say hi\ncall slack__post_message {}", tools: storyTools})
	g.ask(t, chat{say: "hi"}).refused(t, 401, "no_credential")
	id := a.header.Get("X-Yellowjack-Decision-Id")
	line := g.audit(t, id)
	for key, want := range map[string]string{
		"decision": "allow", "issuer": "corp", "subject": "sara", "user": "sara@example.com", "provider": "mock", "model": "small",
		"named_model": "mock/small", "credential": "mock/user:sara@example.com", "status": "200", "stream": "false",
		"tools_offered": "[snowflake__query github__get_issue]", "tools_hidden": "[slack__post_message]",
	} {
		if got := fmt.Sprint(line[key]); got != want {
			t.Errorf("the audit's %s is %s, want %s", key, got, want)
		}
	}
	if usage, ok := line["usage"].(object); !ok || usage["input_tokens"] == 0.0 || usage["cost"] == nil {
		t.Errorf("the audit's usage is %v", line["usage"])
	}
	_, metrics := g.probe(t, "/metrics")
	for _, want := range []string{"yellowjack_own_seconds", "yellowjack_exchanges_total", "gen_ai_client_token_usage", `code="no_credential"`, "go_goroutines"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for _, p := range g.end() {
		t.Error(p)
	}
	access := string(g.file("access.log"))
	if !strings.Contains(access, id) {
		t.Errorf("the access log does not know the decision %s:\n%s", id, access)
	}
	if strings.Contains(access, "eyJ") || strings.Contains(access, saraKey) {
		t.Errorf("the access log has a secret:\n%s", access)
	}
}
