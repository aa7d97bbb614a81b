package envoy

import "syscall"

// processAttributes ties Envoy's life to ours, and keeps a terminal's Ctrl-C from it: we drain first.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
