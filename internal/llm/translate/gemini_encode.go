package translate

import (
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

// NoID begins the id of a call that has none at its provider, which then gets none: such a call and its result are found by their
// order and the tool's name.
const NoID = "yellowjack_no_id_"

// maxGeminiStops is how many sequences Gemini takes.
const maxGeminiStops = 5

// encodeGeminiRequest writes a request for Gemini, whose path has the model and whether to stream.
func encodeGeminiRequest(r *request) ([]byte, error) {
	out := geminiRequest{Contents: []geminiContent{}, Config: geminiConfig{
		MaxTokens: r.maxTokens.raw, Temperature: r.temperature.raw, TopP: r.topP.raw, TopK: r.topK.raw, Frequency: r.frequency.raw,
		Presence: r.presence.raw, Seed: r.seed.raw, Stop: r.stop,
	}}
	if err := r.refuseSettings(r.repetition); err != nil {
		return nil, err
	}
	if len(r.stop) > maxGeminiStops {
		return nil, cannotBecause(r.stopField, "has more sequences than the five that the API of this model's provider takes")
	}
	switch r.format.kind {
	case anyJSON:
		out.Config.MIME = "application/json"
	case schemaJSON:
		out.Config.MIME, out.Config.Schema = "application/json", r.format.schema
	}
	if err := r.geminiThinking(&out); err != nil {
		return nil, err
	}
	if err := r.geminiTools(&out); err != nil {
		return nil, err
	}
	if len(r.system) > 0 {
		parts, err := geminiParts(r.system)
		if err != nil {
			return nil, err
		}
		out.System = &geminiContent{Parts: parts}
	}
	for _, m := range merged(r.messages) {
		c := geminiContent{Role: "user"}
		switch m.role {
		case systemRole:
			return nil, cannotBecause(m.field+".role", noForm+" but in the first messages")
		case assistantRole:
			c.Role = "model"
		}
		var err error
		if c.Parts, err = geminiParts(inOrderOfCalls(m.blocks)); err != nil {
			return nil, err
		}
		if len(c.Parts) > 0 {
			out.Contents = append(out.Contents, c)
		}
	}
	return write(&out)
}

// inOrderOfCalls puts the results of calls that have no id into the order of these.
func inOrderOfCalls(blocks []block) []block {
	place := func(b block) int {
		if b.kind != resultBlock || !strings.HasPrefix(b.id, NoID) {
			return 0
		}
		n := 0
		for _, c := range b.id[len(NoID):] {
			n = n*10 + int(c-'0')
			if n > 1<<20 {
				return n
			}
		}
		return n
	}
	out := slices.Clone(blocks)
	slices.SortStableFunc(out, func(a, b block) int {
		if a.kind != resultBlock || b.kind != resultBlock {
			return 0
		}
		return place(a) - place(b)
	})
	return out
}

var geminiLevels = []string{"minimal", "low", "medium", "high"} //nolint:gochecknoglobals // a constant in all but syntax

func (r *request) geminiThinking(out *geminiRequest) error {
	var t geminiThinking
	switch {
	case r.effort.value == "none", r.effort.value == "" && r.thinks.set && !r.thinks.value:
		t.Budget = raw("0")
	case r.budget.set():
		t.Include, t.Budget = true, r.budget.raw
	case r.effort.value != "":
		if !slices.Contains(geminiLevels, r.effort.value) {
			return cannot(r.effort.field)
		}
		t.Include, t.Level = true, r.effort.value
	case r.thinks.set:
		t.Include = true
	default:
		return nil
	}
	out.Config.Thinking = &t
	return nil
}

func (r *request) geminiTools(out *geminiRequest) error {
	if r.serial != "" && len(r.tools) > 0 {
		return cannot(r.serial)
	}
	if len(r.tools) == 0 {
		return nil
	}
	list := geminiTools{}
	for _, t := range r.tools {
		list.Functions = append(list.Functions, geminiFunction{Name: t.name, Description: t.description, Parameters: t.schema})
	}
	out.Tools = []geminiTools{list}
	var c geminiCalling
	switch r.choice.mode {
	case llm.ChoiceUnset:
		return nil
	case llm.ChoiceAuto:
		c.Mode = "AUTO"
	case llm.ChoiceNone:
		c.Mode = "NONE"
	case llm.ChoiceRequired:
		c.Mode = "ANY"
	case llm.ChoiceNamed, allowedRequired:
		c.Mode, c.Allowed = "ANY", r.choice.names
	default:
		return cannot(r.choice.field)
	}
	out.ToolConfig = &geminiToolConfig{c}
	return nil
}

func geminiID(id string) string {
	if strings.HasPrefix(id, NoID) {
		return ""
	}
	return id
}

// geminiParts writes a content. A signature stands on what it came before, and by itself where nothing did.
func geminiParts(blocks []block) ([]geminiPart, error) {
	var out []geminiPart
	for i := range blocks {
		b := &blocks[i]
		switch b.kind {
		case textBlock, refusalBlock:
			if b.text != "" {
				out = append(out, geminiPart{Text: some(b.text)})
			}
		case imageBlock, fileBlock:
			if b.media.url != "" {
				return nil, cannotBecause(b.field, noForm+" unless it is sent inline, as base64")
			}
			out = append(out, geminiPart{Inline: &geminiInline{b.media.mime, b.media.data}})
		case thoughtBlock:
			if b.sign.Format == geminiFormat && b.sign.Data != "" && !(i+1 < len(blocks) && blocks[i+1].kind == callBlock) {
				out = append(out, geminiPart{Text: some(""), Signature: b.sign.Data})
			}
		case callBlock:
			p := geminiPart{Call: &geminiCall{ID: geminiID(b.id), Name: b.tool, Args: b.args}}
			if i > 0 && blocks[i-1].kind == thoughtBlock && blocks[i-1].sign.Format == geminiFormat {
				p.Signature = blocks[i-1].sign.Data
			}
			out = append(out, p)
		case resultBlock:
			p, err := geminiResponse(b)
			if err != nil {
				return nil, err
			}
			out = append(out, geminiPart{Response: p})
		}
	}
	return out, nil
}

func geminiResponse(b *block) (*geminiResult, error) {
	if b.tool == "" {
		return nil, cannotBecause(b.field, "answers no call that stands before it")
	}
	out := &geminiResult{ID: geminiID(b.id), Name: b.tool}
	var texts []block
	for _, c := range b.content {
		if c.kind == textBlock {
			texts = append(texts, c)
			continue
		}
		parts, err := geminiParts([]block{c})
		if err != nil {
			return nil, err
		}
		out.Parts = append(out.Parts, parts...)
	}
	text, _ := joined(texts, textBlock)
	member := "output"
	if b.failed {
		member = "error"
	}
	out.Response = map[string]string{member: text}
	return out, nil
}
