package hold_test

import (
	"fmt"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/llm"
)

const (
	openAIText     = `{"id":"chatcmpl-AbCdEfGhIjKlMnOp","object":"chat.completion.chunk","created":1760000000,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"%s"}`
	openRouterText = `{"id":"gen-1760000000-AbCdEfGhIjKl","provider":"Anthropic","model":"anthropic/claude-sonnet-4.5","object":"chat.completion.chunk","created":1760000000,"choices":[{"index":0,"delta":{"role":"assistant","content":"%s"},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}`
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
	words := []string{" the", " quick\\n", " brown", " fox — jumps", " over \\\"it\\\""}
	for name, format := range map[string]string{"openai": openAIText, "openrouter": openRouterText} {
		b.Run(name, func(b *testing.B) {
			var events [][]byte
			for i, w := range words {
				args := []any{w}
				if name == "openai" {
					args = append(args, "xxxxxxxxxxxx"[:i+3])
				}
				events = append(events, []byte("data: "+fmt.Sprintf(format, args...)+"\n\n"))
			}
			g := hold.New(c)
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				var err error
				if dst, err = g.Write(dst[:0], events[i%len(events)]); err != nil {
					b.Fatal(err)
				}
				if len(dst) != len(events[i%len(events)]) {
					b.Fatal("not released whole")
				}
			}
		})
	}
}

// BenchmarkCall is a whole stream with one call in 50 fragments.
func BenchmarkCall(b *testing.B) {
	for _, tool := range []string{"read", "no_post"} {
		stream := calls(call(0, `"id":"a"`, function(tool, "")))
		for i := range 50 {
			fragment := `{\"n\":\"`
			if i > 0 {
				fragment = "abcd"
			}
			if i == 49 {
				fragment = `\"}`
			}
			stream += calls(call(0, `"function":{"arguments":"`+fragment+`"}`))
		}
		stream += finish("tool_calls") + doneEvent
		b.Run(tool, func(b *testing.B) {
			dst := make([]byte, 0, 1<<16)
			b.ReportAllocs()
			for b.Loop() {
				o := &outcome{}
				g := gateOf(hold.Config{}, o)
				var err error
				if dst, err = g.Write(dst[:0], []byte(stream)); err != nil || len(o.batches) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
