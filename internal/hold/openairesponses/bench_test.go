package openairesponses_test

import (
	"fmt"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/openairesponses"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// BenchmarkText is what an event of text costs, that arrives alone.
func BenchmarkText(b *testing.B) {
	for name, c := range map[string]hold.Config{"bare": {}, "told": {Finish: func(llm.Turn) error { return nil }}} {
		b.Run(name, func(b *testing.B) {
			g := openairesponses.New(c)
			if _, err := g.Write(nil, streamOf(created, added(0, message("")))); err != nil {
				b.Fatal(err)
			}
			event := []byte("event: response.output_text.delta\ndata: " + `{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"word ","logprobs":[],"obfuscation":"AbCdEfGhIj"}` + "\n\n")
			var out []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(event)))
			for b.Loop() {
				var err error
				if out, err = g.Write(out[:0], event); err != nil || len(out) != len(event) {
					b.Fatal(err, len(out))
				}
			}
		})
	}
}

// BenchmarkCall is a whole stream with one call in 100 pieces.
func BenchmarkCall(b *testing.B) {
	docs, said := []string{created, added(0, function("fc_1", "1", "read", ""))}, ""
	for i := range 100 {
		piece := fmt.Sprintf("%d ", i)
		if i == 0 {
			piece = `{"a":"`
		} else if i == 99 {
			piece = `"}`
		}
		said += piece
		docs = append(docs, `{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":`+quote(piece)+`}`)
	}
	item := function("fc_1", "1", "read", said)
	stream := streamOf(append(docs, done(0, item), completed(item))...)
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		o := pass(mode{}, hold.Config{}, stream, nil)
		if o.err != nil || len(o.out) != len(stream) {
			b.Fatal(o.err)
		}
	}
}
