package openaichat

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// message is what is known of one message when all of it has been read: its members come in any order.
type message struct {
	index   int
	start   int // of its value in the document
	role    string
	name    string
	id      string // tool_call_id
	idSpan  llm.Span
	content llm.Span
	parts   llm.Span // of the content, as indexes in Request.Parts
	first   int      // its first part in Request.Parts
	calls   int      // its first call in Request.Calls
	held    bool     // has a content member
	text    bool     // the content is text alone
	legacy  string   // the function_call's name
	named   bool     // has tool_call_id
	extra   bool     // has a member besides its content that the model may read
}

// references finds the call that a result answers.
type references struct {
	calls  map[string]reference
	legacy string // the last function_call that has no result yet
	tool   string // of the last call
}

type reference struct {
	call  int32 // index in Request.Calls
	spent bool  // it has its result, or is ambiguous
}

func (p *parser) readMessages() error {
	p.refs.calls = map[string]reference{}
	m := &p.message
	read := func(is strictjson.Member) error { return p.readMessageMember(m, is.Name) }
	return p.r.Array(func(i int) error {
		*m = message{index: i, start: p.r.Next(), text: true, first: len(p.req.Parts), calls: len(p.req.Calls)}
		if err := p.r.Object(messageNames, read); err != nil {
			return err
		}
		p.req.Messages++
		return p.settle(m)
	})
}

func (p *parser) readMessageMember(m *message, name string) error {
	null := p.r.Kind() == strictjson.Null
	if null && name != "content" && messageNames.Has(name) {
		return nil // as if it were not there
	}
	var err error
	switch name {
	case "role":
		m.role, err = p.r.Word(words)
	case "name":
		var span llm.Span
		m.name, span, err = p.r.String()
		if err == nil {
			p.req.AddPart(llm.NamePart, span)
		}
	case "tool_call_id":
		m.named = true
		m.id, m.idSpan, err = p.r.Repeated(func(raw []byte) string {
			if ref, ok := p.refs.calls[string(raw)]; ok {
				return p.req.Calls[ref.call].ID
			}
			return ""
		})
	case "content":
		m.held = true
		m.parts.Start, m.content.Start = len(p.req.Parts), p.r.Next()
		err = p.readContent(m)
		m.parts.End, m.content.End = len(p.req.Parts), p.r.Offset()
	case "tool_calls":
		err = p.r.Array(func(int) error { return p.readHistoryCall(m) })
	case "function_call":
		call := llm.HistoryCall{Message: m.index}
		if err = p.readHistoryFunction("arguments", &call); err == nil {
			m.legacy = call.Tool
			err = p.addCall(call)
		}
	case "reasoning", "reasoning_content", "refusal":
		if p.r.Kind() != strictjson.String {
			return p.failHere("", "must be a string")
		}
		m.extra = true
		kind := llm.ReasoningPart
		if name == "refusal" {
			kind = llm.TextPart
		}
		err = p.textPart(kind)
	case "annotations":
		m.extra = true
		err = p.textPart(llm.TextPart)
	case "reasoning_details":
		m.extra = true
		before := len(p.req.Parts)
		if err = p.textPart(llm.ReasoningPart); len(p.req.Parts) > before {
			p.req.Parts[before].Details = true
		}
	case "audio", "images":
		m.extra = true
		err = p.readMessageMedia(name)
	case "cache_control", "prefix", "partial":
	default:
		m.extra = true
		if err = p.req.AddUnknown("messages.", name); err == nil {
			err = p.textPart(llm.TextPart)
		}
	}
	return err
}

// readHistoryCall reads one of the tool calls that an earlier answer made.
func (p *parser) readHistoryCall(m *message) error {
	call := llm.HistoryCall{Message: m.index}
	kind, parts := typeFunction, [2]bool{}
	err := p.r.Object(historyCallNames, func(member strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		var err error
		switch member.Name {
		case "id":
			call.ID, call.IDSpan, err = p.r.String()
		case "type":
			kind, err = p.r.Word(words)
		case typeFunction:
			parts[0] = true
			err = p.readHistoryFunction("arguments", &call)
		case typeCustom:
			parts[1], call.Custom = true, true
			err = p.readHistoryFunction("input", &call)
		case "index", "extra_content", "cache_control":
		default:
			err = p.unknown("messages.tool_calls.", member.Name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if kind == typeFunction && parts != [2]bool{true, false} || kind == typeCustom && parts != [2]bool{false, true} ||
		kind != typeFunction && kind != typeCustom {
		return p.failHere("", "must be a call of a function or of a custom tool")
	}
	return p.addCall(call)
}

// addCall takes a call of the message that is being read into the view.
func (p *parser) addCall(call llm.HistoryCall) error {
	if len(p.req.Calls) >= llm.MaxResults {
		return p.fail("messages", "has too many tool calls")
	}
	if call.Arguments.Len() > 0 {
		if i := p.req.AddPart(llm.ArgumentsPart, call.Arguments); i >= 0 {
			p.req.Parts[i].Call = len(p.req.Calls)
		}
	}
	if p.req.Calls == nil {
		p.req.Calls = make([]llm.HistoryCall, 0, p.left())
	}
	p.req.Calls = append(p.req.Calls, call)
	return nil
}

func (p *parser) readHistoryFunction(arguments string, call *llm.HistoryCall) error {
	err := p.r.Object(historyFuncNames, func(member strictjson.Member) error {
		if p.r.Kind() == strictjson.Null {
			return nil
		}
		var err error
		switch member.Name {
		case "name":
			call.Tool, call.ToolSpan, err = p.r.Repeated(func([]byte) string { return p.refs.tool })
			p.refs.tool = call.Tool
		case arguments:
			if p.r.Kind() != strictjson.String {
				return p.failHere("", "must be a string")
			}
			call.Arguments, err = p.r.Skip()
		case "thought_signature":
		default:
			err = p.unknown("messages.tool_calls.", member.Name)
		}
		return err
	})
	if err == nil && !llm.ValidName(call.Tool) {
		err = p.failHere(".name", "is required")
	}
	return err
}

// settle takes the complete message into the view.
func (p *parser) settle(m *message) error {
	result := -1
	if len(p.req.Calls) > m.calls && m.role != "assistant" {
		return p.failHere("", "only an assistant's message makes tool calls")
	}
	if m.named && m.role != "tool" {
		return p.failHere("", "only a tool's message has a tool_call_id")
	}
	switch m.role {
	case "system", "developer", "user":
	case "assistant":
		p.noteCalls(m)
	case "tool", "function":
		if !m.held {
			return p.failHere(".content", "is required")
		}
		if len(p.req.Results) >= llm.MaxResults {
			return p.fail("messages", "has too many tool results")
		}
		result = len(p.req.Results)
		if p.req.Results == nil {
			p.req.Results = make([]llm.ToolResult, 0, p.left())
		}
		p.req.Results = append(p.req.Results, p.attribute(m))
		if err := p.noteExtra(m, result); err != nil {
			return err
		}
	case "":
		return p.failHere(".role", "is required")
	default:
		return p.failHere(".role", "is not a role that is known")
	}
	p.settleParts(m, result)
	return nil
}

// noteCalls remembers the calls that results may answer. An id that comes again, as some providers number calls afresh
// in each answer, means the later call; one that names two tools in the same message means none.
func (p *parser) noteCalls(m *message) {
	for i := m.calls; i < len(p.req.Calls); i++ {
		c := &p.req.Calls[i]
		if c.ID == "" {
			continue
		}
		ref := reference{call: int32(i)} //nolint:gosec // at most llm.MaxResults
		if old, ok := p.refs.calls[c.ID]; ok && int(old.call) >= m.calls {
			ref.spent = old.spent || p.req.Calls[old.call].Tool != c.Tool
		}
		p.refs.calls[c.ID] = ref
	}
	p.refs.legacy = m.legacy
}

// attribute makes the result of a message and finds its call. A result without one, or whose name is another's, is from
// an unknown tool, and so is the second result of one call.
func (p *parser) attribute(m *message) llm.ToolResult {
	result := llm.ToolResult{
		ID: m.id, IDSpan: m.idSpan, Role: m.role, Message: m.index,
		Content: m.content, Parts: m.parts, Bytes: m.content.Len(), Text: m.text,
	}
	if m.role == "function" {
		if m.name != "" && m.name == p.refs.legacy {
			result.Tool, result.Attributed = m.name, true
		}
		p.refs.legacy = ""
		return result
	}
	ref, ok := p.refs.calls[m.id]
	if !ok || ref.spent {
		return result
	}
	if tool := p.req.Calls[ref.call].Tool; m.name == "" || m.name == tool {
		p.refs.calls[m.id] = reference{call: ref.call, spent: true}
		result.Tool, result.Attributed = tool, true
	}
	return result
}
