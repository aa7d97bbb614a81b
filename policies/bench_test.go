package policies

import (
	"fmt"
	"testing"

	"github.com/yellowjack/yellowjack/internal/label"
)

// A hundred principals and more, so that nothing is won by asking the same twice.
const principals = 128

// BenchmarkRequest is requests that repeat, and those that were never asked before.
func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		for _, how := range []string{"remembered", "evaluated"} {
			b.Run(fmt.Sprintf("tools=%d/%s", n, how), func(b *testing.B) {
				e := engine(b, Config{Data: many(n)})
				if how == "evaluated" {
					e.current.Load().cache = nil
				}
				in := requestInput(n)
				b.ReportAllocs()
				t0 := cpu()
				defer func() { b.ReportMetric(float64(cpu()-t0)/float64(b.N), "cpu-ns") }()
				for i := 0; b.Loop(); i++ {
					in.Principal = principal(2 * (i % principals))
					if d, err := e.Request(b.Context(), in); err != nil || !d.Allowed {
						b.Fatal(d, err)
					}
				}
			})
		}
	}
}

func BenchmarkToolcall(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("calls=%d", n), func(b *testing.B) {
			e := engine(b, Config{Data: many(n)})
			in := toolcallInput(n)
			b.ReportAllocs()
			t0 := cpu()
			defer func() { b.ReportMetric(float64(cpu()-t0)/float64(b.N), "cpu-ns") }()
			for i := 0; b.Loop(); i++ {
				in.Principal = principal(2 * (i % principals))
				if d, err := e.Toolcall(b.Context(), in); err != nil || len(d.Calls) != n {
					b.Fatal(d, err)
				}
			}
		})
	}
}

// BenchmarkTaintedCalls is calls in a context that holds content of third parties, with all that is said of their arguments.
func BenchmarkTaintedCalls(b *testing.B) {
	e := engine(b, Config{Data: many(10)})
	in := toolcallInput(10)
	in.Context = label.Label{Integrity: label.Constrained, Confidentiality: label.Internal, Sources: []string{"tool_1", "tool_2"}}
	for i := range in.Calls {
		in.Calls[i].Args = []Arg{{Path: "query", Label: in.Context, Ref: true, Whole: true}, {Path: "limit", Label: in.Context, Person: true}}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		in.Principal = principal(2 * (i % principals))
		if d, err := e.Toolcall(b.Context(), in); err != nil || d.Calls[0].Verdict != Allow {
			b.Fatal(d, err)
		}
	}
}
