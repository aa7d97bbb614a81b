package sandbox

import (
	"encoding/binary"
	"fmt"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

// allowed are the system calls that a server may make: what runtimes, shells and tools use on files, memory, processes, time and
// sockets of their own. It is a list of what is allowed, so that a call that a later kernel brings, the 32-bit ABI's and those of
// another architecture (whose numbers mean something else) are refused. Names that this architecture does not have are left out.
//
// Not on it, among others: ptrace and process_vm_* (other processes' memory), mount, fsopen, pivot_root, chroot, unshare, setns
// (namespaces), keyctl and its kin (the kernel's keyrings are not namespaced), bpf, perf_event_open, userfaultfd, io_uring (much of
// what is exploited of the kernel), open_by_handle_at (leaves a mount), kexec, modules, clocks, swap, quotas.
const allowed = `
	read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pread64 pwrite64
	readv writev access pipe select sched_yield mremap msync mincore madvise shmget shmat shmctl shmdt dup dup2 pause nanosleep getitimer
	alarm setitimer getpid sendfile connect accept sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername
	socketpair setsockopt getsockopt fork vfork execve exit wait4 kill uname semget semop semctl semtimedop msgget msgsnd msgrcv
	msgctl fcntl flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink symlink
	readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times getuid getgid setuid setgid
	geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups setgroups setresuid getresuid setresgid getresgid
	getpgid setfsuid setfsgid getsid capget capset rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod
	statfs fstatfs getpriority setpriority sched_setparam sched_getparam sched_setscheduler sched_getscheduler
	sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall prctl arch_prctl
	setrlimit sync gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
	removexattr lremovexattr fremovexattr tkill time futex sched_setaffinity sched_getaffinity set_thread_area get_thread_area io_setup
	io_destroy io_getevents io_submit io_cancel epoll_create remap_file_pages getdents64 set_tid_address restart_syscall fadvise64
	timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_gettime clock_getres clock_nanosleep exit_group
	epoll_wait epoll_ctl tgkill utimes get_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr waitid
	ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch openat mkdirat mknodat fchownat futimesat newfstatat
	unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll set_robust_list get_robust_list splice tee
	sync_file_range vmsplice utimensat epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime accept4
	signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo recvmmsg prlimit64 syncfs sendmmsg
	getcpu sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create execveat membarrier mlock2 copy_file_range preadv2
	pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq pidfd_send_signal pidfd_open close_range openat2 faccessat2
	epoll_pwait2 landlock_create_ruleset landlock_add_rule landlock_restrict_self futex_waitv cachestat fchmodat2 futex_wake
	futex_wait futex_requeue mseal`

// missing are calls that are said not to exist, since libraries then do without them: clone3 has its flags in memory, where no
// filter can see whether they make a namespace.
const missing = `clone3 io_uring_setup io_uring_enter io_uring_register userfaultfd memfd_secret map_shadow_stack
	setxattrat getxattrat listxattrat removexattrat statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules`

// Numbers of the kernel's interface, which are the same on amd64 and arm64.
const (
	newNamespaces = 0x7e020000 // CLONE_NEW* of clone(2)
	tiocsti       = 0x5412     // types into the terminal
	tioclinux     = 0x541c     // likewise, on a console
	afUnix        = 1
	afInet        = 2
	afInet6       = 10
	afNetlink     = 16 // for the list of interfaces, with protocol 0 alone
	errnoNoSys    = 38
)

// filter compiles the system calls that are allowed to the program that bwrap loads (--seccomp).
func filter() ([]byte, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("sandbox: seccomp: %w", err)
	}
	known := func(list string) []string {
		return slices.DeleteFunc(fields(list), func(name string) bool { _, ok := info.SyscallNames[name]; return !ok })
	}
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, // EPERM, and so it is for other architectures
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: known(allowed)},
			{Action: seccomp.ActionErrno | errnoNoSys, Names: known(missing)},
			{Action: seccomp.ActionAllow, NamesWithCondtions: conditional()},
		},
	}
	program, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("sandbox: seccomp: %w", err)
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("sandbox: seccomp: %w", err)
	}
	var out []byte
	for _, i := range raw { // struct sock_filter
		out = binary.NativeEndian.AppendUint16(out, i.Op)
		out = append(out, i.Jt, i.Jf)
		out = binary.NativeEndian.AppendUint32(out, i.K)
	}
	return out, nil
}

// conditional are calls that are allowed with some arguments. The kernel reads the lower half of an argument that is an int, and the
// library compares both halves, so each condition names the whole value that is allowed and never one that is not.
func conditional() []seccomp.NameWithConditions {
	is := func(argument uint32, value uint64) seccomp.Condition {
		return seccomp.Condition{Argument: argument, Operation: seccomp.Equal, Value: value}
	}
	with := func(name string, c ...seccomp.Condition) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: c}
	}
	return []seccomp.NameWithConditions{
		with("clone", seccomp.Condition{Argument: 0, Operation: seccomp.BitsNotSet, Value: newNamespaces}),
		with("personality", is(0, 0)),
		with("personality", is(0, 0xffffffff)), // asks what it is
		with("socket", is(0, afUnix)),
		with("socket", is(0, afInet)),
		with("socket", is(0, afInet6)),
		with("socket", is(0, afNetlink), is(2, 0)),
		// A value whose upper half is set reaches the kernel without it, so "not TIOCSTI" has to say that there is none; a library that
		// extends the sign of its request has all of it set, and the lower half then begins with a set bit too.
		with("ioctl",
			seccomp.Condition{Argument: 1, Operation: seccomp.LessOrEqual, Value: 0xffffffff},
			seccomp.Condition{Argument: 1, Operation: seccomp.NotEqual, Value: tiocsti},
			seccomp.Condition{Argument: 1, Operation: seccomp.NotEqual, Value: tioclinux}),
		with("ioctl", seccomp.Condition{Argument: 1, Operation: seccomp.GreaterOrEqual, Value: 0xffffffff80000000}),
	}
}
