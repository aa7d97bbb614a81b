// Package storetest runs a real Redis in tests: one server, one with TLS, a cluster, or a master with replica and sentinel.
//
// Start takes lines of redis.conf, waits until the server answers, and ends it with the test. Kill and Restart keep the address;
// what a server knew is gone then, unless the lines say `appendonly yes`. Pause holds a server that keeps its connections and answers
// nothing. A test without a Redis fails and says what to do; it is never skipped.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// starting is how long a server may take to answer.
const starting = 20 * time.Second

// Redis is a server.
type Redis struct {
	Addr string // host:port

	t       testing.TB
	dir     string
	args    []string
	tls     *Certificates
	process *os.Process
	ended   chan struct{}
	log     *buffer
}

// Start runs a server with these lines of redis.conf.
func Start(t testing.TB, settings ...string) *Redis {
	t.Helper()
	return start(t, nil, nil, append(base(), settings...))
}

// base is what every server that keeps something is told.
func base() []string {
	return []string{`save ""`, "appendonly no", "maxmemory-policy noeviction"}
}

func start(t testing.TB, tls *Certificates, extra, settings []string) *Redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "yj")
	if err != nil {
		t.Fatal(err)
	}
	r := &Redis{t: t, dir: dir, tls: tls, log: &buffer{}}
	t.Cleanup(func() {
		r.Kill()
		if t.Failed() {
			t.Logf("the log of the Redis at %s:\n%s", r.Addr, r.log)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	// A port is only known to be free once the server has it.
	for range 20 {
		port := 15000 + rand.IntN(7000) //nolint:gosec // any
		r.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		lines := append([]string{"bind 127.0.0.1", "dir " + dir}, settings...)
		if tls == nil {
			lines = append(lines, fmt.Sprintf("port %d", port))
		} else {
			lines = append(lines, "port 0", fmt.Sprintf("tls-port %d", port), "tls-cert-file "+tls.Cert, "tls-key-file "+tls.Key, "tls-ca-cert-file "+tls.CA)
		}
		config := filepath.Join(dir, "redis.conf")
		if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r.args = append([]string{config}, extra...)
		if r.run() {
			return r
		}
	}
	t.Fatalf("storetest: no Redis came up:\n%s", r.log)
	return nil
}

// run starts the server; false when it ended at once.
func (r *Redis) run() bool {
	r.t.Helper()
	binary := Binary(r.t)
	started := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		runtime.LockOSThread() // the server's life is tied to the thread that started it
		defer runtime.UnlockOSThread()
		defer close(ended)
		cmd := exec.Command(binary, r.args...) //nolint:gosec,noctx // a Redis for a test, which Kill ends
		cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = r.log, r.log, processAttributes()
		err := cmd.Start()
		r.process = cmd.Process
		if started <- err; err == nil {
			_ = cmd.Wait() // however it ends
		}
	}()
	if err := <-started; err != nil {
		r.t.Fatalf("storetest: %v", err)
	}
	r.ended = ended
	for deadline := time.Now().Add(starting); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case <-ended:
			return false
		default:
		}
		if c, err := net.DialTimeout("tcp", r.Addr, time.Second); err == nil {
			_ = c.Close()
			if strings.Contains(r.log.String(), "eady to accept connections") || strings.Contains(r.log.String(), "Sentinel ID is") {
				return true
			}
		}
	}
	r.t.Fatalf("storetest: the Redis at %s does not answer:\n%s", r.Addr, r.log)
	return false
}

// URL is that of its database 0.
func (r *Redis) URL() string {
	if r.tls != nil {
		return "rediss://" + r.Addr + "/0"
	}
	return "redis://" + r.Addr + "/0"
}

// Kill ends the server at once, as a machine does that loses power.
func (r *Redis) Kill() {
	if r.ended == nil {
		return
	}
	_ = r.process.Kill() // it may have ended
	<-r.ended
}

// Restart runs the killed server again, at the same address.
func (r *Redis) Restart() {
	r.t.Helper()
	r.Kill()
	for range 50 {
		r.log.reset()
		if r.run() {
			return
		}
		time.Sleep(100 * time.Millisecond) // somebody has its port for a moment
	}
	r.t.Fatalf("storetest: the Redis at %s does not start again:\n%s", r.Addr, r.log)
}

// Pause stops the server, which keeps its connections; Resume lets it go on.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (r *Redis) Resume() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// Flush makes it forget everything, the scripts too.
func (r *Redis) Flush() {
	r.t.Helper()
	r.Do("FLUSHALL")
	r.Do("SCRIPT", "FLUSH")
}

// Do sends one command as the default user.
func (r *Redis) Do(args ...any) any {
	r.t.Helper()
	out, err := r.Try(args...)
	if err != nil {
		r.t.Fatalf("storetest: %v: %v", args, err)
	}
	return out
}

// Try sends one command as the default user, which may fail.
func (r *Redis) Try(args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), 5*time.Second)
	defer cancel()
	o := &redis.Options{Addr: r.Addr, DisableIdentity: true, Protocol: 2, PoolSize: 1}
	if r.tls != nil {
		o.TLSConfig = r.tls.client(r.t)
	}
	c := redis.NewClient(o)
	defer func() { _ = c.Close() }()
	out, err := c.Do(ctx, args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil //nolint:nilnil // Redis' nil is an answer
	}
	return out, err
}

// Log is what the server has logged since it was started.
func (r *Redis) Log() string { return r.log.String() }

// Binary is a redis-server of at least version 7: on PATH, or the one that scripts/redis.sh unpacks.
func Binary(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("storetest: not within the repository")
		}
	}
	cmd := exec.Command(filepath.Join(dir, "scripts", "redis.sh")) //nolint:gosec,noctx // our own script
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("storetest: scripts/redis.sh: %v\n%s", err, &said)
	}
	return strings.TrimSpace(string(out))
}

// buffer is a bytes.Buffer that one goroutine may write while another reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

// Disk is what the server has written to its append-only files.
func (r *Redis) Disk() []byte {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "appendonlydir", "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f) //nolint:gosec // the server's own
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}
