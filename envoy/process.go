package envoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
)

// endTime is how long Envoy may take from the signal to its end, with nothing left to do.
const endTime = 3 * time.Second

// ProcessConfig says which Envoy to run and how.
type ProcessConfig struct {
	// Binary is what Find returned.
	Binary    string
	Bootstrap *bootstrapv3.Bootstrap
	// RunDir is where the bootstrap is written; see MakeRunDir.
	RunDir string
	// Concurrency is the number of worker threads; zero is one per CPU.
	Concurrency int
	// BaseID is needed only where several Envoys share hot-restart memory. Zero switches hot restart off, so that any
	// number can run side by side.
	BaseID int
	// LogLevel is Envoy's own; empty is warn.
	LogLevel string
	// Log takes what Envoy logs, AccessLog what it writes to stdout. Nil is our own stderr and stdout.
	Log, AccessLog io.Writer
}

// Process is a running Envoy. It never outlives us: the kernel kills it when we die.
type Process struct {
	admin    *adminClient
	addr     string
	cmd      *exec.Cmd
	tail     *tail
	stopping atomic.Bool
	done     chan struct{}
	err      error // why it ended; read after done
}

// Start runs Envoy and returns when it accepts traffic. ctx bounds the start only; Drain or Kill ends what was started.
func Start(ctx context.Context, c ProcessConfig) (*Process, error) {
	if err := MakeRunDir(c.RunDir); err != nil {
		return nil, err
	}
	socket := c.Bootstrap.GetAdmin().GetAddress().GetPipe().GetPath()
	if err := checkSocket(socket); err != nil {
		return nil, fmt.Errorf("envoy: admin socket: %w", err)
	}
	if err := checkFree(ctx, c.Bootstrap); err != nil {
		return nil, err
	}
	// A socket that a killed Envoy left behind; a living one would have held the port above.
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	file, err := writeBootstrap(c)
	if err != nil {
		return nil, err
	}
	p := &Process{admin: newAdminClient(socket), tail: &tail{}, done: make(chan struct{})}
	p.cmd = command(c, file, p.tail)
	if err := p.start(); err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	if err := p.ready(ctx); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// command leaves our environment out: it holds provider keys, which Envoy never needs.
func command(c ProcessConfig, file string, t *tail) *exec.Cmd {
	args := []string{"-c", file, "--log-level", "warn"}
	if c.LogLevel != "" {
		args[3] = c.LogLevel
	}
	if c.Concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(c.Concurrency))
	}
	if c.BaseID > 0 {
		args = append(args, "--base-id", strconv.Itoa(c.BaseID))
	} else {
		args = append(args, "--disable-hot-restart")
	}
	// A drain that we ask for tells every connection at once, and is over when we say so.
	args = append(args, "--drain-strategy", "immediate", "--drain-time-s", "3600")
	cmd := exec.Command(c.Binary, args...) //nolint:noctx // the context bounds the start only
	cmd.Dir = c.RunDir
	for _, name := range []string{"PATH", "HOME", "TZ", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Stdout, cmd.Stderr = c.AccessLog, io.MultiWriter(t, orStderr(c.Log))
	if c.AccessLog == nil {
		cmd.Stdout = os.Stdout
	}
	cmd.SysProcAttr = processAttributes()
	cmd.WaitDelay = time.Second
	return cmd
}

func orStderr(w io.Writer) io.Writer {
	if w == nil {
		return os.Stderr
	}
	return w
}

// start forks on a thread that then lives as long as the child: the kernel's death signal is tied to the thread that
// forked, not to the process (golang.org/issue/27505).
func (p *Process) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = p.cmd.Wait()
		if !p.stopping.Load() {
			p.err = p.why(err)
		}
		close(p.done)
	}()
	return <-started
}

// why says what ended Envoy, with the last thing it said of consequence.
func (p *Process) why(err error) error {
	reason := "exit status 0"
	if err != nil {
		reason = err.Error()
	}
	if last := p.tail.last(); last != "" {
		reason += ": " + last
	}
	return fmt.Errorf("envoy ended: %s", reason)
}

// ready waits for Envoy to be live and its workers to accept, and learns the listener's address.
func (p *Process) ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		addr, err := p.admin.live(ctx)
		if err == nil {
			p.addr = addr
			return nil
		}
		select {
		case <-p.done:
			return p.err
		case <-ctx.Done():
			return fmt.Errorf("envoy: not ready: %w (%w)", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// Addr is the gateway's address as bound.
func (p *Process) Addr() string { return p.addr }

// PID is Envoy's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when Envoy has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait returns when Envoy has ended: nil if we ended it, else why it did.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Stats returns the statistics whose names match the regular expression.
func (p *Process) Stats(ctx context.Context, filter string) (map[string]int64, error) {
	return p.admin.stats(ctx, filter)
}

// Drain ends Envoy with care: health checks fail, each answer tells its client to close the connection, and when no
// request is left, or ctx is over, Envoy is told to end; if it has not soon after, it is killed. The error says that requests were
// cut off.
func (p *Process) Drain(ctx context.Context) error {
	p.stopping.Store(true)
	cut := p.quiet(ctx)
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	select {
	case <-p.done:
	case <-time.After(endTime):
		p.Kill()
	}
	return cut
}

// quiet waits until no request is active, with no more accepted.
func (p *Process) quiet(ctx context.Context) error {
	for _, path := range []string{"/healthcheck/fail", "/drain_listeners?graceful&skip_exit"} {
		if _, err := p.admin.do(ctx, "POST", path); err != nil {
			return p.unlessEnded(fmt.Errorf("envoy: drain: %w", err))
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	closed := false
	for {
		active, err := p.admin.stats(ctx, `^http\.gateway\.downstream_rq_active$`)
		switch {
		case err != nil:
			return p.unlessEnded(fmt.Errorf("envoy: drain: requests were cut off: %w", err))
		case active["http.gateway.downstream_rq_active"] > 0:
		case closed:
			return nil
		default: // Idle: stop accepting, and look once more for what came in between.
			if _, err := p.admin.do(ctx, "POST", "/drain_listeners"); err != nil {
				return p.unlessEnded(fmt.Errorf("envoy: drain: %w", err))
			}
			closed = true
		}
		select {
		case <-p.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("envoy: drain: %d requests were cut off: %w", active["http.gateway.downstream_rq_active"], ctx.Err())
		case <-tick.C:
		}
	}
}

func (p *Process) unlessEnded(err error) error {
	select {
	case <-p.done:
		return nil
	default:
		return err
	}
}

// Kill ends Envoy at once and returns when it is gone.
func (p *Process) Kill() {
	p.stopping.Store(true)
	_ = p.cmd.Process.Kill() // it may have ended just now
	<-p.done
}
