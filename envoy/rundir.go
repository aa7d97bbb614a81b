package envoy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
)

// MakeRunDir makes the folder that holds the sockets and the bootstrap, for us alone. A folder that others may enter is
// refused rather than changed: it may be someone else's.
func MakeRunDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("envoy: run directory: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("envoy: run directory: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("envoy: run directory %s is open to other users (mode %o); use a folder of its own with mode 0700", path, info.Mode().Perm())
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("envoy: run directory %s belongs to another user (%d)", path, owner.Uid)
	}
	return nil
}

// writeBootstrap writes the configuration where only we can read it.
func writeBootstrap(c ProcessConfig) (string, error) {
	doc, err := JSON(c.Bootstrap)
	if err != nil {
		return "", fmt.Errorf("envoy: bootstrap: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(c.RunDir, "envoy.json"))
	if err != nil {
		return "", fmt.Errorf("envoy: bootstrap: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("envoy: bootstrap: %w", err)
	}
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		return "", fmt.Errorf("envoy: bootstrap: %w", err)
	}
	return path, nil
}

// checkFree finds out whether the listener's address is free. Envoy binds with SO_REUSEPORT and would quietly share it
// with another gateway of ours, each taking some of the connections.
func checkFree(ctx context.Context, boot *bootstrapv3.Bootstrap) error {
	for _, l := range boot.GetStaticResources().GetListeners() {
		a := l.GetAddress().GetSocketAddress()
		if a.GetPortValue() == 0 {
			continue
		}
		address := net.JoinHostPort(a.GetAddress(), strconv.Itoa(int(a.GetPortValue())))
		probe, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("envoy: listen: %w", err)
		}
		if err := probe.Close(); err != nil {
			return fmt.Errorf("envoy: listen: %w", err)
		}
	}
	return nil
}
