package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/store"
)

func newQuarantineCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Look into quarantine",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newExplainCmd())
	return cmd
}

// explainFlags are what to explain, and how.
type explainFlags struct {
	config, token, request string
	json                   bool
}

func newExplainCmd() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain --request FILE [--token FILE]",
		Short: "Show what a model would read of a conversation, beside what came in",
		Long: `Take a request (the JSON body of a chat completion) through the gateway's own request half, without sending it, and show
of each piece what came in, what the model would read in its place, where it comes from, and the rule that decided.

The request is somebody's: give their token in a file by --token ("-" is the standard input), or none where the
configuration lets in requests without one. Results are proven by the store: with a Redis it is read (and nothing is
written to it), so that a conversation of the running gateway is explained as the gateway sees it; a store in memory
knows nothing of another process. No model is asked, so questions are left out.`,
		Example: "  yellowjack quarantine explain --config yellowjack.yaml --token sara.jwt --request conversation.json",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.request == "" {
				return &usageError{errors.New("name the request by --request")}
			}
			return explain(cmd.Context(), f, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &f.config)
	cmd.Flags().StringVar(&f.request, "request", "", "the `FILE` with the request's body")
	cmd.Flags().StringVar(&f.token, "token", "", "the `FILE` with the token of whose request it is; - is the standard input")
	cmd.Flags().BoolVar(&f.json, "json", false, "one JSON document instead of text")
	return cmd
}

func explain(ctx context.Context, f explainFlags, stdin io.Reader, stdout, stderr io.Writer) error {
	cfg, err := loadConfig(f.config)
	if err != nil {
		return err
	}
	body, err := os.ReadFile(f.request)
	if err != nil {
		return err
	}
	cfg.Telemetry.Metrics, cfg.Audit.File, cfg.Quarantine.QuarantinedModel, cfg.Quarantine.PrivilegedModel = "", os.DevNull, "", ""
	g, err := compose(ctx, cfg, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), readOnly)
	if err != nil {
		return err
	}
	defer g.close()
	p, err := whose(ctx, g, cfg, f.token, stdin)
	if err != nil {
		return err
	}
	e := g.service.Explain(ctx, p, body)
	if f.json {
		return explainJSON(stdout, e)
	}
	explainText(stdout, e)
	return nil
}

// whose is the principal whose request is explained.
func whose(ctx context.Context, g *guard, cfg *conf.Config, file string, stdin io.Reader) (*identity.Principal, error) {
	if file == "" {
		if p, ok := g.verifier.Anonymous(); ok {
			return p, nil
		}
		return nil, &usageError{errors.New("name the file with the principal's token by --token")}
	}
	token, err := io.ReadAll(io.LimitReader(stdin, 1<<20))
	if file != "-" {
		token, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	p, refused := g.verifier.Verify(ctx, strings.TrimSpace(string(token)))
	if refused != nil {
		return nil, fmt.Errorf("the token: %s", refused.Log)
	}
	return p, nil
}

// readOnly lets a store be read and remembers nothing: what is explained has not happened.
func readOnly(s store.Store) store.Store { return dry{s} }

type dry struct{ store.Store }

// Do reads, and grants what would be reserved.
func (d dry) Do(ctx context.Context, ops ...store.Op) error {
	var reads []store.Op
	for _, op := range ops {
		switch o := op.(type) {
		case *store.Get, *store.Members:
			reads = append(reads, op)
		case *store.Reserve:
			o.Granted, o.Already = true, true
		}
	}
	if len(reads) == 0 {
		return nil
	}
	return d.Store.Do(ctx, reads...)
}

// maxShown is how much of a piece the text shows.
const maxShown = 600

func explainText(to io.Writer, e extproc.Explanation) {
	out := bufio.NewWriter(to)
	defer out.Flush()
	if e.Refused != nil {
		fmt.Fprintf(out, "refused: %s (%s)\n", e.Refused.Log, e.Refused.Code)
	}
	for i, p := range e.Parts {
		where := "outside the messages"
		if p.Message >= 0 {
			where = fmt.Sprintf("message %d, %s", p.Message, p.Role)
		}
		fmt.Fprintf(out, "%d. %s (%s)", i+1, p.Kind, where)
		if p.Tool != "" {
			fmt.Fprintf(out, " of %s", p.Tool)
		}
		fmt.Fprintf(out, "\n   %s/%s: %s\n", p.Label.Integrity, p.Label.Confidentiality, p.Origin)
		if p.Treatment != "" {
			fmt.Fprintf(out, "   policy: %s (%s)", p.Treatment, orDash(p.Rule))
			if p.Status != "" {
				fmt.Fprintf(out, ", %s", p.Status)
			}
			fmt.Fprintf(out, ", %.1f bits\n", p.Bits)
		}
		if p.Out == nil {
			fmt.Fprintf(out, "   the model reads it as it is: %s\n", shownText(p.In))
			continue
		}
		fmt.Fprintf(out, "   came in:         %s\n   the model reads: %s\n", shownText(p.In), shownText(p.Out))
	}
	fmt.Fprintf(out, "context: %s/%s", e.Context.Integrity, e.Context.Confidentiality)
	if len(e.Context.Sources) > 0 {
		fmt.Fprintf(out, ", from %s", strings.Join(e.Context.Sources, ", "))
	}
	fmt.Fprintf(out, "\ntools offered: %s\ntools hidden:  %s\n", orDash(strings.Join(e.ToolsOffered, ", ")), orDash(strings.Join(e.ToolsHidden, ", ")))
}

// shownText is a piece in one line, quoted, so that nothing in it acts on a terminal.
func shownText(b []byte) string {
	if len(b) > maxShown {
		return fmt.Sprintf("%+q… (%d bytes)", b[:maxShown], len(b))
	}
	return fmt.Sprintf("%+q", b)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func explainJSON(to io.Writer, e extproc.Explanation) error {
	type part struct {
		Message   int     `json:"message"`
		Role      string  `json:"role"`
		Kind      string  `json:"kind"`
		Tool      string  `json:"tool,omitempty"`
		Origin    string  `json:"origin"`
		Treatment string  `json:"treatment,omitempty"`
		Rule      string  `json:"rule,omitempty"`
		Label     string  `json:"label"`
		Status    string  `json:"status,omitempty"`
		Bits      float64 `json:"bits"`
		In        string  `json:"in"`
		Out       string  `json:"out"`
	}
	out := struct {
		Refused  string   `json:"refused,omitempty"`
		Context  string   `json:"context"`
		Offered  []string `json:"tools_offered"`
		Hidden   []string `json:"tools_hidden"`
		Parts    []part   `json:"parts"`
		Upstream string   `json:"upstream"`
	}{Context: labelWords(e.Context.Integrity, e.Context.Confidentiality), Offered: e.ToolsOffered, Hidden: e.ToolsHidden, Upstream: string(e.Upstream)}
	if e.Refused != nil {
		out.Refused = e.Refused.Code + ": " + e.Refused.Log
	}
	for _, p := range e.Parts {
		out.Parts = append(out.Parts, part{
			Message: p.Message, Role: p.Role, Kind: p.Kind, Tool: p.Tool, Origin: p.Origin, Treatment: p.Treatment, Rule: p.Rule,
			Label: labelWords(p.Label.Integrity, p.Label.Confidentiality), Status: p.Status, Bits: p.Bits, In: string(p.In), Out: string(read(p)),
		})
	}
	w := json.NewEncoder(to)
	w.SetIndent("", "  ")
	return w.Encode(out)
}

func labelWords(integrity, confidentiality fmt.Stringer) string {
	return integrity.String() + "/" + confidentiality.String()
}

// read is what the model reads of a piece.
func read(p quarantine.Explained) []byte {
	if p.Out == nil {
		return p.In
	}
	return p.Out
}
