package policies

import (
	"testing"

	"github.com/yellowjack/yellowjack/internal/label"
)

// BenchmarkResults is a request with a long history: many results of few tools.
func BenchmarkResults(b *testing.B) {
	e := engine(b, Config{Data: many(10)})
	in := requestInput(1)
	for i := range 30 {
		in.Results = append(in.Results, Result{Tool: in.Tools[0].Name, ID: string(rune('a' + i)), Attributed: true, Verified: true, Label: label.Clean(), Bytes: i})
	}
	e.current.Load().cache = nil // a history that grows is another one each time
	b.ReportAllocs()
	for b.Loop() {
		if d, err := e.Request(b.Context(), in); err != nil || !d.Allowed {
			b.Fatal(d, err)
		}
	}
}
