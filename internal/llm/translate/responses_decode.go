package translate

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// decodeResponsesRequest reads what a client of Responses asks. What the provider would have to keep is refused.
func decodeResponsesRequest(doc []byte) (*request, error) {
	var in responsesRequest
	if err := readRequest(doc, &in); err != nil {
		return nil, err
	}
	r := &request{
		maxTokens: number{in.MaxTokens, "max_output_tokens"}, temperature: number{in.Temperature, "temperature"}, topP: number{in.TopP, "top_p"},
		topK: number{in.TopK, "top_k"}, frequency: number{in.Frequency, "frequency_penalty"}, presence: number{in.Presence, "presence_penalty"},
		seed: number{in.Seed, "seed"}, user: in.User,
	}
	if err := in.settings(r); err != nil {
		return nil, err
	}
	if err := in.toolsOf(r); err != nil {
		return nil, err
	}
	switch in.Instructions.kind {
	case '"':
		r.system = append(r.system, block{field: "instructions", text: in.Instructions.text})
	case '[':
		return nil, cannotBecause("instructions", noForm+" unless it is a text")
	}
	if in.Input.kind != '[' {
		r.messages = append(r.messages, message{field: "input", blocks: []block{{field: "input", text: in.Input.text}}})
		return r, nil
	}
	for i := range in.Input.list {
		if err := r.addItem(&in.Input.list[i], at("input", i)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (in *responsesRequest) settings(r *request) error {
	for _, f := range []struct {
		name string
		raw
	}{{"previous_response_id", in.Previous}, {"conversation", in.Talk}, {"prompt", in.Prompt}} {
		if present(f.raw) {
			return cannotBecause(f.name, "names what this model's provider does not keep; send the whole input")
		}
	}
	switch {
	case isTrue(in.Store):
		return cannot("store")
	case isTrue(in.Background):
		return cannot("background")
	case in.Truncation != "" && in.Truncation != "disabled":
		return cannot("truncation")
	case present(in.TopLogprobs) && string(in.TopLogprobs) != "0":
		return cannot("top_logprobs")
	}
	for _, what := range in.Include {
		if what != "reasoning.encrypted_content" {
			return cannot("include")
		}
	}
	if t := in.Text; t != nil {
		if t.Verbosity != "" && t.Verbosity != "medium" {
			return cannot("text.verbosity")
		}
		if f := t.Format; f != nil {
			r.format = format{field: "text.format", name: f.Name, description: f.Description, schema: f.Schema, strict: f.Strict}
			switch {
			case f.Type == "text":
			case f.Type == "json_object":
				r.format.kind = anyJSON
			case f.Type == "json_schema" && present(f.Schema):
				r.format.kind = schemaJSON
			default:
				return cannot("text.format")
			}
		}
	}
	if t := in.Reasoning; t != nil {
		r.effort, r.budget, r.thinks = setting{t.Effort, "reasoning.effort"}, number{t.MaxTokens, "reasoning.max_tokens"}, t.Enabled
	}
	return numbers(r.maxTokens, r.temperature, r.topP, r.topK, r.frequency, r.presence, r.seed, r.budget)
}

type responsesChoice struct {
	Type  string `json:"type"`
	Name  string `json:"name,omitzero"`
	Mode  string `json:"mode,omitzero"`
	Tools []struct {
		Type string `json:"type"`
		Name string `json:"name,omitzero"`
	} `json:"tools,omitzero"`
}

func (in *responsesRequest) toolsOf(r *request) error {
	for i, t := range in.Tools {
		if t.Type != "function" {
			return cannot(at("tools", i) + ".type")
		}
		r.tools = append(r.tools, tool{field: at("tools", i), name: t.Name, description: t.Description, schema: t.Parameters, strict: t.Strict, cache: t.Cache})
	}
	if in.Parallel.set && !in.Parallel.value {
		r.serial = "parallel_tool_calls"
	}
	if !present(in.Choice) || in.Choice.Kind() == '"' {
		return chatChoiceOf(in.Choice, &r.choice)
	}
	var w responsesChoice
	if err := readRequest(in.Choice, &w); err != nil {
		return cannot("tool_choice")
	}
	r.choice.field = "tool_choice"
	switch {
	case w.Type == "function" && w.Name != "":
		r.choice.mode, r.choice.names = llm.ChoiceNamed, []string{w.Name}
	case w.Type == "allowed_tools":
		r.choice.mode = llm.ChoiceAllowed
		if w.Mode == "required" {
			r.choice.mode = allowedRequired
		}
		for _, t := range w.Tools {
			if t.Type != "function" {
				return cannot("tool_choice.tools")
			}
			r.choice.names = append(r.choice.names, t.Name)
		}
	default:
		return cannot("tool_choice")
	}
	return nil
}

// addItem adds an item of the input. What a model wrote one after the other is one turn.
func (r *request) addItem(in *responsesItem, field string) error {
	b := block{field: field, cache: in.Cache}
	switch {
	case in.Type == "message" || in.Type == "" && in.Role != "":
		return r.addResponsesMessage(in, field)
	case in.Type == "function_call":
		args, err := object(in.Arguments.value)
		if err != nil {
			return cannotBecause(field+".arguments", "are not one JSON object")
		}
		b.kind, b.id, b.tool, b.args = callBlock, in.CallID, in.Name, args
		r.addTurn(field, b)
	case in.Type == "function_call_output":
		content, err := responsesBlocks(in.Output, field+".output")
		if err != nil {
			return err
		}
		b.kind, b.id, b.tool, b.content = resultBlock, in.CallID, toolOf(r.messages, in.CallID), content
		r.messages = append(r.messages, message{field: field, blocks: []block{b}})
	case in.Type == "reasoning":
		b.kind, b.sign = thoughtBlock, anthropicSign(in.Encrypted.value)
		var texts []string
		for _, p := range in.Summary {
			texts = append(texts, p.Text.value)
		}
		b.text = strings.Join(texts, Separator)
		if b.sign.signed() {
			r.addTurn(field, b)
		}
	default:
		return cannot(field + ".type")
	}
	return nil
}

// addTurn adds to the assistant's turn.
func (r *request) addTurn(field string, blocks ...block) {
	if n := len(r.messages); n > 0 && r.messages[n-1].role == assistantRole {
		r.messages[n-1].blocks = append(r.messages[n-1].blocks, blocks...)
		return
	}
	r.messages = append(r.messages, message{role: assistantRole, field: field, blocks: blocks})
}

func (r *request) addResponsesMessage(in *responsesItem, field string) error {
	blocks, err := responsesBlocks(in.Content, field+".content")
	if err != nil {
		return err
	}
	switch in.Role {
	case "system", "developer":
		if len(r.messages) == 0 {
			r.system = append(r.system, blocks...)
			return nil
		}
		r.messages = append(r.messages, message{role: systemRole, field: field, blocks: blocks})
	case "user":
		r.messages = append(r.messages, message{field: field, blocks: blocks})
	case "assistant":
		r.addTurn(field, blocks...)
	default:
		return cannot(field + ".role")
	}
	return nil
}

func responsesBlocks(in either[responsesPart], field string) ([]block, error) {
	if in.kind == '"' {
		return []block{{field: field, text: in.text}}, nil
	}
	var out []block
	for i := range in.list {
		p, b := &in.list[i], block{field: at(field, i)}
		switch {
		case p.Type == "input_text", p.Type == "output_text", p.Type == "text":
			b.text = p.Text.value
		case p.Type == "refusal":
			b.kind, b.text = refusalBlock, p.Refusal.value
		case p.Type == "input_image" && p.Image != "":
			b.kind = imageBlock
			if b.media.from(p.Image) != nil {
				return nil, cannotBecause(b.field+".image_url", "is no data URL in base64, nor a URL")
			}
		case p.Type == "input_file" && p.FileID == "" && p.FileData+p.FileURL != "":
			b.kind, b.media.name, b.media.url = fileBlock, p.FileName, p.FileURL
			if p.FileURL == "" && b.media.from(p.FileData) != nil {
				return nil, cannotBecause(b.field+".file_data", "is no data URL in base64")
			}
		case p.FileID != "":
			return nil, cannotBecause(b.field+".file_id", "names what this model's provider does not keep; send it inline")
		default:
			return nil, cannot(b.field + ".type")
		}
		out = append(out, b)
	}
	return out, nil
}
