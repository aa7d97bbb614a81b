package gemini

import (
	"net/url"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// toolList is how the offered tools are laid out: a list of objects, each with members that are tools of the provider's and
// one that is a list of functions.
type toolList struct {
	elements []toolElement
	bare     bool // one object without the list's brackets
}

type toolElement struct {
	span    llm.Span
	members []toolMember
}

type toolMember struct {
	span      llm.Span // from the name's first byte to the value's last
	tool      int      // index in Request.Tools; -1 of the functions, and of what is not there
	functions []llm.Span
	first     int  // of the functions, in Request.Tools
	listed    bool // it is the list of functions
	bare      bool // one function without the list's brackets
}

// toolConfig is how the companions of the tools are laid out.
type toolConfig struct {
	members []member
	allowed []allowedTool
	named   string // the one tool that must be called; "" when there is none
}

type allowedTool struct {
	name string
	span llm.Span
}

// readTools reads the offered tools.
func (p *parser) readTools() error {
	p.lay.tools.bare = p.r.Kind() != strictjson.Array
	spans, err := p.list(func(int) error {
		p.lay.tools.elements = append(p.lay.tools.elements, toolElement{})
		e := &p.lay.tools.elements[len(p.lay.tools.elements)-1]
		return object(p.r, toolNames, func(name string, m strictjson.Member) error {
			is := toolMember{tool: -1}
			err := p.readToolMember(&is, name, m)
			is.span = llm.Span{Start: m.NameSpan.Start, End: p.r.Offset()}
			if is.tool >= 0 {
				p.req.Tools[is.tool].Span = is.span
			}
			e.members = append(e.members, is)
			return err
		})
	})
	for i, span := range spans {
		if i < len(p.lay.tools.elements) {
			p.lay.tools.elements[i].span = span
		}
	}
	return err
}

func (p *parser) readToolMember(is *toolMember, name string, m strictjson.Member) error {
	if p.r.Kind() == strictjson.Null {
		_, err := p.r.Skip()
		return err
	}
	if name == "functionDeclarations" {
		if there, err := p.typed(messages); !there {
			return err
		}
		is.listed, is.first, is.bare = true, len(p.req.Tools), p.r.Kind() != strictjson.Array
		var err error
		is.functions, err = p.list(func(int) error { return p.readFunction() })
		return err
	}
	if name == "" {
		name = camel(m.Name)
	}
	value, err := p.r.Skip()
	if err != nil {
		return err
	}
	p.addServer(name, value)
	if err := p.addTool(llm.Tool{Name: name, Type: name, Server: true}, value); err != nil {
		return err
	}
	is.tool = len(p.req.Tools) - 1
	return nil
}

// addServer notes a tool that runs inside the provider. What it is set up with may hold keys, which are not for policy's
// input: of a server that the provider calls it is the host.
func (p *parser) addServer(name string, value llm.Span) {
	if name != mcpServers {
		p.req.AddFeature("tools:"+name, "")
		return
	}
	hosts := hostsIn(value.Of(p.doc))
	for _, host := range hosts {
		p.req.AddFeature("tools:"+name, host)
	}
	if len(hosts) == 0 {
		p.req.AddFeature("tools:"+name, "")
	}
}

// hostsIn are the hosts that a list of servers is at, once for each.
func hostsIn(servers []byte) (hosts []string) {
	r := strictjson.NewReader(servers, strictjson.Limits{MaxBytes: len(servers), MaxDepth: len(servers)}) // it was read before
	defer r.Close()
	transport := func(strictjson.Member) error {
		if r.Kind() != strictjson.Object {
			return nil
		}
		return r.Object(nil, func(m strictjson.Member) error {
			if m.Name != "url" || r.Kind() != strictjson.String {
				return nil
			}
			address, _, err := r.String()
			if u, bad := url.Parse(address); bad == nil {
				hosts = append(hosts, u.Host)
			} else {
				hosts = append(hosts, "")
			}
			return err
		})
	}
	server := func(int) error {
		if r.Kind() != strictjson.Object {
			return nil
		}
		return r.Object(nil, transport)
	}
	if r.Kind() == strictjson.Array {
		_ = r.Array(server)
	} else {
		_ = server(0)
	}
	return hosts
}

// readFunction reads what defines a function of the client's.
func (p *parser) readFunction() error {
	t := llm.Tool{Type: "function", Function: true, Span: llm.Span{Start: p.r.Next()}}
	var more []llm.Span
	err := object(p.r, functionNames, func(name string, m strictjson.Member) error {
		if p.r.Kind() == strictjson.Null && name != "" {
			return nil
		}
		var err error
		switch name {
		case "name":
			t.Name, _, err = p.r.String()
		case "description":
			t.DescriptionText, t.Description, err = p.r.String()
		case "parameters", "parametersJsonSchema":
			if there, err := p.typed(anObject); !there {
				return err
			}
			if t.Schema.Len() > 0 {
				return p.failHere("", "is one of two schemas of the arguments")
			}
			t.Schema, err = p.r.Skip()
		case "response", "responseJsonSchema": // has descriptions in it, too
			var span llm.Span
			span, err = p.r.Skip()
			more = append(more, span)
		case "behavior":
		default:
			if err = p.req.AddUnknown("tools.functionDeclarations.", m.Name); err == nil {
				var span llm.Span
				span, err = p.r.Skip()
				more = append(more, span)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	t.Span.End = p.r.Offset()
	return p.addTool(t, append([]llm.Span{t.Description, t.Schema}, more...)...)
}

func (p *parser) addTool(t llm.Tool, describe ...llm.Span) error {
	if !llm.ValidName(t.Name) {
		return p.failHere("", "needs a name of at most 256 printable characters")
	}
	if len(p.req.Tools) >= llm.MaxTools {
		return fail("tools", "offers too many tools")
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

// checkTools refuses two tools with one name: which of them a call means would be a guess.
func (p *parser) checkTools() error {
	if len(p.req.Tools) == 0 {
		return nil
	}
	seen := make(map[string]bool, len(p.req.Tools))
	for _, t := range p.req.Tools {
		if seen[t.Name] {
			return fail("tools", "offers "+llm.Printable(t.Name)+" twice")
		}
		seen[t.Name] = true
	}
	return nil
}

// readToolConfig reads the companions of the tools.
func (p *parser) readToolConfig() error {
	return object(p.r, configNames, func(name string, m strictjson.Member) error {
		var err error
		switch name {
		case "functionCallingConfig":
			if there, typed := p.typed(anObject); there {
				err = p.readChoice()
			} else {
				err = typed
			}
		case "includeServerSideToolInvocations":
			var there bool
			if there, err = p.typed(aBool); there {
				_, err = p.r.Skip()
			}
		case "retrievalConfig":
			err = p.textPartOutside(anObject)
		default:
			err = p.unknown("toolConfig.", m.Name)
		}
		p.lay.config.members = append(p.lay.config.members, member{name: name, span: llm.Span{Start: m.NameSpan.Start, End: p.r.Offset()}})
		return err
	})
}

// textPartOutside reads a value of the application's that stands in no message.
func (p *parser) textPartOutside(kinds string) error {
	there, err := p.typed(kinds)
	if !there {
		return err
	}
	span, err := p.r.Skip()
	if err == nil {
		p.req.AddOutside(span)
	}
	return err
}

// readChoice reads which function must be called.
func (p *parser) readChoice() error {
	c := &p.req.Choice
	c.Span.Start = p.r.Next()
	mode := ""
	err := object(p.r, chooseNames, func(name string, m strictjson.Member) error {
		switch name {
		case "mode":
			there, err := p.typed(aString)
			if there {
				mode, _, err = p.r.String()
			}
			return err
		case "allowedFunctionNames":
			if there, err := p.typed(aString + aList); !there {
				return err
			}
			_, err := p.list(func(int) error {
				name, span, err := p.r.String()
				if err == nil && !llm.ValidName(name) {
					return p.failHere("", "must be the name of a function")
				}
				c.Names = append(c.Names, name)
				p.lay.config.allowed = append(p.lay.config.allowed, allowedTool{name, span})
				return err
			})
			return err
		case "streamFunctionCallArguments":
			there, err := p.typed(aBool)
			if !there {
				return err
			}
			yes, err := p.r.Bool()
			if yes && err == nil {
				err = p.failHere("", "is not served: a call is decided whole")
			}
			return err
		}
		return p.unknown("toolConfig.functionCallingConfig.", m.Name)
	})
	c.Span.End = p.r.Offset()
	if err != nil {
		return err
	}
	return p.settleChoice(mode)
}

// settleChoice says in the words of every dialect what a mode and its names mean.
func (p *parser) settleChoice(mode string) error {
	c := &p.req.Choice
	switch mode {
	case "", "MODE_UNSPECIFIED", "AUTO":
		c.Mode = llm.ChoiceAuto
	case "VALIDATED": // text, or a call that fits its schema
		c.Mode = llm.ChoiceAuto
	case "NONE":
		c.Mode = llm.ChoiceNone
	case "ANY":
		c.Mode = llm.ChoiceRequired
		if len(c.Names) == 1 {
			c.Mode, p.lay.config.named = llm.ChoiceNamed, c.Names[0]
			return nil
		}
	default:
		return p.failHere(".mode", "must be AUTO, ANY, NONE or VALIDATED")
	}
	if len(c.Names) > 0 && mode != "NONE" {
		c.Mode = llm.ChoiceAllowed
	}
	return nil
}
