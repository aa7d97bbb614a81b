package bedrock

import (
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// message is what is known of one message when all of it has been read: its members come in any order.
type message struct {
	index   int
	role    string
	in      place // where all of its blocks may stand
	first   int   // its first part in Request.Parts
	calls   int   // its first call in Request.Calls
	results int   // its first result in Request.Results
	within  bool  // has a content
}

// answerable is a call that a result may answer.
type answerable struct {
	call  int
	spent bool // it has its result, or is ambiguous
}

func (p *parser) readMessages() error {
	p.calls = map[string]answerable{}
	m := &p.message
	return p.r.Array(func(i int) error {
		*m = message{
			index: i, in: inUser | inAssistant | inSystem,
			first: len(p.req.Parts), calls: len(p.req.Calls), results: len(p.req.Results),
		}
		err := p.object(messageNames, "messages.", func(name string) error {
			var err error
			switch name {
			case "role":
				m.role, err = p.r.Word(roleNames)
			case "content":
				m.within = true
				err = p.readContent(inUser | inAssistant | inSystem)
			}
			return err
		})
		if err != nil {
			return err
		}
		p.req.Messages++
		return p.settle(m)
	})
}

// readContent reads a list of blocks that may stand there.
func (p *parser) readContent(in place) error {
	list := len(p.lay.lists)
	p.lay.lists = append(p.lay.lists, nil)
	spans := make([]llm.Span, 0, 2)
	err := p.r.Array(func(i int) error {
		start := p.r.Next()
		err := p.readBlock(in, spot{list, i})
		spans = append(spans, llm.Span{Start: start, End: p.r.Offset()})
		return err
	})
	p.lay.lists[list] = spans
	return err
}

// readSystem reads the system prompt: the application's words, in no message.
func (p *parser) readSystem() error {
	first := len(p.req.Parts)
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
	for i := m.results; i < len(p.lay.results) && as == inUser; i++ {
		p.lay.results[i].server = false // whatever its type says
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
		if p.lay.calls[i].server {
			continue
		}
		now := answerable{call: i}
		if old, ok := p.calls[c.ID]; ok && old.call >= m.calls {
			now.spent = old.spent || p.req.Calls[old.call].Tool != c.Tool
		}
		p.calls[c.ID] = now
	}
}

// addCall takes a call of the history into the view.
func (p *parser) addCall(c llm.HistoryCall, at callPlace) error {
	switch {
	case len(p.req.Calls) >= llm.MaxResults:
		return fail("messages", "has too many tool calls")
	case c.ID == "":
		return p.failHere(".toolUseId", "is required")
	case !llm.ValidName(c.Tool):
		return p.failHere(".name", "is required")
	}
	c.Message = p.message.index
	p.req.Calls = append(p.req.Calls, c)
	p.lay.calls = append(p.lay.calls, at)
	return nil
}

// addResult takes a result into the view. One without its call is from an unknown tool, and so is the second one of one call. That
// of a provider's own tool stands in the message of its call.
func (p *parser) addResult(result llm.ToolResult, at resultPlace) error {
	switch {
	case len(p.req.Results) >= llm.MaxResults:
		return fail("messages", "has too many tool results")
	case result.ID == "":
		return p.failHere(".toolUseId", "is required")
	}
	result.Role, result.Message, result.Bytes = roleOfResult, p.message.index, result.Content.Len()
	at.call = -1
	if call := p.serverCall(result.ID); call >= 0 {
		p.lay.calls[call].answered, at.server, at.call = true, true, call
		result.Tool, result.Attributed = p.req.Calls[call].Tool, true
	} else if a, ok := p.calls[result.ID]; ok && !a.spent {
		p.calls[result.ID] = answerable{call: a.call, spent: true}
		result.Tool, result.Attributed = p.req.Calls[a.call].Tool, true
		at.server = false
	}
	p.req.Results = append(p.req.Results, result)
	p.lay.results = append(p.lay.results, at)
	return nil
}

// serverCall finds the call of this message that a result of the provider's own tool answers; -1 when it is none.
func (p *parser) serverCall(id string) int {
	for i := p.message.calls; i < len(p.req.Calls); i++ {
		if at := &p.lay.calls[i]; at.server && !at.answered && p.req.Calls[i].ID == id {
			return i
		}
	}
	return -1
}

// readToolUse reads a call of the history.
func (p *parser) readToolUse(at spot) error {
	call, place := llm.HistoryCall{}, callPlace{at: at}
	err := p.object(toolUseNames, "messages.content.toolUse.", func(name string) error {
		var err error
		switch name {
		case "toolUseId":
			call.ID, call.IDSpan, err = p.r.String()
		case "name":
			call.Tool, call.ToolSpan, err = p.r.String()
		case "input":
			if k := p.r.Kind(); k != strictjson.Object && k != strictjson.None {
				return p.failHere("", "must be an object")
			}
			if call.Arguments, err = p.r.Skip(); err == nil {
				p.req.Parts[p.req.AddPart(llm.ArgumentsPart, call.Arguments)].Call = len(p.req.Calls)
			}
		case "type":
			var kind string
			if kind, _, err = p.r.String(); err == nil && kind != serverToolUse {
				return p.failHere("", "is no type of call that is known")
			}
			place.server = true
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.addCall(call, place)
}

// serverToolUse is the type of a call of a tool that runs inside the provider.
const serverToolUse = "server_tool_use"

// readToolResult reads a result.
func (p *parser) readToolResult(at spot) error {
	result := llm.ToolResult{Text: true}
	place := resultPlace{object: llm.Span{Start: p.r.Next()}, at: at}
	first := len(p.req.Parts)
	var spans [8]llm.Span // of the members, which are seldom more
	members, leave, some := spans[:0], [8]bool{}, false
	err := p.r.Object(toolResultNames, func(m strictjson.Member) error {
		err := p.readResultMember(&result, &place, m.Name)
		if len(members) < len(leave) {
			leave[len(members)] = m.Name == "type" || !toolResultNames.Has(m.Name)
			some = some || leave[len(members)]
		} else if err == nil {
			err = p.failHere("", "has too many members")
		}
		members = append(members, llm.Span{Start: m.NameSpan.Start, End: p.r.Offset()})
		return err
	})
	if err != nil {
		return err
	}
	if some {
		place.members, place.leave = slices.Clone(members), slices.Clone(leave[:len(members)])
	}
	place.object.End = p.r.Offset()
	index := len(p.req.Results)
	for i := first; i < len(p.req.Parts); i++ {
		p.req.Parts[i].Result = index
	}
	for i := result.Parts.Start; i < result.Parts.End; i++ {
		if part := &p.req.Parts[i]; part.Kind == llm.TextPart {
			part.Kind = llm.ResultPart
		} else if part.Kind == llm.MediaPart {
			result.Text = false
		}
	}
	return p.addResult(result, place)
}

func (p *parser) readResultMember(result *llm.ToolResult, place *resultPlace, name string) error {
	if p.r.Kind() == strictjson.Null {
		_, err := p.r.Skip() // as if it were not there
		return err
	}
	var err error
	switch name {
	case "toolUseId":
		result.ID, result.IDSpan, err = p.r.String()
	case "content":
		result.Content.Start, result.Parts.Start = p.r.Next(), len(p.req.Parts)
		err = p.readContent(inResult)
		result.Content.End, result.Parts.End = p.r.Offset(), len(p.req.Parts)
	case "status":
		var status string
		if status, err = p.r.Word(roleNames); err == nil && status != "success" && status != "error" {
			return p.failHere("", "must be success or error")
		}
	case "type": // of the provider's own
		place.server = true
		_, err = p.word()
	default:
		result.Text = false
		if err = p.req.AddUnknown("messages.content.toolResult.", name); err == nil {
			err = p.textPart(llm.TextPart)
		}
	}
	return err
}
