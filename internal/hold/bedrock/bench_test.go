package bedrock_test

import (
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/bedrock"
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
	for _, w := range []string{" the", ` quick\n`, " brown", " fox — jumps", ` over \"it\"`} {
		events = append(events, encode(`contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"`+w+`"},"p":"abcdefghijklmnop"}`))
	}
	g := bedrock.New(c)
	dst, err := g.Write(make([]byte, 0, 4096), encode(begin))
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

// BenchmarkCall is a whole stream with one call in 50 fragments.
func BenchmarkCall(b *testing.B) {
	for _, tool := range []string{"read", "no_post"} {
		in := begin + `contentBlockStart {"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"` + tool + "\"}}}\n"
		for i := range 50 {
			fragment := `{\"n\":\"`
			if i > 0 {
				fragment = "abcd"
			}
			if i == 49 {
				fragment = `\"}`
			}
			in += `contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"` + fragment + "\"}}}\n"
		}
		stream := encode(in + ended + stop + cost)
		b.Run(tool, func(b *testing.B) {
			dst := make([]byte, 0, 1<<16)
			b.ReportAllocs()
			for b.Loop() {
				o := &outcome{}
				g := gateOf(hold.Config{}, o)
				var err error
				if dst, err = g.Write(dst[:0], stream); err != nil || len(o.asked) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
