// Command probe tries to leave the sandbox that it runs in. Each argument is one attempt; what came of it is printed as one line,
// "attempt: what", and the tests know what it has to be.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	for _, what := range os.Args[1:] {
		name, argument, _ := strings.Cut(what, "=")
		attempt, ok := attempts[name]
		if !ok {
			fmt.Println(name + ": there is no such attempt")
			os.Exit(2)
		}
		fmt.Println(name + ": " + attempt(argument))
	}
}

var attempts = map[string]func(argument string) string{
	// What it is.
	"ids":     func(string) string { return fmt.Sprint(os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid()) },
	"status":  status,
	"environ": func(string) string { e := os.Environ(); slices.Sort(e); return strings.Join(e, " ") },
	"init":    func(string) string { b, err := os.ReadFile("/proc/1/environ"); return said(err, string(b)) },
	"fds":     descriptors,
	"pids":    processes,
	"list":    func(dir string) string { return list(dir) },
	"nofile":  func(string) string { return limit(syscall.RLIMIT_NOFILE) },

	// Files.
	"read":    func(p string) string { b, err := os.ReadFile(p); return said(err, strings.TrimSpace(string(b))) },
	"write":   func(p string) string { return said(os.WriteFile(p, []byte("written"), 0o644), "written") },
	"open-rw": func(p string) string { f, err := os.OpenFile(p, os.O_RDWR, 0); _ = f; return said(err, "opened") },
	"fill":    fill,
	"device":  func(p string) string { return call(syscall.SYS_MKNODAT, at, ptr(p), 0o60666, 8<<8) },
	"setuid":  setuid,

	// The network.
	"dial":    dial,
	"unix":    func(p string) string { c, err := net.Dial("unix", p); _ = c; return said(err, "connected") },
	"socket":  socket,
	"listen":  func(string) string { _, err := net.Listen("tcp", "127.0.0.1:0"); return said(err, "listens") },
	"ifaces":  interfaces,

	// The kernel.
	"ptrace":      func(pid string) string { return call(syscall.SYS_PTRACE, 16, number(pid), 0, 0) },
	"vm-read":     func(pid string) string { return call(unix.SYS_PROCESS_VM_READV, number(pid), 0, 0, 0) },
	"mount":       func(string) string { return call(syscall.SYS_MOUNT, ptr("none"), ptr("/tmp"), ptr("tmpfs"), 0) },
	"remount":     func(p string) string { return call(syscall.SYS_MOUNT, 0, ptr(p), 0, syscall.MS_REMOUNT|syscall.MS_BIND) },
	"umount":      func(p string) string { return call(syscall.SYS_UMOUNT2, ptr(p), 2, 0, 0) },
	"pivot":       func(string) string { return call(syscall.SYS_PIVOT_ROOT, ptr("/tmp"), ptr("/tmp"), 0, 0) },
	"chroot":      func(string) string { return call(syscall.SYS_CHROOT, ptr("/tmp"), 0, 0, 0) },
	"unshare":     func(string) string { return call(syscall.SYS_UNSHARE, syscall.CLONE_NEWUSER, 0, 0, 0) },
	"clone":       func(string) string { return clone(syscall.CLONE_NEWUSER) },
	"clone-net":   func(string) string { return clone(syscall.CLONE_NEWNET) },
	"clone3":      func(string) string { return call(unix.SYS_CLONE3, 0, 0, 0, 0) },
	"setns":       func(string) string { f, _ := os.Open("/proc/1/ns/net"); return call(unix.SYS_SETNS, f.Fd(), 0, 0, 0) },
	"keyctl":      func(string) string { return call(unix.SYS_KEYCTL, 0, ^uintptr(2), 0, 0) },
	"add-key":     func(string) string { return call(unix.SYS_ADD_KEY, ptr("user"), ptr("k"), ptr("v"), 1) },
	"request-key": func(string) string { return call(unix.SYS_REQUEST_KEY, ptr("user"), ptr("k"), 0, 0) },
	"bpf":         func(string) string { return call(unix.SYS_BPF, 0, 0, 0, 0) },
	"perf":        func(string) string { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, ^uintptr(0), ^uintptr(0)) },
	"io_uring":    func(string) string { return call(unix.SYS_IO_URING_SETUP, 1, 0, 0, 0) },
	"userfaultfd": func(string) string { return call(unix.SYS_USERFAULTFD, 0, 0, 0, 0) },
	"handle":      func(string) string { return call(unix.SYS_OPEN_BY_HANDLE_AT, at, 0, 0, 0) },
	"module":      func(string) string { return call(unix.SYS_FINIT_MODULE, 0, ptr(""), 0, 0) },
	"kexec":       func(string) string { return call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0) },
	"reboot":      func(string) string { return call(unix.SYS_REBOOT, 0, 0, 0, 0) },
	"hostname":    func(string) string { return call(unix.SYS_SETHOSTNAME, ptr("x"), 1, 0, 0) },
	"x32":         func(string) string { return call(0x40000000|39, 0, 0, 0, 0) },
	"tiocsti":     func(string) string { return call(syscall.SYS_IOCTL, 0, 0x5412, ptr("x"), 0) },
	"tiocsti-hi":  func(string) string { return call(syscall.SYS_IOCTL, 0, 0x100005412, ptr("x"), 0) },
	"personality": func(string) string { return call(unix.SYS_PERSONALITY, 0x0040000, 0, 0, 0) },
	"fsopen":      func(string) string { return call(unix.SYS_FSOPEN, ptr("tmpfs"), 0, 0, 0) },
	"userns-max":  func(string) string { b, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); return said(err, strings.TrimSpace(string(b))) },

	// What is bounded.
	"fork":   forks,
	"memory": memory,
	"cpu":    burn,
	"sleep":  func(d string) string { t, _ := time.ParseDuration(d); time.Sleep(t); return "slept" },
	"orphan": orphan,
	"echo":   func(s string) string { return s },
}

const at = ^uintptr(99) // AT_FDCWD

func ptr(s string) uintptr {
	b := append([]byte(s), 0)
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

var kept [][]byte

func number(s string) uintptr { n, _ := strconv.Atoi(s); return uintptr(n) }

func call(trap, a, b, c, d uintptr) string {
	_, _, errno := syscall.RawSyscall6(trap, a, b, c, d, 0, 0)
	if errno == 0 {
		return "done"
	}
	return name(errno)
}

func clone(flags uintptr) string {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, flags|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	switch {
	case errno != 0:
		return name(errno)
	case pid == 0:
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return "done"
}

func name(errno syscall.Errno) string {
	switch errno {
	case syscall.EPERM:
		return "EPERM"
	case syscall.ENOSYS:
		return "ENOSYS"
	case syscall.EACCES:
		return "EACCES"
	case syscall.EROFS:
		return "EROFS"
	case syscall.ENOENT:
		return "ENOENT"
	case syscall.ENOSPC:
		return "ENOSPC"
	case syscall.ENETUNREACH:
		return "ENETUNREACH"
	case syscall.ECONNREFUSED:
		return "ECONNREFUSED"
	}
	return fmt.Sprintf("errno %d", errno)
}

func said(err error, fine string) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return fine
	case errors.As(err, &errno):
		return name(errno)
	}
	return err.Error()
}

func status(string) string {
	b, err := os.ReadFile("/proc/self/status")
	var out []string
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		if strings.HasPrefix(key, "Cap") || key == "NoNewPrivs" || key == "Seccomp" || key == "Groups" {
			out = append(out, key+"="+strings.TrimSpace(value))
		}
	}
	return said(err, strings.Join(out, " "))
}

func descriptors(string) string {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return err.Error()
	}
	names, _ := dir.Readdirnames(-1)
	var out []string
	for _, n := range names {
		to, err := os.Readlink("/proc/self/fd/" + n)
		if err == nil && !strings.HasPrefix(to, "/proc/") && !strings.Contains(to, "anon_inode:[event") { // ours, and the runtime's
			out = append(out, n+">"+to)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func processes(string) string {
	names, err := filepath.Glob("/proc/[0-9]*")
	return said(err, strconv.Itoa(len(names)))
}

func list(dir string) string {
	all, err := os.ReadDir(dir)
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return said(err, strings.Join(names, " "))
}

func limit(which int) string {
	var l syscall.Rlimit
	err := syscall.Getrlimit(which, &l)
	return said(err, fmt.Sprint(l.Max))
}

// fill writes into a folder until it is full, and says how many MiB there was place for.
func fill(dir string) string {
	f, err := os.Create(filepath.Join(dir, "full"))
	if err != nil {
		return said(err, "")
	}
	defer os.Remove(f.Name())
	block := make([]byte, 1<<20)
	for i := range 4096 {
		if _, err := f.Write(block); err != nil {
			return fmt.Sprintf("%s after %d", said(err, ""), i)
		}
	}
	return "endless"
}

// setuid looks for programs that would give capabilities: with no_new_privs they give none.
func setuid(string) string {
	out, err := exec.Command("su", "-c", "id", "root").CombinedOutput()
	if err == nil {
		return string(out)
	}
	return "refused"
}

func dial(address string) string {
	c, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err == nil {
		_ = c.Close()
	}
	return said(err, "connected")
}

func socket(which string) string {
	domain, protocol, _ := strings.Cut(which, ",")
	return call(syscall.SYS_SOCKET, number(domain), syscall.SOCK_RAW, number(protocol), 0)
}

func interfaces(string) string {
	all, err := net.Interfaces()
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	return said(err, strings.Join(names, " "))
}

// forks starts processes that wait, until it may not.
func forks(most string) string {
	var all []*exec.Cmd
	defer func() {
		for _, c := range all {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	for i := range int(number(most)) {
		c := exec.Command("/usr/bin/sleep", "60")
		if err := c.Start(); err != nil {
			return fmt.Sprintf("stopped after %v processes", i < int(number(most)))
		}
		all = append(all, c)
	}
	return "endless"
}

// memory takes MiB until it may not, or is killed.
func memory(most string) string {
	var all [][]byte
	for i := range int(number(most)) {
		b, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return "refused after " + strconv.Itoa(i)
		}
		for j := 0; j < len(b); j += 4096 {
			b[j] = 1
		}
		all = append(all, b)
	}
	return fmt.Sprintf("took all of %d", len(all))
}

// burn keeps two threads busy and says how much CPU they got, in milliseconds.
func burn(d string) string {
	t, _ := time.ParseDuration(d)
	end := time.Now().Add(t)
	done := make(chan bool)
	for range 2 {
		go func() {
			for time.Now().Before(end) {
			}
			done <- true
		}()
	}
	<-done
	<-done
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return strconv.FormatInt((u.Utime.Nano()+u.Stime.Nano())/1e6, 10)
}

// orphan leaves a process behind.
func orphan(string) string {
	c := exec.Command("/usr/bin/sleep", "300")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return said(c.Start(), "left one")
}

