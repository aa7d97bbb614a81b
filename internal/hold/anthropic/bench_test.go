package anthropic_test

import (
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/anthropic"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// sameText is a filter that changes nothing.
type sameText struct{}

func (sameText) Write(dst, text []byte) []byte { return append(dst, text...) }
func (sameText) Close(dst []byte) []byte       { return dst }

// BenchmarkText is the gate's hot path: an event that carries text and nothing else. With a filter, and with the turn
// kept besides.
func BenchmarkText(b *testing.B) {
	text := func(int) hold.TextFilter { return sameText{} }
	b.Run("plain", func(b *testing.B) { benchmarkText(b, hold.Config{}) })
	b.Run("filter", func(b *testing.B) { benchmarkText(b, hold.Config{Text: text}) })
	b.Run("finish", func(b *testing.B) {
		benchmarkText(b, hold.Config{Text: text, Finish: func(llm.Turn) error { return nil }})
	})
}

func benchmarkText(b *testing.B, c hold.Config) {
	var events [][]byte
	for _, w := range []string{" the", " quick\n", " brown", " fox — jumps", " over \"it\""} {
		events = append(events, []byte(said(0, w)))
	}
	g := anthropic.New(c)
	dst, err := g.Write(make([]byte, 0, 4096), []byte(start("m")+begin(0, textBlock)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if dst, err = g.Write(dst[:0], events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
		if len(dst) != len(events[i%len(events)]) {
			b.Fatal("not released whole")
		}
	}
}
