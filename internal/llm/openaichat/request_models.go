package openaichat

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// readModels reads the models that may answer when the first does not. Each is decided like the first, and that there is
// a choice at all is asked of policy too.
func (p *parser) readModels() error {
	span := llm.Span{Start: p.r.Next()}
	err := p.r.Array(func(i int) error {
		if i >= maxModels {
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
		p.feature("models", string(span.Of(p.doc)))
	}
	return err
}

// modelFeatures notes what a model's name asks for besides a model: "@preset/NAME" is a stored prompt with tools and
// models of its own, ":online" searches, ":nitro" chooses hosts. Such a variant is a word; what begins with a digit, and
// "latest", is the tag of a local model (llama3:8b), which is a name and nothing more.
func (p *parser) modelFeatures(name string) {
	if _, preset, ok := strings.Cut(name, "@preset/"); ok {
		preset, _, _ = strings.Cut(preset, ":")
		p.feature("preset:"+preset, preset)
	} else if strings.Contains(name, "@") {
		p.feature("@", name)
	}
	_, variants, _ := strings.Cut(name, ":")
	if variants == "" {
		return
	}
	for v := range strings.SplitSeq(variants, ":") {
		if v == "latest" || v != "" && '0' <= v[0] && v[0] <= '9' {
			continue
		}
		p.feature(":"+v, name)
	}
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
			p.feature("plugins:"+id, string(span.Of(p.doc)))
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
			p.feature("provider:"+m.Name, string(span.Of(p.doc)))
		}
		return err
	})
}
