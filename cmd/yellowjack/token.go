package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/revoke"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

func newTokenCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Show or forget the tokens that the broker keeps for calling servers; never prints one",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenListCmd(), newTokenRevokeCmd())
	return cmd
}

const whoseTokens = `

USER is a sub of an issuer. KEY is a principal's key: "issuer|sub", or "issuer#client" for a client that speaks for itself.
TENANT is the principal's, as the audit says it, where the issuer's tokens name one.`

func newTokenListCmd() *cobra.Command {
	var which whichTokens
	cmd := &cobra.Command{
		Use:   "list (--user USER [--issuer NAME] | --principal KEY | --broker) [--tenant TENANT] [--server NAME]",
		Short: "Show for which servers there are tokens of somebody's",
		Long: `Show for which servers the broker keeps access tokens and connections of somebody's, or of its own: the server, the flow, the
application by which they were had, the scopes, when the access token ends, and whether there is a refresh token.` + whoseTokens,
		Example: "  yellowjack token list --user 00u1abcd --issuer corp\n  yellowjack token list --broker",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return which.with(cmd, func(_ *credentials, all []tokens.Kept) error {
				return printKept(cmd.OutOrStdout(), all)
			})
		},
	}
	which.flags(cmd)
	return cmd
}

func newTokenRevokeCmd() *cobra.Command {
	var which whichTokens
	cmd := &cobra.Command{
		Use:   "revoke (--user USER [--issuer NAME] | --principal KEY | --broker) [--tenant TENANT] [--server NAME]",
		Short: "Forget the tokens that there are of somebody's",
		Long: `Forget the access tokens and connections that "yellowjack token list" shows, on every gateway that shares the store: what is on
its way is thrown away, the next call gets a token anew, and where a person connects herself she has to do that again. An authorization
server that has a place for it is told (RFC 7009); when it does not take it the command fails, and they are forgotten here all the same. To
end what somebody may do, use "yellowjack revoke".` + whoseTokens,
		Example: "  yellowjack token revoke --user 00u1abcd --issuer corp --server github",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return which.with(cmd, func(c *credentials, all []tokens.Kept) error {
				var failed error
				for _, k := range all {
					told, err := c.forget(cmd.Context(), which.cfg, k)
					if err != nil && !errors.Is(err, tokens.ErrUntold) {
						return errors.Join(failed, err)
					}
					if err != nil {
						failed = errors.Join(failed, fmt.Errorf("%s: %w", plainText(k.Server), err))
					}
					and := ""
					if told {
						and = ", and told its authorization server"
					}
					fmt.Fprintf(cmd.OutOrStdout(), "forgot %s %s%s\n", plainText(k.Server), k.Flow, and)
				}
				return failed
			})
		},
	}
	which.flags(cmd)
	return cmd
}

// whichTokens are the flags that say which tokens are meant.
type whichTokens struct {
	file, user, issuer, principal, tenant, server string
	broker                                        bool
	cfg                                           *conf.Config // of file, once it was read
}

func (w *whichTokens) flags(cmd *cobra.Command) {
	configFlag(cmd, &w.file)
	cmd.Flags().StringVar(&w.user, "user", "", "the sub of the `USER`")
	cmd.Flags().StringVar(&w.issuer, "issuer", "", "the `NAME` of the issuer that the user is of; needed when there are several")
	cmd.Flags().StringVar(&w.principal, "principal", "", "a principal's `KEY`")
	cmd.Flags().BoolVar(&w.broker, "broker", false, "those that are the broker's own, by client credentials")
	cmd.Flags().StringVar(&w.tenant, "tenant", "", "the principal's `TENANT`")
	cmd.Flags().StringVar(&w.server, "server", "", "only those for the server of this `NAME`")
}

// owner is who is meant.
func (w *whichTokens) owner(cfg *conf.Config) (tokens.Owner, error) {
	said := 0
	for _, one := range []bool{w.user != "", w.principal != "", w.broker} {
		if one {
			said++
		}
	}
	switch {
	case said != 1:
		return tokens.Owner{}, errors.New("give one of --user, --principal and --broker")
	case w.issuer != "" && w.user == "":
		return tokens.Owner{}, errors.New("--issuer goes with --user")
	case w.tenant != "" && w.broker:
		return tokens.Owner{}, errors.New("--tenant goes with --user and --principal")
	case w.broker:
		return tokens.Owner{}, nil
	}
	handles, err := identity.Handles(identityConfig(cfg, nil, nil), identity.Subject{Issuer: w.issuer, Sub: w.user, Key: w.principal})
	if err != nil {
		return tokens.Owner{}, err
	}
	return tokens.Owner{Tenant: w.tenant, Principal: handles[0]}, nil
}

// with hands on what is kept of the tokens that are meant.
func (w *whichTokens) with(cmd *cobra.Command, then func(*credentials, []tokens.Kept) error) error {
	cfg, log, err := load(w.file, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	w.cfg = cfg
	owner, err := w.owner(cfg)
	if err != nil {
		return &usageError{err}
	}
	if w.server != "" {
		if _, known := cfg.MCP.Servers[w.server]; !known {
			return &usageError{fmt.Errorf("there is no server %q in mcp.servers", plainText(w.server))}
		}
	}
	return withTokens(cmd.Context(), cfg, log, func(c *credentials) error {
		all, err := c.cache.List(cmd.Context(), owner)
		if err != nil {
			return err
		}
		return then(c, slices.DeleteFunc(all, func(k tokens.Kept) bool { return w.server != "" && k.Server != w.server }))
	})
}

// withTokens opens the tokens that the gateways of a configuration share.
func withTokens(ctx context.Context, cfg *conf.Config, log *slog.Logger, then func(*credentials) error) error {
	if cfg.Store == "memory" {
		return cfg.Problem("is memory, which is a running gateway's own: its tokens end with it", "use a Redis", "store")
	}
	kept, keys, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close() }()
	service, err := revoke.New(ctx, revokeConfig(cfg, kept, keys, log))
	if err != nil {
		return err
	}
	defer service.Close()
	return then(newCredentials(parts{store: kept, keys: keys, revoked: service}))
}

func printKept(out io.Writer, all []tokens.Kept) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVER\tFLOW\tAPPLICATION\tACTOR\tSCOPES\tUNTIL\tREFRESH")
	for _, k := range all {
		until, refresh := "-", "no"
		if !k.Until.IsZero() {
			until = k.Until.UTC().Format(time.RFC3339)
		}
		if k.Connected {
			refresh = "yes"
		}
		cells := []string{k.Server, k.Flow, k.Application, k.Actor, strings.Join(k.Scopes, " "), until, refresh}
		for i, cell := range cells {
			if cells[i] = plainText(cell); cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}
