package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/quarantine/dual"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/policies"
)

// newQuarantine makes the quarantine of a configuration; what must be closed comes back too.
func newQuarantine(cfg *conf.Config, s store.Store, keys *store.Keys, log *slog.Logger) (*quarantine.Guard, func(), error) {
	q := cfg.Quarantine
	out := quarantine.Config{
		Store: s, Keys: keys, Keep: q.Keep, Request: q.Timeout.Request, Rounds: q.Rounds, LinkHosts: q.LinkHosts, Log: log,
		Result: float64(q.CapacityBits.Result), Conversation: float64(q.CapacityBits.Conversation), PrincipalHour: float64(q.CapacityBits.PrincipalHour),
		Plan: q.PrivilegedModel != "",
	}
	closed := func() {}
	if socket := internalSocket(cfg); socket != "" {
		asker, err := dual.New(dual.Config{
			BaseURL: "http://internal/v1", HTTPClient: dual.UnixClient(socket, q.Concurrency),
			QuarantinedModel: modelOf(q, q.QuarantinedModel), PrivilegedModel: modelOf(q, q.PrivilegedModel),
			Timeouts: dual.Timeouts{Result: q.Timeout.Result, Request: q.Timeout.Request}, Concurrency: q.Concurrency,
			Store: s, Keys: keys, Keep: q.Keep, KeepFailure: 30 * time.Second, Log: log,
		})
		if err != nil {
			return nil, nil, err
		}
		out.Asker, closed = asker, asker.Close
	}
	guard, err := quarantine.New(out)
	if err != nil {
		closed()
		return nil, nil, err
	}
	return guard, closed, nil
}

// modelOf is a model of the quarantine's provider, as a client would name it.
func modelOf(q conf.Quarantine, model string) string {
	if model == "" {
		return ""
	}
	return q.Provider + "/" + model
}

// compileRules makes of what the data says of a tool the rules by which its results are read.
func compileRules(r *policies.ToolRules) (any, error) {
	kind := project.Auto
	if r.Format != "" {
		var ok bool
		if kind, ok = project.ParseKind(r.Format); !ok {
			return nil, fmt.Errorf("format %q is not known", r.Format)
		}
	}
	tool := quarantine.Tool{
		Bits: r.Bits, Rounds: r.Rounds,
		Project: project.Rules{Kind: kind, Names: r.Names, Schema: r.Schema, MaxItems: r.MaxItems, Fields: map[string]project.Field{}},
	}
	for path, f := range r.Fields {
		tool.Project.Fields[path] = project.Field{
			Type: project.Type(f.Type), Min: f.Min, Max: f.Max, Decimals: f.Decimals, Enum: f.Enum, Pattern: f.Pattern, MaxLen: f.MaxLen, Bits: f.Bits,
		}
	}
	for _, q := range r.Questions {
		tool.Questions = append(tool.Questions, quarantine.Question{About: q.About, Question: dual.Question{
			ID: q.ID, Ask: q.Ask, Type: dual.Type(q.Type), Options: q.Options, Min: q.Min, Max: q.Max, Pattern: q.Pattern,
		}})
	}
	return quarantine.Compile(tool)
}
