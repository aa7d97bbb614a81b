package storetest

import "syscall"

// processAttributes ties a Redis' life to that of the test.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
