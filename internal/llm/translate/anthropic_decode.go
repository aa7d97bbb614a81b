package translate

import (
	"encoding/base64"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// decodeAnthropicRequest reads what a client of Messages asks.
func decodeAnthropicRequest(doc []byte) (*request, error) {
	var in anthropicRequest
	if err := readRequest(doc, &in); err != nil {
		return nil, err
	}
	r := &request{
		maxTokens: number{in.MaxTokens, "max_tokens"}, temperature: number{in.Temp, "temperature"}, topP: number{in.TopP, "top_p"},
		topK: number{in.TopK, "top_k"}, stop: in.Stop, stopField: "stop_sequences",
	}
	if in.Metadata != nil {
		r.user = in.Metadata.User
	}
	if err := in.settings(r); err != nil {
		return nil, err
	}
	if err := in.toolsOf(r); err != nil {
		return nil, err
	}
	var err error
	if r.system, err = anthropicBlocks(in.System, "system"); err != nil {
		return nil, err
	}
	for i := range in.Messages {
		m := message{field: at("messages", i)}
		switch in.Messages[i].Role {
		case "user":
		case "assistant":
			m.role = assistantRole
		case "system":
			m.role = systemRole
		default:
			return nil, cannot(m.field + ".role")
		}
		if m.blocks, err = anthropicBlocks(in.Messages[i].Content, m.field+".content"); err != nil {
			return nil, err
		}
		for j := range m.blocks {
			if b := &m.blocks[j]; b.kind == resultBlock {
				b.tool = toolOf(r.messages, b.id)
			}
		}
		r.messages = append(r.messages, m)
	}
	return r, nil
}

func (in *anthropicRequest) settings(r *request) error {
	if t := in.Thinking; t != nil {
		switch t.Type {
		case "enabled":
			r.budget = number{t.Budget, "thinking.budget_tokens"}
		case "adaptive":
			r.thinks = some(true)
		case "disabled":
			r.thinks = some(false)
		default:
			return cannot("thinking.type")
		}
	}
	format, field := in.Format, "output_format"
	if c := in.Config; c != nil {
		r.effort = setting{c.Effort, "output_config.effort"}
		if c.Format != nil {
			format, field = c.Format, "output_config.format"
		}
	}
	if format != nil {
		if format.Type != "json_schema" || !present(format.Schema) {
			return cannot(field + ".type")
		}
		r.format.kind, r.format.field, r.format.schema, r.format.strict = schemaJSON, field, format.Schema, some(true)
	}
	return numbers(r.maxTokens, r.temperature, r.topP, r.topK, r.budget)
}

func (in *anthropicRequest) toolsOf(r *request) error {
	for i, t := range in.Tools {
		field := at("tools", i)
		switch {
		case t.Type != "" && t.Type != "custom":
			return cannot(field + ".type")
		case isTrue(t.Defer):
			return cannot(field + ".defer_loading")
		case present(t.Callers) && string(t.Callers) != `["direct"]`:
			return cannot(field + ".allowed_callers")
		case present(t.Examples) && string(t.Examples) != "[]":
			return cannot(field + ".input_examples")
		}
		r.tools = append(r.tools, tool{field: field, name: t.Name, description: t.Description, schema: t.Schema, strict: t.Strict, cache: t.Cache})
	}
	c := in.Choice
	if c == nil {
		return nil
	}
	r.choice.field = "tool_choice"
	if c.Serial.set && c.Serial.value {
		r.serial = "tool_choice.disable_parallel_tool_use"
	}
	switch c.Type {
	case "auto":
		r.choice.mode = llm.ChoiceAuto
	case "any":
		r.choice.mode = llm.ChoiceRequired
	case "none":
		r.choice.mode = llm.ChoiceNone
	case "tool":
		r.choice.mode, r.choice.names = llm.ChoiceNamed, []string{c.Name}
	default:
		return cannot("tool_choice.type")
	}
	return nil
}

// anthropicBlocks reads a content.
func anthropicBlocks(in either[anthropicBlock], field string) ([]block, error) {
	if in.kind == '"' {
		return []block{{field: field, text: in.text}}, nil
	}
	var out []block
	for i := range in.list {
		b, err := in.list[i].block(at(field, i))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func (in *anthropicBlock) block(field string) (block, error) {
	b := block{field: field, cache: in.Cache, text: in.Text.value}
	var err error
	switch in.Type {
	case "text":
	case "image", "document":
		err = in.media(&b)
	case "tool_use":
		b.kind, b.id, b.tool, b.args = callBlock, in.ID, in.Name, in.Input
		if !present(in.Input) {
			b.args = raw("{}")
		}
	case "tool_result":
		b.kind, b.id, b.failed = resultBlock, in.UseID.value, in.Failed.value
		b.content, err = anthropicBlocks(in.Content, field+".content")
	case "thinking":
		b.kind, b.text, b.sign = thoughtBlock, in.Thinking.value, anthropicSign(in.Signature.value)
	case "redacted_thinking":
		b.kind, b.sign = thoughtBlock, anthropicSign(in.Data.value)
		if b.sign.Data == "" {
			b.sign.Data, b.sign.Signature = b.sign.Signature, ""
		}
	default:
		return b, cannot(field + ".type")
	}
	return b, err
}

// anthropicSign is a signature as this dialect has it. One that stands by itself is Anthropic's own.
func anthropicSign(text string) sign {
	s := unpacked(text)
	if s.Format == "" && s.signed() {
		s.Format = anthropicFormat
	}
	return s
}

func (in *anthropicBlock) media(b *block) error {
	b.kind = imageBlock
	if in.Type == "document" {
		b.kind, b.media.name = fileBlock, in.Title
		var cites struct {
			Enabled bool `json:"enabled"`
		}
		if present(in.Citations) && (readAnswer(in.Citations, &cites) != nil || cites.Enabled) {
			return cannot(b.field + ".citations")
		}
		if in.Context != "" {
			return cannot(b.field + ".context")
		}
	}
	if in.Source == nil {
		return cannotBecause(b.field+".source", "is required")
	}
	switch s := in.Source; s.Type {
	case "base64":
		b.media.mime, b.media.data = strings.ToLower(s.Media), s.Data.value
	case "url":
		b.media.url = s.URL
	case "text":
		b.media.mime, b.media.data = "text/plain", base64.StdEncoding.EncodeToString([]byte(s.Data.value))
	default:
		return cannot(b.field + ".source.type")
	}
	return nil
}
