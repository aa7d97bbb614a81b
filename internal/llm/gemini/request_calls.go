package gemini

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// callPlace is where a call of the history stands.
type callPlace struct {
	object  llm.Span // of the call
	members []member // of the object
	server  bool     // the provider ran it: neither its name nor its id can be changed
}

// resultKind says in which member a result stands.
type resultKind byte

const (
	functionResult resultKind = iota // functionResponse
	codeResult                       // codeExecutionResult
	toolResult                       // toolResponse
)

// resultPlace is where a result stands.
type resultPlace struct {
	kind    resultKind
	object  llm.Span
	members []member
	name    llm.Span // the value; empty when there is none
	named   string   // the name, or the type of the provider's tool
	call    int      // that it answers; -1 when none is known
	turn    llm.Span // the calls of the model's last turn before it, as indexes
}

// openCalls are the calls that results may answer.
type openCalls struct {
	byID map[string]openCall // of the client's functions
	turn llm.Span            // of the last turn of the model's, as indexes
	done map[int]bool        // have their result
}

type openCall struct {
	call  int
	spent bool // it is ambiguous
}

// readCall reads a function call that an earlier answer made.
func (p *parser) readCall() error {
	call := llm.HistoryCall{}
	at := callPlace{object: llm.Span{Start: p.r.Next()}}
	err := p.readMembers(callNames, &at.members, "contents.parts.functionCall.", func(name string) error {
		var err error
		switch name {
		case "id":
			if there, err := p.typed(aString); !there {
				return err
			}
			call.ID, call.IDSpan, err = p.repeated(p.callID)
		case "name":
			if there, err := p.typed(aString); !there {
				return err
			}
			call.Tool, call.ToolSpan, err = p.repeated(p.lastTool)
			p.tool = call.Tool
		case "args":
			if there, err := p.typed(anObject); !there {
				return err
			}
			call.Arguments, err = p.r.Skip()
		default: // partialArgs, willContinue
			if p.r.Kind() != strictjson.Null && p.r.Kind() != strictjson.False {
				err = p.failHere("", "is not served: a call is sent back whole")
			}
		}
		return err
	})
	at.object.End = p.r.Offset()
	if err != nil {
		return err
	}
	return p.addCall(call, at)
}

// readMembers reads an object whose members are edited one by one.
func (p *parser) readMembers(n *names, members *[]member, unknown string, f func(name string) error) error {
	first := len(p.room)
	err := object(p.r, n, func(name string, m strictjson.Member) error {
		var err error
		if name == "" {
			if err = p.req.AddUnknown(unknown, m.Name); err == nil {
				err = p.textPart(llm.TextPart)
			}
		} else {
			err = f(name)
		}
		if err == nil && p.r.Offset() == m.NameSpan.End { // left unread
			_, err = p.r.Skip()
		}
		p.room = append(p.room, member{name: name, span: llm.Span{Start: m.NameSpan.Start, End: p.r.Offset()}})
		return err
	})
	*members = p.room[first:len(p.room):len(p.room)]
	return err
}

// addCall takes a call into the view.
func (p *parser) addCall(call llm.HistoryCall, at callPlace) error {
	switch {
	case !llm.ValidName(call.Tool):
		return p.failHere(".name", "is required")
	case len(p.req.Calls) >= llm.MaxResults:
		return fail("contents", "has too many tool calls")
	}
	if call.Arguments.Len() > 0 {
		if i := p.req.AddPart(llm.ArgumentsPart, call.Arguments); i >= 0 {
			p.req.Parts[i].Call = len(p.req.Calls)
		}
	}
	p.req.Calls = append(p.req.Calls, call)
	p.lay.calls = append(p.lay.calls, at)
	return nil
}

// readCode reads code of the model's that the provider ran: a call of the provider's own tool.
func (p *parser) readCode() error {
	call := llm.HistoryCall{Tool: codeExecution, Wrap: "code"}
	at := callPlace{server: true, object: llm.Span{Start: p.r.Next()}}
	err := p.readMembers(codeNames, &at.members, "contents.parts.executableCode.", func(name string) error {
		if there, err := p.typed(aString); !there {
			return err
		}
		if name != "code" {
			return p.plain()
		}
		var err error
		call.Arguments, err = p.r.Skip()
		return err
	})
	if err == nil && call.Arguments.Len() == 0 {
		call.Wrap = ""
	}
	if err != nil {
		return err
	}
	return p.addCall(call, at)
}

// readToolCall reads a call of another tool of the provider's own.
func (p *parser) readToolCall() error {
	call := llm.HistoryCall{}
	at := callPlace{server: true, object: llm.Span{Start: p.r.Next()}}
	err := p.readMembers(toolCallNames, &at.members, "contents.parts.toolCall.", func(name string) error {
		if name == "args" {
			there, err := p.typed(anObject)
			if there {
				call.Arguments, err = p.r.Skip()
			}
			return err
		}
		if there, err := p.typed(aString); !there {
			return err
		}
		word, err := p.plainText()
		if name == "toolType" {
			call.Tool = word
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.addCall(call, at)
}

func (p *parser) plain() error {
	_, err := p.plainText()
	return err
}

// plainText reads a word or an id of the provider's making, which goes on as it is: it must not be any text.
func (p *parser) plainText() (string, error) {
	text, _, err := p.r.String()
	if err != nil {
		return "", err
	}
	for _, c := range []byte(text) {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", p.failHere("", "is not of the provider's making")
		}
	}
	if len(text) > 128 {
		return "", p.failHere("", "is not of the provider's making")
	}
	return text, nil
}

// noteCalls remembers the calls of the model's content that results may answer. An id that comes again means the later
// call; one that names two tools in the same turn means none.
func (p *parser) noteCalls(first int) {
	for i := first; i < len(p.req.Calls); i++ {
		c := &p.req.Calls[i]
		p.open.turn.End = i + 1
		if c.ID == "" || p.lay.calls[i].server {
			continue
		}
		now := openCall{call: i}
		if old, ok := p.open.byID[c.ID]; ok && old.call >= p.open.turn.Start {
			now.spent = old.spent || p.req.Calls[old.call].Tool != c.Tool
		}
		p.open.byID[c.ID] = now
	}
}

// attribute finds the call of a result. A result without one, or whose name is another's, is from an unknown tool, and so
// is the second result of one call. A result without an id answers the first call of its name that has no result in the
// last turn of the model's; it takes that one's id.
func (p *parser) attribute(result *llm.ToolResult, at *resultPlace) {
	at.turn = p.open.turn
	call := p.answered(result, at)
	if at.call = call; call < 0 {
		return
	}
	if p.open.done == nil {
		p.open.done = map[int]bool{}
	}
	p.open.done[call] = true
	if result.Tool, result.Attributed = p.req.Calls[call].Tool, true; at.kind == functionResult {
		result.ID, result.Call = p.req.Calls[call].ID, call+1
	}
}

// answered is the call that a result answers; -1 when none is known.
func (p *parser) answered(result *llm.ToolResult, at *resultPlace) int {
	if at.kind == functionResult && result.ID != "" {
		open, ok := p.open.byID[result.ID]
		if !ok || open.spent || p.open.done[open.call] || at.named != "" && p.req.Calls[open.call].Tool != at.named {
			return -1
		}
		return open.call
	}
	for call := p.open.turn.Start; call < p.open.turn.End; call++ {
		if !p.open.done[call] && p.lay.calls[call].server == (at.kind != functionResult) && p.req.Calls[call].Tool == at.named {
			return call
		}
	}
	return -1
}
