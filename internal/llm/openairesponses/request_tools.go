package openairesponses

import (
	"bytes"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// clientTools are the tools that OpenAI defines and a client runs, by their types. Every type that is neither here nor a
// definition of the client's runs inside the provider.
var clientTools = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"local_shell": toolLocalShell, "shell": toolShell, "apply_patch": toolApplyPatch, "tool_search": toolSearch,
	"computer": toolComputer, "computer_use": toolComputer, "computer_use_preview": toolComputer,
}

// The types of a tool that the client defines.
const (
	typeFunction  = "function"
	typeCustom    = "custom"
	typeNamespace = "namespace"
	typeMCP       = "mcp"
)

// readTools reads a list of offered tools: the request's own, or that of an item.
func (p *parser) readTools(top bool) error {
	l := list{top: top}
	err := p.r.Array(func(int) error {
		d, err := p.readDefinition(true)
		if err != nil {
			return err
		}
		e, err := p.addEntry(top, &d, "")
		l.entries = append(l.entries, e)
		return err
	})
	p.lay.lists = append(p.lay.lists, l)
	return err
}

// offer is a tool that is offered already.
type offer struct {
	index int // in Request.Tools
	top   bool
}

// definition is what is read of one tool.
type definition struct {
	tool        llm.Tool
	output      llm.Span
	environment string
	execution   string
	server      string
	sources     []string // where the provider finds an MCP server
	model       string
	nested      bool // has a definition in another form
	unknown     []string
	members     int
	inner       []definition // of a namespace
}

// readDefinition reads one element of a list. What a namespace has in it is read with it, and taken in when the name of
// the namespace is known.
func (p *parser) readDefinition(outer bool) (definition, error) {
	d := definition{}
	d.tool.Span.Start = p.r.Next()
	err := p.r.Object(toolNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil // as if it were not there
		}
		d.members++
		if m.Name != "tools" || !outer {
			return p.readToolMember(&d, m.Name)
		}
		return p.r.Array(func(int) error {
			inner, err := p.readDefinition(false)
			d.inner = append(d.inner, inner)
			return err
		})
	})
	d.tool.Span.End = p.r.Offset()
	return d, err
}

// addEntry takes one element of a list into the view: a tool, or a namespace with several.
func (p *parser) addEntry(top bool, d *definition, space string) (entry, error) {
	e := entry{span: d.tool.Span}
	t := &d.tool
	if t.Type != typeNamespace || space != "" {
		if len(d.inner) > 0 {
			return e, p.failHere("", "has tools in it, and is no namespace")
		}
		if err := p.classify(d, space); err != nil {
			return e, err
		}
		e.names = []string{t.Name}
		return e, p.addTool(top, d)
	}
	if strings.Contains(t.Name, ".") || !llm.ValidName(t.Name) || len(d.inner) == 0 {
		return e, p.failHere("", "needs a name without dots, and tools")
	}
	for _, name := range d.unknown {
		if err := p.req.AddUnknown("tools.", name); err != nil {
			return e, err
		}
	}
	if t.Description.Len() > 0 {
		p.req.AddOutside(t.Description)
	}
	for i := range d.inner {
		inner, err := p.addEntry(top, &d.inner[i], t.Name)
		if err != nil {
			return e, err
		}
		e.inner, e.names = append(e.inner, inner), append(e.names, inner.names...)
	}
	return e, nil
}

func (p *parser) readToolMember(d *definition, name string) (err error) {
	t := &d.tool
	switch name {
	case "type":
		t.Type, err = p.r.Word(words)
	case "name":
		t.Name, _, err = p.r.String()
	case "description":
		t.DescriptionText, t.Description, err = p.r.String()
	case "parameters", "format":
		if t.Schema.Len() > 0 || p.r.Kind() != strictjson.Object {
			return p.failHere("", "must be an object, and the only one")
		}
		t.Schema, err = p.r.Skip()
	case "output_schema":
		d.output, err = p.r.Skip()
	case "environment":
		if p.r.Kind() == strictjson.String { // of a computer
			d.environment, _, err = p.r.String()
			return err
		}
		err = p.r.Object(environmentNames, func(m strictjson.Member) error {
			if m.Name != "type" {
				return nil
			}
			var err error
			d.environment, _, err = p.r.String()
			return err
		})
	case "execution":
		d.execution, _, err = p.r.String()
	case "server_label":
		d.server, _, err = p.r.String()
	case "server_url", "connector_id", "tunnel_id":
		var source string
		source, _, err = p.r.String()
		d.sources = append(d.sources, source)
	case "model":
		d.model, _, err = p.r.String()
	case "function", "custom":
		d.nested = true
	case "strict", "defer_loading", "allowed_callers", "async", "cache_control":
	default:
		d.unknown = append(d.unknown, name)
	}
	return err
}

// classify says what kind of tool it is, and notes what runs out of our sight.
func (p *parser) classify(d *definition, space string) error {
	t := &d.tool
	switch {
	case t.Type == "":
		return p.failHere(".type", "is required")
	case d.nested:
		// Were a provider to overlook it, this would be a tool that was judged as something else.
		return p.failHere("", "has its definition in another form")
	case t.Type == typeFunction, t.Type == typeCustom:
		t.Function = true
		for _, name := range d.unknown { // the members of any other tool are its own
			if err := p.req.AddUnknown("tools.", name); err != nil {
				return err
			}
		}
		if !llm.ValidName(t.Name) {
			return p.failHere("", "needs a name of at most 256 printable characters")
		}
		if space != "" {
			t.Name = qualified(space, t.Name)
		}
		return nil
	case space != "" || t.Type == typeNamespace:
		return p.failHere(".type", "has no place in a namespace")
	}
	name, client := clientTools[t.Type]
	if t.Type == toolShell && d.environment != "" && d.environment != "local" || t.Type == toolSearch && d.execution != "client" {
		client = false
	}
	if t.Name = t.Type; client {
		t.Name, t.Function = name, true
	} else {
		t.Server = true
		p.serverFeatures(d)
	}
	if !llm.ValidName(t.Name) {
		return p.failHere(".type", "is not a type of tool")
	}
	return nil
}

// serverFeatures asks policy for a tool that runs inside the provider. Of an MCP server the label is the client's own: what
// is granted is where it is.
func (p *parser) serverFeatures(d *definition) {
	t := &d.tool
	p.req.AddFeature("tools:"+t.Type, d.server)
	if t.Type == typeMCP {
		t.Name = typeMCP + ":" + d.server
		for _, source := range d.sources {
			p.req.AddFeature("tools:mcp:"+source, d.server)
		}
	}
	if d.model != "" {
		p.req.AddFeature("tools:"+t.Type+":model:"+d.model, d.model)
	}
}

// addTool takes a tool into the view. Two tools with one name would make a guess of which of them a call means; but an item
// may say again, in the same words, what is offered already.
func (p *parser) addTool(top bool, d *definition) error {
	t := &d.tool
	if t.Name == StubTool {
		return p.fail("tools", StubTool+" is reserved")
	}
	if o, twice := p.offered[t.Name]; twice {
		if top && o.top || !p.same(&p.req.Tools[o.index], t) {
			return p.fail("tools", "offers "+llm.Printable(t.Name)+" twice")
		}
		return nil
	}
	if len(p.req.Tools) >= llm.MaxTools {
		return p.fail("tools", "offers too many tools")
	}
	describe := []llm.Span{t.Description, t.Schema, d.output}
	if t.Type != typeFunction && t.Type != typeCustom && (t.Server || d.members > 1) {
		describe = []llm.Span{t.Span} // what its members mean is the provider's
	}
	for _, span := range describe {
		if span.Len() == 0 {
			continue
		}
		if i := p.req.AddPart(llm.DescriptionPart, span); i >= 0 {
			p.req.Parts[i].Tool = len(p.req.Tools)
		}
	}
	if p.offered == nil {
		p.offered = map[string]offer{}
	}
	p.offered[t.Name] = offer{index: len(p.req.Tools), top: top}
	p.req.Tools = append(p.req.Tools, *t)
	return nil
}

// same tells whether two definitions say the same.
func (p *parser) same(a, b *llm.Tool) bool {
	if a.Type != b.Type || a.DescriptionText != b.DescriptionText || a.Server || b.Server || (a.Schema.Len() == 0) != (b.Schema.Len() == 0) {
		return false
	}
	if a.Schema.Len() == 0 {
		return true
	}
	x, err := strictjson.Canonical(a.Schema.Of(p.doc))
	if err != nil {
		return false
	}
	y, err := strictjson.Canonical(b.Schema.Of(p.doc))
	return err == nil && bytes.Equal(x, y)
}
