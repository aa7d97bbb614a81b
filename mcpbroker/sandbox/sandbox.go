// Package sandbox runs MCP servers that are programs of this machine, so that what they do stays inside.
//
// A Runner starts a Server and hands out its standard streams as a Process; the client in package upstream speaks over them.
// Package pods is the runner of a Kubernetes cluster. Bubblewrap (bwrap_linux.go) is that of a single machine. It gives a server namespaces of its own, all of them; a file system of the
// machine's programs, read-only, with an empty home and what the configuration mounts, and nothing else of the machine's files; no
// network unless granted; an environment of what the configuration names; uid 65534 without capabilities; a filter of system calls
// (seccomp.go); and bounded memory, processes and CPU (limits.go).
//
// Where the sandbox cannot be made nothing is started (ErrNoSandbox). A server runs without one when its configuration says
// `sandbox: none`, by that name, and the log says so each time.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// ErrNoSandbox is a machine that cannot make the sandbox, and a server that has to have one.
var ErrNoSandbox = errors.New("sandbox: there is none on this machine")

// Network is what a server may reach.
type Network string

const (
	// NoNetwork is an interface of its own that leads nowhere. It is the zero value's meaning.
	NoNetwork Network = "none"
	// HostNetwork is all that the machine reaches, the broker's own neighbours included.
	HostNetwork Network = "host"
)

// Limits bound one server; what is zero is the default.
type Limits struct {
	Memory int64   // bytes, of all its processes; default 512 MiB
	Tmp    int64   // bytes in each of /tmp, /dev/shm and its home, which count as memory too; default 64 MiB
	PIDs   int     // processes and threads; default 128
	CPU    float64 // cores; default 1
	Files  uint64  // open at once in a process; default 1024
}

const (
	minMemory = 16 << 20
	home      = "/home/server"
)

// Filled has the defaults in place of what is zero.
func (l Limits) Filled() Limits {
	orDefault(&l.Memory, 512<<20)
	orDefault(&l.Tmp, 64<<20)
	orDefault(&l.PIDs, 128)
	orDefault(&l.CPU, 1)
	orDefault(&l.Files, 1024)
	return l
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Server is a program that speaks MCP over its standard streams.
type Server struct {
	Name    string
	Image   string            // of its pod, for a server of a cluster; it may have a command of its own, and has a PATH
	Command []string          // as it is called inside: a name that is searched in Path, or an absolute path
	Env     map[string]string // all of its environment, besides PATH, HOME, LANG and TMPDIR
	Mounts  []Mount
	Claims  []Claim // in the place of Mounts, with an image
	Network Network
	Limits  Limits
	// Unsandboxed is what the configuration says by `sandbox: none`: the server runs as the broker's own user, with all that it may.
	Unsandboxed bool
}

// Path is where a command without a slash is searched for, inside.
const Path = "/usr/local/bin:/usr/bin:/bin"

var (
	serverName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	environName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Check tells what is wrong with a server's configuration.
func (s *Server) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("sandbox: the server %q: "+format, append([]any{s.Name}, args...)...)
	}
	if !serverName.MatchString(s.Name) {
		return bad("use letters, digits, - _ and . in its name")
	}
	if len(s.Command) == 0 && s.Image == "" || len(s.Command) > 0 && s.Command[0] == "" {
		return bad("it has no command")
	}
	for _, word := range s.Command {
		if strings.ContainsRune(word, 0) {
			return bad("its command has a zero byte")
		}
	}
	if len(s.Command) > 0 {
		if strings.Contains(s.Command[0], "/") && !path.IsAbs(s.Command[0]) {
			return bad("its command %q is a relative path, and there is nothing inside to which it is relative", s.Command[0])
		}
		if base := path.Base(s.Command[0]); base == "npx" || base == "uvx" || base == "pipx" {
			return bad("%s fetches what it runs at the time of the call; install the server ahead, pinned, and call what was installed", base)
		}
	}
	for name, value := range s.Env {
		if !environName.MatchString(name) || strings.ContainsRune(value, 0) {
			return bad("%q is no name of an environment variable, or its value has a zero byte", name)
		}
	}
	switch s.Network {
	case "", NoNetwork, HostNetwork:
	default:
		return bad("network is %q or %q, not %q", NoNetwork, HostNetwork, s.Network)
	}
	l := s.Limits.Filled()
	if l.Memory < minMemory || l.Tmp < 4096 || l.PIDs < 4 || !(l.CPU >= 0.01) || math.IsInf(l.CPU, 0) {
		return bad("its limits are too small: memory %d, tmp %d, pids %d, cpu %g", l.Memory, l.Tmp, l.PIDs, l.CPU)
	}
	if s.Unsandboxed {
		if s.Image != "" || len(s.Mounts) > 0 || s.Network != "" || s.Limits != (Limits{}) {
			return bad("`sandbox: none` leaves no place for an image, mounts, network and limits")
		}
		return nil
	}
	if err := checkMounts(s.Mounts); err != nil {
		return bad("%w", err)
	}
	if err := s.checkImage(); err != nil {
		return bad("%w", err)
	}
	return nil
}

// environment is what a server gets, ordered.
func (s *Server) environment() [][2]string {
	all := map[string]string{"PATH": Path, "HOME": home, "LANG": "C.UTF-8", "TMPDIR": "/tmp"}
	maps.Copy(all, s.Env)
	out := make([][2]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, [2]string{name, all[name]})
	}
	return out
}

// Runner starts servers.
type Runner interface {
	// Start starts a server for a principal, named by its key. The context bounds the start alone.
	Start(ctx context.Context, s *Server, principal string) (*Process, error)
}

// Process is a server that runs. Who has it reads Stdout and Stderr until they end, and closes all three.
type Process struct {
	Stdin          io.WriteCloser
	Stdout, Stderr io.ReadCloser

	done chan struct{}
	err  error // why it ended; after done
	kill func()
	once sync.Once
}

// NewProcess is for runners: kill ends it, and wait returns when it has ended.
func NewProcess(stdin io.WriteCloser, stdout, stderr io.ReadCloser, kill func(), wait func() error) *Process {
	p := &Process{Stdin: stdin, Stdout: stdout, Stderr: stderr, done: make(chan struct{}), kill: kill}
	go func() {
		p.err = wait()
		close(p.done)
	}()
	return p
}

// Done is closed when the server, and all that it started, has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how it ended; nil is an exit with status 0. It waits for that.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Kill ends it at once, with all that it started.
func (p *Process) Kill() { p.once.Do(p.kill) }

// Local is the runner of this machine: the sandbox for all but those that are to have none.
type Local struct {
	Sandbox Runner // nil: there is none, for the reason Why
	Why     error
	Log     *slog.Logger
}

// Start starts a server, or refuses to.
func (l *Local) Start(ctx context.Context, s *Server, principal string) (*Process, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Image != "" {
		return nil, fmt.Errorf("%w: the server %q has an image, which is run by a cluster", ErrNoSandbox, s.Name)
	}
	if s.Unsandboxed {
		l.Log.Warn("a server runs without a sandbox, as its configuration says", "server", s.Name)
		return startPlain(s)
	}
	if l.Sandbox == nil {
		return nil, fmt.Errorf("%w: %w; the server %q is not started (only `sandbox: none` would run it without)", ErrNoSandbox, l.Why, s.Name)
	}
	return l.Sandbox.Start(ctx, s, principal)
}

func fields(list string) []string { return strings.Fields(list) }

// within tells whether a path is another one or below it; both are clean.
func within(p, above string) bool {
	return p == above || above == "/" || strings.HasPrefix(p, above+string(filepath.Separator))
}
