package translate

import (
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// maxChatStops is how many sequences OpenAI takes.
const maxChatStops = 4

// encodeChatRequest writes a request for a provider of chat completions. The limit of tokens is max_completion_tokens, which
// OpenAI's newer models insist on. A stream's usage is always asked for: the guard's accounts need it.
func encodeChatRequest(r *request) ([]byte, error) {
	out := chatRequest{
		Model: r.model, MaxCompletionTokens: r.maxTokens.raw, Temperature: r.temperature.raw, TopP: r.topP.raw, TopK: r.topK.raw,
		Frequency: r.frequency.raw, Presence: r.presence.raw, Repetition: r.repetition.raw, Seed: r.seed.raw, User: r.user, Messages: []chatMessage{},
	}
	if r.stream {
		out.Stream, out.StreamOptions = some(true), &chatOptions{Usage: true}
	}
	if len(r.stop) > maxChatStops {
		return nil, cannotBecause(r.stopField, "has more sequences than the four that the API of this model's provider takes")
	}
	if len(r.stop) > 0 {
		out.Stop = listOf(r.stop)
	}
	switch f := r.format; f.kind {
	case anyJSON:
		out.Format = &chatFormat{Type: "json_object"}
	case schemaJSON:
		name := f.name
		if name == "" {
			name = "answer"
		}
		out.Format = &chatFormat{Type: "json_schema", Schema: &chatSchema{Name: name, Description: f.description, Schema: f.schema, Strict: f.strict}}
	}
	if err := r.chatThinking(&out); err != nil {
		return nil, err
	}
	if err := r.chatTools(&out); err != nil {
		return nil, err
	}
	if len(r.system) > 0 {
		content, err := chatTexts(r.system)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, chatMessage{Role: "system", Content: content})
	}
	for i := range r.messages {
		var err error
		if out.Messages, err = appendChat(out.Messages, &r.messages[i]); err != nil {
			return nil, err
		}
	}
	if n := len(r.messages); n > 0 && r.messages[n-1].role == assistantRole {
		return nil, cannotBecause(r.messages[n-1].field, "is the beginning of an answer, which "+noForm)
	}
	return write(&out)
}

var chatEfforts = []string{"none", "minimal", "low", "medium", "high", "xhigh"} //nolint:gochecknoglobals // a constant in all but syntax

func (r *request) chatThinking(out *chatRequest) error {
	if r.effort.value != "" {
		if !slices.Contains(chatEfforts, r.effort.value) {
			return cannot(r.effort.field)
		}
		out.Effort = r.effort.value
	}
	if r.budget.set() {
		out.Reasoning = &chatReasoning{MaxTokens: r.budget.raw, Effort: out.Effort}
		out.Effort = ""
	}
	return nil
}

func (r *request) chatTools(out *chatRequest) error {
	for _, t := range r.tools {
		out.Tools = append(out.Tools, chatTool{Type: "function", Function: &chatFunction{
			Name: t.name, Description: t.description, Parameters: t.schema, Strict: t.strict,
		}})
	}
	if r.serial != "" && len(r.tools) > 0 {
		out.Parallel = some(false)
	}
	switch c := r.choice; c.mode {
	case llm.ChoiceUnset:
	case llm.ChoiceNamed:
		v, err := write(&chatChoiceWire{Type: "function", Function: &chatNamed{c.names[0]}})
		if err != nil {
			return err
		}
		out.Choice = v
	case llm.ChoiceAllowed, allowedRequired:
		w := chatAllowedWire{Mode: "auto"}
		if c.mode == allowedRequired {
			w.Mode = "required"
		}
		for _, name := range c.names {
			w.Tools = append(w.Tools, struct {
				Type     string     `json:"type"`
				Function *chatNamed `json:"function,omitzero"`
			}{"function", &chatNamed{name}})
		}
		v, err := write(&chatChoiceWire{Type: "allowed_tools", Allowed: &w})
		if err != nil {
			return err
		}
		out.Choice = v
	default:
		out.Choice = quoted(c.mode)
	}
	return nil
}

// chatTexts writes a content that is text alone: as a text where there is one.
func chatTexts(blocks []block) (either[chatPart], error) {
	var parts []chatPart
	for _, b := range blocks {
		if b.kind != textBlock {
			return either[chatPart]{}, cannot(b.field)
		}
		parts = append(parts, chatPart{Type: "text", Text: some(b.text)})
	}
	switch len(parts) {
	case 0:
		return textOf[chatPart](""), nil
	case 1:
		return textOf[chatPart](blocks[0].text), nil
	}
	return listOf(parts), nil
}

// appendChat writes a message: as several, where it has results of calls in it.
func appendChat(out []chatMessage, m *message) ([]chatMessage, error) {
	switch m.role {
	case systemRole:
		content, err := chatTexts(m.blocks)
		return append(out, chatMessage{Role: "system", Content: content}), err
	case assistantRole:
		turn, err := chatTurn(m)
		return append(out, turn), err
	}
	var parts []chatPart
	for i := range m.blocks {
		b := &m.blocks[i]
		if b.kind == resultBlock {
			content, err := chatTexts(b.content)
			if err != nil {
				return nil, err
			}
			if b.failed { // nothing else says so
				content = markFailed(content)
			}
			out = append(out, chatMessage{Role: "tool", CallID: some(b.id), Content: content})
			continue
		}
		p, err := chatPartOf(b)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	switch {
	case len(parts) == 0:
	case len(parts) == 1 && parts[0].Type == "text":
		out = append(out, chatMessage{Role: "user", Content: textOf[chatPart](parts[0].Text.value)})
	default:
		out = append(out, chatMessage{Role: "user", Content: listOf(parts)})
	}
	return out, nil
}

// failedMark stands before the result of a call that failed, where the dialect has no member for that.
const failedMark = "Error: "

func markFailed(content either[chatPart]) either[chatPart] {
	if content.kind == '"' {
		content.text = failedMark + content.text
		return content
	}
	list := slices.Clone(content.list)
	list[0].Text = some(failedMark + list[0].Text.value)
	return listOf(list)
}

func chatPartOf(b *block) (chatPart, error) {
	switch b.kind {
	case textBlock:
		return chatPart{Type: "text", Text: some(b.text)}, nil
	case imageBlock:
		return chatPart{Type: "image_url", Image: &chatImage{URL: b.media.inline()}}, nil
	case fileBlock:
		if b.media.url != "" {
			return chatPart{}, cannotBecause(b.field, noForm+" unless it is sent inline, as base64")
		}
		name := b.media.name
		if name == "" {
			name = "document.pdf"
		}
		return chatPart{Type: "file", File: &chatFile{Name: name, Data: b.media.inline()}}, nil
	}
	return chatPart{}, cannot(b.field)
}

// chatTurn writes an assistant's message.
func chatTurn(m *message) (chatMessage, error) {
	out := chatMessage{Role: "assistant"}
	var texts []block
	for i := range m.blocks {
		switch b := &m.blocks[i]; b.kind {
		case textBlock:
			texts = append(texts, *b)
		case refusalBlock:
			out.Refusal = some(b.text)
		case callBlock:
			out.Calls = append(out.Calls, chatCall{
				ID: some(b.id), Type: "function", Function: &chatInvocation{Name: b.tool, Arguments: some(string(b.args))},
			})
		case thoughtBlock:
			if b.sign.signed() {
				out.Details = append(out.Details, detailOf(b, len(out.Details)))
			}
		default:
			return out, cannot(b.field)
		}
	}
	if len(texts) > 0 {
		content, err := chatTexts(texts)
		if err != nil {
			return out, err
		}
		out.Content = content
	}
	return out, nil
}

// detailOf writes a thought as OpenRouter does.
func detailOf(b *block, index int) chatDetail {
	d := chatDetail{Type: "reasoning.text", Index: some(index)}
	if b.sign.Format != "" {
		d.Format = some(b.sign.Format)
	}
	if b.sign.ID != "" {
		d.ID = some(b.sign.ID)
	}
	if b.sign.Data != "" {
		d.Type, d.Data = "reasoning.encrypted", some(b.sign.Data)
		return d
	}
	d.Text = some(b.text)
	if b.sign.Signature != "" {
		d.Signature = some(b.sign.Signature)
	}
	return d
}
