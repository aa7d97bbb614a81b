package translate

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
)

var ( //nolint:gochecknoglobals // constants in all but syntax
	bedrockImages    = map[string]string{"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
	bedrockDocuments = map[string]string{
		"application/pdf": "pdf", "text/csv": "csv", "application/msword": "doc", "text/html": "html", "text/plain": "txt", "text/markdown": "md",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx", "application/vnd.ms-excel": "xls",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
	}
)

// encodeBedrockRequest writes a request for Converse, whose path has the model and whether to stream. What is a model's own there
// (additionalModelRequestFields) is none of the API's, and refused.
func encodeBedrockRequest(r *request) ([]byte, error) {
	out := bedrockRequest{Messages: []bedrockMessage{}, Inference: bedrockInference{
		MaxTokens: r.maxTokens.raw, Temperature: r.temperature.raw, TopP: r.topP.raw, Stop: r.stop,
	}}
	if err := r.refuseSettings(r.frequency, r.presence, r.repetition); err != nil {
		return nil, err
	}
	for _, n := range []number{r.seed, r.topK, r.budget} {
		if n.set() {
			return nil, cannot(n.field)
		}
	}
	switch {
	case r.temperature.above(1):
		return nil, cannotBecause(r.temperature.field, "is above 1, which is the most in the API of this model's provider")
	case r.effort.value != "" && r.effort.value != "none":
		return nil, cannot(r.effort.field)
	case r.format.kind == anyJSON:
		return nil, cannotBecause(r.format.field, noForm+" unless it has a schema")
	case r.format.kind == schemaJSON:
		f := bedrockFormat{Type: "json_schema"}
		f.Structure.Schema = bedrockStructure{Schema: string(r.format.schema), Name: r.format.name, Description: r.format.description}
		out.Output = &bedrockOutput{f}
	}
	if err := r.bedrockTools(&out); err != nil {
		return nil, err
	}
	var err error
	if out.System, err = bedrockContent(r.system); err != nil {
		return nil, err
	}
	for _, m := range merged(r.messages) {
		turn := bedrockMessage{Role: "user"}
		switch m.role {
		case systemRole:
			return nil, cannotBecause(m.field+".role", noForm+" but in the first messages")
		case assistantRole:
			turn.Role = "assistant"
		}
		if turn.Content, err = bedrockContent(m.blocks); err != nil {
			return nil, err
		}
		if len(turn.Content) > 0 {
			out.Messages = append(out.Messages, turn)
		}
	}
	return write(&out)
}

func (r *request) bedrockTools(out *bedrockRequest) error {
	if len(r.tools) == 0 {
		return nil
	}
	if r.serial != "" {
		return cannot(r.serial)
	}
	list := &bedrockTools{}
	for _, t := range r.tools {
		schema := t.schema
		if !present(schema) {
			schema = raw(noArguments)
		}
		list.Tools = append(list.Tools, bedrockTool{Spec: &bedrockSpec{Name: t.name, Description: t.description, Schema: bedrockSchema{schema}, Strict: t.strict}})
		if c := bedrockCacheOf(t.cache); c != nil {
			list.Tools = append(list.Tools, bedrockTool{Cache: c})
		}
	}
	switch r.choice.mode {
	case llm.ChoiceUnset:
	case llm.ChoiceAuto:
		list.Choice = &bedrockChoice{Auto: &struct{}{}}
	case llm.ChoiceRequired:
		list.Choice = &bedrockChoice{Any: &struct{}{}}
	case llm.ChoiceNamed:
		list.Choice = &bedrockChoice{Tool: &chatNamed{r.choice.names[0]}}
	default:
		return cannot(r.choice.field)
	}
	out.Tools = list
	return nil
}

// bedrockCacheOf is a mark after which what stands before it is cached.
func bedrockCacheOf(cache raw) *bedrockCache {
	if !present(cache) {
		return nil
	}
	var w struct {
		TTL string `json:"ttl"`
	}
	if readAnswer(cache, &w) != nil {
		return nil
	}
	return &bedrockCache{Type: "default", TTL: w.TTL}
}

func bedrockContent(blocks []block) ([]bedrockBlock, error) {
	var out []bedrockBlock
	for i := range blocks {
		b := &blocks[i]
		var w bedrockBlock
		switch b.kind {
		case textBlock, refusalBlock:
			if b.text == "" {
				continue
			}
			w.Text = some(b.text)
		case imageBlock, fileBlock:
			if err := b.bedrockMedia(&w); err != nil {
				return nil, err
			}
		case callBlock:
			w.Use = &bedrockUse{ID: b.id, Name: b.tool, Input: b.args}
		case resultBlock:
			content, err := bedrockContent(b.content)
			if err != nil {
				return nil, err
			}
			if len(content) == 0 {
				content = []bedrockBlock{{Text: some(" ")}} // an empty text is refused
			}
			w.Result = &bedrockResult{ID: b.id, Content: content}
			if b.failed {
				w.Result.Status = "error"
			}
		case thoughtBlock:
			if !b.sign.own() {
				continue
			}
			w.Reasoning = &bedrockReasoning{Redacted: b.sign.Data}
			if b.sign.Data == "" {
				w.Reasoning.Text = &bedrockThought{Text: b.text, Signature: b.sign.Signature}
			}
		}
		out = append(out, w)
		if c := bedrockCacheOf(b.cache); c != nil {
			out = append(out, bedrockBlock{Cache: c})
		}
	}
	return out, nil
}

func (b *block) bedrockMedia(w *bedrockBlock) error {
	if b.media.url != "" {
		return cannotBecause(b.field, noForm+" unless it is sent inline, as base64")
	}
	m := &bedrockMedia{Source: bedrockSource{b.media.data}}
	if b.kind == imageBlock {
		if m.Format = bedrockImages[b.media.mime]; m.Format == "" {
			return cannotBecause(b.field, "is an image of a type that "+noForm)
		}
		w.Image = m
		return nil
	}
	if m.Format = bedrockDocuments[b.media.mime]; m.Format == "" {
		return cannotBecause(b.field, "is a file of a type that "+noForm)
	}
	m.Name = bedrockName(b.media.name)
	w.Document = m
	return nil
}

// bedrockName is a file's name in the characters that Converse takes.
func bedrockName(name string) string {
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		name = name[:dot]
	}
	name = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("-()[]", c):
			return c
		}
		return '-'
	}, name)
	const most = 200
	if name = name[:min(len(name), most)]; name == "" {
		return "document"
	}
	return name
}
