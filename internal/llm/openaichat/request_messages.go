package openaichat

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// message is what is known of one message when all of it has been read: its members come in any order.
type message struct {
	index   int
	role    string
	name    string
	id      string // tool_call_id
	content llm.Span
	held    bool   // has a content member
	text    bool   // the content is text alone
	legacy  string // the function_call's name
	named   bool   // has tool_call_id
}

// references finds the call that a result answers.
type references struct {
	calls  map[string]reference
	legacy string // the last function_call that has no result yet
}

type reference struct {
	tool    string
	message int
	spent   bool // it has its result, or is ambiguous
}

func (p *parser) readMessages() error {
	p.refs.calls = map[string]reference{}
	return p.r.Array(func(i int) error {
		m := message{index: i, text: true}
		p.made = p.made[:0]
		if err := p.r.Object(messageNames, func(member strictjson.Member) error { return p.readMessageMember(&m, member) }); err != nil {
			return err
		}
		p.req.Messages++
		return p.settle(&m)
	})
}

func (p *parser) readMessageMember(m *message, member strictjson.Member) error {
	null := p.r.Kind() == strictjson.Null
	if null && member.Name != "content" && messageNames.Has(member.Name) {
		return nil // as if it were not there
	}
	var err error
	switch member.Name {
	case "role":
		m.role, err = p.r.Word(words)
	case "name":
		m.name, _, err = p.r.String()
	case "tool_call_id":
		m.named = true
		m.id, _, err = p.r.String()
	case "content":
		m.held = true
		m.content.Start = p.r.Next()
		err = p.readContent(m)
		m.content.End = p.r.Offset()
	case "tool_calls":
		err = p.r.Array(func(int) error { return p.readHistoryCall(m) })
	case "function_call":
		call := llm.HistoryCall{Message: m.index}
		if err = p.readHistoryFunction("arguments", &call); err == nil {
			m.legacy = call.Tool
			p.made = append(p.made, call)
		}
	case "reasoning", "reasoning_content", "refusal":
		if p.r.Kind() != strictjson.String {
			return p.failHere("", "must be a string")
		}
	case "audio", "annotations", "reasoning_details", "images", "cache_control", "prefix", "partial":
	default:
		err = p.unknown("messages.", member.Name)
	}
	return err
}

// readContent reads a content: a string, a list of parts, or null.
func (p *parser) readContent(m *message) error {
	switch p.r.Kind() {
	case strictjson.String, strictjson.Null:
		_, err := p.r.Skip()
		return err
	case strictjson.Array:
		return p.r.Array(func(int) error {
			kind, other := "", false
			err := p.r.Object(partNames, func(member strictjson.Member) error {
				switch member.Name {
				case "type":
					var err error
					kind, err = p.r.Word(words)
					return err
				case "text":
					if k := p.r.Kind(); k != strictjson.String && k != strictjson.None {
						return p.failHere("", "must be a string")
					}
				case "cache_control":
				case "image_url", "input_audio", "file", "video_url", "refusal", "thinking", "signature":
					other = true
				default:
					other = true
					return p.unknown("messages.content.", member.Name)
				}
				return nil
			})
			if err == nil && !partKinds[kind] {
				err = p.failHere(".type", "is not a kind of part that is known")
			}
			m.text = m.text && kind == "text" && !other
			return err
		})
	case strictjson.None:
		_, err := p.r.Skip()
		return err
	}
	return p.failHere("", "must be a string, a list of parts, or null")
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
			call.ID, _, err = p.r.String()
		case "type":
			kind, err = p.r.Word(words)
		case typeFunction:
			parts[0] = true
			err = p.readHistoryFunction("arguments", &call)
		case typeCustom:
			parts[1] = true
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
	p.made = append(p.made, call)
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
			call.Tool, _, err = p.r.String()
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
	if err == nil && !validName(call.Tool) {
		err = p.failHere(".name", "is required")
	}
	return err
}

// settle takes the complete message into the view.
func (p *parser) settle(m *message) error {
	if len(p.made) > 0 && m.role != "assistant" {
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
		if len(p.req.Results) >= maxResults {
			return p.fail("messages", "has too many tool results")
		}
		p.req.Results = append(p.req.Results, p.attribute(m))
	case "":
		return p.failHere(".role", "is required")
	default:
		return p.failHere(".role", "is not a role that is known")
	}
	return nil
}

// noteCalls remembers the calls that results may answer. An id that comes again, as some providers number calls afresh
// in each answer, means the later call; one that names two tools in the same message means none.
func (p *parser) noteCalls(m *message) {
	for _, c := range p.made {
		if c.ID == "" {
			continue
		}
		call := reference{tool: c.Tool, message: m.index}
		if old, ok := p.refs.calls[c.ID]; ok && old.message == m.index {
			call.spent = old.spent || old.tool != c.Tool
		}
		p.refs.calls[c.ID] = call
	}
	p.refs.legacy = m.legacy
	p.req.Calls = append(p.req.Calls, p.made...)
}

// attribute makes the result of a message and finds its call. A result without one, or whose name is another's, is from
// an unknown tool, and so is the second result of one call.
func (p *parser) attribute(m *message) llm.ToolResult {
	result := llm.ToolResult{
		ID: m.id, Role: m.role, Message: m.index, Content: m.content, Bytes: m.content.Len(), Text: m.text,
	}
	if m.role == "function" {
		if m.name != "" && m.name == p.refs.legacy {
			result.Tool, result.Attributed = m.name, true
		}
		p.refs.legacy = ""
		return result
	}
	if call, ok := p.refs.calls[m.id]; ok && !call.spent && (m.name == "" || m.name == call.tool) {
		call.spent = true
		p.refs.calls[m.id] = call
		result.Tool, result.Attributed = call.tool, true
	}
	return result
}
