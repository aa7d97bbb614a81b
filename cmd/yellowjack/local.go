package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// bwrapVariable names the bwrap that local servers run in, for whoever does not have it where it is looked for.
const bwrapVariable = "YELLOWJACK_BWRAP"

// localServer is the server of a configuration as the sandbox has it. Its secrets are not in it.
func localServer(cfg *conf.Config, name string, s conf.MCPServer) (*sandbox.Server, *conf.Error) {
	at := []string{"mcp", "servers", name}
	out := &sandbox.Server{Name: name, Command: s.Command, Env: maps.Clone(s.Env), Unsandboxed: s.Sandbox.None}
	if out.Env == nil {
		out.Env = map[string]string{}
	}
	for _, secret := range slices.Sorted(maps.Keys(s.Secrets)) {
		out.Env[secret] = ""
	}
	if !out.Unsandboxed {
		out.Network = sandbox.Network(s.Sandbox.Network)
		out.Limits = sandbox.Limits{
			Memory: int64(s.Sandbox.Memory), Tmp: int64(s.Sandbox.Tmp), PIDs: s.Sandbox.PIDs, CPU: float64(s.Sandbox.CPU) / 1000,
		}
		for i, text := range s.Sandbox.Mounts {
			m, err := sandbox.ParseMount(text, cfg.Dir)
			if err != nil {
				return nil, cfg.Problem(reason(name, err), `write "source:target:ro", of a source that is there`, append(at, "sandbox", "mounts", strconv.Itoa(i))...)
			}
			out.Mounts = append(out.Mounts, m)
		}
	}
	if err := out.Check(); err != nil {
		return nil, cfg.Problem(reason(name, err), "see Local servers in docs/configuration.md", at...)
	}
	return out, nil
}

// reason is an error's text as a configuration's problem goes on behind its key.
func reason(server string, err error) string {
	return "cannot be: " + strings.TrimPrefix(strings.TrimPrefix(err.Error(), "sandbox: "), fmt.Sprintf("the server %q: ", server))
}

// localProblems are the mistakes in what local servers are to see.
func localProblems(cfg *conf.Config) conf.Errors {
	var out conf.Errors
	for _, name := range slices.Sorted(maps.Keys(cfg.MCP.Servers)) {
		if s := cfg.MCP.Servers[name]; s.Local() {
			if _, err := localServer(cfg, name, s); err != nil {
				out = append(out, err)
			}
		}
	}
	return out
}

// localRunner makes the sandbox of this machine when the first server needs it.
type localRunner struct {
	log *slog.Logger

	once   sync.Once
	local  sandbox.Local
	closer func()
}

// runner is the runner of a server. Without a sandbox it refuses those that are to have one, and the log says why now.
func (r *localRunner) runner(ctx context.Context, s *sandbox.Server) *sandbox.Local {
	if s.Unsandboxed {
		return &sandbox.Local{Log: r.log}
	}
	r.once.Do(func() {
		r.local.Log, r.closer = r.log, func() {}
		made, err := sandbox.New(ctx, sandbox.Config{Bwrap: os.Getenv(bwrapVariable), Log: r.log})
		if err != nil {
			r.local.Why = err
			r.log.Error("this machine makes no sandbox; local servers are not started, unless their configuration says `sandbox: none`", "err", err)
			return
		}
		r.local.Sandbox, r.closer = made, made.Close
	})
	return &r.local
}

func (r *localRunner) close() {
	if r.closer != nil {
		r.closer()
	}
}

// starter starts processes of a server.
func (r *localRunner) starter(ctx context.Context, cfg *conf.Config, name string, s conf.MCPServer) (func(ctx context.Context, principal string) (*sandbox.Process, error), error) {
	server, problem := localServer(cfg, name, s)
	if problem != nil {
		return nil, problem
	}
	runner := r.runner(ctx, server)
	return func(ctx context.Context, principal string) (*sandbox.Process, error) {
		one := *server
		one.Env = maps.Clone(server.Env)
		for key, secret := range s.Secrets {
			value, err := secret.Reveal()
			if err != nil {
				return nil, fmt.Errorf("mcp.servers.%s.secrets.%s %w", name, key, err)
			}
			one.Env[key] = value
		}
		return runner.Start(ctx, &one, principal)
	}, nil
}
