package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// system is what a server sees of the machine's programs, besides /usr; each is a link into /usr on most machines.
var system = []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// settingsOf are the files of /etc that programs do not run without, or not well: nothing in them is secret.
var settingsOf = []string{
	"/etc/alternatives", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types",
	"/etc/nsswitch.conf", "/etc/pki/ca-trust", "/etc/pki/tls/certs", "/etc/protocols", "/etc/services", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
}

// settingsOfNetwork are those that the network needs.
var settingsOfNetwork = []string{"/etc/hosts", "/etc/resolv.conf"}

// hidden are files of /proc that tell of the machine, or steer it.
var hidden = []string{"kallsyms", "kcore", "key-users", "keys", "kmsg", "latency_stats", "sched_debug", "sysrq-trigger", "timer_list"}

const (
	passwd = "nobody:x:65534:65534:nobody:" + home + ":/usr/sbin/nologin\n"
	groups = "nogroup:x:65534:\n"
	nobody = "65534"
)

// descriptors are those that bwrap is given besides the standard streams, by number. A mount's follow from firstMount on.
const (
	fdArgs = iota + 3
	fdSeccomp
	fdInfo  // says the process' id
	fdBlock // the server starts when this says so
	fdPasswd
	fdGroup
	firstMount
)

// arguments are what bwrap is told. The mounts' folders are those that it gets as descriptors from firstMount on, in order.
func arguments(s *Server, host hostFiles) []string {
	l := s.Limits.Filled()
	// Every namespace by name: --unshare-all does without those that the kernel refuses.
	args := []string{
		"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup", "--disable-userns",
		"--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", nobody, "--gid", nobody, "--hostname", "sandbox",
	}
	if s.Network != HostNetwork {
		args = append(args, "--unshare-net")
	}
	args = append(args, "--clearenv")
	for _, e := range s.environment() {
		args = append(args, "--setenv", e[0], e[1])
	}
	args = append(args, "--ro-bind", "/usr", "/usr")
	for _, p := range system {
		if target, ok := host.link(p); ok {
			args = append(args, "--symlink", target, p)
		} else {
			args = append(args, "--ro-bind-try", p, p)
		}
	}
	args = append(args, "--ro-bind-try", "/opt", "/opt")
	readable := settingsOf
	if s.Network == HostNetwork {
		readable = slices.Concat(settingsOf, settingsOfNetwork)
	}
	for _, p := range readable {
		args = append(args, "--ro-bind-try", p, p)
	}
	args = append(args, "--ro-bind-data", strconv.Itoa(fdPasswd), "/etc/passwd", "--ro-bind-data", strconv.Itoa(fdGroup), "/etc/group")

	// The settings of the kernel are not namespaced, and whose real uid is 0 could write them without any capability.
	args = append(args, "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys")
	for _, name := range hidden {
		if p := "/proc/" + name; host.exists(p) {
			args = append(args, "--ro-bind", "/dev/null", p)
		}
	}
	size := strconv.FormatInt(l.Tmp, 10)
	tmpfs := func(perms, where string) {
		args = append(args, "--size", size, "--perms", perms, "--tmpfs", where)
	}
	args = append(args, "--dev", "/dev")
	tmpfs("1777", "/dev/shm")
	args = append(args, "--remount-ro", "/dev")
	tmpfs("1777", "/tmp")
	tmpfs("0700", home)
	for _, i := range mountOrder(s.Mounts) {
		how := "--ro-bind-fd"
		if s.Mounts[i].Writable {
			how = "--bind-fd"
		}
		args = append(args, how, strconv.Itoa(firstMount+i), s.Mounts[i].Target)
	}
	return append(args, "--remount-ro", "/", "--chdir", home, "--seccomp", strconv.Itoa(fdSeccomp), "--info-fd", strconv.Itoa(fdInfo), "--block-fd", strconv.Itoa(fdBlock))
}

// mountOrder has what is mounted inside another mount behind that one.
func mountOrder(all []Mount) []int {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(all[a].Target, all[b].Target) })
	return order
}

// hostFiles is what the arguments depend on of this machine.
type hostFiles struct {
	link   func(path string) (target string, ok bool)
	exists func(path string) bool
}

// thisHost is this machine.
func thisHost() hostFiles {
	return hostFiles{
		link: func(p string) (string, bool) {
			target, err := os.Readlink(p)
			return target, err == nil
		},
		exists: exists,
	}
}

// visible tells whether a server would see a path that the machine has.
func visible(s *Server, p string) bool {
	for _, above := range append([]string{"/usr", "/opt"}, system...) {
		if within(p, above) {
			return true
		}
	}
	return slices.ContainsFunc(s.Mounts, func(m Mount) bool { return within(p, m.Target) })
}

// findCommand tells why a server's command will not be found, before it is started.
func findCommand(s *Server, host hostFiles) bool {
	if filepath.IsAbs(s.Command[0]) {
		return visible(s, s.Command[0])
	}
	path := Path
	if p, ok := s.Env["PATH"]; ok {
		path = p
	}
	for dir := range strings.SplitSeq(path, ":") {
		if p := filepath.Join(dir, s.Command[0]); visible(s, p) && (host.exists(p) || slices.ContainsFunc(s.Mounts, func(m Mount) bool { return within(p, m.Target) })) {
			return true
		}
	}
	return false
}
