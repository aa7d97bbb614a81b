//go:build !linux

package storetest

import "syscall"

// processAttributes says nothing: only Linux can tie a Redis' life to that of the test.
func processAttributes() *syscall.SysProcAttr { return nil }
