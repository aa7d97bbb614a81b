package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/internal/fake/issuer"
)

// The arms.
const (
	armPlain      = "plain"      // Envoy alone
	armNoop       = "noop"       // Envoy and an ext_proc service that does nothing
	armYellowjack = "yellowjack" // the whole guard
)

//go:embed envoy.yaml.tmpl
var envoyTemplate string

// lab is what the arms share: a work folder, the upstream, the issuer.
type lab struct {
	dir      string
	envoy    string // the binary
	workers  int    // Envoy's, in every arm
	upstream string // host:port
	idp      *issuer.Issuer
	binary   string // bin/yellowjack
	more     string // lines of Yellowjack's configuration besides
	running  []*process
}

// process is something that was started; its output is in the lab's folder.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	gone chan struct{}
}

// arm is one running gateway.
type arm struct {
	name  string
	addr  string
	audit string // file; only Yellowjack's
	pids  []int
	procs []*process
	ready time.Duration // from start until it took traffic
}

// envoys are those of the arm's processes that are Envoy.
func (a *arm) envoys() []int {
	var out []int
	for _, pid := range a.pids {
		if comm(pid) == "envoy" {
			out = append(out, pid)
		}
	}
	return out
}

// start runs a program. With firstLine, it waits for a line of its standard output and returns it.
func (l *lab) start(name string, firstLine bool, program string, args ...string) (*process, string, error) {
	logName := filepath.Join(l.dir, name+".log")
	logFile, err := os.Create(logName)
	if err != nil {
		return nil, "", err
	}
	defer logFile.Close()
	p := &process{name: name, cmd: exec.Command(program, args...), log: logName, gone: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stderr, p.cmd.Stdout = l.dir, logFile, logFile
	var out io.ReadCloser
	if firstLine {
		p.cmd.Stdout = nil
		if out, err = p.cmd.StdoutPipe(); err != nil {
			return nil, "", err
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, "", err
	}
	l.running = append(l.running, p)
	lines := make(chan string, 1)
	go func() {
		if out != nil {
			r := bufio.NewReader(out)
			line, _ := r.ReadString('\n')
			lines <- strings.TrimSpace(line)
			_, _ = io.Copy(io.Discard, r)
		}
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	if !firstLine {
		return p, "", nil
	}
	select {
	case line := <-lines:
		if line == "" {
			return nil, "", p.failed(errors.New("it ended without a word"))
		}
		return p, line, nil
	case <-time.After(60 * time.Second):
		return nil, "", p.failed(errors.New("it was not ready within a minute"))
	}
}

// failed adds the end of the process's log to an error.
func (p *process) failed(err error) error {
	b, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return fmt.Errorf("%s: %w; its log ends:\n%s", p.name, err, b[max(0, len(b)-3000):])
}

// stop ends a process gently, then by force.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
}

// close ends everything and, when all went well, removes the work folder.
func (l *lab) close(keep bool) {
	for i := len(l.running) - 1; i >= 0; i-- {
		l.running[i].stop()
	}
	if !keep {
		_ = os.RemoveAll(l.dir)
	}
}

// begin starts one arm and waits until a request gets through it.
func (l *lab) begin(ctx context.Context, name string, probe []byte) (*arm, error) {
	started := time.Now()
	a := &arm{name: name}
	var err error
	if name == armYellowjack {
		err = l.beginYellowjack(a, fmt.Sprintf("  mock: {base_url: \"http://%s/v1\", models: [bench]}\ndefault_provider: mock\n", l.upstream), "mock")
	} else {
		err = l.beginYardstick(a, name == armNoop)
	}
	if err != nil {
		return nil, err
	}
	if err := l.await(ctx, a, probe); err != nil {
		return nil, err
	}
	a.ready = time.Since(started)
	for _, p := range a.procs {
		pids, err := family(p.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		a.pids = append(a.pids, pids...)
	}
	return a, nil
}

// await sends the probe until it is answered well.
func (l *lab) await(ctx context.Context, a *arm, probe []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		o, err := load{addr: a.addr, requests: [][]byte{probe}, conns: 1, once: true}.run()
		if err == nil && o.Errors > 0 {
			err = errors.New(o.FirstFail)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return a.procs[len(a.procs)-1].failed(fmt.Errorf("%s takes no traffic: %w", a.name, err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (l *lab) beginYardstick(a *arm, guarded bool) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	a.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	_, upstream, _ := net.SplitHostPort(l.upstream)
	data := struct {
		Port             int
		Upstream, Socket string
	}{Port: port, Upstream: upstream}
	if guarded {
		data.Socket = filepath.Join(l.dir, fmt.Sprintf("noop%d.sock", len(l.running)))
		p, _, err := l.start("noop", false, filepath.Join(l.dir, "noop"), data.Socket)
		if err != nil {
			return err
		}
		a.procs = append(a.procs, p)
	}
	name := filepath.Join(l.dir, a.name+".yaml")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = template.Must(template.New("envoy").Parse(envoyTemplate)).Execute(f, data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	p, _, err := l.start("envoy-"+a.name, false, l.envoy, "-c", name, "--concurrency", strconv.Itoa(l.workers), "--disable-hot-restart", "--log-level", "error")
	a.procs = append(a.procs, p)
	return err
}

// beginYellowjack starts Yellowjack before providers: theirs is what the configuration says of them, and their names.
func (l *lab) beginYellowjack(a *arm, theirs string, providers ...string) error {
	listen, err := freePort()
	if err != nil {
		return err
	}
	metrics, err := freePort()
	if err != nil {
		return err
	}
	// A folder of its own for each start: Yellowjack is started anew for the cold arm.
	dir, err := os.MkdirTemp(l.dir, "yj")
	if err != nil {
		return err
	}
	a.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(listen))
	a.audit = filepath.Join(dir, "audit.jsonl")
	config := filepath.Join(dir, "yellowjack.yaml")
	text := fmt.Sprintf(`listen: %s
envoy: {binary: %q, concurrency: %d, run_dir: %q}
telemetry: {metrics: "127.0.0.1:%d", log_level: warn}
audit: {file: audit.jsonl}
identity:
  cache_size: 10000
  issuers:
    - {name: corp, issuer: %q, jwks: %q, audiences: [yellowjack], email_domains: [example.com], claims: {tenant: org, teams: teams}}
providers:
%scredentials:
`, a.addr, l.envoy, l.workers, filepath.Join(dir, "run"), metrics, l.idp.URL(), l.idp.JWKSURL(), theirs)
	for _, p := range providers {
		text += fmt.Sprintf("  - {provider: %s, secret: {file: everyone.key}}\n", p)
		for i := range teams {
			text += fmt.Sprintf("  - {provider: %s, team: team-%d, secret: {file: everyone.key}}\n", p, i)
		}
	}
	// Of ten tools two are for nobody here, so requests with ten tools are edited.
	text += "policies:\n  data:\n    tools:\n"
	for i := range 10 {
		group := "group:bench"
		if i >= 8 {
			group = "group:board"
		}
		text += fmt.Sprintf("      tool_%d: {allow: [%q], effect: read, result: trusted, confidentiality: internal}\n", i, group)
	}
	text += l.more
	for name, content := range map[string]string{config: text, filepath.Join(dir, "everyone.key"): "sk-bench"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	p, line, err := l.start("yellowjack", true, l.binary, "run", "--config", config)
	if err != nil {
		return err
	}
	a.procs = append(a.procs, p)
	if !strings.HasPrefix(line, "ready ") {
		return p.failed(fmt.Errorf("it said %q", line))
	}
	return nil
}

// freePort asks the kernel for a port that is free now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// newLab builds the helpers and starts the upstream and the issuer.
func newLab(ctx context.Context, binary string, workers int, pace time.Duration) (*lab, error) {
	dir, err := os.MkdirTemp("", "yjbench")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, workers: workers}
	if l.binary, err = filepath.Abs(binary); err != nil {
		return l, err
	}
	if l.envoy, err = envoy.Find(ctx, ""); err != nil {
		return l, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "./bench/noop", "./bench/provider")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return l, fmt.Errorf("building the no-op service and the provider (in the repository's root?): %w", err)
	}
	_, l.upstream, err = l.start("provider", true, filepath.Join(dir, "provider"), "-pace", pace.String())
	if err != nil {
		return l, err
	}
	l.idp, err = issuer.Start(issuer.Config{Lifetime: 24 * time.Hour})
	return l, err
}
