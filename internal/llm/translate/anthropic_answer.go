package translate

var anthropicStops = map[string]stop{ //nolint:gochecknoglobals // a constant in all but syntax
	"end_turn": ended, "stop_sequence": stoppedAt, "max_tokens": cutOff, "model_context_window_exceeded": cutOff,
	"tool_use": calls, "refusal": refused,
}

func anthropicStop(s stop) string {
	switch s {
	case stoppedAt:
		return "stop_sequence"
	case cutOff:
		return "max_tokens"
	case calls:
		return "tool_use"
	case refused:
		return "refusal"
	}
	return "end_turn"
}

// decodeAnthropicAnswer reads a message.
func decodeAnthropicAnswer(doc []byte) (*answer, error) {
	var in anthropicAnswer
	if err := readAnswer(doc, &in); err != nil {
		return nil, err
	}
	if present(in.Error) {
		return &answer{failed: anthropicFailure(in.Error)}, nil
	}
	a := &answer{id: in.ID, model: in.Model, sequence: in.Sequence.value}
	a.usage = in.Usage.over(a.usage)
	for i := range in.Content {
		b, err := in.Content[i].answered()
		if err != nil {
			return nil, err
		}
		a.blocks = append(a.blocks, b)
	}
	if a.stop = anthropicStops[in.Stop.value]; a.stop == notYet {
		return nil, unreadable("ended for a reason that is not known")
	}
	return a, nil
}

// answered is a block of an answer. What runs inside the provider was granted to another dialect's client, if at all.
func (in *anthropicBlock) answered() (block, error) {
	switch in.Type {
	case "text":
		return block{text: in.Text.value}, nil
	case "tool_use", "thinking", "redacted_thinking":
		b, err := in.block("")
		if b.kind == thoughtBlock && b.sign.Format == "" {
			b.sign.Format = anthropicFormat
		}
		return b, err
	}
	return block{}, unreadable("has a block of a kind that the client's API has no form for")
}

// encodeAnthropicAnswer writes a message.
func encodeAnthropicAnswer(a *answer) ([]byte, error) {
	out := anthropicAnswer{
		ID: a.id, Type: "message", Role: "assistant", Model: a.model, Content: []anthropicBlock{},
		Stop: some(anthropicStop(a.stop)), Usage: anthropicUsageOf(a.usage),
	}
	if a.stop == stoppedAt && a.sequence != "" {
		out.Sequence = some(a.sequence)
	}
	for i := range a.blocks {
		b := &a.blocks[i]
		switch b.kind {
		case textBlock, refusalBlock:
			out.Content = append(out.Content, anthropicBlock{Type: "text", Text: some(b.text)})
		case thoughtBlock:
			out.Content = append(out.Content, anthropicThought(b))
		case callBlock:
			out.Content = append(out.Content, anthropicBlock{Type: "tool_use", ID: b.id, Name: b.tool, Input: b.args})
		default:
			return nil, unreadable("has a block that is no text")
		}
	}
	return write(&out)
}
