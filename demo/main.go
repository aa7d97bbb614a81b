// Command demo plays Yellowjack's stories on loopback, with everything real but the model: a stock Envoy, the gateway as it
// is shipped (bin/yellowjack run), an issuer with signed tokens, and a fake provider that behaves like OpenRouter and
// obeys whatever it can read. With -model openrouter and OPENROUTER_API_KEY the model is real as well.
//
// It shows each exchange from both ends: what the client asked, what reached the model, and what came back; and at the
// end the audit, which says why.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

func main() {
	model := flag.String("model", "fake", "whose model plays: `fake` or openrouter (needs OPENROUTER_API_KEY)")
	binary := flag.String("binary", "bin/yellowjack", "the yellowjack `FILE` to start")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, os.Stdout, *binary, *model); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo sets the stage, plays, and takes it down again.
func demo(ctx context.Context, out io.Writer, binary, model string) error {
	if model != "fake" && model != "openrouter" {
		return fmt.Errorf("-model %s is unknown; use fake or openrouter", model)
	}
	if model == "openrouter" && os.Getenv("OPENROUTER_API_KEY") == "" {
		return errors.New("set OPENROUTER_API_KEY to use the real OpenRouter, or leave -model out")
	}
	dir, err := os.MkdirTemp("", "yellowjack-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	idp, err := issuer.Start(issuer.Config{})
	if err != nil {
		return err
	}
	defer idp.Close()
	upstream, err := provider.Start(provider.Config{})
	if err != nil {
		return err
	}
	defer upstream.Close()
	quarantined := reader()
	defer quarantined.Close()
	stage := &stage{dir: dir, idp: idp, upstream: upstream, reader: quarantined, model: model, out: out}
	config, err := stage.config()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Starting Envoy and Yellowjack …")
	gateway, err := start(ctx, binary, config)
	if err != nil {
		return err
	}
	stage.gateway = gateway.url
	played := stage.play(ctx)
	if err := errors.Join(played, gateway.stop()); err != nil {
		return err
	}
	return stage.audit()
}

// gateway is a running `yellowjack run`.
type gateway struct {
	cmd  *exec.Cmd
	url  string
	done chan error
	log  *strings.Builder
}

// start runs the gateway and waits for its line "ready URL".
func start(ctx context.Context, binary, config string) (*gateway, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	g := &gateway{done: make(chan error, 1), log: &strings.Builder{}}
	g.cmd = exec.Command(binary, "run", "--config", config) //nolint:gosec // the binary that was just built
	g.cmd.Stderr = g.log
	stdout, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w; run `make build` first", err)
	}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- url
			}
		}
		g.done <- g.cmd.Wait()
	}()
	select {
	case g.url = <-ready:
		return g, nil
	case err := <-g.done:
		return nil, fmt.Errorf("the gateway ended before it was ready: %w\n%s", err, g.log)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), g.stop())
	case <-time.After(time.Minute):
		return nil, errors.Join(errors.New("the gateway was not ready within a minute"), g.stop())
	}
}

// stop drains the gateway; it must exit with status 0.
func (g *gateway) stop() error {
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-g.done; err != nil {
		return fmt.Errorf("the gateway did not end well: %w\n%s", err, g.log)
	}
	return nil
}

// freePort finds a port that nobody uses now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
