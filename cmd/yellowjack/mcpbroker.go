package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/quarantine/provenance"
	"github.com/yellowjack/yellowjack/internal/telemetry"
	"github.com/yellowjack/yellowjack/mcpbroker"
	"github.com/yellowjack/yellowjack/mcpbroker/dial"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
	"github.com/yellowjack/yellowjack/mcpbroker/upstream"
)

func newMCPBrokerCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "mcpbroker --config FILE",
		Short: "Start the broker of tools alone, for an Envoy that already runs",
		Long: `Start the MCP broker alone, on mcp.listen: a Unix socket or a loopback address. "yellowjack envoy" prints the
Envoy configuration that belongs to it. Prints "ready ADDRESS" on stdout; drains and exits 0 on SIGTERM.

What the ext_proc service releases, and what it has to know of tools' results, they share by the store: with
"store: memory" each has its own, and calls of tools that need a grant are refused.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if !cfg.MCP.Enabled() {
				return cfg.Problem("has no servers", "add mcp.servers", "mcp")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			g, err := composeBroker(ctx, cfg, log)
			if err != nil {
				return err
			}
			defer g.close()
			g.accepts.Store(true)
			fmt.Fprintln(cmd.OutOrStdout(), "ready", cfg.MCP.Listen)
			select {
			case <-ctx.Done():
			case err := <-g.broker.ended:
				return err
			}
			g.accepts.Store(false)
			drained, cancel := context.WithTimeout(context.Background(), drainTime)
			defer cancel()
			g.broker.drain(drained)
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// composeBroker makes a guard that has the broker and nothing else.
func composeBroker(ctx context.Context, cfg *conf.Config, log *slog.Logger) (*guard, error) {
	g := &guard{}
	made := false
	defer func() {
		if !made {
			g.close()
		}
	}()
	registry := telemetry.NewRegistry()
	metrics, err := telemetry.New(telemetry.Config{Registerer: registry, Version: version()})
	if err != nil {
		return nil, err
	}
	parts, err := g.open(ctx, cfg, log, registry, metrics, true)
	if err != nil {
		return nil, err
	}
	if err := g.startBroker(ctx, cfg, parts); err != nil {
		return nil, err
	}
	if err := g.observe(ctx, cfg, parts); err != nil {
		return nil, err
	}
	made = true
	return g, nil
}

// toolBroker is the broker as it is served.
type toolBroker struct {
	broker *mcpbroker.Broker
	server *http.Server
	ended  chan error // why it stopped serving, once
}

// policiesChanged tells the broker, if there is one, that other policies are in force.
func (g *guard) policiesChanged() {
	if b := g.tools.Load(); b != nil {
		b.PoliciesChanged()
	}
}

// startBroker serves the broker of a configuration on mcp.listen; without servers there is none.
func (g *guard) startBroker(ctx context.Context, cfg *conf.Config, parts parts) error {
	if !cfg.MCP.Enabled() {
		return nil
	}
	config := mcpbroker.Config{
		Servers: map[string]mcpbroker.Server{}, Sets: map[string]mcpbroker.Set{}, Separator: cfg.MCP.Separator,
		Policies: parts.engine, Store: parts.store, Keys: parts.keys, Audit: parts.audit, Version: version(),
		ListTimeout: cfg.MCP.ListTimeout, Refresh: cfg.MCP.Refresh, PageSize: cfg.MCP.PageSize, Registerer: parts.registry, Log: parts.log,
	}
	ledger, err := provenance.New(provenance.Config{Store: parts.store, Keys: parts.keys, Keep: cfg.Quarantine.Keep})
	if err != nil {
		return err
	}
	config.Ledger = ledger
	kept := newCredentials(parts)
	locals := &localRunner{log: parts.log, keys: parts.keys}
	g.closers = append(g.closers, locals.close)
	accounts := map[string]*tokens.Source{}
	for name, s := range cfg.MCP.Servers {
		client, source, err := clientOf(ctx, cfg, name, s, locals, kept, parts.log)
		if err != nil {
			return fmt.Errorf("mcp.servers.%s: %w", name, err)
		}
		g.closers = append(g.closers, client.Close)
		config.Servers[name] = mcpbroker.Server{Receiver: client, Shared: source.Shared(), Instructions: s.Instructions}
		if s.Connects() {
			accounts[name] = source.(*tokens.Source) // the flow's
		}
	}
	page, err := g.connectPage(cfg, parts, accounts)
	if err != nil {
		return err
	}
	for name, source := range accounts {
		s := config.Servers[name]
		s.Account = account{page: page, source: source, server: name}
		config.Servers[name] = s
	}
	for name, s := range cfg.MCP.Sets {
		config.Sets[name] = mcpbroker.Set(s)
	}
	broker, err := mcpbroker.New(config)
	if err != nil {
		return err
	}
	g.closers = append(g.closers, broker.Close)
	var issuers []string
	for _, i := range cfg.Identity.Issuers {
		issuers = append(issuers, i.Issuer)
	}
	handler, err := mcpbroker.NewHandler(mcpbroker.HandlerConfig{
		Broker: broker, Verifier: parts.verifier, Verified: kept.assertions.Hold, Revoked: kept.assertions.Drop, Keys: parts.keys, Resource: cfg.MCP.Resource, Issuers: issuers, Scopes: cfg.MCP.Scopes, Origins: cfg.MCP.Origins,
		PerPrincipal: cfg.Limits.ConcurrentPerPrincipal, BodyBytes: int(cfg.Limits.RequestBytes), Depth: cfg.Limits.JSONDepth, Log: parts.log,
	})
	if err != nil {
		return err
	}
	front, err := withEvents(cfg, parts, withPage(page, handler))
	if err != nil {
		return err
	}
	listener, err := extproc.Listen(ctx, cfg.MCP.Listen)
	if err != nil {
		return fmt.Errorf("mcp.listen: %w", err)
	}
	g.serveBroker(broker, front, listener, parts.log)
	return nil
}

func (g *guard) serveBroker(broker *mcpbroker.Broker, handler http.Handler, listener net.Listener, log *slog.Logger) {
	t := &toolBroker{broker: broker, ended: make(chan error, 1), server: &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	g.broker = t
	g.tools.Store(broker)
	g.closers = append(g.closers, func() { _ = t.server.Close() })
	go func() {
		err := t.server.Serve(listener)
		if err == nil || errors.Is(err, http.ErrServerClosed) {
			err = errors.New("the broker stopped")
		}
		t.ended <- err
	}()
}

// release sends those away who listen for changes: they would keep whatever is in front from draining.
func (t *toolBroker) release() {
	if t != nil {
		t.broker.Drain()
	}
}

// drain lets the open calls end.
func (t *toolBroker) drain(ctx context.Context) {
	if t == nil {
		return
	}
	t.broker.Drain()
	_ = t.server.Shutdown(ctx) // what is left when the time is over is cut off by the closers
}

// gone is why the broker stopped serving; never, when there is none.
func (t *toolBroker) gone() <-chan error {
	if t == nil {
		return nil
	}
	return t.ended
}

// clientOf makes the client of a server and what makes its credential.
func clientOf(ctx context.Context, cfg *conf.Config, name string, s conf.MCPServer, locals *localRunner, kept *credentials, log *slog.Logger) (*upstream.Upstream, mcpbroker.TokenSource, error) {
	config := upstream.Config{
		Name: name, ClientName: "yellowjack", ClientVersion: version(), Timeout: s.Timeout, BodyBytes: int(cfg.Limits.ResponseBytes), Log: log,
	}
	if s.Local() {
		var err error
		config.Start, err = locals.starter(ctx, cfg, name, s)
		config.Idle, config.Processes = s.Idle, s.Processes
		return upstream.New(config), mcpbroker.None{}, err
	}
	guarded, err := guardedBy(s)
	if err != nil {
		return nil, nil, err
	}
	client := dial.New(guarded).Client()
	var source mcpbroker.TokenSource = mcpbroker.None{}
	switch a := s.Auth; {
	case a == nil:
	case a.Flow == conf.FlowStatic:
		source = &mcpbroker.Static{Secret: a.Secret.Reveal, Name: a.Header}
	default:
		made, err := kept.source(cfg, name, s, fetcher(guarded))
		if err != nil {
			return nil, nil, err
		}
		source = made
	}
	config.URL, config.Client, config.Header = s.URL, client, source.Header
	return upstream.New(config), source, nil
}

// guardedBy is how a server, and its authorization server, are dialled.
func guardedBy(s conf.MCPServer) (dial.Config, error) {
	guarded := dial.Config{Private: s.PrivateHosts(), NoRedirects: true}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return guarded, fmt.Errorf("ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return guarded, errors.New("ca_file: no certificate in it")
		}
		guarded.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return guarded, nil
}

// fetcher asks authorization servers.
func fetcher(guarded dial.Config) *http.Client {
	out := dial.New(guarded).Client()
	out.Timeout = 10 * time.Second
	return out
}
