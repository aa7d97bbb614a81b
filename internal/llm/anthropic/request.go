package anthropic

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// layout is what Apply needs to know of a request besides its view.
type layout struct {
	members    []member    // top level, every one
	named      string      // the tool that tool_choice names, as the view names it
	elements   []llm.Span  // of all contents that are lists …
	lists      []llm.Span  // … and which of these are of which
	calls      []callPlace // of Request.Calls
	results    []resultPlace
	reasons    map[int]spot // of parts that are what a model thought: its block
	texts      []int        // parts that are the text of a block of text, in order
	references []reference
}

// list are the elements of a content.
func (l *layout) list(i int) []llm.Span { return l.elements[l.lists[i].Start:l.lists[i].End] }

// member is one name and value of an object.
type member struct {
	name string
	span llm.Span // from the name's first byte to the value's last
}

// spot is the place of a block: an element of a content.
type spot struct{ list, index int }

type callPlace struct {
	server   bool     // runs inside the provider
	own      bool     // is of a tool of the provider's, whose name is no word of anybody's
	mcp      llm.Span // the value of its server's name; empty when it has none
	at       spot
	answered bool // its result was seen
}

type resultPlace struct {
	kind    string
	block   llm.Span
	at      spot
	call    int        // of a server tool: its call; -1 when that is not there
	members []llm.Span // the block's, when any of them leaves with the content
	leave   []bool
}

// reference is one tool_reference in the content of a result.
type reference struct {
	tool   string
	result int
	part   int
	at     spot
}

// parser reads one request.
type parser struct {
	r       *strictjson.Reader
	doc     []byte
	req     *llm.Request
	lay     *layout
	calls   map[string]answerable // that results may answer, by id
	servers map[string]int        // the same of server tools
	wire    map[string]string     // the names of server tools on the wire, and in the view
	message message               // that is being read
	tool    string                // of the last call

	nested [maxNested]reading // the blocks that are being read, each within the one before
	depth  int
	spans  []llm.Span // of the contents that are being read
}

// maxNested is how deep blocks stand in one another: a text in a document in a result.
const maxNested = 3

// reading is one block that is being read.
type reading struct {
	block  block
	member func(strictjson.Member) error
}

// answerable is a call that a result may answer.
type answerable struct {
	call  int
	spent bool // it has its result, or is ambiguous
}

// ParseRequest reads the body of a request to the Messages API, or to count the tokens of one. Its errors are a
// *strictjson.Error, for what is not strict JSON or is of the wrong type, or a *llm.FieldError. The view refers to doc,
// which nobody may change.
func ParseRequest(doc []byte, l strictjson.Limits) (*llm.Request, error) {
	p := &parser{doc: doc, lay: &layout{members: make([]member, 0, 8)}}
	p.req = &llm.Request{Doc: doc, Choices: 1, Layout: p.lay, Parts: make([]llm.Part, 0, min(4+len(doc)/256, 4096))}
	for i := range p.nested {
		at := &p.nested[i]
		at.member = func(m strictjson.Member) error { return p.readBlockMember(&at.block, m.Name) }
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
	switch {
	case err != nil:
		return nil, err
	case p.req.ModelSpan.Len() == 0 || p.req.Model == "":
		return nil, fail("model", "is required")
	case !seen:
		return nil, fail("messages", "is required")
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

// left guesses how many calls or results there still are in the document.
func (p *parser) left() int { return min(1+(len(p.doc)-p.r.Offset())>>10, 512) }

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
	switch name {
	case "model":
		var err error
		p.req.Model, p.req.ModelSpan, err = p.r.String()
		return err
	case "messages":
		return p.readMessages()
	case "system":
		return p.readSystem()
	case "tools":
		return p.r.Array(func(int) error { return p.readTool() })
	case "tool_choice":
		return p.readToolChoice()
	case "stream":
		var err error
		p.req.Stream, err = p.r.Bool()
		return err
	case "metadata":
		return p.r.Object(nil, func(strictjson.Member) error {
			if k := p.r.Kind(); k == strictjson.Object || k == strictjson.Array {
				return fail("metadata", "takes no nested values")
			}
			return nil
		})
	}
	span := llm.Span{Start: p.r.Next()}
	var err error
	switch {
	case f.class != asked:
		_, err = p.r.Skip()
	case kind == strictjson.Object || kind == strictjson.Array:
		err = p.readAsked(name)
	default:
		var text string
		text, _, err = p.r.String()
		p.req.AddFeature(name, text)
	}
	span.End = p.r.Offset()
	if err == nil && (f.class == prose || f.class == asked && name != "mcp_servers" && (kind == strictjson.Object || kind == strictjson.Array)) {
		p.req.AddOutside(span)
	}
	return err
}

// readAsked reads a list or an object that is asked of policy, and notes what it asks for by name.
func (p *parser) readAsked(name string) error {
	switch name {
	case "fallbacks":
		return p.readFallbacks()
	case "mcp_servers":
		return p.readServers()
	case "container":
		return p.readContainer()
	case "context_management":
		return p.r.Object(editNames, func(m strictjson.Member) error {
			if m.Name != "edits" {
				return p.req.AddUnknown(name+".", m.Name)
			}
			return p.r.Array(func(int) error {
				return p.features("context_management:", "type", editNames)
			})
		})
	}
	span, err := p.r.Skip()
	p.req.AddFeature(name, string(span.Of(p.doc)))
	return err
}

// features notes an object as the feature that one of its members names; all of it is the feature's value.
func (p *parser) features(prefix, by string, names *strictjson.Names) error {
	span, name := llm.Span{Start: p.r.Next()}, ""
	err := p.r.Object(names, func(m strictjson.Member) error {
		var err error
		if m.Name == by {
			name, _, err = p.r.String()
		}
		return err
	})
	span.End = p.r.Offset()
	if err == nil && name == "" {
		return p.failHere("."+by, "is required")
	}
	if err == nil {
		p.req.AddFeature(prefix+name, string(span.Of(p.doc)))
	}
	return err
}

// readFallbacks reads the models that may answer when the first does not.
func (p *parser) readFallbacks() error {
	span := llm.Span{Start: p.r.Next()}
	err := p.r.Array(func(i int) error {
		if i >= llm.MaxModels {
			return fail("fallbacks", "names too many models")
		}
		name := ""
		err := p.r.Object(fallbackNames, func(m strictjson.Member) error {
			var err error
			if m.Name == "model" {
				name, _, err = p.r.String()
			}
			return err
		})
		if err == nil && name == "" {
			return p.failHere(".model", "is required")
		}
		p.req.MoreModels = append(p.req.MoreModels, llm.ModelRef{Name: name})
		return err
	})
	span.End = p.r.Offset()
	if err == nil && len(p.req.MoreModels) > 0 {
		p.req.AddFeature("fallbacks", string(span.Of(p.doc)))
	}
	return err
}

// readServers notes each MCP server by its host. What the value has besides is a token of the client's, and goes nowhere.
func (p *parser) readServers() error {
	return p.r.Array(func(int) error {
		address := ""
		err := p.r.Object(serverURLNames, func(m strictjson.Member) error {
			var err error
			if m.Name == "url" {
				address, _, err = p.r.String()
			}
			return err
		})
		if err == nil && address == "" {
			return p.failHere(".url", "is required")
		}
		p.req.AddFeature("mcp_servers", host(address))
		return err
	})
}

// readContainer notes the sandbox that is used again, and each skill that is put into it.
func (p *parser) readContainer() error {
	return p.r.Object(containerNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		switch m.Name {
		case "id":
			id, _, err := p.r.String()
			p.req.AddFeature("container", id)
			return err
		case "skills":
			return p.r.Array(func(int) error { return p.features("skills:", "skill_id", skillNames) })
		}
		return p.req.AddUnknown("container.", m.Name)
	})
}
