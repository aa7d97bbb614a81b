package gemini

import (
	"bytes"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Bounds on what a request may ask of policy; a client within reason is far below them.
const (
	maxChoices     = 8
	maxAnswerCalls = 1024 // of one candidate in one event
)

// layout is what Apply needs to know of a request besides its view.
type layout struct {
	path    Path
	members []member // top level, every one
	tools   toolList
	config  toolConfig
	calls   []callPlace      // of Request.Calls
	results []resultPlace    // of Request.Results
	media   map[int]llm.Span // parts that are elements of a content, and the member that signs each
}

// member is one name and value of an object.
type member struct {
	name string   // in camel case; "" when it is not known
	span llm.Span // from the name's first byte to the value's last
}

// parser reads one request.
type parser struct {
	r       *strictjson.Reader
	doc     []byte
	req     *llm.Request
	lay     *layout
	content content // that is being read
	open    openCalls
	tool    string   // that was named last
	room    []member // of the lists of members in the layout
}

// ParseRequest reads the body of a request to a path. Its errors are a *strictjson.Error, for what is not strict JSON, is
// of the wrong type or is given in both spellings, or a *llm.FieldError. The view refers to doc, which nobody may change.
func ParseRequest(path Path, doc []byte, l strictjson.Limits) (*llm.Request, error) {
	p := &parser{doc: doc, lay: &layout{path: path, members: make([]member, 0, 8)}}
	p.req = &llm.Request{
		Doc: doc, Model: path.Model, Stream: path.Stream, Choices: 1, Layout: p.lay, Nameless: true,
		Parts: make([]llm.Part, 0, min(4+len(doc)/256, 4096)),
	}
	if !path.Valid() {
		return nil, fail("path", "is not one that is served")
	}
	p.r = strictjson.NewReader(doc, l)
	defer p.r.Close()
	seen := false
	err := object(p.r, requestNames, func(name string, m strictjson.Member) error {
		start := p.r.Next()
		var err error
		if name == "" {
			err = p.unknown("", m.Name)
		} else {
			seen = seen || name == "contents"
			err = p.readField(name, requestFields[name])
		}
		end := p.r.Offset()
		if err == nil && end <= start { // cannot be: both read the value
			err = fail(m.Name, "was not read")
		}
		p.lay.members = append(p.lay.members, member{name: name, span: llm.Span{Start: m.NameSpan.Start, End: end}})
		return err
	})
	if err == nil {
		err = p.r.End()
	}
	switch {
	case err != nil:
		return nil, err
	case !seen:
		return nil, fail("contents", "is required")
	}
	if err := p.checkTools(); err != nil {
		return nil, err
	}
	p.req.AddModelFeatures(p.req.Model)
	for _, m := range p.req.MoreModels {
		p.req.AddModelFeatures(m.Name)
	}
	if len(p.req.Features) > llm.MaxFeatures {
		return nil, fail("request", "asks for too many features")
	}
	return p.req, nil
}

func fail(name, reason string) error { return &llm.FieldError{Field: name, Reason: reason} }

// failHere is fail for the place that was read last, or for one below it.
func (p *parser) failHere(below, reason string) error {
	return fail(llm.Place(p.r.Path())+below, reason)
}

// typed tells whether the next value is one to read: null is skipped, and another kind of value is an error.
func (p *parser) typed(kinds string) (bool, error) {
	kind := p.r.Kind()
	switch {
	case kind == strictjson.Null || kind == strictjson.None:
		_, err := p.r.Skip()
		return false, err
	case strings.IndexByte(kinds, byte(kind)) < 0:
		return false, p.failHere("", "is of the wrong type")
	}
	return true, nil
}

// readField reads one top-level value.
func (p *parser) readField(name string, f rule) error {
	null := p.r.Kind() == strictjson.Null
	if null && name == "contents" {
		return fail(name, "is required")
	}
	if there, err := p.typed(f.kinds); !there {
		return err
	}
	switch name {
	case "model":
		return p.readModel()
	case "contents":
		return p.readContents()
	case "systemInstruction":
		return p.readSystem()
	case "tools":
		return p.readTools()
	case "toolConfig":
		return p.readToolConfig()
	case "generationConfig":
		return object(p.r, generationNames, p.readGeneration)
	}
	return p.readPlain(name, f)
}

// readPlain reads a field whose value is nothing but a value.
func (p *parser) readPlain(name string, f rule) error {
	kind := p.r.Kind()
	span, err := p.r.Skip()
	if err != nil {
		return err
	}
	if f.class == asked && (name != "store" || kind == strictjson.True) {
		p.req.AddFeature(name, string(bytes.Trim(span.Of(p.doc), `"`)))
	}
	if f.class == prose || f.class == asked && kind == strictjson.Object {
		p.req.AddOutside(span)
	}
	return nil
}

// readModel reads the model where the body names it besides. It must be the path's: of two, nobody knows which counts.
func (p *parser) readModel() error {
	name, span, err := p.r.String()
	if err != nil {
		return err
	}
	if p.req.ModelSpan = span; name != p.req.Model && name != p.lay.path.Kind+"/"+p.req.Model {
		return fail("model", "is not the model that the path names")
	}
	return nil
}

func (p *parser) readGeneration(name string, m strictjson.Member) error {
	if name == "" {
		return p.unknown("generationConfig.", m.Name)
	}
	f := generationFields[name]
	if there, err := p.typed(f.kinds); !there {
		return err
	}
	switch name {
	case "candidateCount":
		n, err := p.r.Int()
		if err == nil && (n < 1 || n > maxChoices) {
			return p.failHere("", "must be an integer from 1 to 8")
		}
		p.req.Choices = int(n)
		return err
	case "routingConfig":
		return p.readRouting()
	}
	return p.readPlain(name, f)
}

// readRouting reads which model answers in the place of the path's. It is decided like that one, and that there is
// another is asked of policy too.
func (p *parser) readRouting() error {
	span := llm.Span{Start: p.r.Next()}
	err := object(p.r, routingNames, func(name string, m strictjson.Member) error {
		switch name {
		case "":
			return p.unknown("generationConfig.routingConfig.", m.Name)
		case "manualMode":
			if there, err := p.typed(anObject); !there {
				return err
			}
			return object(p.r, manualNames, func(name string, m strictjson.Member) error {
				if name == "" {
					return p.unknown("generationConfig.routingConfig.manualMode.", m.Name)
				}
				if there, err := p.typed(aString); !there {
					return err
				}
				model, _, err := p.r.String()
				if err == nil && model == "" {
					return p.failHere("", "must not be empty")
				}
				p.req.MoreModels = append(p.req.MoreModels, llm.ModelRef{Name: model})
				return err
			})
		}
		return nil
	})
	span.End = p.r.Offset()
	if err == nil {
		p.req.AddFeature("routingConfig", string(span.Of(p.doc)))
	}
	return err
}

// unknown notes a field that is in no table and skips it. Whatever it says is the application's, as far as its place tells.
func (p *parser) unknown(where, name string) error {
	if err := p.req.AddUnknown(where, name); err != nil {
		return err
	}
	span, err := p.r.Skip()
	if err == nil {
		p.req.AddOutside(span)
	}
	return err
}

// each reads a list of messages, or one without its brackets.
func (p *parser) each(one func(i int) error) error {
	if p.r.Kind() == strictjson.Array {
		return p.r.Array(one)
	}
	return one(0)
}

// list is each, and returns where each stands.
func (p *parser) list(one func(i int) error) (spans []llm.Span, err error) {
	err = p.each(func(i int) error {
		span := llm.Span{Start: p.r.Next()}
		err := one(i)
		span.End = p.r.Offset()
		spans = append(spans, span)
		return err
	})
	return spans, err
}

// repeated reads a string that most often has been read before: it is what known finds then, and costs no allocation.
func (p *parser) repeated(known func(raw []byte) string) (string, llm.Span, error) {
	if p.r.Kind() != strictjson.String {
		return p.r.String() // says what is wrong with it
	}
	span, err := p.r.Skip()
	if err != nil {
		return "", span, err
	}
	raw := span.Of(p.doc)
	if bare := raw[1 : len(raw)-1]; bytes.IndexByte(bare, '\\') < 0 {
		if text := known(bare); text == string(bare) {
			return text, span, nil
		}
		return string(bare), span, nil
	}
	text, err := strictjson.AppendUnquote(nil, raw)
	return string(text), span, err
}

// lastTool finds the name of the tool that was named last.
func (p *parser) lastTool([]byte) string { return p.tool }

// callID finds the id of a call that a result may answer.
func (p *parser) callID(raw []byte) string {
	if open, ok := p.open.byID[string(raw)]; ok {
		return p.req.Calls[open.call].ID
	}
	return ""
}
