package gemini_test

import (
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/filter"
	"github.com/yellowjack/yellowjack/internal/hold"
	"github.com/yellowjack/yellowjack/internal/hold/gemini"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// BenchmarkText is a stream of text, event by event, with and without a filter on it.
func BenchmarkText(b *testing.B) {
	one := []byte(`data: {"candidates": [{"content": {"parts": [{"text": "A few words more. "}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 12,"candidatesTokenCount": 5,"totalTokenCount": 17,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 12}]},"modelVersion": "gemini-2.5-flash","responseId": "abcdefgh"}` + "\r\n\r\n")
	for name, c := range map[string]hold.Config{
		"plain":    {},
		"filtered": {Text: func(int) hold.TextFilter { return &filter.Filter{} }, Finish: func(llm.Turn) error { return nil }, MaxText: 1 << 10},
	} {
		b.Run(name, func(b *testing.B) {
			g := gemini.New(c)
			var out []byte
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if out, err = g.Write(out[:0], one); err != nil || len(out) != len(one) {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCall is a whole answer that makes a call.
func BenchmarkCall(b *testing.B) {
	stream := []byte(event(textOf("I will look."), "") + event(callOf("read", `{"path":"`+strings.Repeat("x", 200)+`"}`), "") + event(textOf(""), stop))
	allow := func(calls []llm.ToolCall) ([]llm.Verdict, error) {
		return []llm.Verdict{{Allow: true, ID: "yj_1"}}, nil
	}
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		g := gemini.New(hold.Config{Decide: allow})
		out, err := g.Write(nil, stream)
		if err == nil {
			_, err = g.Close(out)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
