package openairesponses

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// readModels reads the models that may answer when the first does not. Each is decided like the first, and that there is
// a choice at all is asked of policy too.
func (p *parser) readModels() error {
	span := llm.Span{Start: p.r.Next()}
	err := p.r.Array(func(i int) error {
		if i >= llm.MaxModels {
			return p.fail("models", "names too many models")
		}
		name, _, err := p.r.String()
		if err == nil && name == "" {
			return p.failHere("", "must not be empty")
		}
		p.req.MoreModels = append(p.req.MoreModels, llm.ModelRef{Name: name})
		return err
	})
	span.End = p.r.Offset()
	if err == nil && len(p.req.MoreModels) > 0 {
		p.req.AddFeature("models", string(span.Of(p.doc)))
	}
	return err
}

// readInstructions reads what the application says before the input: a text, or in a response that is sent back the items.
func (p *parser) readInstructions() error {
	if p.r.Kind() == strictjson.String {
		_, err := p.outside()
		return err
	}
	return p.fail("instructions", "must be a string")
}

// readConversation reads the conversation that the provider keeps: its id, or an object with it.
func (p *parser) readConversation() error {
	id := ""
	var err error
	if p.r.Kind() == strictjson.String {
		id, _, err = p.r.String()
	} else {
		err = p.r.Object(idNames, func(m strictjson.Member) error {
			if m.Name != "id" {
				return p.unknown("conversation.", m.Name)
			}
			var err error
			id, _, err = p.r.String()
			return err
		})
	}
	p.req.AddFeature("conversation", id)
	return err
}

// readPrompt reads a prompt that the provider keeps, and the values of its variables: texts, or parts of a content.
func (p *parser) readPrompt() error {
	id, version := "", ""
	err := p.r.Object(promptNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		var err error
		switch m.Name {
		case "id":
			id, _, err = p.r.String()
		case "version":
			version, _, err = p.r.String()
		case "variables":
			err = p.r.Object(nil, func(strictjson.Member) error { return p.readVariable() })
		default:
			err = p.unknown("prompt.", m.Name)
		}
		return err
	})
	if err == nil && id == "" {
		return p.fail("prompt.id", "is required")
	}
	p.req.AddFeature("prompt:"+id, version)
	return err
}

func (p *parser) readVariable() error {
	if p.r.Kind() == strictjson.String {
		_, err := p.outside()
		return err
	}
	first := len(p.req.Parts)
	p.item = item{text: true}
	if err := p.readPart(false); err != nil {
		return err
	}
	for i := first; i < len(p.req.Parts); i++ {
		p.req.Parts[i].Role = "developer"
	}
	return nil
}

// readPlugins notes each plugin by its id; its options are the feature's value. Some take a prompt.
func (p *parser) readPlugins() error {
	all := llm.Span{Start: p.r.Next()}
	err := p.r.Array(func(int) error {
		span := llm.Span{Start: p.r.Next()}
		id := ""
		err := p.r.Object(idNames, func(m strictjson.Member) error {
			var err error
			if m.Name == "id" {
				id, _, err = p.r.String()
			}
			return err
		})
		span.End = p.r.Offset()
		if err == nil && id == "" {
			return p.failHere(".id", "is required")
		}
		if err == nil {
			p.req.AddFeature("plugins:"+id, string(span.Of(p.doc)))
		}
		return err
	})
	if all.End = p.r.Offset(); err == nil {
		p.req.AddOutside(all)
	}
	return err
}

// readProvider notes each preference about who hosts the model as a feature of its own: some teams may be let choose the
// order, and nobody that their data is collected.
func (p *parser) readProvider() error {
	return p.r.Object(nil, func(m strictjson.Member) error {
		span, err := p.r.Skip()
		if err == nil {
			p.req.AddFeature("provider:"+m.Name, string(span.Of(p.doc)))
		}
		return err
	})
}

// unknown notes a field that is in no table, and reads what it says as a part of no message.
func (p *parser) unknown(where, name string) error {
	if err := p.req.AddUnknown(where, name); err != nil {
		return err
	}
	_, err := p.outside()
	return err
}
