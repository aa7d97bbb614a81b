package openaichat

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Bounds on what a request may ask of policy; a client within reason is far below them.
const (
	maxChoices     = 128
	maxAnswerCalls = 1024 // of one choice, or of one event
)

// layout is what Apply needs to know of a request besides its view.
type layout struct {
	members []member      // top level, every one
	allowed []allowedTool // the elements of tool_choice.allowed_tools.tools
	named   []string      // the tools that tool_choice and function_call name by themselves
	extras  map[int]extra // what results carry besides their content, by their index
}

// member is one name and value of an object.
type member struct {
	name string
	span llm.Span // from the name's first byte to the value's last
}

// allowedTool is one element of an allow list.
type allowedTool struct {
	name string
	span llm.Span
}

// parser reads one request.
type parser struct {
	r       *strictjson.Reader
	doc     []byte
	req     *llm.Request
	lay     *layout
	refs    references
	message message // that is being read
}

// ParseRequest reads the body of a chat completion. Its errors are a *strictjson.Error, for what is not strict JSON or
// is of the wrong type, or a *llm.FieldError. The view refers to doc, which nobody may change.
func ParseRequest(doc []byte, l strictjson.Limits) (*llm.Request, error) {
	p := &parser{doc: doc, lay: &layout{members: make([]member, 0, 8)}}
	p.req = &llm.Request{Doc: doc, Choices: 1, Layout: p.lay, Parts: make([]llm.Part, 0, partsFor(len(doc)))}
	p.r = strictjson.NewReader(doc, l)
	defer p.r.Close()
	seen := false
	err := p.r.Object(requestNames, func(m strictjson.Member) error {
		start := p.r.Next()
		var err error
		if f, known := fields[m.Name]; known {
			seen = seen || m.Name == "messages"
			err = p.readField(m.Name, f)
		} else {
			span := llm.Span{Start: start}
			err = p.unknown("", m.Name)
			if span.End = p.r.Offset(); err == nil {
				p.req.AddOutside(span)
			}
		}
		end := p.r.Offset()
		if err == nil && end <= start { // cannot be: both read the value
			err = p.fail(m.Name, "was not read")
		}
		p.lay.members = append(p.lay.members, member{name: m.Name, span: llm.Span{Start: m.NameSpan.Start, End: end}})
		return err
	})
	if err == nil {
		err = p.r.End()
	}
	switch {
	case err != nil:
		return nil, err
	case p.req.ModelSpan.Len() == 0 || p.req.Model == "":
		return nil, p.fail("model", "is required")
	case !seen:
		return nil, p.fail("messages", "is required")
	}
	if err := p.checkTools(); err != nil {
		return nil, err
	}
	p.req.AddModelFeatures(p.req.Model)
	for _, m := range p.req.MoreModels {
		p.req.AddModelFeatures(m.Name)
	}
	if len(p.req.Features) > llm.MaxFeatures {
		return nil, p.fail("request", "asks for too many features")
	}
	return p.req, nil
}

func (p *parser) fail(name, reason string) error { return &llm.FieldError{Field: name, Reason: reason} }

// failHere is fail for the place that was read last, or for one below it.
func (p *parser) failHere(below, reason string) error {
	return p.fail(llm.Place(p.r.Path())+below, reason)
}

// readField reads one top-level value.
func (p *parser) readField(name string, f field) error {
	kind := p.r.Kind()
	switch {
	case kind == strictjson.Null && name == "messages":
		return p.fail(name, "is required")
	case kind == strictjson.Null || kind == strictjson.None:
		_, err := p.r.Skip()
		return err
	case strings.IndexByte(f.kinds, byte(kind)) < 0:
		return p.fail(name, "is of the wrong type")
	}
	var err error
	switch name {
	case "model":
		p.req.Model, p.req.ModelSpan, err = p.r.String()
	case "models":
		err = p.readModels()
	case "messages":
		err = p.readMessages()
	case "tools":
		err = p.readTools()
	case "functions":
		err = p.readFunctions()
	case "tool_choice":
		err = p.readToolChoice()
	case "function_call":
		err = p.readFunctionChoice()
	case "stream":
		p.req.Stream, err = p.r.Bool()
	case "n":
		err = p.readN()
	case "metadata":
		err = p.readMetadata()
	case "plugins":
		span := llm.Span{Start: p.r.Next()}
		if err = p.readPlugins(); err == nil { // some take a prompt
			span.End = p.r.Offset()
			p.req.AddOutside(span)
		}
	case "provider":
		err = p.readProvider()
	case "preset":
		var preset string
		preset, _, err = p.r.String()
		p.req.AddFeature("preset:"+preset, preset)
	case "store":
		if kind == strictjson.True {
			p.req.AddFeature("store", "true")
		}
		_, err = p.r.Skip()
	default:
		var span llm.Span
		span, err = p.r.Skip()
		if f.class == asked {
			p.req.AddFeature(name, string(span.Of(p.doc)))
		}
		if err == nil && (f.class == prose || f.class == asked && (kind == strictjson.Object || kind == strictjson.Array)) {
			p.req.AddOutside(span)
		}
	}
	return err
}

func (p *parser) readN() error {
	n, err := p.r.Int()
	if err == nil && (n < 1 || n > maxChoices) {
		return p.fail("n", "must be an integer from 1 to 128")
	}
	p.req.Choices = int(n)
	return err
}

func (p *parser) readMetadata() error {
	return p.r.Object(nil, func(strictjson.Member) error {
		if k := p.r.Kind(); k == strictjson.Object || k == strictjson.Array {
			return p.fail("metadata", "takes no nested values")
		}
		return nil
	})
}

// unknown notes a field that is in no table, and skips it.
func (p *parser) unknown(where, name string) error {
	if err := p.req.AddUnknown(where, name); err != nil {
		return err
	}
	_, err := p.r.Skip()
	return err
}
