package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// targets are what we hold ourselves to: ratios to the no-op service with one tool at 32 connections.
var targets = []struct {
	shape string
	rate  float64 // at least
	cpu   float64 // at most
}{{shape2k, 0.85, 1.25}, {shape64k, 0.80, 1.25}, {shapeStream, 0.85, 1.25}}

// ownTarget is the most that our own time of an exchange may be, p50, for 2 KB.
const ownTarget = 150

// table writes the results as Markdown tables, for the terminal and for RESULTS.md.
func (r *results) table(w io.Writer) {
	fmt.Fprintln(w, "\n| request | tools | conns | arm | requests/s | p50 ms | p99 ms | CPU ms/request | of it Envoy | rate / plain | rate / noop | CPU / noop | own p50 / p99 µs |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, x := range r.Rows {
		own := ""
		if x.OwnP50 > 0 {
			own = fmt.Sprintf("%d / %d", x.OwnP50, x.OwnP99)
		}
		fmt.Fprintf(w, "| %s | %d | %d | %s | %.0f | %.2f | %.2f | %.3f | %.3f | %s | %s | %s | %s |\n", x.Shape, x.Tools, x.Connections, x.Arm,
			x.PerSec, x.P50, x.P99, x.CPU, x.Envoy, ratio(x.ToPlain), ratio(x.ToNoop), ratio(x.CPUToNoop), own)
	}
	if len(r.Cold) > 0 {
		fmt.Fprintln(w, "\n| cold: 2 KB, one tool, 32 connections, each principal's first request | ready after s | requests/s | p50 ms | p99 ms | CPU ms/request |")
		fmt.Fprintln(w, "|---|---|---|---|---|---|")
		for _, c := range r.Cold {
			fmt.Fprintf(w, "| %s | %.2f | %.0f | %.2f | %.2f | %.3f |\n", c.Arm, c.Ready, c.PerSec, c.P50, c.P99, c.CPU)
		}
	}
	r.toolTable(w)
	defer r.Dialects.table(w)
	if len(r.RatiosToNoop) == 0 {
		return
	}
	fmt.Fprintln(w, "\n| one tool, 32 connections | requests/s to no-op | target | CPU to no-op | target |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, t := range targets {
		if rate, ok := r.RatiosToNoop[t.shape]; ok {
			fmt.Fprintf(w, "| %s | %.2f%s | ≥ %.2f | %.2f%s | ≤ %.2f |\n", t.shape, rate, missed(rate < t.rate), t.rate,
				r.CPURatiosToNoop[t.shape], missed(r.CPURatiosToNoop[t.shape] > t.cpu), t.cpu)
		}
	}
	if own, ok := r.OwnP50[shape2k]; ok {
		fmt.Fprintf(w, "\nOur own time of a 2 KB exchange, p50: %d µs%s (target: under %d µs).\n", own, missed(own >= ownTarget), ownTarget)
	}
}

func ratio(f float64) string {
	if f == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", f)
}

func missed(yes bool) string {
	if yes {
		return " (missed)"
	}
	return ""
}

// write leaves RESULTS.md and results.json.
func (r *results) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var md strings.Builder
	fmt.Fprintf(&md, `# What it costs

Written by `+"`make bench`"+` on %s; `+"`results.json`"+` has all of it. %d cores (%s), Envoy %s with %s in every arm, %s.
%d rounds of %g seconds for each line, the arms interleaved; figures are medians of the rounds, and ratios are medians of
the ratios within a round. Load generator and upstream run on the same cores. Load average before the run: %s. Trust the ratios.

- **plain**: Envoy alone. **noop**: Envoy with an ext_proc service that does nothing, in the same modes, on grpc-go as it comes.
- **yellowjack**: the whole guard: JWTs of %d principals, Rego on each request and each tool call, keys replaced, audit on;
  with ten tools, two are hidden, so that the request is edited. The model goes to the default provider under its own
  name (vendor/model), as with OpenRouter, so that a request with one tool is not.
- Each principal holds %d conversations (%d of 64 KB) and repeats the last request of each in turn, so that what policy said of it is
  remembered after the first (policies/cache.go); its tool calls differ and are evaluated each time. The cold table is of first
  requests alone.
- 2k and 64k are the sizes of requests; their answers have about 2 KB and one tool call. A stream has 50 events, %g ms apart,
  with one tool call in six pieces.
- CPU is that of the gateway's processes, Envoy and the service together. Own time is what Yellowjack spends of an exchange,
  both halves, by the wall clock, so that it has waits for a core in it.
`, r.Machine.When, r.Machine.Cores, r.Machine.CPU, r.Machine.Envoy, "2 workers", r.Machine.Go, r.Rounds, r.Length, r.Machine.Load, principals, held[shape2k], held[shape64k], r.Pace)
	r.table(&md)
	if err := os.WriteFile(filepath.Join(folder, "RESULTS.md"), []byte(md.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "results.json"), append(b, '\n'), 0o644)
}
