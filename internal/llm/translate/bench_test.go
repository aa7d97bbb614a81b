package translate

import (
	"strings"
	"testing"
)

// BenchmarkStream is an event of text, from each provider's dialect to a client of another.
func BenchmarkStream(b *testing.B) {
	piece := map[string]string{
		Chat:      `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a few words of text"},"finish_reason":null}]}` + "\n\n",
		Anthropic: "event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a few words of text"}}` + "\n\n",
		Gemini:    `data: {"candidates":[{"content":{"parts":[{"text":"a few words of text"}],"role":"model"},"index":0}],"responseId":"r","modelVersion":"m"}` + "\r\n\r\n",
	}
	first := map[string]string{
		Anthropic: "event: message_start\n" + `data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{}}}` + "\n\n" +
			"event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n",
	}
	for _, p := range Pairs() {
		if piece[p[1]] == "" {
			continue
		}
		b.Run(p[1]+" to "+p[0], func(b *testing.B) {
			s, err := NewStream(p[1], p[0], options)
			if err != nil {
				b.Fatal(err)
			}
			out, err := s.Write(nil, []byte(first[p[1]]))
			if err != nil {
				b.Fatal(err)
			}
			in := []byte(piece[p[1]])
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if out, err = s.Write(out[:0], in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRequest is a request of 64 KB.
func BenchmarkRequest(b *testing.B) {
	turn := `{"role":"user","content":"` + strings.Repeat("some words of text ", 100) + `"},{"role":"assistant","content":"` + strings.Repeat("an answer to them ", 50) + `"},`
	doc := []byte(`{"model":"m","max_tokens":9,"messages":[` + strings.Repeat(turn, 23) + `{"role":"user","content":"x"}]}`)
	for _, p := range Pairs() {
		if p[0] == Responses {
			continue
		}
		b.Run(p[0]+" to "+p[1], func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if _, err := Request(p[0], p[1], doc, "m", true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
