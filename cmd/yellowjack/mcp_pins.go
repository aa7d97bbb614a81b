package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/policies"
)

// pinsFile is where `mcp approve` writes, in the policies' folder.
const pinsFile = "pins.yaml"

const asOperator = `

The servers are asked directly, with what the configuration gives the broker for all: one that is called as each person cannot be
asked here, and its descriptions are in the audit ("yellowjack policy pin --from-audit").`

func newMCPPinsCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "pins [TOOL…]",
		Short: "Show which tools say something else of themselves than was approved",
		Long: `Ask each server of the configuration for its tools, and say of each whether its description is the approved one: "approved",
"new" (nothing is approved for that name), "changed". With tools named, print what each says of itself now: what a person reads
before approving it.` + asOperator,
		Example: "  yellowjack mcp pins --config yellowjack.yaml\n  yellowjack mcp pins github__get_issue --config yellowjack.yaml",
		Args:    usage(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDescriptions(cmd, file, args, func(_ *conf.Config, all []description) error {
				out := cmd.OutOrStdout()
				for _, d := range all {
					fmt.Fprintf(out, "%-9s %.12s  %s\n", d.state, d.hash, plainText(d.tool))
					if len(args) > 0 {
						fmt.Fprintf(out, "%s\n", plainText(string(d.doc)))
					}
				}
				return nil
			})
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func newMCPApproveCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "approve TOOL…",
		Short: "Approve what tools say of themselves now",
		Long: `Approve the descriptions that the named tools have now: ` + pinsFile + ` in the policies' folder (policies.bundle) gets their
hashes, and a running gateway takes them over. Read them first ("yellowjack mcp pins TOOL"): a description is text that models
read as instructions. What becomes of a tool with another one says pins.mode of the policies' data (warn, taint or refuse).` + asOperator,
		Example: "  yellowjack mcp approve github__get_issue --config yellowjack.yaml",
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDescriptions(cmd, file, args, func(cfg *conf.Config, all []description) error {
				return approve(cmd.Context(), cfg, all, cmd.OutOrStdout())
			})
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// description is what a tool says of itself.
type description struct {
	tool, hash, state string
	doc               []byte
}

// withDescriptions asks the servers for the named tools, or for all.
func withDescriptions(cmd *cobra.Command, file string, names []string, then func(*conf.Config, []description) error) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return err
	}
	if !cfg.MCP.Enabled() {
		return cfg.Problem("has no servers", "add mcp.servers", "mcp")
	}
	engine, err := engineOf(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer engine.Close()
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	all, err := descriptions(cmd.Context(), cfg, names, log)
	if err != nil {
		return err
	}
	for i, d := range all {
		all[i].state = "new"
		if approved := engine.Rules(d.tool); approved != nil && slices.Contains(approved.Hashes, d.hash) {
			all[i].state = "approved"
		} else if approved != nil && len(approved.Hashes) > 0 {
			all[i].state = "changed"
		}
	}
	return then(cfg, all)
}

// engineOf compiles the policies of a configuration.
func engineOf(ctx context.Context, cfg *conf.Config) (*policies.Engine, error) {
	engine, err := policies.New(ctx, policies.Config{
		Folder: cfg.Policies.Bundle, Data: cfg.Policies.Data, Timeout: cfg.Policies.Timeout,
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, fmt.Errorf("policies: %w", inConfig(cfg, err))
	}
	return engine, nil
}

// descriptions asks the servers, by name of the tools. A server that cannot be asked is an error only when one of its tools is named.
func descriptions(ctx context.Context, cfg *conf.Config, names []string, log *slog.Logger) ([]description, error) {
	verifier, err := identity.New(ctx, identity.Config{Anonymous: true})
	if err != nil {
		return nil, err
	}
	defer verifier.Close()
	who, _ := verifier.Anonymous()
	locals := &localRunner{log: log, keys: store.RandomKeys()}
	defer locals.close()
	var out []description
	missing := slices.Clone(names)
	for _, name := range slices.Sorted(maps.Keys(cfg.MCP.Servers)) {
		begins := name + cfg.MCP.Separator
		if len(names) > 0 && !slices.ContainsFunc(names, func(tool string) bool { return strings.HasPrefix(tool, begins) }) {
			continue
		}
		list, err := toolsOf(ctx, cfg, name, who, locals, log)
		if err != nil {
			if len(names) > 0 {
				return nil, err
			}
			log.Warn("a server is left out", "err", err)
			continue
		}
		for _, d := range list {
			d.tool = begins + d.tool
			if at := slices.Index(missing, d.tool); at >= 0 {
				missing = slices.Delete(missing, at, at+1)
			} else if len(names) > 0 {
				continue
			}
			out = append(out, d)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("no server has the tool %s; see yellowjack mcp pins", plainText(strings.Join(missing, ", ")))
	}
	return out, nil
}

// toolsOf asks one server for all its tools.
func toolsOf(ctx context.Context, cfg *conf.Config, name string, who *identity.Principal, locals *localRunner, log *slog.Logger) ([]description, error) {
	fail := func(err error) ([]description, error) { return nil, fmt.Errorf("mcp.servers.%s: %w", name, err) }
	client, source, err := clientOf(ctx, cfg, name, cfg.MCP.Servers[name], locals, newCredentials(parts{store: store.Memory(store.MemoryConfig{}), keys: store.RandomKeys()}), log)
	if err != nil {
		return fail(err)
	}
	defer client.Close()
	if !source.Shared() {
		return fail(errors.New("it is called as each person, and cannot be asked without one"))
	}
	var out []description
	params := []byte("{}")
	for range 100 {
		a, err := client.Call(ctx, &relay.Call{Principal: who, Method: protocol.ListTools, Params: params, Capabilities: []byte("{}")})
		if err != nil {
			return fail(err)
		}
		list := rpc.Raw(a.Result, "tools")
		if a.Err != nil || len(list) == 0 || list[0] != '[' {
			return fail(errors.New("it gives no list of tools"))
		}
		err = rpc.Elements(list, func(_ int, tool []byte) error {
			own, _ := rpc.Text(tool, "name")
			out = append(out, description{tool: own, hash: mcpbroker.ToolHash(tool), doc: slices.Clone(tool)})
			return nil
		})
		if err != nil {
			return fail(err)
		}
		cursor := rpc.Raw(a.Result, "nextCursor")
		if len(cursor) == 0 || cursor[0] != '"' {
			return out, nil
		}
		if params, err = rpc.Change([]byte("{}")).Set(cursor, "cursor").Bytes(); err != nil {
			return fail(err)
		}
	}
	return fail(errors.New("its list does not end"))
}

// approve writes the hashes into the policies' folder. What is not taken by the policies is not left there.
func approve(ctx context.Context, cfg *conf.Config, all []description, out io.Writer) error {
	if cfg.Policies.Bundle == "" {
		return cfg.Problem("is missing, so that there is no folder to write the pins to", "name one", "policies", "bundle")
	}
	file := filepath.Join(cfg.Policies.Bundle, pinsFile)
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data := map[string]any{}
	if err := yaml.Unmarshal(before, &data); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	tools := within(within(data, "pins"), "tools")
	for _, d := range all {
		tools[d.tool] = []string{d.hash}
	}
	after, err := yaml.Marshal(data)
	if err != nil {
		return err
	}
	if err := replaceFile(file, after); err != nil {
		return err
	}
	engine, err := engineOf(ctx, cfg)
	if err != nil {
		back := os.Remove(file)
		if before != nil {
			back = replaceFile(file, before)
		}
		return errors.Join(fmt.Errorf("nothing was approved: %w", err), back)
	}
	defer engine.Close()
	for _, d := range all {
		fmt.Fprintf(out, "approved  %.12s  %s\n", d.hash, plainText(d.tool))
	}
	return nil
}

// within is the mapping of a name in another, made when it is not there.
func within(data map[string]any, name string) map[string]any {
	inner, ok := data[name].(map[string]any)
	if !ok {
		inner = map[string]any{}
		data[name] = inner
	}
	return inner
}

// replaceFile replaces a file as a whole: who watches it never reads half of it.
func replaceFile(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".pins-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
