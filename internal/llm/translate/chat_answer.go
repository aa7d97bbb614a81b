package translate

import (
	"github.com/yellowjack/yellowjack/internal/llm"
)

var chatFinishes = map[string]stop{ //nolint:gochecknoglobals // a constant in all but syntax
	"stop": ended, "length": cutOff, "tool_calls": calls, "content_filter": refused, "end_turn": ended, "max_tokens": cutOff,
}

// chatFinish is the finish_reason of an answer.
func chatFinish(s stop) string {
	switch s {
	case cutOff:
		return "length"
	case calls:
		return "tool_calls"
	case refused:
		return "content_filter"
	}
	return "stop"
}

// decodeChatAnswer reads a chat.completion: its message is one delta.
func decodeChatAnswer(doc []byte) (*answer, error) {
	var in chatAnswer
	if err := readAnswer(doc, &in); err != nil {
		return nil, err
	}
	if present(in.Error) {
		return &answer{failed: openAIFailure(in.Error)}, nil
	}
	if len(in.Choices) != 1 || in.Choices[0].Message == nil {
		return nil, unreadable("has not one choice")
	}
	var c collector
	d := &chatDecoder{}
	in.Choices[0].Delta = in.Choices[0].Message
	err := d.chunk(&in, c.put)
	if err == nil {
		err = d.end(c.put)
	}
	return &c.answer, err
}

// usageOf is the usage as every dialect's view has it.
func (u *chatUsage) usageOf() llm.Usage {
	out := llm.Usage{Input: u.Prompt, Output: u.Completion, Cost: u.Cost.value, HasCost: u.Cost.set, Known: true}
	if u.In != nil {
		out.CachedRead, out.CachedWrite = u.In.Cached, u.In.Written
	}
	if u.Out != nil {
		out.Reasoning = u.Out.Reasoning
	}
	return out
}

func chatUsageOf(u llm.Usage) *chatUsage {
	if !u.Known {
		return nil
	}
	out := &chatUsage{
		Prompt: u.Input, Completion: u.Output, Total: u.Input + u.Output,
		In: &chatInUsage{Cached: u.CachedRead, Written: u.CachedWrite}, Out: &chatOutUsage{Reasoning: u.Reasoning},
	}
	if u.HasCost {
		out.Cost = some(u.Cost)
	}
	return out
}

// encodeChatAnswer writes a chat.completion.
func encodeChatAnswer(a *answer) ([]byte, error) {
	m := &chatSaid{Role: "assistant", Content: raw("null"), Refusal: raw("null")}
	if text, any := joined(a.blocks, textBlock); any {
		m.Content = quoted(text)
	}
	if text, any := joined(a.blocks, refusalBlock); any {
		m.Refusal = quoted(text)
	}
	if text, _ := joined(a.blocks, thoughtBlock); text != "" {
		m.Reasoning = some(text)
	}
	var before *block // signs what follows it
	for i := range a.blocks {
		b := &a.blocks[i]
		if before != nil && b.kind != callBlock {
			m.Details = append(m.Details, detailOf(before, len(m.Details)))
			before = nil
		}
		switch {
		case b.kind == thoughtBlock && signsNext(b.sign):
			before = b
		case b.kind == thoughtBlock:
			m.Details = append(m.Details, detailOf(b, len(m.Details)))
		case b.kind == callBlock:
			m.Calls = append(m.Calls, chatCallOf(b, before))
			m.Calls[len(m.Calls)-1].Function.Arguments = some(string(b.args))
			before = nil
		case b.kind != textBlock && b.kind != refusalBlock:
			return nil, unreadable("has a block that is no text")
		}
	}
	if before != nil {
		m.Details = append(m.Details, detailOf(before, len(m.Details)))
	}
	return write(&chatAnswer{
		ID: a.id, Object: "chat.completion", Created: a.created, Model: a.model,
		Choices: []chatChoice{{Message: m, Finish: some(chatFinish(a.stop))}}, Usage: chatUsageOf(a.usage),
	})
}

// signsNext tells of a signature that it is of what follows it, as Gemini's are.
func signsNext(s sign) bool { return s.Format == geminiFormat && s.Data != "" }

// chatCallOf begins a call, with the signature that came before it where Gemini's own chat completions have it.
func chatCallOf(b, before *block) chatCall {
	c := chatCall{ID: some(b.id), Type: "function", Function: &chatInvocation{Name: b.tool}}
	if before != nil {
		var extra chatExtra
		extra.Google.Signature = before.sign.Data
		c.Extra, _ = write(&extra) // a text can always be written
	}
	return c
}
