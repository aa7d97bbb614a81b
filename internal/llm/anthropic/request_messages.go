package anthropic

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// message is what is known of one message when all of it has been read: its members come in any order.
type message struct {
	index  int
	role   string
	in     place // where all of its blocks may stand
	first  int   // its first part in Request.Parts
	calls  int   // its first call in Request.Calls
	within bool  // has a content
}

func (p *parser) readMessages() error {
	p.calls, p.servers = map[string]answerable{}, map[string]int{}
	m := &p.message
	read := func(is strictjson.Member) error { return p.readMessageMember(m, is.Name) }
	return p.r.Array(func(i int) error {
		*m = message{index: i, in: inUser | inAssistant | inSystem, first: len(p.req.Parts), calls: len(p.req.Calls)}
		if err := p.r.Object(messageNames, read); err != nil {
			return err
		}
		p.req.Messages++
		return p.settle(m)
	})
}

func (p *parser) readMessageMember(m *message, name string) error {
	if p.r.Kind() == strictjson.Null && name != "content" {
		return nil // as if it were not there
	}
	var err error
	switch name {
	case "role":
		m.role, err = p.r.Word(kindNames)
	case "content":
		m.within = true
		err = p.readContent(inUser | inAssistant | inSystem)
	case "clear_at", "output_config":
	default:
		if err = p.req.AddUnknown("messages.", name); err == nil {
			err = p.textPart(llm.TextPart)
		}
	}
	return err
}

// readContent reads a content: a string, or a list of blocks that may stand there.
func (p *parser) readContent(in place) error {
	switch p.r.Kind() {
	case strictjson.String:
		return p.textPart(llm.TextPart)
	case strictjson.Array:
		list, base := len(p.lay.lists), len(p.spans)
		p.lay.lists = append(p.lay.lists, llm.Span{})
		err := p.r.Array(func(i int) error {
			start := p.r.Next()
			err := p.readBlock(in, spot{list, i})
			p.spans = append(p.spans, llm.Span{Start: start, End: p.r.Offset()})
			return err
		})
		p.lay.lists[list] = llm.Span{Start: len(p.lay.elements), End: len(p.lay.elements) + len(p.spans) - base}
		p.lay.elements = append(p.lay.elements, p.spans[base:]...)
		p.spans = p.spans[:base]
		return err
	case strictjson.None:
		_, err := p.r.Skip()
		return err
	}
	return p.failHere("", "must be a string or a list of blocks")
}

// textPart reads one value as a part, unless there is nothing in it.
func (p *parser) textPart(kind llm.PartKind) error {
	span, err := p.r.Skip()
	if err == nil {
		p.req.AddPart(kind, span)
	}
	return err
}

// readSystem reads the system prompt: the application's words, in no message.
func (p *parser) readSystem() error {
	first := len(p.req.Parts)
	p.message.in = inSystem
	if err := p.readContent(inSystem); err != nil {
		return err
	}
	for i := first; i < len(p.req.Parts); i++ {
		p.req.Parts[i].Role = "system"
	}
	return nil
}

// settle takes the complete message into the view.
func (p *parser) settle(m *message) error {
	var as place
	switch m.role {
	case "user":
		as = inUser
	case "assistant":
		as = inAssistant
	case "system":
		as = inSystem
	case "":
		return p.failHere(".role", "is required")
	default:
		return p.failHere(".role", "is not a role that is known")
	}
	switch {
	case !m.within:
		return p.failHere(".content", "is required")
	case m.in&as == 0:
		return p.failHere(".content", "has a block that does not go with its role")
	}
	parts := p.req.Parts[m.first:]
	for i := range parts {
		part := &parts[i]
		if part.Message, part.Role = m.index, m.role; part.Result >= 0 {
			part.Role = roleOfResult
		}
	}
	p.noteCalls(m)
	return nil
}

// roleOfResult is whose words a result is: no person's, and no model's.
const roleOfResult = "tool"

// noteCalls remembers the calls that results may answer. An id that comes again means the later call; one that names two
// tools in the same message means none.
func (p *parser) noteCalls(m *message) {
	for i := m.calls; i < len(p.req.Calls); i++ {
		c := &p.req.Calls[i]
		if c.ID == "" || p.lay.calls[i].server {
			continue
		}
		now := answerable{call: i}
		if old, ok := p.calls[c.ID]; ok && old.call >= m.calls {
			now.spent = old.spent || p.req.Calls[old.call].Tool != c.Tool
		}
		p.calls[c.ID] = now
	}
}

// attribute finds the call of a result. A result without one is from an unknown tool, and so is the second result of one
// call. That of a server tool stands behind its call, if in the same message.
func (p *parser) attribute(result *llm.ToolResult, at *resultPlace, server bool) {
	at.call = -1
	if server {
		call, ok := p.servers[result.ID]
		if !ok || p.lay.calls[call].answered {
			return
		}
		p.lay.calls[call].answered, at.call = true, call
		result.Tool, result.Attributed = p.req.Calls[call].Tool, true
		return
	}
	a, ok := p.calls[result.ID]
	if !ok || a.spent {
		return
	}
	p.calls[result.ID] = answerable{call: a.call, spent: true}
	result.Tool, result.Attributed = p.req.Calls[a.call].Tool, true
}
