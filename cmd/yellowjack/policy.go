package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/internal/audit"
)

func newPolicyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Work with policy data",
		Args:  usage(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyPinCmd())
	return cmd
}

func newPolicyPinCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "pin --from-audit FILE",
		Short: "Make pins of the tool descriptions that clients sent",
		Long: `Print policy data that approves the descriptions and schemas of tools as they stand in an audit file.

Look at what is new before you approve it: a tool's description is text that the model reads as instructions. The output
is YAML for policies.data, or for a data file in the policies' folder; what becomes of a tool with another description
says pins.mode there (warn, taint or refuse). A tool that was seen with several descriptions is listed with all of them,
the last one last.`,
		Example: "  yellowjack policy pin --from-audit audit.jsonl > policies/pins.yaml",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return &usageError{errors.New("name the audit file by --from-audit")}
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			return pinFrom(f, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&file, "from-audit", "", "the audit `FILE` that the descriptions are taken from")
	return cmd
}

// maxAuditLine bounds one line of an audit file.
const maxAuditLine = 16 << 20

// pinFrom reads audit lines and writes the pins of every tool in them.
func pinFrom(from io.Reader, to io.Writer) error {
	hashes := map[string][]string{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxAuditLine)
	for n := 1; lines.Scan(); n++ {
		var r audit.Record
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("line %d is no audit line: %w", n, err)
		}
		for _, s := range r.ToolsSeen {
			hashes[s.Tool] = append(slices.DeleteFunc(hashes[s.Tool], func(h string) bool { return h == s.Hash }), s.Hash)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the audit file could not be read: %w", err)
	}
	if len(hashes) == 0 {
		return errors.New("no description of a tool stands in this audit file; let clients offer their tools first")
	}
	out := bufio.NewWriter(to)
	fmt.Fprintln(out, "pins:\n  tools:")
	for _, tool := range slices.Sorted(maps.Keys(hashes)) {
		name, err := json.Marshal(tool) // JSON's texts are YAML's too
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "    %s:", name)
		if len(hashes[tool]) > 1 {
			fmt.Fprintf(out, " # %d descriptions were seen", len(hashes[tool]))
		}
		fmt.Fprintln(out)
		for _, h := range hashes[tool] {
			fmt.Fprintf(out, "      - %s\n", h)
		}
	}
	return out.Flush()
}
