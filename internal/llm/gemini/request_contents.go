package gemini

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// content is what is known of one content when all of it has been read: its members come in any order.
type content struct {
	role    string
	system  bool // it is the system instruction
	first   int  // its first part in Request.Parts
	calls   int  // its first call in Request.Calls
	results int  // its first result in Request.Results
}

// roleOfResult is whose words a result is: no person's, and no model's.
const roleOfResult = "tool"

func (p *parser) readContents() error {
	last := ""
	p.open.byID = map[string]openCall{}
	return p.each(func(int) error {
		c := &p.content
		*c = content{first: len(p.req.Parts), calls: len(p.req.Calls), results: len(p.req.Results)}
		if err := p.readContent(c); err != nil {
			return err
		}
		// The events of a streamed answer come back as a content each.
		if c.role != "model" || last != "model" {
			p.req.Messages++
			if c.role == "model" {
				p.open.turn = llm.Span{Start: c.calls, End: c.calls}
			}
		}
		last = c.role
		return p.settle(c, p.req.Messages-1)
	})
}

func (p *parser) readContent(c *content) error {
	return object(p.r, contentNames, func(name string, m strictjson.Member) error {
		switch name {
		case "role":
			if there, err := p.typed(aString); !there {
				return err
			}
			var err error
			c.role, err = p.r.Word(roles)
			return err
		case "parts":
			if there, err := p.typed(messages); !there {
				return err
			}
			return p.each(func(int) error { return p.readPart(c) })
		}
		if err := p.req.AddUnknown("contents.", m.Name); err != nil {
			return err
		}
		return p.textPart(llm.TextPart)
	})
}

// textPart reads one value as a part, unless there is nothing in it.
func (p *parser) textPart(kind llm.PartKind) error {
	span, err := p.r.Skip()
	if err == nil {
		p.req.AddPart(kind, span)
	}
	return err
}

// readSystem reads the system instruction: the application's words, in no message, whatever role it gives them.
func (p *parser) readSystem() error {
	c := &p.content
	*c = content{first: len(p.req.Parts), calls: len(p.req.Calls), results: len(p.req.Results), system: true}
	if err := p.readContent(c); err != nil {
		return err
	}
	if len(p.req.Calls) > c.calls || len(p.req.Results) > c.results {
		return fail("systemInstruction", "takes no calls and no results")
	}
	for i := c.first; i < len(p.req.Parts); i++ {
		p.req.Parts[i].Role = "system"
	}
	return nil
}

// settle takes the complete content into the view.
func (p *parser) settle(c *content, message int) error {
	role := "user"
	switch c.role {
	case "", "user", "function", "tool":
	case "model":
		role = "assistant"
	default:
		return p.failHere(".role", "is not a role that is known")
	}
	if role != "assistant" && len(p.req.Calls) > c.calls {
		return p.failHere("", "has a part that is the model's to give")
	}
	for i := c.calls; i < len(p.req.Calls); i++ {
		p.req.Calls[i].Message = message
	}
	for i := c.results; i < len(p.req.Results); i++ {
		if p.lay.results[i].kind == functionResult && role == "assistant" {
			return p.failHere("", "has a functionResponse, which is not the model's to give")
		}
		p.req.Results[i].Message = message
	}
	for i := c.first; i < len(p.req.Parts); i++ {
		part := &p.req.Parts[i]
		if part.Message, part.Role = message, role; part.Result >= 0 {
			part.Role = roleOfResult
		} else if part.Kind == llm.ReasoningPart && role != "assistant" {
			return p.failHere("", "has a thought, which is the model's to have")
		} else if c.role == "function" || c.role == "tool" {
			return p.failHere("", "takes nothing but results in its role")
		}
	}
	if role == "assistant" {
		p.noteCalls(c.calls)
	}
	for i := c.results; i < len(p.req.Results); i++ {
		if p.lay.results[i].kind != functionResult { // its call may stand in the same content
			p.attribute(&p.req.Results[i], &p.lay.results[i])
		}
	}
	return nil
}
