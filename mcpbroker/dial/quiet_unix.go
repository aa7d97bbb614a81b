//go:build unix

package dial

import (
	"errors"
	"net"
	"syscall"
)

// quiet tells whether a connection that nobody uses is open and has nothing to be read: a server may have closed it meanwhile, and what
// it says unasked must not be taken for the next answer.
func quiet(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	var one [1]byte
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		open = errors.Is(err, syscall.EAGAIN)
		return true // it does not wait
	})
	return err == nil && open
}
