package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/internal/telemetry"
	"github.com/yellowjack/yellowjack/policies"
)

// guard is the running ext_proc service and everything that it decides with.
type guard struct {
	server    *extproc.Server
	telemetry *telemetry.Server
	closers   []func()
}

// close ends the parts in the reverse of the order in which they began.
func (g *guard) close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		g.closers[i]()
	}
}

// compose makes the guard of a checked configuration. Whatever cannot be had at start ends it, except an issuer's keys:
// those are fetched until they are there, and until then nobody of that issuer gets in.
func compose(ctx context.Context, cfg *conf.Config, log *slog.Logger) (*guard, error) {
	g := &guard{}
	made := false
	defer func() {
		if !made {
			g.close()
		}
	}()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	engine, err := policies.New(ctx, policies.Config{
		Folder: cfg.Policies.Bundle, Data: cfg.Policies.Data, Logger: log, Timeout: cfg.Policies.Timeout, Registerer: registry,
	})
	if err != nil {
		var data *policies.DataError
		if errors.As(err, &data) {
			return nil, dataError(cfg, data)
		}
		return nil, fmt.Errorf("policies: %w", err)
	}
	g.closers = append(g.closers, engine.Close)

	verifier, err := identity.New(ctx, cfg.IdentityConfig())
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	g.closers = append(g.closers, verifier.Close)

	table, err := route.New(cfg.RouteConfig())
	if err != nil {
		return nil, fmt.Errorf("providers: %w", err)
	}
	var routes atomic.Pointer[route.Table]
	routes.Store(table)

	keys, err := credential.New(cfg.CredentialEntries())
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	sink, err := audit.Open(cfg.Audit.File)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	g.closers = append(g.closers, func() {
		if err := sink.Close(); err != nil {
			log.Error("the audit's last lines could not be written", "err", err)
		}
	})
	metrics := telemetry.New(registry, table.Models())
	service, err := extproc.New(extproc.Config{
		Identity: verifier, Policies: engine, Routes: &routes, Credentials: keys, Audit: sink, Metrics: metrics, Log: log,
		Limits: limitsOf(cfg), NewID: rand.Text,
	})
	if err != nil {
		return nil, err
	}
	var files *extproc.TLS
	if t := cfg.ExtProc.TLS; t != nil {
		files = &extproc.TLS{Cert: t.Cert, Key: t.Key, ClientCA: t.ClientCA}
	}
	if g.server, err = extproc.NewServer(service, files); err != nil {
		return nil, err
	}
	if cfg.Telemetry.Metrics != "" {
		g.telemetry, err = telemetry.Serve(ctx, cfg.Telemetry.Metrics, registry, log,
			telemetry.Check{Name: "policies", Ready: engine.Ready}, telemetry.Check{Name: "identity", Ready: verifier.Ready})
		if err != nil {
			return nil, fmt.Errorf("telemetry.metrics: %w", err)
		}
		g.closers = append(g.closers, g.telemetry.Close)
	}
	made = true
	return g, nil
}

func limitsOf(cfg *conf.Config) extproc.Limits {
	l := cfg.Limits
	return extproc.Limits{
		RequestBytes: int(l.RequestBytes), ResponseBytes: int(l.ResponseBytes), JSONDepth: l.JSONDepth,
		HeldBytes: int(l.HeldBytes), HeldCalls: l.HeldCalls, EventBytes: int(l.EventBytes),
		RequestWait: l.StreamIdle, ResponseWait: l.ResponseWait, StreamIdle: l.StreamIdle,
		Exchanges: l.Connections, ConcurrentPerPrincipal: l.ConcurrentPerPrincipal,
	}
}

// tune sets the Go runtime for a process that shares its machine with Envoy: fewer collections, since most of an
// exchange's memory is garbage at its end, and no more Ps than leave Envoy a core. GOGC and GOMAXPROCS, when set, win.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}
