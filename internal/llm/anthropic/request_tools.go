package anthropic

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// clientType tells the types of tools that the client runs. Every other type runs inside the provider.
func clientType(kind string) bool {
	if kind == "" || kind == "custom" {
		return true
	}
	i := strings.LastIndexByte(kind, '_')
	if i < 0 || strings.Trim(kind[i+1:], "0123456789") != "" {
		return false
	}
	switch kind[:i] {
	case "bash", "computer", "text_editor", "memory":
		return true
	}
	return false
}

// toolset tells the types that stand for many tools of the client's at once, whose calls are named by another field.
func toolset(kind string) bool {
	return strings.HasPrefix(kind, "computer_toolset_") || strings.HasPrefix(kind, "browser_toolset_")
}

// offer is one offered tool while it is read.
type offer struct {
	llm.Tool
	name    string // on the wire
	server  string // of an mcp_toolset
	model   string // of a tool that asks another model
	more    []llm.Span
	unknown []string
}

// readTool reads one offered tool.
func (p *parser) readTool() error {
	t := &offer{Tool: llm.Tool{Span: llm.Span{Start: p.r.Next()}}}
	err := p.r.Object(toolNames, func(m strictjson.Member) error { return p.readToolMember(t, m.Name) })
	if err != nil {
		return err
	}
	t.Span.End = p.r.Offset()
	switch {
	case toolset(t.Type):
		return p.failHere(".type", "is a set of tools, which is not taken; offer its tools one by one")
	case clientType(t.Type):
		t.Function, t.Name = true, t.name
		if t.Type == "" {
			t.Type = "custom"
		}
		if t.Type == "custom" && t.Schema.Len() == 0 {
			return p.failHere(".input_schema", "is required")
		}
		for _, name := range t.unknown { // the members of a server tool are its own
			if err := p.req.AddUnknown("tools.", name); err != nil {
				return err
			}
		}
	case t.Schema.Len() > 0 || t.Description.Len() > 0:
		// Were a provider to overlook the type, this would be a function that was judged as something else.
		return p.failHere("", "has a type that does not go with its definition")
	default:
		t.Server, t.Name = true, t.Type
		if t.server != "" {
			t.Name += ":" + t.server
		}
		if t.model != "" {
			p.req.MoreModels = append(p.req.MoreModels, llm.ModelRef{Name: t.model})
		}
	}
	return p.addTool(t)
}

func (p *parser) readToolMember(t *offer, name string) error {
	kind := p.r.Kind()
	if kind == strictjson.Null {
		return nil // as if it were not there
	}
	var err error
	switch name {
	case "type":
		t.Type, _, err = p.r.String()
	case "name":
		t.name, _, err = p.r.String()
	case "description":
		t.DescriptionText, t.Description, err = p.r.String()
	case "input_schema":
		if kind != strictjson.Object && kind != strictjson.None {
			return p.failHere("", "must be an object")
		}
		t.Schema, err = p.r.Skip()
	case "mcp_server_name":
		t.server, _, err = p.r.String()
		t.unknown = append(t.unknown, name)
	case "model":
		t.model, _, err = p.r.String()
		t.unknown = append(t.unknown, name)
	case "cache_control", "strict", "defer_loading", "eager_input_streaming", "allowed_callers",
		"display_width_px", "display_height_px", "display_number", "enable_zoom", "max_characters":
	default: // examples among them: words of whoever made the tool, of which its hash says nothing
		t.unknown = append(t.unknown, name)
		var span llm.Span
		span, err = p.r.Skip()
		t.more = append(t.more, span)
	}
	return err
}

func (p *parser) addTool(t *offer) error {
	if !llm.ValidName(t.Name) {
		return p.failHere("", "needs a name of at most 256 printable characters")
	}
	if len(p.req.Tools) >= llm.MaxTools {
		return fail("tools", "offers too many tools")
	}
	describe := append([]llm.Span{t.Description, t.Schema}, t.more...)
	if t.Server {
		describe = []llm.Span{t.Span} // what its members mean is the provider's
	}
	first := len(p.req.Parts)
	for _, span := range describe {
		if span.Len() == 0 {
			continue
		}
		if i := p.req.AddPart(llm.DescriptionPart, span); i >= 0 {
			p.req.Parts[i].Tool = len(p.req.Tools)
		}
	}
	p.inOrder(first)
	if t.Server && t.name != "" {
		if p.wire == nil {
			p.wire = map[string]string{}
		}
		if p.wire[t.name] != "" {
			return fail("tools", "offers "+llm.Printable(t.name)+" twice")
		}
		p.wire[t.name] = t.Name
	}
	p.req.Tools = append(p.req.Tools, t.Tool)
	return nil
}

// checkTools refuses two tools with one name: which of them a call means would be a guess. The stub's name is ours. And
// it says what the choice names, now that all tools are known.
func (p *parser) checkTools() error {
	seen := make(map[string]bool, len(p.req.Tools))
	for _, t := range p.req.Tools {
		if seen[t.Name] || !t.Server && p.wire[t.Name] != "" {
			return fail("tools", "offers "+llm.Printable(t.Name)+" twice")
		}
		if t.Name == StubTool {
			return fail("tools", StubTool+" is reserved")
		}
		seen[t.Name] = true
	}
	for i, name := range p.req.Choice.Names {
		if server := p.wire[name]; server != "" {
			p.req.Choice.Names[i] = server
		}
		p.lay.named = p.req.Choice.Names[i]
	}
	return nil
}

// readToolChoice reads which tool must be called.
func (p *parser) readToolChoice() error {
	c := &p.req.Choice
	kind, name := "", ""
	c.Span.Start = p.r.Next()
	err := p.r.Object(choiceNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		var err error
		switch m.Name {
		case "type":
			kind, _, err = p.r.String()
		case "name":
			name, _, err = p.r.String()
		case "disable_parallel_tool_use":
			_, err = p.r.Bool()
		default:
			err = p.failHere("", "has a member that is not known")
		}
		return err
	})
	c.Span.End = p.r.Offset()
	if err != nil {
		return err
	}
	mode, known := map[string]string{
		"auto": llm.ChoiceAuto, "any": llm.ChoiceRequired, "none": llm.ChoiceNone, "tool": llm.ChoiceNamed,
	}[kind]
	switch {
	case !known:
		return fail("tool_choice.type", "must be auto, any, tool, or none")
	case (mode == llm.ChoiceNamed) != (name != ""), name != "" && !llm.ValidName(name):
		return fail("tool_choice", "needs a name when its type is tool, and only then")
	case name != "":
		c.Names = []string{name}
	}
	c.Mode = mode
	return nil
}
