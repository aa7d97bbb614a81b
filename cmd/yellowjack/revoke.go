package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/revoke"
	"github.com/yellowjack/yellowjack/internal/store"
)

// revokeConfig is what revocations are kept with. A store in memory begins with the process, and so has lost nothing.
func revokeConfig(cfg *conf.Config, s store.Store, k *store.Keys, log *slog.Logger) revoke.Config {
	return revoke.Config{Store: s, Keys: k, Shared: cfg.Store != "memory", Log: log}
}

func newRevokeCmd() *cobra.Command {
	var file, user, issuer, principal string
	cmd := &cobra.Command{
		Use:   "revoke (--user USER [--issuer NAME] | --principal KEY)",
		Short: "Let the tokens count no more that somebody has now",
		Long: `Let all tokens count no more that were issued to somebody until now, on every gateway that shares the store, within two seconds:
requests are refused, open streams and tool calls end, local servers of theirs too, and what was had for them at servers is
not used again. Whoever logs in anew is let in again, unless the identity provider or policy says otherwise.

USER is a sub of an issuer, or an e-mail address that an issuer may assert. KEY is a principal's key: "issuer|sub", or
"issuer#client" for a client that speaks for itself.`,
		Example: `  yellowjack revoke --user sara@example.com
  yellowjack revoke --user 00u1abcd --issuer corp
  yellowjack revoke --principal 'corp#nightly-agent'`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (user == "") == (principal == "") {
				return &usageError{errors.New("give one of --user and --principal")}
			}
			if principal != "" && issuer != "" {
				return &usageError{errors.New("--issuer goes with --user; a principal's key names its issuer")}
			}
			cfg, log, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return revokeNow(cmd.Context(), cfg, log, identity.Subject{Issuer: issuer, Sub: user, Key: principal}, cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&user, "user", "", "the sub, or the e-mail address, of the `USER`")
	cmd.Flags().StringVar(&issuer, "issuer", "", "the `NAME` of the issuer that the user is of; needed for a sub when there are several")
	cmd.Flags().StringVar(&principal, "principal", "", "a principal's `KEY`")
	return cmd
}

// revokeNow revokes a subject by the store of a configuration.
func revokeNow(ctx context.Context, cfg *conf.Config, log *slog.Logger, who identity.Subject, out io.Writer) error {
	if cfg.Store == "memory" {
		return cfg.Problem("is memory, which is a running gateway's own: nobody else can revoke there", "use a Redis, or restart the gateway with a policy that denies the user", "store")
	}
	handles, err := handlesOf(cfg, who)
	if err != nil {
		return &usageError{err}
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
	at := time.Now()
	if err := service.Revoke(ctx, revoke.Revocation{Handles: handles}); err != nil {
		return err
	}
	fmt.Fprintf(out, "revoked %s: tokens issued before %s count no more\n", strings.Join(handles, " "), at.Add(time.Second-1).Truncate(time.Second).UTC().Format(time.RFC3339))
	return nil
}

// handlesOf are those of a subject that a person names: what looks like an address may be one, and a sub.
func handlesOf(cfg *conf.Config, who identity.Subject) ([]string, error) {
	names := identityConfig(cfg, nil, nil)
	if strings.Contains(who.Sub, "@") {
		who.Email = who.Sub
		if who.Issuer == "" {
			if _, err := identity.Handles(names, identity.Subject{Email: who.Email}); err == nil {
				who.Sub = ""
			}
		}
	}
	return identity.Handles(names, who)
}
