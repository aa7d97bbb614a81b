package openairesponses

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// layout is what Apply needs to know of a request besides its view.
type layout struct {
	members []member // top level, every one
	store   llm.Span // the value; empty when there is none
	lists   []list   // of tools, wherever they stand
	chosen  []chosen // the elements of tool_choice.tools
	named   []string // the tools that tool_choice names by itself
	results []resultPlace
	calls   []callPlace
	parts   map[int]string // parts that are no text, and what stands there when they are taken out
	signed  map[int]bool   // parts that nobody changes
	unkept  []int          // items that say something only while the provider keeps the answer
	source  llm.Span       // the input's value; empty when there is none
	input   []llm.Span     // its elements
}

// member is one name and value of an object.
type member struct {
	name string
	span llm.Span // from the name's first byte to the value's last
}

// list is one list of tools.
type list struct {
	span    llm.Span // of an item's
	entries []entry
	top     bool // it is the member tools of the request
}

// entry is one element of a list: a tool, or several of them.
type entry struct {
	span  llm.Span
	names []string
	inner []entry // of a namespace
}

// chosen is one element of an allow list.
type chosen struct {
	name string
	span llm.Span
}

// resultPlace is where a result stands, and what its item carries besides its content.
type resultPlace struct {
	form   form
	member string // the name of a content that is not there
	item   llm.Span
	extra  *extra // nil when it carries nothing
}

// extra is what a result's item carries besides its content.
type extra struct {
	members []llm.Span // every one
	leave   []bool     // which of them leave with the content
	isName  []bool     // which of them are the name
	named   string     // the tool that it names itself
}

// callPlace is what a call's item carries besides.
type callPlace struct {
	members []llm.Span // every one, of a call of a tool in a namespace
	spaced  int        // index of the namespace among them
}

// parser reads one request.
type parser struct {
	r    *strictjson.Reader
	doc  []byte
	req  *llm.Request
	lay  *layout
	refs map[string]reference
	item item // that is being read
	turn bool // the last item was a model's

	turnCalls int              // the first call of the turn
	lastName  string           // of a call
	offered   map[string]offer // tools by name
}

// ParseRequest reads the body of a request for a response. Its errors are a *strictjson.Error, for what is not strict
// JSON or is of the wrong type, or a *llm.FieldError. The view refers to doc, which nobody may change.
func ParseRequest(doc []byte, l strictjson.Limits) (*llm.Request, error) {
	p := &parser{doc: doc, lay: &layout{members: make([]member, 0, 8)}}
	p.req = &llm.Request{Doc: doc, Choices: 1, Layout: p.lay, Parts: make([]llm.Part, 0, min(4+len(doc)/256, 4096))}
	p.r = strictjson.NewReader(doc, l)
	defer p.r.Close()
	err := p.r.Object(requestNames, func(m strictjson.Member) error {
		start := p.r.Next()
		var err error
		if f, known := fields[m.Name]; known {
			err = p.readField(m.Name, f)
		} else if err = p.req.AddUnknown("", m.Name); err == nil {
			_, err = p.outside()
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
		return nil, p.fail("model", "is required") // a stored prompt's own model is one that no policy saw
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

// outside reads a value as a part that stands in no message.
func (p *parser) outside() (llm.Span, error) {
	span, err := p.r.Skip()
	if err == nil {
		p.req.AddOutside(span)
	}
	return span, err
}

// readField reads one top-level value.
func (p *parser) readField(name string, f field) (err error) {
	kind := p.r.Kind()
	switch {
	case kind == strictjson.Null && name == "store":
		p.lay.store, err = p.r.Skip()
		return err
	case kind == strictjson.Null && name == "input":
		p.lay.source, err = p.r.Skip()
		return err
	case kind == strictjson.Null || kind == strictjson.None:
		_, err = p.r.Skip()
		return err
	case strings.IndexByte(f.kinds, byte(kind)) < 0:
		return p.fail(name, "is of the wrong type")
	}
	switch f.class {
	case structural:
		return p.readStructural(name)
	case asked:
		return p.readAsked(name)
	}
	switch {
	case name == "metadata":
		return p.readMetadata()
	case f.class == prose:
		_, err = p.outside()
		return err
	}
	_, err = p.r.Skip()
	return err
}

func (p *parser) readStructural(name string) (err error) {
	switch name {
	case "model":
		p.req.Model, p.req.ModelSpan, err = p.r.String()
	case "models":
		err = p.readModels()
	case "input":
		p.lay.source.Start = p.r.Next()
		err = p.readInput()
		p.lay.source.End = p.r.Offset()
	case "instructions":
		err = p.readInstructions()
	case "tools":
		err = p.readTools(true)
	case "tool_choice":
		err = p.readToolChoice()
	case "stream":
		p.req.Stream, err = p.r.Bool()
	default:
		_, err = p.r.Skip()
	}
	return err
}

// readAsked notes what is asked of policy. No value of it is an instruction to the gateway.
func (p *parser) readAsked(name string) (err error) {
	kind := p.r.Kind()
	switch name {
	case "store":
		if kind == strictjson.True {
			p.req.AddFeature("store", "true")
		}
		p.lay.store, err = p.r.Skip()
		return err
	case "background":
		if kind == strictjson.True {
			p.req.AddFeature("background", "true")
		}
		_, err = p.r.Skip()
		return err
	case "previous_response_id", "preset", "truncation":
		var value string
		value, _, err = p.r.String()
		switch {
		case name == "preset":
			p.req.AddFeature("preset:"+value, value)
		case name != "truncation" || value != "disabled":
			p.req.AddFeature(name, value)
		}
		return err
	case "conversation":
		return p.readConversation()
	case "prompt":
		return p.readPrompt()
	case "plugins":
		return p.readPlugins()
	case "provider":
		return p.readProvider()
	}
	var span llm.Span
	if kind == strictjson.Object || kind == strictjson.Array {
		span, err = p.outside()
	} else {
		span, err = p.r.Skip()
	}
	p.req.AddFeature(name, string(span.Of(p.doc)))
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
