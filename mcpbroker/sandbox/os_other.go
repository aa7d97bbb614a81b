//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
)

// Config says how the sandbox of this machine is made.
type Config struct {
	Bwrap string
	Log   *slog.Logger
}

// Bubblewrap needs Linux.
type Bubblewrap struct{}

// New has no sandbox.
func New(context.Context, Config) (*Bubblewrap, error) {
	return nil, errors.New("bubblewrap needs Linux")
}

// Start starts nothing.
func (*Bubblewrap) Start(context.Context, *Server, string) (*Process, error) {
	return nil, ErrNoSandbox
}

// Limits says nothing.
func (*Bubblewrap) Limits() string { return "" }

// Close does nothing.
func (*Bubblewrap) Close() {}

func openNoLinks(path string) (*os.File, error) { return os.Open(path) }

// tied is a process; nothing but Linux ties it to the broker.
type tied struct{ cmd *exec.Cmd }

func startTied(cmd *exec.Cmd) (*tied, error) { return &tied{cmd}, cmd.Start() }

func (t *tied) kill() { _ = t.cmd.Process.Kill() }

func (t *tied) wait() error { return t.cmd.Wait() }

func group(*exec.Cmd) {}
