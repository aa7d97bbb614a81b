package translate

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// anAnswer draws an answer that a provider of any dialect could give.
func anAnswer(t *rapid.T) *answer {
	text := rapid.StringMatching(`[a-z "\\\n{}é]{1,12}`)
	a := &answer{id: "id_1", model: "model-x", created: 1700000001, stop: rapid.SampledFrom([]stop{ended, cutOff, refused}).Draw(t, "stop")}
	for i := range rapid.IntRange(0, 2).Draw(t, "thoughts") {
		b := block{kind: thoughtBlock, sign: sign{Format: anthropicFormat}}
		switch rapid.IntRange(0, 2).Draw(t, "thought") {
		case 0:
			b.text, b.sign.Signature = text.Draw(t, "thinks"), "c2ln"+strings.Repeat("=", i)
		case 1:
			b.sign.Data = "ZW5j"
		default:
			b.sign.Data, b.sign.Format, b.sign.ID = "ZW5j", "openai-responses-v1", "rs_1"
		}
		a.blocks = append(a.blocks, b)
	}
	if rapid.Bool().Draw(t, "says") {
		a.blocks = append(a.blocks, block{text: text.Draw(t, "text")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "calls") {
		args := rapid.SampledFrom([]string{`{}`, `{"a":1.50}`, `{"place":"Bern","deep":[{"x":null}]}`}).Draw(t, "args")
		a.blocks = append(a.blocks, block{kind: callBlock, id: "yj_" + string(rune('a'+len(a.blocks))), tool: "weather", args: raw(args)})
		a.stop = calls
	}
	a.usage = llm.Usage{
		Input: rapid.Int64Range(10, 99).Draw(t, "input"), Output: rapid.Int64Range(5, 50).Draw(t, "output"), CachedRead: rapid.Int64Range(0, 5).Draw(t, "read"), Known: true,
	}
	return a
}

// eventsOf are the steps of an answer, its texts cut in pieces.
func eventsOf(t *rapid.T, a *answer) []event {
	out := []event{{kind: started, id: a.id, model: a.model, created: a.created, usage: a.usage}}
	say := func(text string) {
		for text != "" {
			n := rapid.IntRange(1, len(text)).Draw(t, "piece")
			for n < len(text) && text[n]&0xc0 == 0x80 {
				n++
			}
			out = append(out, event{kind: said, text: text[:n]})
			text = text[n:]
		}
	}
	for _, b := range a.blocks {
		first := block{kind: b.kind, id: b.id, tool: b.tool, sign: sign{Format: b.sign.Format}}
		out = append(out, event{kind: opened, block: first})
		say(b.text)
		say(string(b.args))
		if b.sign.signed() {
			out = append(out, event{kind: signed, sign: b.sign})
		}
		out = append(out, event{kind: closed})
		if rapid.IntRange(0, 4).Draw(t, "ping") == 0 {
			out = append(out, event{kind: pinged})
		}
	}
	return append(out, event{kind: stopped, stop: a.stop, usage: a.usage}, event{kind: finished})
}

// TestStreamSaysTheSame: an answer says the same streamed and whole, to clients of every dialect; however the stream is cut.
func TestStreamSaysTheSame(t *testing.T) {
	for _, p := range Pairs() {
		made, ok := clientOf(p[1]) // writes what such a provider does
		t.Run(p[0]+" "+p[1], func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				a := anAnswer(rt)
				if !ok {
					doc, stream := saidByProvider(rt, p[1], a)
					whole, err := Whole(p[1], p[0], doc, options)
					if err != nil {
						rt.Fatalf("%v: %s", err, doc)
					}
					same(rt, p[0], whole, inPieces(rt, p[1], p[0], stream))
					return
				}
				doc, err := made.whole(a)
				if err != nil {
					rt.Fatal(err)
				}
				var stream []byte
				out := made.stream(options)
				for _, e := range eventsOf(rt, a) {
					if stream, err = out.event(stream, e); err != nil {
						rt.Fatal(err)
					}
				}
				whole, err := Whole(p[1], p[0], doc, options)
				if err != nil {
					rt.Fatalf("%v: %s", err, doc)
				}
				got := inPieces(rt, p[1], p[0], stream)
				same(rt, p[0], whole, got)
			})
		})
	}
}

// inPieces translates a stream that arrives in pieces.
func inPieces(t *rapid.T, from, to string, stream []byte) []byte {
	s, err := NewStream(from, to, options)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for len(stream) > 0 {
		n := rapid.IntRange(1, len(stream)).Draw(t, "chunk")
		if out, err = s.Write(out, stream[:n]); err != nil {
			t.Fatalf("%v: %s", err, stream)
		}
		stream = stream[n:]
	}
	if out, err = s.Close(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRoundTrip: an answer that a client sends back is for the provider what it said.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := anAnswer(rt)
		message, err := encodeAnthropicAnswer(a)
		if err != nil {
			rt.Fatal(err)
		}
		whole, err := Whole(Anthropic, Chat, message, options)
		if err != nil {
			rt.Fatal(err)
		}
		said := decoded(rt, whole)["choices"].([]any)[0].(map[string]any)["message"]
		back, err := write(map[string]any{"model": "m", "messages": []any{map[string]any{"role": "user", "content": "x"}, said, map[string]any{"role": "user", "content": "y"}}})
		if err != nil {
			rt.Fatal(err)
		}
		up, err := Request(Chat, Anthropic, back, "m", false)
		if err != nil {
			rt.Fatalf("%v: %s", err, back)
		}
		var sent struct {
			Messages []anthropicMessage `json:"messages"`
		}
		var was anthropicAnswer
		if readAnswer(up, &sent) != nil || readAnswer(message, &was) != nil {
			rt.Fatal("cannot be read")
		}
		var got []anthropicBlock
		if len(sent.Messages) > 2 {
			got = sent.Messages[1].Content.list
			if sent.Messages[1].Content.kind == '"' {
				got = []anthropicBlock{{Type: "text", Text: some(sent.Messages[1].Content.text)}}
			}
		}
		own := slices.DeleteFunc(was.Content, func(b anthropicBlock) bool { return strings.HasPrefix(b.Data.value, "{") }) // another provider's
		if !slices.EqualFunc(got, own, sameBlock) {
			rt.Fatalf("%s\nand was\n%s", up, message)
		}
	})
}

func sameBlock(a, b anthropicBlock) bool {
	x, errA := write(&a)
	y, errB := write(&b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// FuzzStream: a stream of any bytes has one outcome, however it is cut; what comes out before an error is the same, too.
func FuzzStream(f *testing.F) {
	for i, p := range Pairs() {
		made, ok := clientOf(p[1])
		if !ok {
			continue
		}
		var stream []byte
		out := made.stream(options)
		for _, e := range []event{
			{kind: started, id: "x", model: "m"},
			{kind: opened, block: block{kind: thoughtBlock}},
			{kind: said, text: "hm"},
			{kind: signed, sign: sign{Signature: "c2ln"}},
			{kind: closed},
			{kind: opened},
			{kind: said, text: "a"},
			{kind: said, text: "b"},
			{kind: closed},
			{kind: opened, block: block{kind: callBlock, id: "c", tool: "t"}},
			{kind: said, text: `{"a":`},
			{kind: said, text: `1}`},
			{kind: closed},
			{kind: stopped, stop: calls, usage: llm.Usage{Input: 1, Output: 2, Known: true}},
			{kind: finished},
		} {
			var err error
			if stream, err = out.event(stream, e); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(byte(i), byte(3), stream)
		f.Add(byte(i), byte(200), bytes.ReplaceAll(stream, []byte("\n"), []byte("\r\n")))
	}
	for i, p := range Pairs() { // and those whose events no client gets
		switch p[1] {
		case Gemini:
			f.Add(byte(i), byte(5), []byte(`data: {"candidates":[{"content":{"parts":[{"text":"a","thought":true},{"functionCall":{"name":"x"},"thoughtSignature":"s"}]},"finishReason":"STOP"}]}`+"\r\n\r\n"))
		case Bedrock:
			f.Add(byte(i), byte(5), framed(f, Bedrock, `messageStart {"role":"assistant"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"a"}}
contentBlockStop {"contentBlockIndex":0}
contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"c","name":"x"}}}
contentBlockStop {"contentBlockIndex":1}
messageStop {"stopReason":"tool_use"}
metadata {"usage":{"inputTokens":1}}`))
		}
	}
	f.Fuzz(func(t *testing.T, which, size byte, in []byte) {
		p := Pairs()[int(which)%len(Pairs())]
		whole, wholeErr := cut(t, p, len(in), in)
		pieces, piecesErr := cut(t, p, int(size)+1, in)
		if !bytes.Equal(whole, pieces) || (wholeErr == nil) != (piecesErr == nil) || wholeErr != nil && wholeErr.Error() != piecesErr.Error() {
			t.Fatalf("%s\n%v\nin pieces:\n%s\n%v", whole, wholeErr, pieces, piecesErr)
		}
		if wholeErr != nil && !errors.Is(wholeErr, ErrUnreadable) {
			t.Fatalf("%v", wholeErr)
		}
	})
}

func cut(t *testing.T, p [2]string, size int, in []byte) ([]byte, error) {
	s, err := NewStream(p[1], p[0], Options{ID: "i", Model: "m", Now: time.Unix(1, 0), Usage: true, MaxEvent: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for len(in) > 0 && err == nil {
		n := min(max(size, 1), len(in))
		out, err = s.Write(out, in[:n])
		in = in[n:]
	}
	if err == nil {
		out, err = s.Close(out)
	}
	if err != nil {
		if _, again := s.Write(nil, []byte("data: {}\n\n")); again != err { //nolint:errorlint // the very same
			t.Fatal("errors do not stick")
		}
	}
	return out, err
}

// FuzzRequest: whatever a client asks is translated to a document that can be read, or refused by a field.
func FuzzRequest(f *testing.F) {
	f.Add(byte(0), []byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"t"}}]}`))
	f.Add(byte(1), []byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[]}]}],"max_tokens":1}`))
	f.Fuzz(func(t *testing.T, which byte, in []byte) {
		p := Pairs()[int(which)%len(Pairs())]
		out, err := Request(p[0], p[1], in, "m", false)
		if err != nil {
			if _, ok := errors.AsType[*llm.FieldError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if !raw(out).IsValid() {
			t.Fatalf("%s", out)
		}
	})
}

// FuzzWhole: whatever a provider answers is translated to a document that can be read, or refused; so is any error of its.
func FuzzWhole(f *testing.F) {
	for i, p := range Pairs() {
		if made, ok := clientOf(p[1]); ok {
			doc, err := made.whole(&answer{id: "x", model: "m", stop: ended, blocks: []block{{text: "a"}, {kind: callBlock, id: "c", tool: "t", args: raw("{}")}}})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), doc)
		}
		f.Add(byte(i), []byte(`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`))
		f.Add(byte(i), []byte(`{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}},"stopReason":"end_turn"}`))
		f.Add(byte(i), []byte(`{"type":"error","error":{"type":"x","message":"y"}}`))
	}
	f.Fuzz(func(t *testing.T, which byte, in []byte) {
		p := Pairs()[int(which)%len(Pairs())]
		out, err := Whole(p[1], p[0], in, options)
		switch {
		case err != nil && !errors.Is(err, ErrUnreadable):
			t.Fatal(err)
		case err == nil && !raw(out).IsValid():
			t.Fatalf("%s", out)
		case err == nil:
			Thoughts(p[0], out)
		}
		if out := Error(p[1], p[0], 400, in); !raw(out).IsValid() || !bytes.Contains(out, []byte(`"message":"`)) {
			t.Fatalf("%s", out)
		}
	})
}
