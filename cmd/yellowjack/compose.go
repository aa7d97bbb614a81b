package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/revoke"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/telemetry"
	"github.com/yellowjack/yellowjack/mcpbroker"
	"github.com/yellowjack/yellowjack/policies"
)

// guard is the running ext_proc service and everything that it decides with.
type guard struct {
	server   *extproc.Server
	service  *extproc.Service
	verifier *identity.Verifier
	accepts  atomic.Bool // traffic is accepted
	closers  []func()

	parts  parts
	broker *toolBroker // nil: there is none
	tools  atomic.Pointer[mcpbroker.Broker]
}

// close ends the parts in the reverse of the order in which they began.
func (g *guard) close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		g.closers[i]()
	}
}

// compose makes the guard of a checked configuration; wrap, if there is one, stands between it and its store. Whatever cannot be had at
// start ends it, except an issuer's keys: those are fetched until they are there, and until then nobody of that issuer gets in.
func compose(ctx context.Context, cfg *conf.Config, log *slog.Logger, wrap func(store.Store) store.Store) (*guard, error) {
	g := &guard{}
	made := false
	defer func() {
		if !made {
			g.close()
		}
	}()

	registry := telemetry.NewRegistry()
	table, err := route.New(cfg)
	if err != nil {
		return nil, err
	}
	var routes atomic.Pointer[route.Table]
	routes.Store(table)
	metrics, err := telemetry.New(telemetry.Config{Registerer: registry, Providers: table.Providers(), Version: version()})
	if err != nil {
		return nil, err
	}

	parts, err := g.open(ctx, cfg, log, registry, metrics, wrap == nil)
	if err != nil {
		return nil, err
	}
	if wrap != nil {
		parts.store = wrap(parts.store)
	}
	quarantined, closeQuarantine, err := newQuarantine(cfg, parts.store, parts.keys, log)
	if err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	g.closers = append(g.closers, closeQuarantine)

	keys, err := credential.New(credential.FromConfig(cfg.Credentials, sourceOf))
	if err != nil {
		return nil, err
	}
	prices, err := pricesOf(cfg)
	if err != nil {
		return nil, err
	}
	service, err := extproc.New(extproc.Config{
		Identity: parts.verifier, Policies: parts.engine, Routes: &routes, Credentials: keys, Quarantine: quarantined, Audit: parts.audit, Metrics: metrics, Log: log,
		Limits: limitsOf(cfg), Prices: prices, NewID: rand.Text,
	})
	if err != nil {
		return nil, err
	}
	var files *extproc.TLS
	if t := cfg.ExtProc.TLS; t != nil {
		files = &extproc.TLS{Cert: t.Cert, Key: t.Key, ClientCA: t.ClientCA}
	}
	g.service, g.verifier, g.parts = service, parts.verifier, parts
	if g.server, err = extproc.NewServer(service, files); err != nil {
		return nil, err
	}
	if err := g.observe(ctx, cfg, parts); err != nil {
		return nil, err
	}
	made = true
	return g, nil
}

// parts are what the LLM walk and the broker both decide with.
type parts struct {
	verifier *identity.Verifier
	engine   *policies.Engine
	store    store.Store
	keys     *store.Keys
	audit    *audit.File
	revoked  *revoke.Service // nil: nothing is served
	registry *prometheus.Registry
	log      *slog.Logger
}

// open makes the parts of a checked configuration; the guard's closers end them. Where something is to be served, revocations are known.
func (g *guard) open(ctx context.Context, cfg *conf.Config, log *slog.Logger, registry *prometheus.Registry, metrics *telemetry.Metrics, serves bool) (parts, error) {
	p := parts{registry: registry, log: log}
	var current atomic.Pointer[policies.Engine]
	var err error
	if p.engine, err = policies.New(ctx, policies.Config{
		Folder: cfg.Policies.Bundle, Data: cfg.Policies.Data, Logger: log, Timeout: cfg.Policies.Timeout, Registerer: registry,
		Compile: compileRules,
		OnReload: func(error) {
			if e := current.Load(); e != nil {
				metrics.Policy(e.Revision())
			}
			g.policiesChanged()
		},
	}); err != nil {
		return p, fmt.Errorf("policies: %w", inConfig(cfg, err))
	}
	current.Store(p.engine)
	metrics.Policy(p.engine.Revision())
	g.closers = append(g.closers, p.engine.Close)
	kept, keys, err := openStore(ctx, cfg, log)
	if err != nil {
		return p, err
	}
	p.store, p.keys = kept, keys
	g.closers = append(g.closers, func() { _ = kept.Close() })
	who := identityConfig(cfg, p.keys.Derive("delegation"), log)
	if serves {
		if p.revoked, err = revoke.New(ctx, revokeConfig(cfg, kept, p.keys, log)); err != nil {
			return p, err
		}
		g.closers = append(g.closers, p.revoked.Close)
		who.Epochs = p.revoked
	}
	if p.verifier, err = identity.New(ctx, who); err != nil {
		return p, fmt.Errorf("identity: %w", err)
	}
	g.closers = append(g.closers, p.verifier.Close)
	if p.audit, err = audit.OpenWith(cfg.Audit.File, audit.Config{Failed: metrics.AuditFailed}); err != nil {
		return p, err
	}
	g.closers = append(g.closers, func() {
		if err := p.audit.Close(); err != nil {
			log.Error("the audit's last lines could not be written", "err", err)
		}
	})
	return p, nil
}

// observe serves /metrics and the probes, where the configuration has an address for them. Not ready until accepts says that traffic
// is accepted.
func (g *guard) observe(ctx context.Context, cfg *conf.Config, p parts) error {
	if cfg.Telemetry.Metrics == "" {
		return nil
	}
	checks := []telemetry.Check{
		check("policies", p.engine.Ready), check("identity", p.verifier.Ready), check("audit", p.audit.Ready),
		{Name: "store", Ready: p.store.Ready},
		check("revocations", p.revoked.Ready),
		check("traffic", func() error {
			if !g.accepts.Load() {
				return errors.New("no traffic is accepted")
			}
			return nil
		}),
	}
	server, err := telemetry.Serve(ctx, telemetry.ServerConfig{Address: cfg.Telemetry.Metrics, Gatherer: p.registry, Checks: checks, Log: p.log})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			p.log.Warn("the telemetry server did not close in time", "err", err)
		}
	})
	return nil
}

func check(name string, ready func() error) telemetry.Check {
	return telemetry.Check{Name: name, Ready: func(context.Context) error { return ready() }}
}

func limitsOf(cfg *conf.Config) extproc.Limits {
	l := cfg.Limits
	return extproc.Limits{
		RequestBytes: int(l.RequestBytes), ResponseBytes: int(l.ResponseBytes), JSONDepth: l.JSONDepth,
		HeldBytes: int(l.HeldBytes), HeldCalls: l.HeldCalls, EventBytes: int(l.EventBytes),
		RequestDeadline: l.RequestDeadline, RequestWait: l.StreamIdle, ResponseWait: l.ResponseWait, StreamIdle: l.StreamIdle,
		Exchanges: l.Connections, ConcurrentPerPrincipal: l.ConcurrentPerPrincipal,
		InternalExchanges: internalExchanges(cfg),
	}
}
