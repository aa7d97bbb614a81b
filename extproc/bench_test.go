package extproc_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/audit"
)

// nowhere is an audit that takes everything.
type nowhere struct{}

func (nowhere) Write(*audit.Record) error { return nil }

// BenchmarkExchange is our own part of an exchange, without gRPC and without Envoy: an allowed call, whole and streamed,
// and a request of 64 KB.
func BenchmarkExchange(b *testing.B) {
	w := newWorld(b)
	for _, name := range []string{"allowed-call", "stream-allowed", "allowed-call-64k"} {
		archive, err := txtar.ParseFile("testdata/" + strings.TrimSuffix(name, "-64k") + ".txtar")
		if err != nil {
			b.Fatal(err)
		}
		if strings.HasSuffix(name, "-64k") {
			for i, f := range archive.Files {
				if f.Name == "in request-body" {
					archive.Files[i].Data = bytes.Replace(f.Data, []byte("Revenue?"), []byte(strings.Repeat("Revenue? ", 7000)), 1)
				}
			}
		}
		all := messages(b, w, archive)
		b.Run(name, func(b *testing.B) {
			service := w.service(b, nowhere{}, nil)
			b.ReportAllocs()
			for b.Loop() {
				if err := service.Process(&script{ctx: b.Context(), in: all}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
