//go:build !linux

package envoy

import "syscall"

// processAttributes keeps a terminal's Ctrl-C from Envoy: we drain first. Only Linux can also tie its life to ours.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
