package anthropic

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// addCall takes a call of the history into the view. Of one of a server tool neither id nor name can be changed: they are
// the provider's own.
func (p *parser) addCall(b *block) error {
	if len(p.req.Calls) >= llm.MaxResults {
		return fail("messages", "has too many tool calls")
	}
	call := llm.HistoryCall{
		ID: b.id, Tool: b.name, IDSpan: b.idSpan, ToolSpan: b.named, Message: p.message.index, Arguments: b.input,
	}
	switch {
	case !llm.ValidName(b.name):
		return p.failHere(".name", "is required")
	case b.is.server && !plainID(b.id):
		return p.failHere(".id", "is not an id of a server tool's call")
	case b.is.name == "server_tool_use" && !serverNames[b.name]:
		return p.failHere(".name", "is not the name of a server tool")
	case b.is.server:
		call.IDSpan = llm.Span{}
		p.servers[b.id] = len(p.req.Calls)
	}
	if p.req.Calls == nil {
		p.req.Calls, p.lay.calls = make([]llm.HistoryCall, 0, p.left()), make([]callPlace, 0, p.left())
	}
	p.req.Calls = append(p.req.Calls, call)
	p.lay.calls = append(p.lay.calls, callPlace{server: b.is.server, own: b.is.name == "server_tool_use", mcp: b.server, at: b.at})
	return nil
}

// plainID tells an id of the provider's making from other words.
func plainID(id string) bool {
	for _, c := range []byte(id) {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// addResult takes a result into the view.
func (p *parser) addResult(b *block) error {
	index := len(p.req.Results)
	switch {
	case index >= llm.MaxResults:
		return fail("messages", "has too many tool results")
	case b.is.server && b.content.Len() == 0:
		return p.failHere(".content", "is required")
	case b.is.server && !plainID(b.id):
		return p.failHere(".tool_use_id", "is not an id of a server tool's call")
	}
	parts := p.req.Parts[b.first:]
	for i := range parts {
		parts[i].Result = index
	}
	for i := b.parts.Start; i < b.parts.End; i++ {
		if part := &p.req.Parts[i]; part.Kind == llm.TextPart {
			part.Kind = llm.ResultPart
		} else {
			b.text = false
		}
	}
	result := llm.ToolResult{
		ID: b.id, IDSpan: b.idSpan, Role: roleOfResult, Message: p.message.index,
		Content: b.content, Parts: b.parts, Bytes: b.content.Len(), Text: b.text,
	}
	at := resultPlace{kind: b.is.name, block: llm.Span{Start: b.start, End: p.r.Offset()}, at: b.at}
	if b.is.server {
		result.IDSpan = llm.Span{}
	}
	p.attribute(&result, &at, b.is.server)
	if b.strange && !b.is.server {
		p.noteMembers(&at)
	}
	if p.req.Results == nil {
		p.req.Results, p.lay.results = make([]llm.ToolResult, 0, p.left()), make([]resultPlace, 0, p.left())
	}
	p.req.Results = append(p.req.Results, result)
	p.lay.results = append(p.lay.results, at)
	return nil
}

// noteMembers remembers the members of a result's block, and which of them leave with its content.
func (p *parser) noteMembers(at *resultPlace) {
	r := strictjson.NewReader(at.block.Of(p.doc), strictjson.Limits{MaxBytes: len(p.doc), MaxDepth: len(p.doc)}) // it was read before
	defer r.Close()
	_ = r.Object(nil, func(m strictjson.Member) error {
		value, err := r.Skip()
		_, known := blockKinds[at.kind].what(m.Name)
		at.members = append(at.members, llm.Span{Start: at.block.Start + m.NameSpan.Start, End: at.block.Start + value.End})
		at.leave = append(at.leave, !known && m.Name != "type" && m.Name != "cache_control")
		return err
	})
}
