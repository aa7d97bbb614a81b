package translate

import (
	"encoding/base64"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// anthropicMaxTokens is the limit of an answer's tokens where the client sets none, for Anthropic wants one. It is the most that all
// models take that are still served; a client that wants longer answers says so.
const anthropicMaxTokens = 8192

var anthropicImages = []string{"image/jpeg", "image/png", "image/gif", "image/webp"} //nolint:gochecknoglobals // a constant in all but syntax

// encodeAnthropicRequest writes a request for a provider of Messages.
func encodeAnthropicRequest(r *request) ([]byte, error) {
	out := anthropicRequest{
		Model: r.model, MaxTokens: r.maxTokens.raw, Temp: r.temperature.raw, TopP: r.topP.raw, TopK: r.topK.raw, Stop: r.stop,
		Messages: []anthropicMessage{},
	}
	if r.stream {
		out.Stream = some(true)
	}
	if err := r.refuseSettings(r.frequency, r.presence, r.repetition); err != nil {
		return nil, err
	}
	if r.seed.set() {
		return nil, cannot(r.seed.field)
	}
	if r.temperature.above(1) {
		return nil, cannotBecause(r.temperature.field, "is above 1, which is the most in the API of this model's provider")
	}
	if r.user != "" {
		out.Metadata = &anthropicMetadata{User: r.user}
	}
	if err := r.anthropicThinking(&out); err != nil {
		return nil, err
	}
	if !present(out.MaxTokens) {
		limit := int64(anthropicMaxTokens)
		if n, ok := r.budget.integer(); ok && n > 0 && n < 1<<40 {
			limit += n // what is thought counts, too
		}
		out.MaxTokens = strconv.AppendInt(nil, limit, 10)
	}
	if err := r.anthropicTools(&out); err != nil {
		return nil, err
	}
	if len(r.system) > 0 {
		blocks, err := anthropicTexts(r.system)
		if err != nil {
			return nil, err
		}
		if len(blocks) == 1 && blocks[0].Cache == nil {
			out.System = textOf[anthropicBlock](blocks[0].Text.value)
		} else if len(blocks) > 0 {
			out.System = listOf(blocks)
		}
	}
	for _, m := range merged(r.messages) {
		if m.role == systemRole {
			return nil, cannotBecause(m.field+".role", noForm+" but in the first messages")
		}
		turn := anthropicMessage{Role: "user"}
		if m.role == assistantRole {
			turn.Role = "assistant"
		}
		blocks, err := anthropicContent(m.blocks)
		if err != nil {
			return nil, err
		}
		if len(blocks) == 0 {
			continue
		}
		if turn.Content = listOf(blocks); len(blocks) == 1 && blocks[0].Type == "text" && blocks[0].Cache == nil {
			turn.Content = textOf[anthropicBlock](blocks[0].Text.value)
		}
		out.Messages = append(out.Messages, turn)
	}
	return write(&out)
}

var anthropicEfforts = []string{"low", "medium", "high", "xhigh", "max"} //nolint:gochecknoglobals // a constant in all but syntax

func (r *request) anthropicThinking(out *anthropicRequest) error {
	var config anthropicConfig
	switch {
	case r.effort.value == "none", r.effort.value == "" && r.thinks.set && !r.thinks.value:
		out.Thinking = &anthropicThinking{Type: "disabled"}
	case r.budget.set():
		out.Thinking = &anthropicThinking{Type: "enabled", Budget: r.budget.raw}
	case r.thinks.set && r.thinks.value:
		out.Thinking = &anthropicThinking{Type: "adaptive"}
	}
	if r.effort.value != "" && r.effort.value != "none" {
		if !slices.Contains(anthropicEfforts, r.effort.value) {
			return cannot(r.effort.field)
		}
		config.Effort = r.effort.value
	}
	switch r.format.kind {
	case anyJSON:
		return cannotBecause(r.format.field, noForm+" unless it has a schema")
	case schemaJSON:
		config.Format = &anthropicFormatWire{Type: "json_schema", Schema: r.format.schema}
	}
	if config != (anthropicConfig{}) {
		out.Config = &config
	}
	return nil
}

// noArguments is the schema of a tool that says none.
const noArguments = `{"type":"object","properties":{}}`

func (r *request) anthropicTools(out *anthropicRequest) error {
	for _, t := range r.tools {
		w := anthropicTool{Name: t.name, Description: t.description, Schema: t.schema, Strict: t.strict, Cache: t.cache}
		if !present(w.Schema) {
			w.Schema = raw(noArguments)
		}
		out.Tools = append(out.Tools, w)
	}
	if len(r.tools) == 0 {
		return nil
	}
	c := anthropicChoice{}
	switch r.choice.mode {
	case llm.ChoiceUnset:
	case llm.ChoiceAuto:
		c.Type = "auto"
	case llm.ChoiceNone:
		c.Type = "none"
	case llm.ChoiceRequired:
		c.Type = "any"
	case llm.ChoiceNamed:
		c.Type, c.Name = "tool", r.choice.names[0]
	default:
		return cannot(r.choice.field)
	}
	if r.serial != "" && c.Type != "none" {
		c.Serial = some(true)
		if c.Type == "" {
			c.Type = "auto"
		}
	}
	if c.Type != "" {
		out.Choice = &c
	}
	return nil
}

// anthropicTexts writes blocks that are text alone; empty ones are refused by the provider, and say nothing.
func anthropicTexts(blocks []block) ([]anthropicBlock, error) {
	var out []anthropicBlock
	for _, b := range blocks {
		if b.kind != textBlock {
			return nil, cannot(b.field)
		}
		if b.text != "" {
			out = append(out, anthropicBlock{Type: "text", Text: some(b.text), Cache: b.cache})
		}
	}
	return out, nil
}

func anthropicContent(blocks []block) ([]anthropicBlock, error) {
	var out []anthropicBlock
	for i := range blocks {
		b := &blocks[i]
		w := anthropicBlock{Type: "text", Text: some(b.text), Cache: b.cache}
		switch b.kind {
		case textBlock, refusalBlock:
			if b.text == "" {
				continue
			}
		case imageBlock, fileBlock:
			if err := b.anthropicMedia(&w); err != nil {
				return nil, err
			}
		case callBlock:
			w = anthropicBlock{Type: "tool_use", ID: b.id, Name: b.tool, Input: b.args, Cache: b.cache}
		case resultBlock:
			content, err := anthropicContent(b.content)
			if err != nil {
				return nil, err
			}
			w = anthropicBlock{Type: "tool_result", UseID: some(b.id), Cache: b.cache}
			if b.failed {
				w.Failed = some(true)
			}
			switch {
			case len(content) == 1 && content[0].Type == "text" && content[0].Cache == nil:
				w.Content = textOf[anthropicBlock](content[0].Text.value)
			case len(content) > 0:
				w.Content = listOf(content)
			}
		case thoughtBlock:
			if !b.sign.own() {
				continue
			}
			w = anthropicThought(b)
		}
		out = append(out, w)
	}
	return out, nil
}

// anthropicThought writes a thought with its signature, as this dialect has both.
func anthropicThought(b *block) anthropicBlock {
	if b.sign.Data == "" {
		return anthropicBlock{Type: "thinking", Thinking: some(b.text), Signature: some(b.sign.packed())}
	}
	data := b.sign.Data
	if b.sign.Format != "" && b.sign.Format != anthropicFormat || b.sign.ID != "" || b.sign.Signature != "" {
		data = b.sign.packed()
	}
	return anthropicBlock{Type: "redacted_thinking", Data: some(data)}
}

func (b *block) anthropicMedia(w *anthropicBlock) error {
	source := &anthropicSource{Type: "base64", Media: b.media.mime, Data: some(b.media.data)}
	if b.media.url != "" {
		source = &anthropicSource{Type: "url", URL: b.media.url}
	}
	*w = anthropicBlock{Type: "image", Source: source, Cache: b.cache}
	if b.kind == imageBlock {
		if b.media.url == "" && !slices.Contains(anthropicImages, b.media.mime) {
			return cannotBecause(b.field, "is an image of a type that "+noForm)
		}
		return nil
	}
	w.Type, w.Title = "document", b.media.name
	switch {
	case b.media.url != "" || b.media.mime == "application/pdf":
		return nil
	case b.media.mime == "text/plain":
		text, err := base64.StdEncoding.DecodeString(b.media.data)
		if err != nil || !utf8.Valid(text) {
			return cannotBecause(b.field, "is no text in UTF-8")
		}
		*source = anthropicSource{Type: "text", Media: b.media.mime, Data: some(string(text))}
		return nil
	}
	return cannotBecause(b.field, "is a file of a type that "+noForm)
}
