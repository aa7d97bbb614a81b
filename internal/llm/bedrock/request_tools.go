package bedrock

import (
	"cmp"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// readToolConfig reads the offered tools, and which of them must be called.
func (p *parser) readToolConfig() error {
	first := len(p.req.Parts)
	defer func() {
		for i := first; i < len(p.req.Parts); i++ {
			if part := &p.req.Parts[i]; part.Tool < 0 { // of a field that is not known
				part.Role = "developer"
			}
		}
	}()
	return p.object(toolConfigNames, "toolConfig.", func(name string) error {
		if name == "toolChoice" {
			return p.readToolChoice()
		}
		return p.r.Array(func(int) error {
			at := toolElement{span: llm.Span{Start: p.r.Next()}, tool: -1}
			first := len(p.req.Parts)
			var t llm.Tool
			wire := ""
			err := p.union(toolNames, func(name string) error {
				switch name {
				case "toolSpec":
					t.Type, t.Function = name, true
					return p.readToolSpec(&t)
				case "systemTool":
					t.Server = true
					err := p.object(systemToolNames, "toolConfig.tools.systemTool.", func(string) error {
						var err error
						wire, _, err = p.r.String()
						return err
					})
					if err == nil && !llm.ValidName(wire) {
						return p.failHere(".name", "is required")
					}
					t.Type = name + ":" + wire
					t.Name = t.Type
					return err
				}
				return p.object(cacheNames, "toolConfig.tools.cachePoint.", func(string) error {
					_, err := p.word()
					return err
				})
			})
			if at.span.End = p.r.Offset(); err != nil {
				return err
			}
			if t.Type != "" {
				at.tool = len(p.req.Tools)
				t.Span = at.span
				err = p.addTool(t, wire, first)
			}
			p.lay.tools = append(p.lay.tools, at)
			return err
		})
	})
}

// readToolSpec reads a tool that the client runs.
func (p *parser) readToolSpec(t *llm.Tool) error {
	err := p.object(toolSpecNames, "toolConfig.tools.toolSpec.", func(name string) error {
		var err error
		switch name {
		case "name":
			t.Name, _, err = p.r.String()
		case "description":
			t.DescriptionText, t.Description, err = p.r.String()
		case "inputSchema":
			err = p.union(schemaNames, func(string) error {
				if k := p.r.Kind(); k != strictjson.Object && k != strictjson.None {
					return p.failHere("", "must be an object")
				}
				var err error
				t.Schema, err = p.r.Skip()
				return err
			})
		case "strict":
			_, err = p.r.Bool()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !llm.ValidName(t.Name):
		return p.failHere("", "needs a name of at most 256 printable characters")
	case t.Schema.Len() == 0:
		return p.failHere(".inputSchema", "is required")
	}
	return nil
}

// addTool takes a tool into the view. What describes it are its parts from the first one on, fields that are not known among
// them.
func (p *parser) addTool(t llm.Tool, wire string, first int) error {
	if len(p.req.Tools) >= llm.MaxTools {
		return fail("toolConfig.tools", "offers too many tools")
	}
	describe := []llm.Span{t.Description, t.Schema}
	if t.Server {
		p.req.Parts = p.req.Parts[:first]
		describe = []llm.Span{t.Span} // what its members mean is the provider's
		if p.wire == nil {
			p.wire = map[string]string{}
		}
		if p.wire[wire] != "" {
			return fail("toolConfig.tools", "offers "+llm.Printable(wire)+" twice")
		}
		p.wire[wire] = t.Name
	}
	for _, span := range describe {
		if span.Len() > 0 {
			p.req.AddPart(llm.DescriptionPart, span)
		}
	}
	parts := p.req.Parts[first:]
	for i := range parts {
		parts[i].Kind, parts[i].Tool = llm.DescriptionPart, len(p.req.Tools)
	}
	slices.SortFunc(parts, func(a, b llm.Part) int { return cmp.Compare(a.Span.Start, b.Span.Start) })
	p.req.Tools = append(p.req.Tools, t)
	return nil
}

// checkTools refuses two tools with one name: which of them a call means would be a guess. The stub's name is ours. And it
// says what the choice names, now that all tools are known.
func (p *parser) checkTools() error {
	seen := make(map[string]bool, len(p.req.Tools))
	for _, t := range p.req.Tools {
		switch {
		case seen[t.Name], !t.Server && p.wire[t.Name] != "":
			return fail("toolConfig.tools", "offers "+llm.Printable(t.Name)+" twice")
		case t.Name == StubTool:
			return fail("toolConfig.tools", StubTool+" is reserved")
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
	c.Span.Start = p.r.Next()
	err := p.union(choiceNames, func(name string) error {
		switch name {
		case "auto":
			c.Mode = llm.ChoiceAuto
		case "any":
			c.Mode = llm.ChoiceRequired
		case "tool":
			c.Mode = llm.ChoiceNamed
			chosen := ""
			err := p.object(chosenNames, "toolConfig.toolChoice.tool.", func(string) error {
				var err error
				chosen, _, err = p.r.String()
				return err
			})
			if err == nil && !llm.ValidName(chosen) {
				return p.failHere(".name", "is required")
			}
			c.Names = []string{chosen}
			return err
		}
		return p.object(noNames, "toolConfig.toolChoice."+name+".", nil)
	})
	c.Span.End = p.r.Offset()
	return err
}
