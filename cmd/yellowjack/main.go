// Command yellowjack is the whole of Yellowjack in one binary: the ext_proc service that guards what agents say to
// models, the Envoy in front of it, and the tools to check a configuration. This file makes the tree of commands and
// turns their errors into exit codes; each command has a file of its own, compose.go and parts.go make the running
// parts of a checked configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/internal/conf"
)

// Exit codes: what went wrong with the work, and what was wrong with the command line.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCmd()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	// Errors of the configuration begin with FILE:LINE, which editors and CI make links of: nothing stands before them.
	if lines, ok := errors.AsType[conf.Errors](err); ok {
		fmt.Fprintln(stderr, lines.Error())
		return exitFailed
	}
	fmt.Fprintln(stderr, "yellowjack:", err)
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// usageError is a command line that is wrong, as opposed to work that failed.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// usage makes errors of an argument check usage errors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
		}
		return nil
	}
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "yellowjack",
		Short: "A guard between AI agents, the models they call and the tools they use",
		Long: `Yellowjack stands in an Envoy mesh between AI agents, the models they call and the tools they use.

An application changes its base URL and nothing else. Each request is authenticated, decided by Rego policy, cleaned of
tools that its principal may not use, and sent to the provider with a key that the principal may use. Each tool call
that the model makes is decided before the application sees it, streamed or not. What is not understood is refused.

Everything is configured by one YAML file; docs/configuration.md is its reference. Secrets come from files or from the
environment, never from the configuration itself. Logs go to stderr.`,
		Example: `  yellowjack config check yellowjack.yaml
  yellowjack run --config yellowjack.yaml
  yellowjack envoy --config yellowjack.yaml > bootstrap.yaml`,
		Args:          usage(cobra.NoArgs),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		newRunCmd(),
		newExtprocCmd(),
		newMCPBrokerCmd(),
		newEnvoyCmd(),
		newConfigCmd(),
		newPolicyCmd(),
		newMCPCmd(),
		newQuarantineCmd(),
		newRevokeCmd(),
		newTokenCmd(),
		newVersionCmd(),
	)
	return root
}
