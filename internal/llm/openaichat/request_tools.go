package openaichat

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// The types of a tool that the client runs. Every other type runs inside the provider.
const (
	typeFunction = "function"
	typeCustom   = "custom"
)

// readTools reads the offered tools.
func (p *parser) readTools() error {
	return p.r.Array(func(int) error {
		t := llm.Tool{Span: llm.Span{Start: p.r.Next()}}
		function, custom := false, false
		var unknown []string
		err := p.r.Object(toolNames, func(m strictjson.Member) error {
			if p.r.Kind() == strictjson.Null {
				return nil // as if it were not there
			}
			var err error
			switch m.Name {
			case "type":
				t.Type, _, err = p.r.String()
			case "function":
				function = true
				err = p.readDefinition("tools.function.", &t)
			case "custom":
				custom = true
				err = p.readDefinition("tools.custom.", &t)
			case "cache_control":
			default:
				unknown = append(unknown, m.Name)
			}
			return err
		})
		if err != nil {
			return err
		}
		t.Span.End = p.r.Offset()
		switch {
		case t.Type == "":
			return p.failHere(".type", "is required")
		case t.Type == typeFunction && function && !custom, t.Type == typeCustom && custom && !function:
			t.Function = true
		case t.Type == typeFunction, t.Type == typeCustom:
			return p.failHere("", "needs the member that its type names, and no other")
		case function || custom:
			// Were a provider to overlook the type, this would be a function that was judged as something else.
			return p.failHere("", "has a type that does not go with its definition")
		default:
			t.Server, t.Name = true, t.Type
		}
		if t.Function {
			for _, name := range unknown { // the members of a server tool are its own
				if err := p.req.AddUnknown("tools.", name); err != nil {
					return err
				}
			}
		}
		return p.addTool(t)
	})
}

// readFunctions reads the legacy list.
func (p *parser) readFunctions() error {
	return p.r.Array(func(int) error {
		t := llm.Tool{Type: typeFunction, Function: true, Legacy: true, Span: llm.Span{Start: p.r.Next()}}
		err := p.readDefinition("functions.", &t)
		t.Span.End = p.r.Offset()
		if err != nil {
			return err
		}
		return p.addTool(t)
	})
}

// readDefinition reads what defines a function or a custom tool.
func (p *parser) readDefinition(unknown string, t *llm.Tool) error {
	return p.r.Object(toolFuncNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		var err error
		switch m.Name {
		case "name":
			t.Name, _, err = p.r.String()
		case "description":
			t.DescriptionText, t.Description, err = p.r.String()
		case "parameters":
			if p.r.Kind() != strictjson.Object {
				return p.failHere("", "must be an object")
			}
			t.Schema, err = p.r.Skip()
		case "strict", "format", "cache_control":
		default:
			err = p.unknown(unknown, m.Name)
		}
		return err
	})
}

func (p *parser) addTool(t llm.Tool) error {
	if !llm.ValidName(t.Name) {
		return p.failHere("", "needs a name of at most 256 printable characters")
	}
	if len(p.req.Tools) >= llm.MaxTools {
		return p.fail("tools", "offers too many tools")
	}
	describe := [2]llm.Span{t.Description, t.Schema}
	if t.Server {
		describe[0] = t.Span // what its members mean is the provider's
	}
	for _, span := range describe {
		if span.Len() == 0 {
			continue
		}
		if i := p.req.AddPart(llm.DescriptionPart, span); i >= 0 {
			p.req.Parts[i].Tool = len(p.req.Tools)
		}
	}
	p.req.Tools = append(p.req.Tools, t)
	return nil
}

// checkTools refuses two tools with one name: which of them a call means would be a guess. The stub's name is ours.
func (p *parser) checkTools() error {
	if len(p.req.Tools) == 0 {
		return nil
	}
	seen := make(map[string]bool, len(p.req.Tools))
	for _, t := range p.req.Tools {
		if seen[t.Name] {
			return p.fail("tools", "offers "+llm.Printable(t.Name)+" twice")
		}
		if t.Name == StubTool {
			return p.fail("tools", StubTool+" is reserved")
		}
		seen[t.Name] = true
	}
	return nil
}

// readToolChoice reads which tool must be called.
func (p *parser) readToolChoice() error {
	c := &p.req.Choice
	if p.r.Kind() == strictjson.String {
		mode, span, err := p.r.String()
		c.Span = span
		switch mode {
		case llm.ChoiceAuto, llm.ChoiceNone, llm.ChoiceRequired:
			c.Mode = mode
		case "any": // Mistral
			c.Mode = llm.ChoiceRequired
		default:
			if err == nil {
				err = p.fail("tool_choice", "must be none, auto, required, or an object")
			}
		}
		return err
	}
	c.Span.Start = p.r.Next()
	name, allowed, err := p.readChosen(true)
	c.Span.End = p.r.Offset()
	switch {
	case err != nil:
		return err
	case allowed:
		c.Mode = llm.ChoiceAllowed
	default:
		c.Mode = llm.ChoiceNamed
		c.Names = append(c.Names, name)
		p.lay.named = append(p.lay.named, name)
	}
	return nil
}

// readChosen reads {"type": "function", "function": {"name": …}}, the same of a custom tool, {"type": TYPE} of a server
// tool or, where it may stand, {"type": "allowed_tools", …}.
func (p *parser) readChosen(outer bool) (name string, allowed bool, err error) {
	kind, mode := "", ""
	named := map[string]string{}
	lists := 0
	list := func() error {
		lists++
		return p.r.Array(func(int) error {
			start := p.r.Next()
			name, _, err := p.readChosen(false)
			if err != nil {
				return err
			}
			p.req.Choice.Names = append(p.req.Choice.Names, name)
			p.lay.allowed = append(p.lay.allowed, allowedTool{name, llm.Span{Start: start, End: p.r.Offset()}})
			return nil
		})
	}
	err = p.r.Object(choiceToolNames, func(m strictjson.Member) error {
		var err error
		switch m.Name {
		case "type":
			kind, _, err = p.r.String()
		case typeFunction, typeCustom:
			named[m.Name], err = p.readChosenName()
		case "allowed_tools":
			if !outer {
				return p.failHere("", "has no place for allowed_tools")
			}
			err = p.r.Object(choiceToolNames, func(m strictjson.Member) error {
				switch m.Name {
				case "mode":
					var err error
					mode, _, err = p.r.String()
					return err
				case "tools":
					return list()
				}
				return p.failHere("", "has a member that is not known")
			})
		default:
			err = p.failHere("", "has a member that is not known")
		}
		return err
	})
	if err != nil {
		return "", false, err
	}
	switch kind {
	case typeFunction, typeCustom:
		if len(named) != 1 || lists > 0 || !llm.ValidName(named[kind]) {
			return "", false, p.failHere("", "needs the name of one tool of its type")
		}
		return named[kind], false, nil
	case "allowed_tools":
		if !outer || len(named) > 0 || lists != 1 || mode != llm.ChoiceAuto && mode != llm.ChoiceRequired {
			return "", false, p.failHere("", "needs allowed_tools with a mode and a list of tools")
		}
		return "", true, nil
	}
	if len(named) > 0 || lists > 0 || !llm.ValidName(kind) {
		return "", false, p.failHere("", "needs a type that goes with its members")
	}
	return kind, false, nil
}

func (p *parser) readChosenName() (name string, err error) {
	err = p.r.Object(choiceToolNames, func(m strictjson.Member) error {
		if m.Name != "name" {
			return p.fail("tool_choice", "names a tool by its name alone")
		}
		var err error
		name, _, err = p.r.String()
		return err
	})
	return name, err
}

// readFunctionChoice reads the legacy form. Its names are added to those of tool_choice: both are asked about.
func (p *parser) readFunctionChoice() error {
	if p.r.Kind() == strictjson.String {
		mode, _, err := p.r.String()
		if err == nil && mode != llm.ChoiceAuto && mode != llm.ChoiceNone {
			err = p.fail("function_call", "must be none, auto, or an object")
		}
		if p.req.Choice.Mode == llm.ChoiceUnset {
			p.req.Choice.Mode = mode
		}
		return err
	}
	name, err := p.readChosenName()
	if err == nil && !llm.ValidName(name) {
		err = p.fail("function_call.name", "is required")
	}
	if p.req.Choice.Mode == llm.ChoiceUnset {
		p.req.Choice.Mode = llm.ChoiceNamed
	}
	p.req.Choice.Names = append(p.req.Choice.Names, name)
	p.lay.named = append(p.lay.named, name)
	return err
}
