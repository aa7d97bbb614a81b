package openairesponses

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// readToolChoice reads which tool must be called.
func (p *parser) readToolChoice() error {
	c := &p.req.Choice
	if p.r.Kind() == strictjson.String {
		mode, span, err := p.r.String()
		c.Span = span
		switch mode {
		case llm.ChoiceAuto, llm.ChoiceNone, llm.ChoiceRequired:
			c.Mode = mode
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

// readChosen reads {"type": "function", "name": …}, the same of a custom tool, {"type": "mcp", "server_label": …},
// {"type": TYPE} of any other tool or, where it may stand, {"type": "allowed_tools", …}.
func (p *parser) readChosen(outer bool) (name string, allowed bool, err error) {
	kind, mode, server, space, lists := "", "", "", "", 0
	err = p.r.Object(choiceNames, func(m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		var err error
		switch m.Name {
		case "type":
			kind, err = p.r.Word(words)
		case "name":
			name, _, err = p.r.String()
		case "namespace":
			space, _, err = p.r.String()
		case "mode":
			mode, _, err = p.r.String()
		case "server_label":
			server, _, err = p.r.String()
		case "tools":
			if !outer {
				return p.failHere("", "has no place for a list")
			}
			lists++
			err = p.readAllowed()
		default:
			err = p.failHere("", "has a member that is not known")
		}
		return err
	})
	if err != nil {
		return "", false, err
	}
	list := kind == "allowed_tools"
	switch {
	case list != (lists > 0), list != (mode != ""), list && (!outer || name+server+space != ""),
		list && mode != llm.ChoiceAuto && mode != llm.ChoiceRequired:
		return "", false, p.failHere("", "needs allowed_tools with a mode and a list of tools")
	case list:
		return "", true, nil
	}
	name, ok := chosenName(kind, name, server, space)
	if !ok || !llm.ValidName(name) {
		return "", false, p.failHere("", "needs a type, and the name that goes with it")
	}
	return name, false, nil
}

// chosenName is the name in the view of a tool that is chosen.
func chosenName(kind, name, server, space string) (string, bool) {
	switch kind {
	case typeFunction, typeCustom:
		if space != "" {
			name = qualified(space, name)
		}
		return name, name != "" && server == ""
	case typeNamespace:
		return "", false
	case typeMCP: // one tool of the server is chosen with the server
		return typeMCP + ":" + server, server != "" && space == ""
	}
	if client, ok := clientTools[kind]; ok {
		kind = client
	}
	return kind, name+server+space == ""
}

func (p *parser) readAllowed() error {
	return p.r.Array(func(int) error {
		start := p.r.Next()
		name, _, err := p.readChosen(false)
		if err != nil {
			return err
		}
		p.req.Choice.Names = append(p.req.Choice.Names, name)
		p.lay.chosen = append(p.lay.chosen, chosen{name, llm.Span{Start: start, End: p.r.Offset()}})
		return nil
	})
}
