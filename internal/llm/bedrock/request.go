package bedrock

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// layout is what Apply needs to know of a request besides its view.
type layout struct {
	members []member      // top level, every one
	tools   []toolElement // of toolConfig's list
	named   string        // the tool that toolChoice names, as the view names it
	lists   [][]llm.Span  // the elements of each content
	calls   []callPlace   // of Request.Calls
	results []resultPlace // of Request.Results
	blocks  map[int]spot  // parts that leave with their whole block: what a model thought
	texts   map[int]bool  // parts that are the text of a block, which Bedrock wants to say something
	values  map[int]llm.Span
}

// member is one name and value of an object.
type member struct {
	name string
	span llm.Span // from the name's first byte to the value's last
}

// toolElement is one element of the list of tools.
type toolElement struct {
	span llm.Span
	tool int // index in Request.Tools; -1 of a cache point
}

// spot is the place of a block: an element of a content.
type spot struct{ list, index int }

type callPlace struct {
	server   bool // runs inside the provider
	at       spot
	answered bool // its result was seen
}

type resultPlace struct {
	server  bool // of a tool that runs inside the provider, as far as its type or its call tells
	block   llm.Span
	object  llm.Span // the result's value
	at      spot
	call    int        // of a server tool: its call; -1 when that is not there
	members []llm.Span // the object's
	leave   []bool     // which of them leave with the content
}

// parser reads one request.
type parser struct {
	r       *strictjson.Reader
	doc     []byte
	req     *llm.Request
	lay     *layout
	calls   map[string]answerable // that results may answer, by id
	wire    map[string]string     // the names of server tools on the wire, and in the view
	message message               // that is being read
}

// ParseRequest reads the body of a request to the path. Its errors are a *strictjson.Error, for what is not strict JSON or
// is of the wrong type, or a *llm.FieldError. The view refers to doc, which nobody may change.
func ParseRequest(path Path, doc []byte, l strictjson.Limits) (*llm.Request, error) {
	if !path.Valid() {
		return nil, fail("modelId", "is no id or ARN of a model")
	}
	p := &parser{doc: doc, lay: &layout{members: make([]member, 0, 8)}}
	p.req = &llm.Request{
		Doc: doc, Model: path.Model, Stream: path.Stream, Choices: 1, Layout: p.lay,
		Parts: make([]llm.Part, 0, min(4+len(doc)/256, 4096)),
	}
	p.r = strictjson.NewReader(doc, l)
	defer p.r.Close()
	seen := false
	err := p.r.Object(requestNames, func(m strictjson.Member) error {
		start := p.r.Next()
		var err error
		if f, known := fields[m.Name]; known {
			seen = seen || m.Name == "messages"
			err = p.readField(m.Name, f)
		} else if m.Name == "modelId" {
			err = fail(m.Name, "stands in the path, and nowhere else")
		} else if err = p.req.AddUnknown("", m.Name); err == nil {
			var span llm.Span
			if span, err = p.r.Skip(); err == nil {
				p.req.AddOutside(span)
			}
		}
		end := p.r.Offset()
		if err == nil && end <= start { // cannot be: each reads the value
			err = fail(m.Name, "was not read")
		}
		p.lay.members = append(p.lay.members, member{name: m.Name, span: llm.Span{Start: m.NameSpan.Start, End: end}})
		return err
	})
	if err == nil {
		err = p.r.End()
	}
	if err == nil {
		err = p.checkTools()
	}
	if err != nil {
		return nil, err
	}
	switch path.resource() {
	case "prompt": // has messages, a system prompt and tools of its own
		p.req.AddFeature("prompt", path.Model)
		seen = true
	case "prompt-router", "default-prompt-router": // has another model answer
		p.req.AddFeature("prompt-router", path.Model)
	}
	switch {
	case !seen:
		return nil, fail("messages", "is required")
	case len(p.req.Features) > llm.MaxFeatures:
		return nil, fail("request", "asks for too many features")
	}
	return p.req, nil
}

func fail(name, reason string) error { return &llm.FieldError{Field: name, Reason: reason} }

// failHere is fail for the place that was read last, or for one below it.
func (p *parser) failHere(below, reason string) error {
	return fail(llm.Place(p.r.Path())+below, reason)
}

// readField reads one top-level value.
func (p *parser) readField(name string, f field) error {
	kind := p.r.Kind()
	switch {
	case kind == strictjson.Null && name == "messages":
		return fail(name, "is required")
	case kind == strictjson.Null || kind == strictjson.None:
		_, err := p.r.Skip()
		return err
	case strings.IndexByte(f.kinds, byte(kind)) < 0:
		return fail(name, "is of the wrong type")
	}
	span := llm.Span{Start: p.r.Next()}
	var err error
	switch name {
	case "messages":
		return p.readMessages()
	case "system":
		return p.readSystem()
	case "toolConfig":
		return p.readToolConfig()
	case "requestMetadata":
		return p.r.Object(nil, func(strictjson.Member) error {
			if k := p.r.Kind(); k == strictjson.Object || k == strictjson.Array {
				return fail(name, "takes no nested values")
			}
			return nil
		})
	case "guardrailConfig":
		return p.readGuardrail()
	case "additionalModelRequestFields":
		err = p.r.Object(nil, func(m strictjson.Member) error {
			value, err := p.r.Skip()
			p.req.AddFeature(name+":"+m.Name, string(value.Of(p.doc)))
			return err
		})
	case "additionalModelResponseFieldPaths":
		return p.r.Array(func(int) error {
			path, _, err := p.r.String()
			p.req.AddFeature(name+":"+path, path)
			return err
		})
	default:
		_, err = p.r.Skip()
	}
	span.End = p.r.Offset()
	if err == nil && f.class != inert {
		p.req.AddOutside(span)
	}
	return err
}

// readGuardrail notes which guardrail judges the text.
func (p *parser) readGuardrail() error {
	id := ""
	err := p.object(guardConfigNames, "guardrailConfig.", func(name string) error {
		if name != "guardrailIdentifier" {
			return nil
		}
		var err error
		id, _, err = p.r.String()
		return err
	})
	p.req.AddFeature("guardrailConfig", id)
	return err
}

// object reads an object: f reads the members that are known and not null, or leaves them; an unknown one is noted, and is
// text that the model may read.
func (p *parser) object(names *strictjson.Names, where string, f func(name string) error) error {
	return p.r.Object(names, func(m strictjson.Member) error {
		switch {
		case p.r.Kind() == strictjson.Null: // as if it were not there
			return nil
		case names.Has(m.Name):
			return f(m.Name)
		}
		if err := p.req.AddUnknown(where, m.Name); err != nil {
			return err
		}
		return p.textPart(llm.TextPart)
	})
}

// union reads an object with one member that is known and not null, which f reads or leaves: its kind. One with another, or
// with two, is an error: each reader would choose its own.
func (p *parser) union(names *strictjson.Names, f func(name string) error) error {
	kind := ""
	err := p.r.Object(names, func(m strictjson.Member) error {
		switch {
		case p.r.Kind() == strictjson.Null:
			return nil
		case !names.Has(m.Name):
			return p.failHere("", "is of no kind that is known")
		case kind != "":
			return p.failHere("", "stands beside "+kind)
		}
		kind = m.Name
		return f(m.Name)
	})
	if err == nil && kind == "" {
		return p.failHere("", "needs one member")
	}
	return err
}

// textPart reads one value as a part, unless there is nothing in it.
func (p *parser) textPart(kind llm.PartKind) error {
	span, err := p.r.Skip()
	if err == nil {
		p.req.AddPart(kind, span)
	}
	return err
}

// words reads a text as a part.
func (p *parser) words(kind llm.PartKind) error {
	if k := p.r.Kind(); k != strictjson.String && k != strictjson.None {
		return p.failHere("", "must be a string")
	}
	return p.textPart(kind)
}

// word reads a short text that says what something is: letters, digits and dashes.
func (p *parser) word() (string, error) {
	text, _, err := p.r.String()
	if err != nil {
		return "", err
	}
	for i := range len(text) {
		if c := text[i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", p.failHere("", "must be a word")
		}
	}
	if text == "" || len(text) > 64 {
		return "", p.failHere("", "must be a word")
	}
	return text, nil
}
