package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
	"github.com/yellowjack/yellowjack/mcpbroker/sandbox/pods"
)

// bwrapVariable names the bwrap that local servers run in, for whoever does not have it where it is looked for.
const bwrapVariable = "YELLOWJACK_BWRAP"

// localServer is the server of a configuration as the sandbox has it. Its secrets are not in it.
func localServer(cfg *conf.Config, name string, s conf.MCPServer) (*sandbox.Server, *conf.Error) {
	at := []string{"mcp", "servers", name}
	out := &sandbox.Server{Name: name, Image: s.Image, Command: s.Command, Env: maps.Clone(s.Env), Unsandboxed: s.Sandbox.None}
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
		if problem := mounts(cfg, name, s, out); problem != nil {
			return nil, problem
		}
	}
	check := (*sandbox.Server).Check
	if out.Image != "" {
		check = pods.Check
	}
	if err := check(out); err != nil {
		return nil, cfg.Problem(reason(name, err), "see Local servers in docs/configuration.md", at...)
	}
	return out, nil
}

// mounts gives a server what it sees: of this machine, or volume claims of the cluster.
func mounts(cfg *conf.Config, name string, s conf.MCPServer, out *sandbox.Server) *conf.Error {
	for i, text := range s.Sandbox.Mounts {
		var err error
		hint := `write "source:target:ro", of a source that is there`
		if out.Image != "" {
			hint = `write "claim:name:target:ro", of a volume claim`
			var c sandbox.Claim
			c, err = sandbox.ParseClaim(text)
			out.Claims = append(out.Claims, c)
		} else {
			var m sandbox.Mount
			m, err = sandbox.ParseMount(text, cfg.Dir)
			out.Mounts = append(out.Mounts, m)
		}
		if err != nil {
			return cfg.Problem(reason(name, err), hint, "mcp", "servers", name, "sandbox", "mounts", strconv.Itoa(i))
		}
	}
	return nil
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

// localRunner makes the sandbox of this machine when the first server needs it, and the cluster's runner.
type localRunner struct {
	log  *slog.Logger
	keys *store.Keys // of the MAC that is a principal's label

	cluster struct {
		sync.Once
		*pods.Runner
		err error
	}

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

// The variables in which the broker's pod tells it who it is (the downward API), so that the pods that it starts end with it.
const (
	podVariable       = "YELLOWJACK_POD_NAME"
	podUIDVariable    = "YELLOWJACK_POD_UID"
	namespaceVariable = "YELLOWJACK_POD_NAMESPACE"
)

// inCluster is the runner of servers with an image.
func (r *localRunner) inCluster(k conf.MCPKubernetes) (*pods.Runner, error) {
	r.cluster.Do(func() {
		r.cluster.Runner, r.cluster.err = pods.New(pods.Config{
			Namespace: k.Namespace, Kubeconfig: k.Kubeconfig, RuntimeClass: k.RuntimeClass, Log: r.log,
			Owner: pods.Owner{Namespace: os.Getenv(namespaceVariable), Name: os.Getenv(podVariable), UID: os.Getenv(podUIDVariable)},
			Label: func(principal string) string {
				mac := r.keys.MAC("pod label", []byte(principal))
				return hex.EncodeToString(mac[:16])
			},
		})
	})
	return r.cluster.Runner, r.cluster.err
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
	var runner sandbox.Runner
	if server.Image != "" {
		made, err := r.inCluster(cfg.MCP.Kubernetes)
		if err != nil {
			return nil, err
		}
		runner = made
	} else {
		runner = r.runner(ctx, server)
	}
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
