package sandbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var probeOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-o", out, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return out, os.Chmod(dir, 0o755)
})

func bwrap(t *testing.T) string {
	t.Helper()
	path, err := exec.Command("../../scripts/bwrap.sh").Output()
	if err != nil {
		t.Skipf("no bwrap here: %v", err)
	}
	return strings.TrimSpace(string(path))
}

// runner is the sandbox of this machine. Where its kernel forbids what a sandbox is made of, the test says so and is left out.
func runner(t *testing.T, noCgroups bool) *Bubblewrap {
	t.Helper()
	path := bwrap(t)
	// What the sandbox is made of, asked of the kernel without any of our code.
	said, err := exec.Command(path, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true").CombinedOutput()
	if err != nil {
		t.Skipf("this kernel, or this container, forbids what a sandbox is made of: %v: %s", err, said)
	}
	b, err := New(t.Context(), Config{Bwrap: path, Log: slog.New(slog.DiscardHandler), noCgroups: noCgroups})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// outcome is what a probe did.
type outcome struct {
	lines  map[string]string
	stderr string
	err    error
}

// probe runs attempts in a sandbox.
func probe(t *testing.T, b Runner, change func(*Server), attempts ...string) outcome {
	t.Helper()
	path, err := probeOnce()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Name: "probe", Command: append([]string{"/probe"}, attempts...), Mounts: []Mount{{Source: path, Target: "/probe"}}}
	if change != nil {
		change(s)
	}
	p, err := b.Start(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, p)
}

func finish(t *testing.T, p *Process) outcome {
	t.Helper()
	defer closeAll[io.Closer](p.Stdin, p.Stdout, p.Stderr)
	stop := time.AfterFunc(time.Minute, p.Kill)
	defer stop.Stop()
	o := outcome{lines: map[string]string{}}
	stderr := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(p.Stderr)
		stderr <- b
	}()
	out, _ := io.ReadAll(p.Stdout)
	o.stderr = string(<-stderr)
	o.err = p.Err()
	for line := range strings.Lines(string(out)) {
		name, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		o.lines[name] = what
	}
	return o
}

func (o outcome) want(t *testing.T, attempt, pattern string) {
	t.Helper()
	if got, ok := o.lines[attempt]; !ok || !regexp.MustCompile("^(?:"+pattern+")$").MatchString(got) {
		t.Errorf("%s: %q, not %q (%v; %s)", attempt, got, pattern, o.err, o.stderr)
	}
}

// TestInside holds what a server is, and has.
func TestInside(t *testing.T) {
	t.Setenv("SECRET_OF_THE_BROKER", "s3cret")
	b := runner(t, false)
	// A descriptor that the broker was started with, as it may be by a shell or systemd.
	folder, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(folder)
	o := probe(t, b, func(s *Server) { s.Env = map[string]string{"TOKEN": "t", "LANG": "C"} },
		"ids", "status", "environ", "init", "fds", "pids", "nofile", "ifaces")
	for attempt, pattern := range map[string]string{
		"ids":     "65534 65534 65534 65534",
		"status":  `Groups=(65534)? CapInh=0+ CapPrm=0+ CapEff=0+ CapBnd=0+ CapAmb=0+ NoNewPrivs=1 Seccomp=2`,
		"environ": `HOME=/home/server LANG=C PATH=/usr/local/bin:/usr/bin:/bin PWD=/home/server TMPDIR=/tmp TOKEN=t`,
		"fds":     "0>pipe:[^ ]* 1>pipe:[^ ]* 2>pipe:[^ ]*",
		"pids":    "2",
		"nofile":  "1024",
		"ifaces":  "lo",
	} {
		o.want(t, attempt, pattern)
	}
	if strings.Contains(o.lines["init"], "s3cret") || strings.Contains(o.lines["init"], "TOKEN") {
		t.Errorf("the first process shows %q", o.lines["init"])
	}
	for _, dir := range []string{"/", "/home/server", "/home", "/tmp", "/etc", "/dev"} {
		o := probe(t, b, nil, "list="+dir)
		pattern := map[string]string{
			"/":            `(bin|dev|etc|home|lib|lib32|lib64|libx32|opt|probe|proc|sbin|tmp|usr| )+`,
			"/home/server": "", "/home": "server", "/tmp": "",
			"/etc": `(alternatives|ca-certificates|group|ld.so.cache|ld.so.conf|ld.so.conf.d|localtime|mime.types|nsswitch.conf|passwd|pki|protocols|services|ssl| )+`,
			"/dev": `(core|fd|full|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero| )+`,
		}[dir]
		o.want(t, "list", pattern)
	}
}

// reachable opens a folder to the user that servers run as, so that it is the sandbox that refuses.
func reachable(p string) string {
	for dir := p; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o777)
	}
	return p
}

// TestFilesEscape: nothing of this machine but its programs and what is mounted is seen, and nothing but what is mounted for writing,
// the home and the temporary folders can be written.
func TestFilesEscape(t *testing.T) {
	b := runner(t, false)
	outside := t.TempDir()
	data, shared := filepath.Join(outside, "data"), filepath.Join(outside, "shared")
	secret := filepath.Join(outside, "secret")
	for _, dir := range []string{data, shared} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{secret: "secret", filepath.Join(data, "file"): "data"} {
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"absolute": secret, "relative": "../secret", "root": "/", "host": "/proc/1/root" + secret} {
		if err := os.Symlink(to, filepath.Join(data, name)); err != nil {
			t.Fatal(err)
		}
	}
	reachable(data)
	reachable(shared)
	if err := os.Chmod(filepath.Join(data, "file"), 0o666); err != nil {
		t.Fatal(err)
	}
	mounted := func(s *Server) {
		s.Mounts = append(s.Mounts, Mount{Source: data, Target: "/data"}, Mount{Source: shared, Target: "/shared", Writable: true})
	}
	for _, c := range []struct{ attempt, pattern string }{
		{"read=/data/file", "data"},
		{"write=/shared/new", "written"},
		{"write=/tmp/new", "written"},
		{"write=/home/server/new", "written"},
		{"write=/dev/shm/new", "written"},
		// A link leads nowhere else than it would inside.
		{"read=/data/absolute", "ENOENT"},
		{"read=/data/relative", "ENOENT"},
		{"read=/data/host", "ENOENT|EACCES"},
		{"list=/data/root", `(bin|data|dev|etc|home|lib|lib32|lib64|libx32|opt|probe|proc|sbin|shared|tmp|usr| )+`},
		{"read=/data/../secret", "ENOENT"},
		{"read=" + secret, "ENOENT"},
		{"read=/proc/1/root" + secret, "ENOENT|EACCES"},
		{"read=/proc/self/cwd/../../../.." + secret, "ENOENT"},
		{"read=/etc/shadow", "ENOENT"},
		{"list=/root", "ENOENT"},
		{"list=/run", "ENOENT"},
		{"list=/var", "ENOENT"},
		{"list=/sys", "ENOENT"},
		{"write=/data/file", "EROFS"},
		{"write=/data/new", "EROFS"},
		{"open-rw=/data/file", "EROFS"},
		{"write=/new", "EROFS"},
		{"write=/dev/new", "EROFS"},
		{"write=/etc/passwd", "EROFS|EACCES"},
		{"write=/usr/bin/new", "EROFS"},
		{"write=/opt/new", "EROFS|ENOENT"},
		{"write=/probe", "EROFS|EACCES"},
		{"device=/tmp/disk", "EPERM"},
		{"read=/dev/vda", "ENOENT"},
		{"read=/dev/mem", "ENOENT"},
		{"setuid", "refused"},
		{"fill=/tmp", "ENOSPC after [0-9]"},
		{"fill=/dev/shm", "ENOSPC after [0-9]"},
		{"fill=/home/server", "ENOSPC after [0-9]"},
		// /proc.
		{"write=/proc/sys/kernel/core_pattern", "EROFS|EACCES"},
		{"write=/proc/sys/vm/swappiness", "EROFS|EACCES"},
		{"write=/proc/sysrq-trigger", "EACCES|EROFS|ENOENT"},
		{"read=/proc/kcore", "EACCES|ENOENT"},
		{"read=/proc/keys", "EACCES|ENOENT"},
		{"read=/proc/kallsyms", "EACCES|ENOENT"},
		{"read=/proc/kmsg", "EACCES|ENOENT"},
		{"list=/proc/1/fd", "EACCES|[0-9 ]*"},
		{"write=/proc/1/mem", "EACCES|EPERM|errno 5"},
		{"write=/proc/self/uid_map", "EPERM|EACCES"},
		{"write=/proc/self/oom_score_adj", "errno 22|EACCES"},
	} {
		t.Run(c.attempt, func(t *testing.T) {
			o := probe(t, b, func(s *Server) { mounted(s); s.Limits.Tmp = 8 << 20 }, c.attempt)
			name, _, _ := strings.Cut(c.attempt, "=")
			o.want(t, name, c.pattern)
		})
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
		t.Errorf("%s %v", got, err)
	}
	if got, err := os.ReadFile(filepath.Join(shared, "new")); err != nil || string(got) != "written" {
		t.Errorf("%s %v", got, err)
	}
}

// TestNetworkEscape: what listens on this machine is not there, by address, by name in the abstract space, or by a family of sockets
// that is no network of the namespace.
func TestNetworkEscape(t *testing.T) {
	b := runner(t, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	abstract, err := net.Listen("unix", "@yellowjack-"+strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	for _, c := range []struct{ attempt, pattern string }{
		{"listen", "listens"}, // on its own loopback
		{"dial=" + l.Addr().String(), "ECONNREFUSED"},
		{"dial=192.0.2.1:80", "ENETUNREACH"},
		{"dial=[2001:db8::1]:80", "ENETUNREACH"},
		{"dial=169.254.169.254:80", "ENETUNREACH"},
		{"unix=" + abstract.Addr().String(), "ECONNREFUSED"},
		{"socket=17,0", "EPERM"}, // packet
		{"socket=40,0", "EPERM"}, // vsock: to the machine that this one runs in
		{"socket=38,0", "EPERM"}, // the kernel's ciphers
		{"socket=16,9", "EPERM"}, // netlink: audit
		{"socket=16,0", "done"},  // netlink: routes, of its own namespace
		{"socket=2,1", "EPERM"},  // raw IP
		{"socket=4294967313,0", "EPERM"},
	} {
		t.Run(c.attempt, func(t *testing.T) {
			name, _, _ := strings.Cut(c.attempt, "=")
			probe(t, b, nil, c.attempt).want(t, name, c.pattern)
		})
	}
	t.Run("granted", func(t *testing.T) {
		go func() {
			if c, err := l.Accept(); err == nil {
				_ = c.Close()
			}
		}()
		probe(t, b, func(s *Server) { s.Network = HostNetwork }, "dial="+l.Addr().String()).want(t, "dial", "connected")
	})
}

// TestKernelEscape: what the filter of system calls refuses.
func TestKernelEscape(t *testing.T) {
	b := runner(t, false)
	attempts := map[string]string{
		"ptrace=1": "EPERM", "vm-read=1": "EPERM", "mount": "EPERM", "remount=/usr": "EPERM", "umount=/proc/sys": "EPERM", "pivot": "EPERM", "chroot": "EPERM",
		"unshare": "EPERM", "clone": "EPERM", "clone-net": "EPERM", "clone3": "ENOSYS", "setns": "EPERM", "keyctl": "EPERM", "add-key": "EPERM", "request-key": "EPERM",
		"bpf": "EPERM", "perf": "EPERM", "io_uring": "ENOSYS", "userfaultfd": "ENOSYS", "handle": "EPERM", "module": "EPERM", "kexec": "EPERM",
		"reboot": "EPERM", "hostname": "EPERM", "tiocsti": "EPERM", "tiocsti-hi": "EPERM", "personality": "EPERM", "fsopen": "EPERM",
	}
	if runtime.GOARCH == "amd64" {
		attempts["x32"] = "ENOSYS"
	}
	for attempt, pattern := range attempts {
		t.Run(attempt, func(t *testing.T) {
			name, _, _ := strings.Cut(attempt, "=")
			probe(t, b, nil, attempt).want(t, name, pattern)
		})
	}
}

// TestBounds: forks, memory and CPU end where the limits say, in control groups and without.
func TestBounds(t *testing.T) {
	for _, noCgroups := range []bool{false, true} {
		b := runner(t, noCgroups)
		t.Run(b.Limits(), func(t *testing.T) {
			if !noCgroups && b.cgroups == nil {
				t.Skip("no control groups are to be had here")
			}
			limits := func(s *Server) { s.Limits = Limits{PIDs: 32, Memory: 128 << 20, CPU: 0.5} }
			probe(t, b, limits, "fork=200").want(t, "fork", "stopped after true processes")
			// Memory: refused, or killed; the machine goes on.
			o := probe(t, b, limits, "memory=512")
			if got := o.lines["memory"]; got != "" && !strings.HasPrefix(got, "refused after") || got == "" && o.err == nil {
				t.Errorf("memory: %+v", o)
			}
			probe(t, b, limits, "memory=64").want(t, "memory", "took all of 64")
			if noCgroups {
				return
			}
			o = probe(t, b, limits, "cpu=1s")
			if ms, err := strconv.Atoi(o.lines["cpu"]); err != nil || ms > 800 {
				t.Errorf("cpu: %+v", o) // two threads would get 2000 ms
			}
			// What is written to a tmpfs is memory too.
			o = probe(t, b, func(s *Server) { limits(s); s.Limits.Tmp = 512 << 20 }, "fill=/tmp")
			if o.lines["fill"] == "endless" || strings.HasPrefix(o.lines["fill"], "ENOSPC") {
				t.Errorf("tmpfs: %+v", o)
			}
		})
	}
}

// TestEnd: when a server is ended, all that it started is; when it ends by itself, likewise.
func TestEnd(t *testing.T) {
	b := runner(t, false)
	path, err := probeOnce()
	if err != nil {
		t.Fatal(err)
	}
	start := func(attempts ...string) *Process {
		p, err := b.Start(t.Context(), &Server{Name: "end", Command: append([]string{"/probe"}, attempts...), Mounts: []Mount{{Source: path, Target: "/probe"}}}, "")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("killed", func(t *testing.T) {
		p := start("orphan", "sleep=1h")
		time.AfterFunc(300*time.Millisecond, p.Kill)
		began := time.Now()
		if o := finish(t, p); o.err == nil || time.Since(began) > 10*time.Second {
			t.Errorf("%+v", o)
		}
		p.Kill() // again is nothing
	})
	t.Run("by itself", func(t *testing.T) {
		began := time.Now()
		if o := finish(t, start("orphan")); o.err != nil || time.Since(began) > 10*time.Second {
			t.Errorf("%+v", o)
		}
	})
	t.Run("status", func(t *testing.T) {
		if o := finish(t, start("nonsense")); o.err == nil || !strings.Contains(o.err.Error(), "exit status 2") {
			t.Errorf("%+v", o)
		}
	})
	if b.cgroups != nil {
		for _, dir := range b.cgroups.parents {
			if left, _ := filepath.Glob(filepath.Join(dir, "*-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

// TestNoLeak: what a sandbox costs is given back.
func TestNoLeak(t *testing.T) {
	b := runner(t, false)
	count := func() int {
		all, _ := os.ReadDir("/proc/self/fd")
		return len(all)
	}
	probe(t, b, nil, "ids")
	before, folder := count(), reachable(t.TempDir())
	for range 5 {
		probe(t, b, nil, "ids")
		if _, err := b.Start(t.Context(), &Server{Name: "x", Command: []string{"true"}, Mounts: []Mount{{Source: "/nowhere", Target: "/data"}}}, ""); err == nil {
			t.Error("a mount of nothing")
		}
		// bwrap fails while it is let go on, or before.
		p, err := b.Start(t.Context(), &Server{Name: "x", Command: []string{"true"}, Mounts: []Mount{{Source: folder, Target: "/dir"}, {Source: folder, Target: "/dir/below"}}}, "")
		said := fmt.Sprint(err)
		if err == nil {
			said = finish(t, p).stderr
		}
		if !strings.Contains(said, "bwrap: Can't") {
			t.Errorf("a mount at a place that cannot be made: %s", said)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p, err := b.Start(ctx, &Server{Name: "x", Command: []string{"true"}}, ""); err == nil {
			finish(t, p)
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}

func TestPlain(t *testing.T) {
	path, err := probeOnce()
	if err != nil {
		t.Fatal(err)
	}
	l := &Local{Why: exec.ErrNotFound, Log: slog.New(slog.DiscardHandler)}
	s := &Server{Name: "plain", Command: []string{path, "ids", "environ"}}
	if _, err := l.Start(t.Context(), s, ""); err == nil || !strings.Contains(err.Error(), "sandbox: none") {
		t.Errorf("it starts without a sandbox, though nobody said so: %v", err)
	}
	t.Setenv("SECRET_OF_THE_BROKER", "s3cret")
	s.Unsandboxed, s.Env = true, map[string]string{"A": "b"}
	o := probe(t, l, func(p *Server) { *p = *s })
	o.want(t, "ids", fmt.Sprint(os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid()))
	if e := o.lines["environ"]; !strings.Contains(e, "A=b") || strings.Contains(e, "s3cret") {
		t.Errorf("%q", e)
	}
	s.Command = []string{path, "orphan", "sleep=1h"}
	p, err := l.Start(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, p.Kill)
	if o := finish(t, p); o.err == nil {
		t.Error("it was killed")
	}
}
