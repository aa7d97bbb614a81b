package sandbox

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

// pipes are the standard streams of a process, seen from both ends.
type pipes struct {
	stdin                         *os.File
	stdout, stderr                *os.File
	childIn, childOut, childError *os.File
}

func newPipes() (p *pipes, err error) {
	p = &pipes{}
	defer func() {
		if err != nil {
			p.close()
			p = nil
		}
	}()
	if p.childIn, p.stdin, err = os.Pipe(); err != nil {
		return p, err
	}
	if p.stdout, p.childOut, err = os.Pipe(); err != nil {
		return p, err
	}
	p.stderr, p.childError, err = os.Pipe()
	return p, err
}

func (p *pipes) attach(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.childIn, p.childOut, p.childError
}

// started closes the ends that the process has.
func (p *pipes) started() { closeAll(p.childIn, p.childOut, p.childError) }

func (p *pipes) close() {
	p.started()
	closeAll(p.stdin, p.stdout, p.stderr)
}

func closeAll[T io.Closer](all ...T) {
	for _, c := range all {
		_ = c.Close() // a nil *os.File says that it is invalid, which is as well
	}
}

// startPlain starts a server without a sandbox.
func startPlain(s *Server) (*Process, error) {
	p, err := newPipes()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	p.attach(cmd)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8"}
	for name, value := range s.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	group(cmd)
	t, err := startTied(cmd)
	if err != nil {
		p.close()
		return nil, fmt.Errorf("sandbox: the server %q: %w", s.Name, err)
	}
	p.started()
	return NewProcess(p.stdin, p.stdout, p.stderr, t.kill, t.wait), nil
}
