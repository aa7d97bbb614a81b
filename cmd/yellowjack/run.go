package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/conf"
)

// drainTime is how long open exchanges may go on after SIGTERM.
const drainTime = 20 * time.Second

func newRunCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Start Envoy, the ext_proc service and the broker as one",
		Long: `Start the ext_proc service, the MCP broker (where mcp.servers has any) and a supervised Envoy in front of them.

Prints one line, "ready URL", on stdout when traffic is accepted. On SIGTERM or SIGINT it takes no new
connections, lets open exchanges end for up to 20 s, and exits 0. When Envoy ends by itself, so does this
command, and says why.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, log, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func newExtprocCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "extproc --config FILE",
		Short: "Start the ext_proc service alone, for an Envoy that already runs",
		Long: `Start the ext_proc service alone, on extproc.listen. "yellowjack envoy" prints the Envoy
configuration that belongs to it. Prints "ready ADDRESS" on stdout; drains and exits 0 on SIGTERM.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			g, err := startGuard(ctx, cfg, log)
			if err != nil {
				return err
			}
			defer g.close()
			g.accepts.Store(true)
			fmt.Fprintln(cmd.OutOrStdout(), "ready", cfg.ExtProc.Listen)
			select {
			case <-ctx.Done():
			case err := <-g.ended:
				return err
			}
			g.accepts.Store(false)
			g.drain()
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func newEnvoyCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "envoy --config FILE",
		Short: "Print the Envoy bootstrap that belongs to a configuration, as YAML",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			parts, err := envoyConfig(cfg)
			if err != nil {
				return err
			}
			bootstrap, err := envoy.Bootstrap(parts)
			if err != nil {
				return err
			}
			text, err := envoy.YAML(bootstrap)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "yellowjack.yaml", "the configuration `FILE`")
}

// load reads a configuration and makes the log that it asks for.
func load(file string, stderr io.Writer) (*conf.Config, *slog.Logger, error) {
	cfg, err := loadConfig(file)
	if err != nil {
		return nil, nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Telemetry.LogLevel)); err != nil {
		return nil, nil, fmt.Errorf("telemetry.log_level: %w", err)
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(stderr, options)
	if cfg.Telemetry.LogFormat == "json" {
		handler = slog.NewJSONHandler(stderr, options)
	}
	return cfg, slog.New(handler), nil
}

// running is a guard that serves.
type running struct {
	*guard
	ended chan error // why it stopped serving, once
}

// startGuard serves a composed guard on extproc.listen.
func startGuard(ctx context.Context, cfg *conf.Config, log *slog.Logger) (*running, error) {
	go tune(ctx)
	if internalSocket(cfg) != "" { // whoever may enter its folder could ask as anybody for whom a token gets out
		if err := envoy.MakeRunDir(cfg.Envoy.RunDir); err != nil {
			return nil, err
		}
	}
	g, err := compose(ctx, cfg, log, nil)
	if err != nil {
		return nil, err
	}
	listener, err := extproc.Listen(ctx, cfg.ExtProc.Listen)
	if err != nil {
		g.close()
		return nil, fmt.Errorf("extproc.listen: %w", err)
	}
	r := &running{g, make(chan error, 1)}
	go func() {
		err := g.server.Serve(listener)
		if err == nil {
			err = errors.New("the ext_proc service stopped")
		}
		r.ended <- err
	}()
	return r, nil
}

// drain lets the open exchanges end.
func (r *running) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	r.server.Drain(ctx)
}

func run(ctx context.Context, cfg *conf.Config, log *slog.Logger, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	binary, err := envoy.Find(ctx, cfg.Envoy.Binary)
	if err != nil {
		return err
	}
	parts, err := envoyConfig(cfg)
	if err != nil {
		return err
	}
	bootstrap, err := envoy.Bootstrap(parts)
	if err != nil {
		return err
	}
	g, err := startGuard(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.startBroker(ctx, cfg, g.parts); err != nil {
		return err
	}
	process, err := envoy.Start(ctx, envoy.ProcessConfig{
		Binary: binary, Bootstrap: bootstrap, Concurrency: cfg.Envoy.Concurrency, BaseID: cfg.Envoy.BaseID,
		RunDir: cfg.Envoy.RunDir, Log: stderr,
	})
	if err != nil {
		return err
	}
	g.accepts.Store(true)
	fmt.Fprintln(stdout, "ready", "http://"+process.Addr())

	gone := make(chan error, 1)
	go func() { gone <- process.Wait() }()
	select {
	case <-ctx.Done():
	case err := <-gone:
		return cmp.Or(err, errors.New("envoy exited with status 0 although nobody asked it to"))
	case err := <-g.ended:
		process.Kill()
		<-gone
		return err
	case err := <-g.broker.gone():
		process.Kill()
		<-gone
		return err
	}
	log.Info("draining", "up to", drainTime)
	drained, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	g.accepts.Store(false)
	g.broker.release()
	// Envoy first: it holds the clients, and needs the service until the last exchange has ended.
	if err := process.Drain(drained); err != nil {
		log.Warn("envoy did not drain in time and was ended", "err", err)
	}
	<-gone
	g.drain()
	g.broker.drain(drained)
	return nil
}
