package envoy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/envoy/envoytest"
)

// processConfig is what envoytest.Start would run, for tests that look at the start itself.
func processConfig(t *testing.T, dir string, change func(*envoy.Config)) envoy.ProcessConfig {
	t.Helper()
	c := envoy.Config{Listen: "127.0.0.1:0", AdminSocket: filepath.Join(dir, "admin.sock"), ExtProc: "unix://" + envoytest.ExtProcSocket(dir)}
	if change != nil {
		change(&c)
	}
	boot, err := envoy.Bootstrap(c)
	if err != nil {
		t.Fatal(err)
	}
	return envoy.ProcessConfig{Binary: envoytest.Binary(t), Bootstrap: boot, RunDir: dir, Concurrency: 2, Log: io.Discard, AccessLog: io.Discard}
}

// TestDrainIdle: an idle Envoy ends at once, and that it ended is no error. What it left is private.
func TestDrainIdle(t *testing.T) {
	t.Parallel()
	dir := envoytest.Dir(t)
	p, err := envoy.Start(t.Context(), processConfig(t, dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"admin.sock", "envoy.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// TestAdminIsNarrow: not even our own user gets keys out of it, or stops the guard with it.
func TestAdminIsNarrow(t *testing.T) {
	t.Parallel()
	g := envoytest.Start(t, envoy.Config{})
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(g.Dir, "admin.sock"))
	}}}
	for path, want := range map[string]int{
		"/ready": 200, "/stats": 200,
		"/logging?level=trace": 403, "/config_dump": 403, "/quitquitquit": 403, "/runtime_modify": 403, "/cpuprofiler": 403,
	} {
		method := http.MethodPost
		if want == 200 {
			method = http.MethodGet
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://admin"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s %s: %s, want %d", method, path, resp.Status, want)
		}
	}
	client.CloseIdleConnections()
}

// slowProvider holds its answers until released.
func slowProvider(t *testing.T) (p envoy.Provider, asked chan struct{}, release func()) {
	t.Helper()
	asked, gate := make(chan struct{}, 10), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-gate:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "late")
	}))
	done := false
	release = func() {
		if !done {
			done = true
			close(gate)
		}
	}
	t.Cleanup(func() { release(); up.Close() })
	return envoy.Provider{Name: "up", Cluster: "provider_up", Scheme: "http", Host: "127.0.0.1", Port: up.Listener.Addr().(*net.TCPAddr).Port}, asked, release
}

// TestDrainWaits: a drain lets the exchange that runs come to its end.
func TestDrainWaits(t *testing.T) {
	t.Parallel()
	provider, asked, release := slowProvider(t)
	g := startWith(t, nil, provider)
	answer, drained := make(chan answered, 1), make(chan error, 1)
	go func() { answer <- g.ask(t, "slow", chatPath, "") }()
	<-asked
	go func() { drained <- g.Process.Drain(t.Context()) }()
	select {
	case err := <-drained:
		t.Fatalf("drained (%v) with an exchange under way", err)
	case a := <-answer:
		t.Fatalf("the exchange was ended: %+v", a)
	case <-time.After(300 * time.Millisecond): // long enough for several looks at the statistics
	}
	release()
	if a := <-answer; a.status != http.StatusOK || a.body != "late" || a.err != nil {
		t.Errorf("got %d %q (%v)", a.status, a.body, a.err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := g.Process.Wait(); err != nil {
		t.Error(err)
	}
}

// TestDrainCuts: when the drain's time is over, it says how much it cut off.
func TestDrainCuts(t *testing.T) {
	t.Parallel()
	provider, asked, _ := slowProvider(t)
	g := startWith(t, nil, provider)
	answer := make(chan answered, 1)
	go func() { answer <- g.ask(t, "slow", chatPath, "") }()
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := g.Process.Drain(ctx); err == nil || !strings.Contains(err.Error(), "cut off") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if a := <-answer; a.status == http.StatusOK {
		t.Errorf("got %+v from an Envoy that has ended", a)
	}
}

// TestWaitSaysWhy: an Envoy that ends by itself is an error with its reason.
func TestWaitSaysWhy(t *testing.T) {
	t.Parallel()
	p, err := envoy.Start(t.Context(), processConfig(t, envoytest.Dir(t), nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
	if err := p.Drain(t.Context()); err != nil {
		t.Errorf("draining what has ended: %v", err)
	}
}

// TestStartRefuses: what cannot run is refused at the start, with the reason.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	t.Run("bad configuration", func(t *testing.T) {
		t.Parallel()
		_, err := envoy.Start(t.Context(), processConfig(t, envoytest.Dir(t), func(c *envoy.Config) {
			c.Providers = []envoy.Provider{{Name: "a", Cluster: "a", Scheme: "https", Host: "127.0.0.1", CAFile: "/does/not/exist.pem"}}
		}))
		if err == nil || !strings.Contains(err.Error(), "/does/not/exist.pem") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("port taken", func(t *testing.T) {
		t.Parallel()
		g := envoytest.Start(t, envoy.Config{})
		_, err := envoy.Start(t.Context(), processConfig(t, envoytest.Dir(t), func(c *envoy.Config) { c.Listen = g.Addr }))
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("open directory", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(envoytest.Dir(t), "open")
		if err := os.Mkdir(dir, 0o755); err != nil { // that is the point
			t.Fatal(err)
		}
		if _, err := envoy.Start(t.Context(), processConfig(t, dir, nil)); err == nil || !strings.Contains(err.Error(), "open to other users") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not ready", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := envoy.Start(ctx, processConfig(t, envoytest.Dir(t), nil)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestEnvironment: our environment holds provider keys, and Envoy has no need of them.
func TestEnvironment(t *testing.T) {
	t.Setenv("OPENROUTER_API_KEY", "sk-or-secret")
	p, err := envoy.Start(t.Context(), processConfig(t, envoytest.Dir(t), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	environment, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(environment, []byte("sk-or-secret")) || !bytes.Contains(environment, []byte("PATH=")) {
		t.Errorf("Envoy's environment is %q", environment)
	}
}

const orphanVariable = "YELLOWJACK_TEST_ORPHAN"

// TestOrphan: when we are killed, Envoy does not go on without us. The test kills a second process of itself that has
// started one.
func TestOrphan(t *testing.T) {
	if dir := os.Getenv(orphanVariable); dir != "" {
		p, err := envoy.Start(t.Context(), processConfig(t, dir, nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.WriteString(p.Addr() + "\n"); err != nil {
			t.Fatal(err)
		}
		t.Fatal(p.Wait()) // the parent kills us here
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOrphan$")
	cmd.Env = append(os.Environ(), orphanVariable+"="+envoytest.Dir(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	addr := strings.TrimSpace(string(line[:n]))
	if _, _, splitErr := net.SplitHostPort(addr); err != nil || splitErr != nil {
		t.Fatalf("the child says %q (%v)", addr, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child was not killed")
	}
	deadline := time.After(5 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			tick.Stop()
			return
		}
		if err == nil {
			_ = conn.Close()
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("Envoy outlived us")
		}
	}
}
