// Package envoytest runs a real Envoy in tests and benchmarks.
//
// Dir makes a folder whose path is short enough for sockets. Start fills in what a test does not care about (a free port,
// sockets in such a folder, an access log that is kept), runs the Envoy that envoy.Find finds, waits until it takes
// traffic, and ends it with the test. A test without an Envoy fails and says what to do; it is never skipped.
package envoytest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/envoy"
)

// Gateway is a running Envoy.
type Gateway struct {
	// URL is where it listens, without a final slash.
	URL string
	// Addr is its host:port.
	Addr string
	// Dir holds its sockets.
	Dir string
	// Process is the Envoy itself.
	Process *envoy.Process

	log, access *buffer
}

// Option changes how Envoy is run.
type Option func(*envoy.ProcessConfig)

// Concurrency sets the number of worker threads; a test's default is 1.
func Concurrency(n int) Option { return func(c *envoy.ProcessConfig) { c.Concurrency = n } }

// LogLevel sets Envoy's log level; the log is printed when the test fails.
func LogLevel(level string) Option { return func(c *envoy.ProcessConfig) { c.LogLevel = level } }

// Binary is the Envoy that envoy.Find finds.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := envoy.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Dir makes a folder of mode 0700 with a short path, removed with the test. t.TempDir holds the test's name, which makes
// socket paths too long.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "yj")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Start runs an Envoy with this configuration. An empty Listen is a free port on loopback, an empty AdminSocket or
// ExtProc a socket in Gateway.Dir (ExtProcSocket), an empty AccessLog what Gateway.AccessLog returns.
func Start(t testing.TB, c envoy.Config, options ...Option) *Gateway {
	t.Helper()
	g := &Gateway{log: &buffer{}, access: &buffer{}}
	if c.AdminSocket == "" {
		c.AdminSocket = filepath.Join(Dir(t), "admin.sock")
	}
	g.Dir = filepath.Dir(c.AdminSocket)
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.ExtProc == "" {
		c.ExtProc = "unix://" + ExtProcSocket(g.Dir)
	}
	if c.AccessLog == "" {
		c.AccessLog = "-"
	}
	boot, err := envoy.Bootstrap(c)
	if err != nil {
		t.Fatal(err)
	}
	process := envoy.ProcessConfig{
		Binary: Binary(t), Bootstrap: boot, RunDir: g.Dir, Concurrency: 1, Log: g.log, AccessLog: g.access,
	}
	for _, o := range options {
		o(&process)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	g.Process, err = envoy.Start(ctx, process)
	if err != nil {
		t.Fatalf("%v\n%s", err, g.log)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			g.Process.Kill()
			return
		}
		g.Stop(t)
		if log := g.log.String() + g.access.String(); log != "" {
			t.Logf("Envoy's log:\n%s\nits access log:\n%s", g.log, g.access)
		}
	})
	g.Addr = g.Process.Addr()
	g.URL = "http://" + g.Addr
	return g
}

// ExtProcSocket is where Start expects the ext_proc service when the configuration says nothing.
func ExtProcSocket(dir string) string { return filepath.Join(dir, "extproc.sock") }

// Stop ends Envoy as an impatient operator would, which flushes its access log.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
	defer cancel()
	if err := g.Process.Drain(ctx); err != nil {
		t.Log(err)
	}
}

// Log is what Envoy has logged so far.
func (g *Gateway) Log() string { return g.log.String() }

// AccessLog is what Envoy has written to its access log so far. Envoy flushes it every ten seconds, and when it ends.
func (g *Gateway) AccessLog() string { return g.access.String() }

// buffer is a bytes.Buffer that one goroutine may write while another reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns all that was written.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
