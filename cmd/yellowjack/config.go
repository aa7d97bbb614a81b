package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/policies"
)

func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Work with the configuration",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheckCmd())
	return cmd
}

func newConfigCheckCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong with a configuration",
		Long: `Check a configuration without starting anything.

Prints every mistake on stderr as FILE:LINE: key: what is wrong; what to do, and exits 1; or prints OK and a summary on
stdout and exits 0. Beyond the file's own form it checks that what it refers to is there: providers, secrets (they are
read, and never printed), certificates, and the policies with their data (they are compiled). What is allowed and
probably not meant is a warning. Nothing is fetched from the network.`,
		Example: `  yellowjack config check yellowjack.yaml
  yellowjack config check --config yellowjack.yaml`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if cmd.Flags().Changed("config") {
					return &usageError{errors.New("give the file once, as an argument or by --config")}
				}
				file = args[0]
			}
			return checkConfig(cmd.Context(), file, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func checkConfig(ctx context.Context, file string, stdout, stderr io.Writer) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return err
	}
	table, err := route.New(cfg)
	if err != nil {
		return err
	}
	if _, err := credential.New(credential.FromConfig(cfg.Credentials, sourceOf)); err != nil {
		return err
	}
	if _, err := pricesOf(cfg); err != nil {
		return err
	}
	engine, err := engineOf(ctx, cfg)
	if err != nil {
		return err
	}
	defer engine.Close()
	for _, w := range cfg.Warnings {
		fmt.Fprintln(stderr, "warning:", w)
	}
	fmt.Fprintln(stdout, "OK", cfg.File)
	summarize(stdout, cfg, table, engine.Revision())
	return nil
}

// summarize says in a few lines what a configuration comes to.
func summarize(w io.Writer, cfg *conf.Config, table *route.Table, revision string) {
	line := func(what string, items ...string) {
		if len(items) == 0 {
			items = []string{"none"}
		}
		fmt.Fprintf(w, "  %-12s %s\n", what, strings.Join(items, ", "))
	}
	line("listen", cfg.Listen)
	var issuers, keys []string
	for _, i := range cfg.Identity.Issuers {
		issuers = append(issuers, i.Name)
	}
	if cfg.Identity.Anonymous {
		issuers = append(issuers, "anonymous")
	}
	line("identity", issuers...)
	providers := table.Providers()
	for i, p := range providers {
		if p == cfg.DefaultProvider {
			providers[i] += " (default)"
		}
	}
	line("providers", providers...)
	line("models", table.Models()...)
	for _, c := range cfg.Credentials {
		keys = append(keys, c.ID)
	}
	line("credentials", keys...)
	folder := "shipped"
	if cfg.Policies.Bundle != "" {
		folder = "shipped and " + cfg.Policies.Bundle
	}
	line("policies", folder, "revision "+revision)
	tools, _ := cfg.Policies.Data["tools"].(map[string]any)
	line("tools", slices.Sorted(maps.Keys(tools))...)
	if cfg.MCP.Enabled() {
		line("mcp", slices.Sorted(maps.Keys(cfg.MCP.Servers))...)
	}
}

// loadConfig reads a configuration and checks it with the policies' own check of their data and the sandbox's of local servers, so
// that everything that is wrong is said at once.
func loadConfig(file string) (*conf.Config, error) {
	return conf.Load(file, localProblems, func(c *conf.Config) conf.Errors {
		if c.Policies.Data == nil {
			return nil
		}
		return dataProblems(c, policies.ValidateData(c.Policies.Data))
	})
}

// inConfig gives an error of the policies' data the lines of the configuration that the data stands in. Any other error
// stays as it is.
func inConfig(c *conf.Config, err error) error {
	if problems := dataProblems(c, err); len(problems) > 0 {
		return problems
	}
	return err
}

func dataProblems(c *conf.Config, err error) conf.Errors {
	found, ok := errors.AsType[policies.DataErrors](err)
	if !ok {
		return nil
	}
	var out conf.Errors
	for _, d := range found {
		what, do, _ := strings.Cut(d.Reason, "; ")
		if do == "" && strings.HasSuffix(what, "is not built yet") {
			do = "remove it"
		}
		out = append(out, c.Problem(what, do, append([]string{"policies", "data"}, d.Path...)...))
	}
	out.Sort()
	return out
}
