package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// openNoLinks opens a path of which no step is a link, as the user that bwrap will be.
func openNoLinks(path string) (*os.File, error) {
	var fd int
	err := asOutside(func() (err error) {
		fd, err = unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		})
		return err
	})
	switch {
	case errors.Is(err, unix.EACCES) && os.Geteuid() == 0:
		return nil, fmt.Errorf("%s cannot be reached by uid %d, which servers have when the broker is root", path, outsideID)
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// keepDescriptors keeps the descriptors that the broker was itself started with from what it starts: Go closes its own when it starts
// a program, and a folder among the others would be a way out.
func keepDescriptors() error {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil { // Linux 5.11
		return nil
	}
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("sandbox: descriptors: %w", err)
	}
	for _, e := range all {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// inMemory is a file of some content that has no name.
func inMemory(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("sandbox: memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err = f.Write(content); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("sandbox: memfd: %w", err)
	}
	return f, nil
}

// group makes a process the first of a group of its own, so that what it starts can be ended with it.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
}

// tied is a process that ends when the broker does. The kernel ties it to the thread that started it, so that thread is kept.
type tied struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error

	mu   sync.Mutex
	gone bool
}

func startTied(cmd *exec.Cmd) (*tied, error) {
	t := &tied{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		// It stays unreaped until its group has been ended too: its id cannot be another's meanwhile.
		for errors.Is(unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		}
		t.kill()
		t.mu.Lock()
		t.gone = true
		t.mu.Unlock()
		t.err = cmd.Wait()
		close(t.ended)
	}()
	return t, <-started
}

// kill ends the process and its group.
func (t *tied) kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.gone {
		_ = unix.Kill(-t.cmd.Process.Pid, unix.SIGKILL)
	}
}

func (t *tied) wait() error {
	<-t.ended
	return t.err
}

// outsideID is who a sandbox belongs to, seen from outside, when the broker is root.
const outsideID = 65534

// asOutside does something as that user when the broker is root: on a thread of its own, which becomes that user and ends.
func asOutside(f func() error) error {
	if os.Geteuid() != 0 {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS},
			{unix.SYS_SETRESGID, outsideID, outsideID, outsideID},
			{unix.SYS_SETRESUID, outsideID, outsideID, outsideID},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				done <- errno
				return
			}
		}
		done <- f()
	}()
	return <-done
}

// setLimits sets resource limits of a process in a sandbox. Root may do that only with CAP_SYS_RESOURCE, which containers do not
// have; whose namespace it is may always.
func setLimits(pid int, limits map[int]uint64) error {
	return asOutside(func() error {
		for resource, value := range limits {
			if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// tail is the end of what a command said, for an error.
func tail(b []byte) string {
	const most = 500
	b = bytes.TrimSpace(b)
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return strings.ToValidUTF8(string(b), "?")
}
