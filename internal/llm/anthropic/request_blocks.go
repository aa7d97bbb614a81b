package anthropic

import (
	"bytes"
	"cmp"
	"errors"
	"net/url"
	"slices"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// block is what is known of one block when all of it has been read.
type block struct {
	is      *blockKind
	wrong   bool // has no place where it stands
	start   int
	at      spot
	first   int // its first part
	id      string
	idSpan  llm.Span
	name    string
	named   llm.Span
	server  llm.Span // the value of the MCP server's name
	input   llm.Span
	content llm.Span
	parts   llm.Span // of the content
	text    bool     // the content is text alone
	stored  string
	media   llm.Media
	inline  bool // an image or a document that is no text
	signed  llm.Span
	strange bool // has a member that is not known
}

// readBlock reads one element of a content.
func (p *parser) readBlock(in place, at spot) error {
	start := p.r.Next()
	is := p.kindOf(start)
	reading := &p.nested[p.depth]
	b := &reading.block
	*b = block{is: is, start: start, at: at, first: len(p.req.Parts), text: true}
	if is.in&in == 0 { // and nothing in it is looked at, so that nesting has an end
		b.is, b.wrong = unknownKind, is.in != 0
	}
	p.depth++
	err := p.r.Object(blockNames, reading.member)
	p.depth--
	switch {
	case err != nil:
		return err
	case b.wrong:
		return p.failHere(".type", "is a kind of block that has no place there")
	case is.in == 0:
		return p.failHere(".type", "is not a kind of block that is known")
	}
	if in&(inUser|inAssistant|inSystem) != 0 {
		p.message.in &= is.in
	}
	switch {
	case is.call:
		return p.addCall(b)
	case is.result:
		return p.addResult(b)
	}
	p.settleBlock(b)
	return nil
}

// errFound ends a look for the type.
var errFound = errors.New("found")

// kindOf looks up the type of the object that begins at a place: what its other members mean depends on it, and they may
// come before it. Whatever is wrong with the object is found when it is read.
func (p *parser) kindOf(start int) *blockKind {
	const usual = `{"type":"`
	if raw := p.doc[start:]; bytes.HasPrefix(raw, []byte(usual)) {
		raw = raw[len(usual):]
		if end := bytes.IndexByte(raw, '"'); end >= 0 {
			if is := blockKinds[string(raw[:end])]; is != nil {
				return is
			}
		}
	}
	r := strictjson.NewReader(p.doc[start:], strictjson.Limits{MaxBytes: len(p.doc), MaxDepth: len(p.doc)})
	defer r.Close()
	kind := ""
	_ = r.Object(nil, func(m strictjson.Member) error {
		if m.Name != "type" {
			return nil
		}
		kind, _, _ = r.String()
		return errFound
	})
	if is := blockKinds[kind]; is != nil {
		return is
	}
	return unknownKind
}

func (p *parser) readBlockMember(b *block, name string) error {
	kind := p.r.Kind()
	if kind == strictjson.Null && name != "content" {
		return nil // as if it were not there
	}
	is, member := b.is.what(name)
	if !member {
		return p.readOtherMember(b, name)
	}
	var err error
	switch is {
	case nothing:
	case words:
		if kind != strictjson.String && kind != strictjson.None {
			if kind == strictjson.Null {
				return nil
			}
			return p.failHere("", "must be a string")
		}
		before := len(p.req.Parts)
		err = p.textPart(llm.TextPart)
		if name == "title" && len(p.req.Parts) > before {
			b.media.Name = llm.Clip(string(p.req.Text(p.req.Parts[before])))
		}
		if b.is.name == "text" && len(p.req.Parts) > before {
			p.lay.texts = append(p.lay.texts, before)
		}
	case anything:
		err = p.textPart(llm.TextPart)
	case thoughts:
		err = p.readThoughts(b)
	case signature:
		b.signed, err = p.r.Skip()
	case callID:
		b.id, b.idSpan, err = p.r.Repeated(p.knownID)
	case toolName:
		b.name, b.named, err = p.r.Repeated(p.lastTool)
		if p.tool = b.name; err == nil && b.is.name == "tool_reference" {
			p.lay.references = append(p.lay.references, reference{
				tool: b.name, result: len(p.req.Results), part: p.req.AddPart(llm.TextPart, b.named), at: b.at,
			})
		}
	case server:
		_, b.server, err = p.r.String()
	case input:
		if kind != strictjson.Object && kind != strictjson.None {
			return p.failHere("", "must be an object")
		}
		if b.input, err = p.r.Skip(); err == nil {
			p.req.Parts[p.req.AddPart(llm.ArgumentsPart, b.input)].Call = len(p.req.Calls)
		}
	case content:
		err = p.readResultContent(b)
	case blocks:
		err = p.readContent(inText)
	case source:
		err = p.readSource(b)
	case file:
		b.stored, _, err = p.r.String()
		b.inline = true
	}
	return err
}

// readOtherMember reads a member that is none of the block's kind: one of another kind would be read by some and
// overlooked by others.
func (p *parser) readOtherMember(b *block, name string) error {
	switch {
	case name == "type" || name == "cache_control" || p.r.Kind() == strictjson.Null:
		return nil
	case b.is.in == 0:
		return nil // is refused
	case blockNames.Has(name):
		return p.failHere("", "does not go with the type of its block")
	}
	b.strange, b.text = true, false
	if err := p.req.AddUnknown("messages.content.", name); err != nil {
		return err
	}
	return p.textPart(llm.TextPart)
}

// knownID is the id of a call, where there is one of it.
func (p *parser) knownID(raw []byte) string {
	if a, ok := p.calls[string(raw)]; ok {
		return p.req.Calls[a.call].ID
	}
	return ""
}

func (p *parser) lastTool([]byte) string { return p.tool }

func (p *parser) readThoughts(b *block) error {
	if k := p.r.Kind(); k != strictjson.String && k != strictjson.None {
		return p.failHere("", "must be a string")
	}
	return p.textPart(llm.ReasoningPart)
}

// settleBlock says of a block that is neither a call nor a result what it is.
func (p *parser) settleBlock(b *block) {
	span := llm.Span{Start: b.start, End: p.r.Offset()}
	switch {
	case b.is.media && b.inline:
		p.req.Parts = p.req.Parts[:b.first] // it is replaced as a whole
		b.media.Type, b.media.Element, b.media.Bytes = b.is.name, true, span.Len()
		if b.is.name == "container_upload" {
			p.req.AddStored(&b.media, b.stored)
		}
		p.req.AddMedia(b.media, span)
	case b.is.name == "thinking" || b.is.name == "redacted_thinking":
		if len(p.req.Parts) == b.first && b.signed.Len() > 0 { // the text is not shown, but the model reads it
			p.req.AddPart(llm.ReasoningPart, b.signed)
		}
		for i := b.first; i < len(p.req.Parts); i++ {
			if p.lay.reasons == nil {
				p.lay.reasons = map[int]spot{}
			}
			p.lay.reasons[i] = b.at
		}
	}
}

// readResultContent reads the content of a result. What a server tool answers has a form of its own, which is read as one.
func (p *parser) readResultContent(b *block) error {
	b.content.Start, b.parts.Start = p.r.Next(), len(p.req.Parts)
	kind := p.r.Kind()
	var err error
	switch {
	case kind == strictjson.Null && b.is.server:
		return p.failHere("", "must not be null")
	case kind == strictjson.Null:
		_, err = p.r.Skip()
	case b.is.name == "tool_result":
		err = p.readContent(inResult)
	case b.is.name == "mcp_tool_result":
		err = p.readContent(inText)
	default:
		b.text = false
		err = p.textPart(llm.TextPart)
	}
	b.content.End, b.parts.End = p.r.Offset(), len(p.req.Parts)
	return err
}

// readSource reads where an image or a document comes from. Its type may come behind what it is of.
func (p *parser) readSource(b *block) error {
	if b.is.name == "search_result" {
		return p.textPart(llm.TextPart)
	}
	kind, members := "", map[string]llm.Span{}
	err := p.r.Object(sourceNames, func(m strictjson.Member) error {
		var err error
		k := p.r.Kind()
		switch {
		case k == strictjson.Null:
		case m.Name == "content":
			members[m.Name] = llm.Span{Start: p.r.Next()}
			err = p.readContent(inDocument)
		case !sourceNames.Has(m.Name):
			if err = p.req.AddUnknown("messages.content.source.", m.Name); err == nil {
				err = p.textPart(llm.TextPart)
			}
		case k != strictjson.String && k != strictjson.None:
			err = p.failHere("", "must be a string")
		case m.Name == "type":
			kind, _, err = p.r.String()
		default:
			members[m.Name], err = p.r.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	holds := map[string]string{"base64": "data", "text": "data", "url": "url", "file": "file_id", "content": "content"}[kind]
	if holds == "" || b.is.name == "image" && (kind == "text" || kind == "content") {
		return p.failHere(".source.type", "is not a kind of source that is known")
	}
	for name := range members {
		if name != holds && name != "media_type" {
			return p.failHere(".source", "has a member that does not go with its type")
		}
	}
	return p.settleSource(b, kind, members)
}

func (p *parser) settleSource(b *block, kind string, members map[string]llm.Span) error {
	b.inline = kind != "text" && kind != "content"
	b.media.Type = b.is.name
	text := func(name string) string {
		if members[name].Len() == 0 {
			return ""
		}
		out, _ := strictjson.AppendUnquote(nil, members[name].Of(p.doc)) // it was read
		return string(out)
	}
	b.media.Format = llm.Clip(text("media_type"))
	switch kind {
	case "url":
		p.req.AddRemote(&b.media, text("url"))
	case "file":
		p.req.AddStored(&b.media, text("file_id"))
	case "text":
		if data := members["data"]; data.Len() > 0 {
			p.req.AddPart(llm.TextPart, data)
			p.inOrder(b.first)
		}
	}
	return nil
}

// inOrder puts the last parts into the order of the document.
func (p *parser) inOrder(first int) {
	slices.SortFunc(p.req.Parts[first:], func(a, b llm.Part) int { return cmp.Compare(a.Span.Start, b.Span.Start) })
}

// host is the host that a URL names.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
