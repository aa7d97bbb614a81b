package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

// The keys of the run. None of them may be seen by a client, in a log or in the audit.
const (
	everyoneKey = "sk-provider-everyone-7f3a"
	financeKey  = "sk-provider-finance-91bc"
	saraKey     = "sk-provider-sara-55de"
)

// stage is everything outside the gateway, shared by all tests: it has no state that a test could spoil, except for
// requests that a test finds by its marker.
type stage struct {
	dir      string
	binary   string // yellowjack
	envoy    string
	corp     *issuer.Issuer
	partner  *issuer.Issuer // found by OIDC discovery
	upstream *provider.Server
}

var (
	theStage   *stage
	theGateway *gateway
	sharedOnce sync.Once
)

func TestMain(m *testing.M) {
	code, err := play(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// play builds the binary, sets the stage, runs the tests and looks at what the shared gateway left.
func play(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "yje2e")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	s := &stage{dir: dir, binary: filepath.Join(dir, "yellowjack")}
	build := exec.Command("go", "build", raceFlag, "-o", s.binary, "../cmd/yellowjack")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 1, fmt.Errorf("building yellowjack: %w", err)
	}
	if s.envoy, err = envoy.Find(context.Background(), ""); err != nil {
		return 1, err
	}
	if s.corp, err = issuer.Start(issuer.Config{Clients: map[string]string{"nightly-agent": "its-secret", "page": "its-secret"}}); err != nil {
		return 1, err
	}
	defer s.corp.Close()
	if s.partner, err = issuer.Start(issuer.Config{Alg: "ES256"}); err != nil {
		return 1, err
	}
	defer s.partner.Close()
	if s.upstream, err = provider.Start(provider.Config{}); err != nil {
		return 1, err
	}
	defer s.upstream.Close()
	theStage = s
	code := m.Run()
	if theGateway == nil {
		return code, nil
	}
	if problems := theGateway.end(); len(problems) > 0 {
		return max(code, 1), fmt.Errorf("the shared gateway:\n%s", strings.Join(problems, "\n"))
	}
	return code, nil
}

// shared is the gateway for tests that leave it whole.
func shared(t *testing.T) *gateway {
	t.Helper()
	sharedOnce.Do(func() {
		g, err := launch(t.Context(), setup{})
		if err != nil {
			t.Log(err)
			return
		}
		theGateway = g
	})
	if theGateway == nil {
		t.Fatal("the shared gateway did not start")
	}
	return theGateway
}

// own is a gateway of the test's own. It is looked over, like the shared one, when the test ends.
func own(t *testing.T, s setup) *gateway {
	t.Helper()
	g, err := launch(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if g.ended() {
			return // the test has ended it and looked itself
		}
		for _, p := range g.end() {
			t.Error(p)
		}
	})
	return g
}

// setup is what a test wants otherwise.
type setup struct {
	limits string                     // the YAML of limits
	bundle string                     // a policy folder
	issuer string                     // JWKS of corp, instead of its URL
	tools  string                     // more of policies.data.tools, a line each
	data   string                     // more of policies.data
	more   string                     // more of the configuration
	change func(config string) string // the last word
	split  bool                       // `yellowjack extproc` and Envoy as processes of their own
	env    []string
	files  map[string]string // beside the configuration
	// bootstrap changes what `yellowjack envoy` prints; only with split.
	bootstrap func(string) string
}

// gateway is a running one.
type gateway struct {
	dir     string
	config  string
	url     string
	metrics string
	guard   *child // yellowjack run, or extproc
	envoy   *child // only when split
	client  *http.Client

	mu    sync.Mutex
	heard bytes.Buffer // what clients read
}

// child is a process whose output is kept.
type child struct {
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	gone   chan struct{}
	err    error // after gone
}

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// spawn starts a process. It is killed when the test binary's context ends at the latest.
func spawn(dir string, env []string, program string, args ...string) (*child, io.Reader, error) {
	c := &child{cmd: exec.Command(program, args...), stdout: &output{}, stderr: &output{}, gone: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env = dir, append(append(os.Environ(), envoy.BinaryVariable+"="+theStage.envoy), env...)
	c.cmd.Stderr = c.stderr
	out, in := io.Pipe()
	c.cmd.Stdout = io.MultiWriter(c.stdout, in)
	if err := c.cmd.Start(); err != nil {
		return nil, nil, err
	}
	go func() {
		c.err = c.cmd.Wait()
		_ = in.Close()
		close(c.gone)
	}()
	return c, out, nil
}

// ready waits for the first line of a child's output, and keeps reading.
func (c *child) ready(ctx context.Context, out io.Reader) (string, error) {
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		text, _ := r.ReadString('\n')
		line <- strings.TrimSpace(text)
		_, _ = io.Copy(io.Discard, r)
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case text := <-line:
		if text == "" {
			<-c.gone
			return "", fmt.Errorf("it ended: %w\n%s", c.err, c.stderr)
		}
		return text, nil
	case <-ctx.Done():
		_ = c.cmd.Process.Kill()
		return "", fmt.Errorf("it was not ready in time\n%s", c.stderr)
	}
}

// launch starts a gateway and waits until it is ready.
func launch(ctx context.Context, s setup) (*gateway, error) {
	dir, err := os.MkdirTemp(theStage.dir, "g")
	if err != nil {
		return nil, err
	}
	g := &gateway{dir: dir, config: filepath.Join(dir, "yellowjack.yaml"), client: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	text, err := g.configuration(s)
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]string{"yellowjack.yaml": text, "everyone.key": everyoneKey + "\n", "finance.key": financeKey, "sara.key": saraKey} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	for name, content := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	command := "run"
	if s.split {
		command = "extproc"
	}
	var out io.Reader
	if g.guard, out, err = spawn(dir, s.env, theStage.binary, command, "--config", g.config); err != nil {
		return nil, err
	}
	line, err := g.guard.ready(ctx, out)
	if err != nil {
		return nil, err
	}
	if s.split {
		return g, g.startEnvoy(ctx, s.bootstrap)
	}
	if line != "ready "+g.url {
		return nil, fmt.Errorf("it printed %q, not %q", line, "ready "+g.url)
	}
	return g, nil
}

// startEnvoy runs Envoy on what `yellowjack envoy` prints, as somebody would who has an Envoy already.
func (g *gateway) startEnvoy(ctx context.Context, change func(string) string) error {
	bootstrap, err := exec.CommandContext(ctx, theStage.binary, "envoy", "--config", g.config).Output()
	if err != nil {
		return fmt.Errorf("yellowjack envoy: %w", err)
	}
	name := filepath.Join(g.dir, "bootstrap.yaml")
	if change != nil {
		bootstrap = []byte(change(string(bootstrap)))
	}
	if err := os.WriteFile(name, bootstrap, 0o600); err != nil {
		return err
	}
	g.envoy, _, err = spawn(g.dir, nil, theStage.envoy, "-c", name, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
	if err != nil {
		return err
	}
	// Envoy says nothing when it listens.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(g.url, "http://"))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-g.envoy.gone:
			return fmt.Errorf("envoy ended: %w\n%s", g.envoy.err, g.envoy.stderr)
		case <-ctx.Done():
			return fmt.Errorf("envoy does not listen: %w\n%s", err, g.envoy.stderr)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ended tells whether the guard is gone.
func (g *gateway) ended() bool {
	select {
	case <-g.guard.gone:
		return true
	default:
		return false
	}
}

// end stops the gateway as an operator would and returns everything that is wrong with what it leaves.
func (g *gateway) end() []string {
	g.client.CloseIdleConnections()
	var problems []string
	if g.envoy != nil {
		_ = g.envoy.cmd.Process.Signal(syscall.SIGTERM)
		<-g.envoy.gone
	}
	_ = g.guard.cmd.Process.Signal(syscall.SIGCONT) // a test may have stopped it
	_ = g.guard.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.guard.gone:
		if g.guard.err != nil {
			problems = append(problems, fmt.Sprintf("it ended with %v", g.guard.err))
		}
	case <-time.After(30 * time.Second):
		_ = g.guard.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines then stand in its log
		<-g.guard.gone
		problems = append(problems, "it did not end within 30 s of SIGTERM")
	}
	problems = append(problems, g.leaks()...)
	if len(problems) > 0 {
		problems = append(problems, "its log:\n"+g.guard.stderr.String())
	}
	return problems
}

// leaks searches all that the gateway wrote, and all that clients read, for what must not be there.
func (g *gateway) leaks() []string {
	audit, _ := os.ReadFile(filepath.Join(g.dir, "audit.jsonl"))
	places := map[string]string{"the audit": string(audit), "the log": g.guard.stderr.String(), "standard output": g.guard.stdout.String()}
	if g.envoy != nil {
		places["Envoy's log"] = g.envoy.stderr.String()
	}
	g.mu.Lock()
	places["what clients read"] = g.heard.String()
	g.mu.Unlock()
	var out []string
	for place, text := range places {
		// A token's header is the same for all tokens of a key: eyJ… is the beginning of each.
		for _, secret := range []string{everyoneKey, financeKey, saraKey, storeKey, "eyJhbGciOi", "yjd1.", "its-secret"} {
			if strings.Contains(text, secret) {
				out = append(out, fmt.Sprintf("%s has the secret %s…", place, secret[:8]))
			}
		}
		for _, bad := range []string{"DATA RACE", "panic:", "goroutine 1 ["} {
			if strings.Contains(text, bad) {
				out = append(out, fmt.Sprintf("%s has %q", place, bad))
			}
		}
	}
	return out
}

// freePort asks the kernel for a port that is free now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
