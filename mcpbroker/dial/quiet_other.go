//go:build !unix

package dial

import "net"

// quiet cannot be told here: each exchange has a connection of its own.
func quiet(net.Conn) bool { return false }
