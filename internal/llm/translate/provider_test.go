package translate

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/sse"
)

// saidByProvider writes an answer as Gemini or Bedrock does, whole and in events, its texts cut in pieces.
func saidByProvider(t *rapid.T, dialect string, a *answer) (doc, stream []byte) {
	if dialect == Gemini {
		return saidByGemini(t, a)
	}
	return saidByBedrock(t, a)
}

func pieces(t *rapid.T, text string) []string {
	var out []string
	for text != "" {
		n := rapid.IntRange(1, len(text)).Draw(t, "piece")
		for n < len(text) && text[n]&0xc0 == 0x80 {
			n++
		}
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

func saidByGemini(t *rapid.T, a *answer) (doc, stream []byte) {
	reason := map[stop]string{ended: "STOP", calls: "STOP", cutOff: "MAX_TOKENS", refused: "SAFETY"}[a.stop]
	var all []string
	put := func(part string) {
		all = append(all, part)
		stream = sse.AppendData(stream, fmt.Appendf(nil, `{"responseId":"id_1","modelVersion":"model-x","candidates":[{"content":{"role":"model","parts":[%s]}}]}`, part))
	}
	usage := fmt.Sprintf(`{"promptTokenCount":%d,"candidatesTokenCount":%d,"cachedContentTokenCount":%d}`, a.usage.Input, a.usage.Output, a.usage.CachedRead)
	signed := ""
	for _, b := range a.blocks {
		switch b.kind {
		case thoughtBlock:
			for _, text := range pieces(t, b.text) {
				put(fmt.Sprintf(`{"text":%s,"thought":true}`, quoted(text)))
			}
			signed = `,"thoughtSignature":"Z3NpZw=="`
		case callBlock:
			put(fmt.Sprintf(`{"functionCall":{"id":%s,"name":%s,"args":%s}%s}`, quoted(b.id), quoted(b.tool), b.args, signed))
			signed = ""
		default:
			for _, text := range pieces(t, b.text) {
				put(fmt.Sprintf(`{"text":%s}`, quoted(text)))
			}
		}
	}
	if signed != "" {
		put(`{"text":""` + signed + `}`)
	}
	stream = sse.AppendData(stream, fmt.Appendf(nil, `{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":%q}],"usageMetadata":%s}`, reason, usage))
	if len(all) == 0 { // what the first event says, the last says again
		stream = sse.AppendData(nil, fmt.Appendf(nil, `{"responseId":"id_1","modelVersion":"model-x","candidates":[{"finishReason":%q}],"usageMetadata":%s}`, reason, usage))
	}
	doc = fmt.Appendf(nil, `{"responseId":"id_1","modelVersion":"model-x","candidates":[{"content":{"parts":[%s]},"finishReason":%q}],"usageMetadata":%s}`, strings.Join(all, ","), reason, usage)
	return doc, stream
}

func saidByBedrock(t *rapid.T, a *answer) (doc, stream []byte) {
	reason := map[stop]string{ended: "end_turn", calls: "tool_use", cutOff: "max_tokens", refused: "content_filtered"}[a.stop]
	var all []string
	lines := []string{`messageStart {"role":"assistant"}`}
	delta := func(i int, what string, more ...any) {
		lines = append(lines, fmt.Sprintf(`contentBlockDelta {"contentBlockIndex":%d,"delta":{%s}}`, i, fmt.Sprintf(what, more...)))
	}
	for i, b := range a.blocks {
		switch {
		case b.kind == thoughtBlock && b.sign.Data != "":
			all = append(all, fmt.Sprintf(`{"reasoningContent":{"redactedContent":%q}}`, b.sign.Data))
			delta(i, `"reasoningContent":{"redactedContent":%q}`, b.sign.Data)
		case b.kind == thoughtBlock:
			all = append(all, fmt.Sprintf(`{"reasoningContent":{"reasoningText":{"text":%s,"signature":%q}}}`, quoted(b.text), b.sign.Signature))
			for _, text := range pieces(t, b.text) {
				delta(i, `"reasoningContent":{"text":%s}`, quoted(text))
			}
			delta(i, `"reasoningContent":{"signature":%q}`, b.sign.Signature)
		case b.kind == callBlock:
			all = append(all, fmt.Sprintf(`{"toolUse":{"toolUseId":%q,"name":%q,"input":%s}}`, b.id, b.tool, b.args))
			lines = append(lines, fmt.Sprintf(`contentBlockStart {"contentBlockIndex":%d,"start":{"toolUse":{"toolUseId":%q,"name":%q}}}`, i, b.id, b.tool))
			for _, text := range pieces(t, string(b.args)) {
				delta(i, `"toolUse":{"input":%s}`, quoted(text))
			}
		default:
			all = append(all, fmt.Sprintf(`{"text":%s}`, quoted(b.text)))
			for _, text := range pieces(t, b.text) {
				delta(i, `"text":%s`, quoted(text))
			}
		}
		lines = append(lines, fmt.Sprintf(`contentBlockStop {"contentBlockIndex":%d}`, i))
	}
	usage := fmt.Sprintf(`"usage":{"inputTokens":%d,"outputTokens":%d,"cacheReadInputTokens":%d}`, a.usage.Input, a.usage.Output, a.usage.CachedRead)
	lines = append(lines, fmt.Sprintf(`messageStop {"stopReason":%q}`, reason), fmt.Sprintf(`metadata {%s}`, usage))
	doc = fmt.Appendf(nil, `{"output":{"message":{"role":"assistant","content":[%s]}},"stopReason":%q,%s}`, strings.Join(all, ","), reason, usage)
	return doc, framed(t, Bedrock, strings.Join(lines, "\n"))
}
