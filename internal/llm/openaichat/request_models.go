package openaichat

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

// readPlugins notes each plugin by its id; its options are the feature's value.
func (p *parser) readPlugins() error {
	return p.r.Array(func(int) error {
		span := llm.Span{Start: p.r.Next()}
		id := ""
		err := p.r.Object(pluginNames, func(m strictjson.Member) error {
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
