package translate

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// decodeChatRequest reads what a client of chat completions asks.
func decodeChatRequest(doc []byte) (*request, error) {
	var in chatRequest
	if err := readRequest(doc, &in); err != nil {
		return nil, err
	}
	r := &request{
		maxTokens: number{in.MaxCompletionTokens, "max_completion_tokens"}, temperature: number{in.Temperature, "temperature"},
		topP: number{in.TopP, "top_p"}, topK: number{in.TopK, "top_k"}, frequency: number{in.Frequency, "frequency_penalty"},
		presence: number{in.Presence, "presence_penalty"}, repetition: number{in.Repetition, "repetition_penalty"},
		seed: number{in.Seed, "seed"}, stopField: "stop", user: in.User,
	}
	if !r.maxTokens.set() {
		r.maxTokens = number{in.MaxTokens, "max_tokens"}
	}
	if err := in.settings(r); err != nil {
		return nil, err
	}
	if err := in.toolsOf(r); err != nil {
		return nil, err
	}
	for i := range in.Messages {
		if err := r.addChat(&in.Messages[i], i, len(in.Messages)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (in *chatRequest) settings(r *request) error {
	n := number{in.N, "n"}
	switch {
	case n.set() && !n.is(1):
		return cannot("n")
	case present(in.Functions):
		return cannotBecause("functions", "is an older form that is not translated; use tools")
	case present(in.FunctionCall):
		return cannotBecause("function_call", "is an older form that is not translated; use tool_choice")
	case isTrue(in.Store):
		return cannot("store")
	case isTrue(in.Logprobs):
		return cannot("logprobs")
	case present(in.TopLogprobs) && string(in.TopLogprobs) != "0":
		return cannot("top_logprobs")
	case len(in.Modalities) > 1, len(in.Modalities) == 1 && in.Modalities[0] != "text":
		return cannot("modalities")
	case in.Verbosity != "" && in.Verbosity != "medium":
		return cannot("verbosity")
	}
	switch in.Stop.kind {
	case '"':
		r.stop = []string{in.Stop.text}
	case '[':
		r.stop = in.Stop.list
	}
	if f := in.Format; f != nil {
		r.format.field = "response_format"
		switch {
		case f.Type == "text":
		case f.Type == "json_object":
			r.format.kind = anyJSON
		case f.Type == "json_schema" && f.Schema != nil && present(f.Schema.Schema):
			r.format.kind = schemaJSON
			r.format.name, r.format.description, r.format.schema, r.format.strict = f.Schema.Name, f.Schema.Description, f.Schema.Schema, f.Schema.Strict
		default:
			return cannot("response_format")
		}
	}
	r.effort = setting{in.Effort, "reasoning_effort"}
	if t := in.Reasoning; t != nil {
		if t.Effort != "" {
			if in.Effort != "" && in.Effort != t.Effort {
				return cannotBecause("reasoning.effort", "says something else than reasoning_effort")
			}
			r.effort = setting{t.Effort, "reasoning.effort"}
		}
		r.budget, r.thinks = number{t.MaxTokens, "reasoning.max_tokens"}, t.Enabled
	}
	return numbers(r.maxTokens, r.temperature, r.topP, r.topK, r.frequency, r.presence, r.repetition, r.seed, r.budget)
}

func (in *chatRequest) toolsOf(r *request) error {
	for i, t := range in.Tools {
		field := at("tools", i)
		if t.Type != "function" || t.Function == nil {
			return cannot(field + ".type")
		}
		cache := t.Cache
		if !present(cache) {
			cache = t.Function.Cache
		}
		r.tools = append(r.tools, tool{
			field: field, name: t.Function.Name, description: t.Function.Description, schema: t.Function.Parameters,
			strict: t.Function.Strict, cache: cache,
		})
	}
	if in.Parallel.set && !in.Parallel.value {
		r.serial = "parallel_tool_calls"
	}
	return chatChoiceOf(in.Choice, &r.choice)
}

type chatChoiceWire struct {
	Type     string           `json:"type"`
	Function *chatNamed       `json:"function,omitzero"`
	Allowed  *chatAllowedWire `json:"allowed_tools,omitzero"`
	Custom   raw              `json:"custom,omitzero"`
}

type chatAllowedWire struct {
	Mode  string `json:"mode"`
	Tools []struct {
		Type     string     `json:"type"`
		Function *chatNamed `json:"function,omitzero"`
	} `json:"tools"`
}

type chatNamed struct {
	Name string `json:"name"`
}

func chatChoiceOf(v raw, c *choice) error {
	c.field = "tool_choice"
	if !present(v) {
		return nil
	}
	if word, ok := unquoted(v); ok {
		c.mode = map[string]string{"auto": llm.ChoiceAuto, "none": llm.ChoiceNone, "required": llm.ChoiceRequired, "any": llm.ChoiceRequired}[word]
		if c.mode == "" {
			return cannot("tool_choice")
		}
		return nil
	}
	var w chatChoiceWire
	if err := readRequest(v, &w); err != nil {
		return cannot("tool_choice")
	}
	switch {
	case w.Type == "function" && w.Function != nil:
		c.mode, c.names = llm.ChoiceNamed, []string{w.Function.Name}
	case w.Type == "allowed_tools" && w.Allowed != nil:
		c.field = "tool_choice.allowed_tools"
		c.mode = llm.ChoiceAllowed
		if w.Allowed.Mode == "required" {
			c.mode = allowedRequired
		}
		for _, t := range w.Allowed.Tools {
			if t.Function == nil {
				return cannot("tool_choice.allowed_tools.tools")
			}
			c.names = append(c.names, t.Function.Name)
		}
	default:
		return cannot("tool_choice")
	}
	return nil
}

// allowedRequired is llm.ChoiceAllowed, with one of the tools called.
const allowedRequired = "allowed+required"

// addChat adds a message.
func (r *request) addChat(in *chatMessage, i, of int) error {
	m := message{field: at("messages", i)}
	switch {
	case present(in.FunctionCall) || in.Role == "function":
		return cannotBecause(m.field, "is an older form that is not translated; use tool_calls and the role tool")
	case present(in.Audio):
		return cannot(m.field + ".audio")
	case present(in.Images) && string(in.Images) != "[]":
		return cannot(m.field + ".images")
	case in.Name != "" && in.Role != "tool":
		return cannot(m.field + ".name")
	case (isTrue(in.Prefix) || isTrue(in.Partial)) && (i < of-1 || in.Role != "assistant"):
		return cannot(m.field + ".prefix")
	}
	blocks, err := in.blocks(m.field)
	if err != nil {
		return err
	}
	if n := len(blocks); n > 0 && present(in.Cache) && in.Role != "tool" {
		blocks[n-1].cache = in.Cache
	}
	m.blocks = blocks
	switch in.Role {
	case "system", "developer":
		if len(r.messages) == 0 {
			r.system = append(r.system, blocks...)
			return nil
		}
		m.role = systemRole
	case "user":
	case "assistant":
		m.role = assistantRole
		if err := in.addTurn(&m); err != nil {
			return err
		}
	case "tool":
		if !in.CallID.set {
			return cannotBecause(m.field+".tool_call_id", "is required")
		}
		m.blocks = []block{{
			kind: resultBlock, field: m.field, id: in.CallID.value, tool: toolOf(r.messages, in.CallID.value), content: blocks, cache: in.Cache,
		}}
	default:
		return cannot(m.field + ".role")
	}
	r.messages = append(r.messages, m)
	return nil
}

// addTurn puts what an assistant thought before its text, and its calls behind.
func (in *chatMessage) addTurn(m *message) error {
	thoughts := chatThoughts(in.Details, m.field)
	before, behind := thoughts, []block(nil)
	if n := len(thoughts); n > 0 && thoughts[n-1].sign.Format == geminiFormat && thoughts[n-1].text == "" {
		before, behind = thoughts[:n-1], thoughts[n-1:] // signs the end of the turn
	}
	m.blocks = append(before[:len(before):len(before)], m.blocks...)
	if in.Refusal.set && in.Refusal.value != "" {
		m.blocks = append(m.blocks, block{kind: refusalBlock, field: m.field + ".refusal", text: in.Refusal.value})
	}
	for k, c := range in.Calls {
		field := m.field + "." + at("tool_calls", k)
		if c.Function == nil || c.Type != "" && c.Type != "function" {
			return cannot(field + ".type")
		}
		args, err := object(c.Function.Arguments.value)
		if err != nil {
			return cannotBecause(field+".function.arguments", "are not one JSON object")
		}
		if s := c.signature(); s.signed() {
			m.blocks = append(m.blocks, block{kind: thoughtBlock, field: field, sign: s})
		}
		m.blocks = append(m.blocks, block{kind: callBlock, field: field, id: c.ID.value, tool: c.Function.Name, args: args, cache: c.Cache})
	}
	m.blocks = append(m.blocks, behind...)
	return nil
}

// chatExtra is where Gemini's own chat completions have a signature.
type chatExtra struct {
	Google struct {
		Signature string `json:"thought_signature,omitzero"`
	} `json:"google"`
}

func (c *chatCall) signature() sign {
	if text, ok := unquoted(c.Function.Signature); ok {
		return sign{Data: text, Format: geminiFormat}
	}
	var extra chatExtra
	if present(c.Extra) && readAnswer(c.Extra, &extra) == nil && extra.Google.Signature != "" {
		return sign{Data: extra.Google.Signature, Format: geminiFormat}
	}
	return sign{}
}

// chatThoughts are the thoughts that have a signature; the others are hints.
func chatThoughts(details []chatDetail, field string) []block {
	var out []block
	for i, d := range details {
		b := block{kind: thoughtBlock, field: field + "." + at("reasoning_details", i), sign: sign{
			Signature: d.Signature.value, Data: d.Data.value, Format: d.Format.value, ID: d.ID.value,
		}}
		if b.text = d.Text.value; d.Type == "reasoning.summary" {
			b.text = d.Summary.value
		}
		// A thought that came in pieces is one: its signature comes with the last of them.
		if n := len(out); n > 0 && d.Type == "reasoning.text" && d.Index.set && details[i-1].Index == d.Index && details[i-1].Type == d.Type && !out[n-1].sign.signed() {
			b.text = out[n-1].text + b.text
			out[n-1] = b
			continue
		}
		out = append(out, b)
	}
	kept := out[:0]
	for _, b := range out {
		if b.sign.signed() {
			kept = append(kept, b)
		}
	}
	return kept
}

// blocks reads a content.
func (in *chatMessage) blocks(field string) ([]block, error) {
	switch in.Content.kind {
	case '"':
		return []block{{kind: textBlock, field: field + ".content", text: in.Content.text}}, nil
	case '[':
	default:
		return nil, nil
	}
	var out []block
	for k := range in.Content.list {
		b, err := in.Content.list[k].block(field + "." + at("content", k))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func (p *chatPart) block(field string) (block, error) {
	b := block{field: field, cache: p.Cache}
	switch {
	case p.Type == "text":
		b.text = p.Text.value
	case p.Type == "refusal":
		b.kind, b.text = refusalBlock, p.Refusal.value
	case p.Type == "image_url" && p.Image != nil:
		b.kind = imageBlock
		if err := b.media.from(p.Image.URL); err != nil {
			return b, cannotBecause(field+".image_url.url", "is no data URL in base64, nor a URL")
		}
	case p.Type == "file" && p.File != nil && p.File.ID == "" && p.File.Data != "":
		b.kind, b.media.name = fileBlock, p.File.Name
		if err := b.media.from(p.File.Data); err != nil {
			return b, cannotBecause(field+".file.file_data", "is no data URL in base64, nor a URL")
		}
	case p.Type == "file":
		return b, cannotBecause(field+".file", noForm+" unless it is sent inline, as file_data")
	default:
		return b, cannot(field + ".type")
	}
	return b, nil
}

// from reads a data URL or another one.
func (m *media) from(source string) error {
	rest, inline := cutFold(source, "data:")
	if !inline {
		if !strings.Contains(source, "://") {
			return errNeither
		}
		m.url = source
		return nil
	}
	head, data, ok := strings.Cut(rest, ",")
	kind, is64 := strings.CutSuffix(head, ";base64")
	if !ok || !is64 {
		return errNeither
	}
	m.mime, _, _ = strings.Cut(kind, ";")
	m.mime, m.data = strings.ToLower(m.mime), data
	return nil
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// inline is a data URL.
func (m media) inline() string {
	if m.url != "" {
		return m.url
	}
	return "data:" + m.mime + ";base64," + m.data
}
