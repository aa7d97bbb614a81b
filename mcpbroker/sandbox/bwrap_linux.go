package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yellowjack/yellowjack/internal/tool"
)

// Config says how the sandbox of this machine is made.
type Config struct {
	Bwrap string // path of bwrap; empty: found by package tool
	Log   *slog.Logger

	noCgroups bool // tests
}

// Bubblewrap is the runner that makes a sandbox of namespaces by bwrap.
//
// bwrap sets everything up and then waits (--block-fd) until the broker has put the one process that there is by then into its control
// group and under its resource limits; what the server starts inherits them. What bwrap is told goes through a descriptor, not its
// command line, which everybody on the machine can read. A broker that is root makes bwrap run as uid 65534 outside too: a sandbox
// whose real uid is 0 could write what root owns, /proc/sys among it.
type Bubblewrap struct {
	bwrap   string
	filter  []byte
	cgroups *cgroups // nil: there are none to be had
	log     *slog.Logger
}

// startTime is how long the making of a sandbox may take.
const startTime = 20 * time.Second

// New finds bwrap and makes one sandbox, to see that this machine can. Its error is why there is none.
func New(ctx context.Context, c Config) (*Bubblewrap, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	found := []string{c.Bwrap}
	if c.Bwrap == "" {
		if found = tool.Candidates("bwrap", filepath.Join("bwrap", "bwrap")); len(found) == 0 {
			return nil, errors.New("there is no bwrap; put one on PATH (Debian, Fedora: bubblewrap), or run `make bwrap`")
		}
	}
	b := &Bubblewrap{log: c.Log}
	var err error
	if b.filter, err = filter(); err != nil {
		return nil, err
	}
	by := "resource limits of each process, since there are no control groups to be had"
	if c.noCgroups {
		err = errors.New("not wanted")
	} else {
		b.cgroups, err = findCgroups()
	}
	if err == nil {
		by = "control groups of version " + strconv.Itoa(b.cgroups.version)
	}
	var reasons []error
	for _, b.bwrap = range found {
		bad := b.probe(ctx)
		if bad == nil {
			break
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", b.bwrap, bad))
	}
	if len(reasons) == len(found) {
		b.Close()
		return nil, errors.Join(reasons...)
	}
	b.log.Info("local servers run in a sandbox", "bwrap", b.bwrap, "limits", by, "why", err)
	return b, nil
}

// probe runs a program that does nothing.
func (b *Bubblewrap) probe(ctx context.Context) error {
	p, err := b.Start(ctx, &Server{Name: "probe", Command: []string{"true"}}, "")
	if err != nil {
		return err
	}
	defer closeAll[io.Closer](p.Stdin, p.Stdout, p.Stderr)
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	said, _ := io.ReadAll(io.LimitReader(p.Stderr, 4096))
	if err := p.Err(); err != nil {
		return fmt.Errorf("a first sandbox: %w: %s", err, tail(said))
	}
	return nil
}

// Limits says by what memory, processes and CPU are bounded: "cgroup v2", "cgroup v1" or "rlimits".
func (b *Bubblewrap) Limits() string {
	if b.cgroups == nil {
		return "rlimits"
	}
	return "cgroup v" + strconv.Itoa(b.cgroups.version)
}

// Close removes what the runner made on this machine; its servers have ended by then.
func (b *Bubblewrap) Close() {
	if b.cgroups != nil {
		b.cgroups.close()
	}
}

// Start starts a server in a sandbox of its own.
func (b *Bubblewrap) Start(ctx context.Context, s *Server, _ string) (*Process, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Unsandboxed {
		return nil, fmt.Errorf("sandbox: the server %q is to have none", s.Name)
	}
	if host := thisHost(); !findCommand(s, host) {
		return nil, fmt.Errorf("sandbox: the server %q: there is no %q inside (%s, /opt and what is mounted)", s.Name, s.Command[0], Path)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	r, err := b.launch(s)
	if err != nil {
		return nil, fmt.Errorf("sandbox: the server %q: %w", s.Name, err)
	}
	if err := r.admit(ctx, b, s); err != nil {
		r.kill()
		_ = r.std.stderr.SetReadDeadline(time.Now().Add(time.Second))
		said, _ := io.ReadAll(io.LimitReader(r.std.stderr, 4096))
		_ = r.wait()
		r.std.close()
		return nil, fmt.Errorf("sandbox: the server %q: %w: %s", s.Name, err, tail(said))
	}
	return NewProcess(r.std.stdin, r.std.stdout, r.std.stderr, r.kill, r.wait), nil
}

// running is a bwrap and what it runs.
type running struct {
	std     *pipes
	info    *os.File // says the id of the first process inside
	unblock *os.File
	outer   *tied
	release func()

	mu    sync.Mutex
	inner int // pidfd of the first process inside; -1 when there is none
}

// launch starts bwrap, which waits.
func (b *Bubblewrap) launch(s *Server) (r *running, err error) {
	var ours, theirs []*os.File
	defer func() {
		closeAll(theirs...)
		if err != nil {
			closeAll(ours...)
		}
	}()
	std, err := newPipes()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			std.close()
		}
	}()
	content := func(name string, content []byte) {
		var f *os.File
		if err == nil {
			f, err = inMemory(name, content)
			theirs = append(theirs, f)
		}
	}
	// In the order of the descriptors' numbers.
	content("arguments", []byte(strings.Join(arguments(s, thisHost()), "\x00")+"\x00"))
	content("seccomp", b.filter)
	if err != nil {
		return nil, err
	}
	info, infoChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ours, theirs = append(ours, info), append(theirs, infoChild)
	blockChild, unblock, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ours, theirs = append(ours, unblock), append(theirs, blockChild)
	content("passwd", []byte(passwd))
	content("group", []byte(groups))
	if err != nil {
		return nil, err
	}
	for _, m := range s.Mounts {
		f, err := m.open()
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, f)
	}
	cmd := exec.Command(b.bwrap, append([]string{"--args", strconv.Itoa(fdArgs), "--"}, s.Command...)...)
	std.attach(cmd)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = []string{}, "/", theirs // the first process inside shows bwrap's environment
	group(cmd)
	if err = keepDescriptors(); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: outsideID, Gid: outsideID}
	}
	outer, err := startTied(cmd)
	if err != nil {
		return nil, err
	}
	std.started()
	return &running{std: std, info: info, unblock: unblock, outer: outer, inner: -1, release: func() {}}, nil
}

// admit bounds the process that bwrap has made and lets it go on.
func (r *running) admit(ctx context.Context, b *Bubblewrap, s *Server) error {
	defer closeAll(r.info, r.unblock)
	stop := context.AfterFunc(ctx, func() { _ = r.info.Close() })
	defer stop()
	var said struct {
		PID int `json:"child-pid"`
	}
	if err := json.NewDecoder(r.info).Decode(&said); err != nil || said.PID <= 0 {
		return errors.Join(errors.New("bwrap makes no sandbox"), ctx.Err())
	}
	inner, err := unix.PidfdOpen(said.PID, 0)
	if err != nil {
		return fmt.Errorf("bwrap's process: %w", err)
	}
	r.mu.Lock()
	r.inner = inner
	r.mu.Unlock()
	l := s.Limits.Filled()
	if b.cgroups != nil {
		if r.release, err = b.cgroups.put(s.Name, l, said.PID); err != nil {
			r.release = func() {}
			return fmt.Errorf("the control group: %w", err)
		}
	}
	if err := setLimits(said.PID, resourceLimits(l, b.cgroups != nil)); err != nil {
		return fmt.Errorf("a resource limit: %w", err)
	}
	_, err = r.unblock.Write([]byte{1})
	return err
}

// cpuSeconds is how much CPU one process may use in its life where there are no control groups, for each core of its limit.
const cpuSeconds = 600

// resourceLimits are a process' limits. RLIMIT_DATA counts the memory that it could write of its own, where RLIMIT_AS would count what
// it has only reserved, which for V8 is gigabytes.
func resourceLimits(l Limits, grouped bool) map[int]uint64 {
	out := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: l.Files, unix.RLIMIT_NPROC: uint64(l.PIDs), unix.RLIMIT_MEMLOCK: 64 << 10}
	if !grouped {
		out[unix.RLIMIT_DATA] = uint64(l.Memory)
		out[unix.RLIMIT_CPU] = uint64(max(1, l.CPU*cpuSeconds))
	}
	return out
}

// kill ends the first process inside, and the kernel all the others with it. bwrap's outer process reaps it.
func (r *running) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inner < 0 || unix.PidfdSendSignal(r.inner, unix.SIGKILL, nil, 0) != nil {
		r.outer.kill()
	}
}

// wait waits for the end of all processes inside and cleans up. bwrap may end before them, which are then being killed.
func (r *running) wait() error {
	err := r.outer.wait()
	r.mu.Lock()
	inner := r.inner
	r.inner = -1
	r.mu.Unlock()
	if inner >= 0 {
		_ = unix.PidfdSendSignal(inner, unix.SIGKILL, nil, 0)
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(inner), Events: unix.POLLIN}}, int(lastWait.Milliseconds()))
		_ = unix.Close(inner)
	}
	r.release()
	return err
}

// lastWait is how long processes that were killed may take to be gone.
const lastWait = 5 * time.Second
