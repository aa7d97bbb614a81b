package extproc_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/quarantine"
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

// BenchmarkResults is an exchange with 20 results of 2 KB: that pass, that are quarantined and known, and the same with none.
func BenchmarkResults(b *testing.B) {
	w := newWorld(b)
	archive, err := txtar.ParseFile("testdata/result-trusted.txtar")
	if err != nil {
		b.Fatal(err)
	}
	for name, id := range map[string]string{"passed": "query", "cached": "issue"} {
		tool := map[string]string{"query": "snowflake__query", "issue": "github__get_issue"}[id]
		var history strings.Builder
		history.WriteString(`{"role":"user","content":"Work on it."}`)
		for i := range 20 {
			call := fmt.Sprintf("${called:%s:%d}", id, i)
			fmt.Fprintf(&history, `,{"role":"assistant","content":null,"tool_calls":[{"id":%q,"type":"function","function":{"name":%q,"arguments":"{}"}}]},{"role":"tool","tool_call_id":%q,"content":%q}`,
				call, tool, call, fmt.Sprintf(`{"number":%d,"state":"open","title":"x","body":"%s"}`, i, strings.Repeat("what somebody wrote ", 100)))
		}
		one := &txtar.Archive{}
		for _, f := range archive.Files {
			switch {
			case f.Name == "in request-body":
				f.Data = []byte(`{"model":"mock/small","messages":[` + w.many(b, history.String()) + `],"tools":[{"type":"function","function":{"name":"snowflake__query","parameters":{"type":"object"}}}]}`)
			case !strings.HasPrefix(f.Name, "in "):
				continue
			}
			one.Files = append(one.Files, f)
		}
		one.Files = append(one.Files, txtar.File{Name: "in response-headers", Data: []byte(":status: 200\ncontent-type: application/json\n")}, txtar.File{
			Name: "in response-body end",
			Data: []byte(`{"id":"c1","object":"chat.completion","created":1,"model":"small","choices":[{"index":0,"message":{"role":"assistant","content":"Fine."},"finish_reason":"stop"}]}` + "\n"),
		})
		b.Run(name, func(b *testing.B) {
			guard, err := quarantine.New(quarantine.Config{
				Store: w.store, Keys: w.storeKeys, Result: 400, Conversation: 1e5, PrincipalHour: 1e6, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			service := w.service(b, nowhere{}, func(c *extproc.Config) { c.Quarantine = guard })
			all := messages(b, w, one)
			b.ReportAllocs()
			for b.Loop() {
				if err := service.Process(&script{ctx: b.Context(), in: all}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
