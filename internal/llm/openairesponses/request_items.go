package openairesponses

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// item is what is known of one item when all of it has been read: its members come in any order.
type item struct {
	start, end int
	kind, role string
	seen       mask
	id, callID string
	idSpan     llm.Span
	callIDSpan llm.Span
	name       string
	nameSpan   llm.Span
	namePart   int // in Request.Parts; -1 when there is none
	namespace  string
	said       llm.Span        // arguments, input, action, …: the value
	saidKind   strictjson.Kind // of it
	saidPart   int             // in Request.Parts; -1 when there is none
	content    llm.Span        // of a message, or of a result
	parts      llm.Span        // of it, as indexes in Request.Parts
	text       bool            // it is text alone
	first      int             // the first part of the item
	secret     bool            // has encrypted content
	environ    string          // the type of a shell's environment
	execution  string          // client or server, of a search for tools
	approves   bool
	approval   string
	members    []itemMember
	tools      []definition
	toolSpan   llm.Span
}

// itemMember is one member of an item.
type itemMember struct {
	is   mask // 0: not a known one
	name string
	span llm.Span // from the name's first byte to the value's last
}

// readInput reads the input: a text of the person's, or a list of items.
func (p *parser) readInput() error {
	p.refs = map[string]reference{}
	if p.r.Kind() == strictjson.String {
		span, err := p.r.Skip()
		if err != nil {
			return err
		}
		p.req.Messages = 1
		if i := p.req.AddPart(llm.TextPart, span); i >= 0 {
			p.req.Parts[i].Message, p.req.Parts[i].Role = 0, "user"
		}
		return nil
	}
	read := func(m strictjson.Member) error { return p.readMember(m) }
	return p.r.Array(func(int) error {
		it := &p.item
		*it = item{start: p.r.Next(), first: len(p.req.Parts), text: true, saidPart: -1, namePart: -1, members: it.members[:0]}
		if err := p.r.Object(itemNames, read); err != nil {
			return err
		}
		it.end = p.r.Offset()
		p.lay.input = append(p.lay.input, llm.Span{Start: it.start, End: it.end})
		return p.settle()
	})
}

// readMember reads one member of an item, whatever the item's type is: most often that comes behind.
func (p *parser) readMember(m strictjson.Member) error {
	it := &p.item
	bit := members[m.Name]
	null := p.r.Kind() == strictjson.Null
	err := p.readValue(m.Name, bit, null)
	it.members = append(it.members, itemMember{is: bit, name: m.Name, span: llm.Span{Start: m.NameSpan.Start, End: p.r.Offset()}})
	if !null || bit == mContent || bit == mOutput {
		it.seen |= bit
	}
	return err
}

func (p *parser) readValue(name string, bit mask, null bool) (err error) {
	it := &p.item
	if null && bit != 0 && bit != mOutput && bit != mContent {
		_, err = p.r.Skip() // as if it were not there
		return err
	}
	switch bit {
	case mType:
		it.kind, err = p.r.Word(words)
	case mRole:
		it.role, err = p.r.Word(words)
	case mID:
		it.id, it.idSpan, err = p.r.String()
	case mCallID:
		it.callID, it.callIDSpan, err = p.repeated(func(raw []byte) string {
			if ref, ok := p.refs[string(raw)]; ok {
				return p.req.Calls[ref.call].ID
			}
			return ""
		})
	case mName:
		if it.name, it.nameSpan, err = p.repeated(func([]byte) string { return p.lastName }); err == nil {
			p.lastName = it.name
			it.namePart = p.req.AddPart(llm.NamePart, it.nameSpan) // of a call it is none
		}
	case mNamespace:
		it.namespace, _, err = p.r.String()
	case mArguments, mInput, mAction, mActions, mOperation:
		err = p.readSaid()
	case mContent, mOutput:
		err = p.readItemContent()
	case mResults, mOutputs, mResult:
		err = p.readOpaque()
	case mSummary:
		err = p.readContent(false)
	case mEncrypted:
		err = p.readEncrypted()
	case mTools:
		err = p.readItemTools()
	case mEnvironment:
		err = p.readEnvironment()
	case mExecution:
		it.execution, _, err = p.r.String()
	case mApprove:
		it.approves, err = p.r.Bool()
	case mApproval:
		it.approval, _, err = p.r.String()
	case mQueries, mCode, mPrompt, mError, mReason, mChecks, mChecked, mServer:
		err = p.textPart(llm.TextPart)
	case 0:
		if err = p.req.AddUnknown("input.", name); err == nil {
			err = p.textPart(llm.TextPart)
		}
	default:
		_, err = p.r.Skip()
	}
	return err
}

// textPart reads one value as a part, unless there is nothing in it. One that is no string can only be taken out.
func (p *parser) textPart(kind llm.PartKind) error {
	list := p.r.Kind() == strictjson.Array
	span, err := p.r.Skip()
	if err != nil {
		return err
	}
	if i := p.req.AddPart(kind, span); i >= 0 && list {
		p.blank(i, "[]")
	}
	return nil
}

// blank says what stands for a part that is no text when it is taken out.
func (p *parser) blank(part int, text string) {
	if p.lay.parts == nil {
		p.lay.parts = map[int]string{}
	}
	p.lay.parts[part] = text
}

// readSaid reads the arguments of a call, in whatever form it has them.
func (p *parser) readSaid() error {
	it := &p.item
	if it.said.Len() > 0 {
		return p.failHere("", "is one form of its arguments too many")
	}
	it.saidKind = p.r.Kind()
	span, err := p.r.Skip()
	if err == nil {
		it.said, it.saidPart = span, p.req.AddPart(llm.TextPart, span)
	}
	return err
}

// readItemContent reads the content of a message or a result.
func (p *parser) readItemContent() error {
	it := &p.item
	if it.content.Len() > 0 {
		return p.failHere("", "is one content too many")
	}
	it.parts.Start, it.content.Start = len(p.req.Parts), p.r.Next()
	err := p.readContent(true)
	it.parts.End, it.content.End = len(p.req.Parts), p.r.Offset()
	return err
}

// readOpaque reads what came of a tool that ran inside the provider: each element of a list is a part, and so is a value
// that is no list.
func (p *parser) readOpaque() error {
	it := &p.item
	if it.content.Len() > 0 {
		return p.failHere("", "is one content too many")
	}
	it.parts.Start, it.content.Start = len(p.req.Parts), p.r.Next()
	it.text = p.r.Kind() == strictjson.String
	var err error
	if p.r.Kind() == strictjson.Array {
		err = p.r.Array(func(int) error {
			span, err := p.r.Skip()
			if err == nil {
				p.req.AddPart(llm.TextPart, span)
			}
			return err
		})
	} else {
		err = p.textPart(llm.TextPart)
	}
	it.parts.End, it.content.End = len(p.req.Parts), p.r.Offset()
	return err
}

// readEncrypted reads what only the provider can read, and nobody may change.
func (p *parser) readEncrypted() error {
	if p.r.Kind() != strictjson.String {
		return p.failHere("", "must be a string")
	}
	span, err := p.r.Skip()
	if err != nil {
		return err
	}
	if i := p.req.AddPart(llm.ReasoningPart, span); i >= 0 {
		p.item.secret = true
		if p.lay.signed == nil {
			p.lay.signed = map[int]bool{}
		}
		p.lay.signed[i] = true
	}
	return nil
}

func (p *parser) readEnvironment() error {
	return p.r.Object(environmentNames, func(m strictjson.Member) error {
		switch m.Name {
		case "type":
			var err error
			p.item.environ, _, err = p.r.String()
			return err
		case "container_id":
			return nil
		case "skills":
			return p.textPart(llm.TextPart)
		}
		if err := p.req.AddUnknown("input.environment.", m.Name); err != nil {
			return err
		}
		return p.textPart(llm.TextPart)
	})
}

// readItemTools reads the tools of an item. Whether they are offered from here on, or listed by another server, its type
// says, which may stand behind them.
func (p *parser) readItemTools() error {
	it := &p.item
	it.toolSpan.Start = p.r.Next()
	err := p.r.Array(func(int) error {
		d, err := p.readDefinition(true)
		it.tools = append(it.tools, d)
		return err
	})
	it.toolSpan.End = p.r.Offset()
	return err
}

// settleTools takes the tools of an item into the view.
func (p *parser) settleTools(offered bool) error {
	it := &p.item
	l := list{span: it.toolSpan}
	it.content, it.text, it.parts.Start = it.toolSpan, false, len(p.req.Parts)
	for i := range it.tools {
		if !offered {
			p.req.AddPart(llm.TextPart, it.tools[i].tool.Span)
			continue
		}
		e, err := p.addEntry(false, &it.tools[i], "")
		if err != nil {
			return err
		}
		l.entries = append(l.entries, e)
	}
	if it.parts.End = len(p.req.Parts); offered {
		p.lay.lists = append(p.lay.lists, l)
	}
	return nil
}

// repeated reads a string that most often has been read before: it is what known finds then, and costs no allocation.
func (p *parser) repeated(known func(raw []byte) string) (string, llm.Span, error) {
	if p.r.Kind() != strictjson.String {
		return p.r.String() // says what is wrong with it
	}
	span, err := p.r.Skip()
	if err != nil {
		return "", span, err
	}
	raw := span.Of(p.doc)
	if bare := raw[1 : len(raw)-1]; bytes.IndexByte(bare, '\\') < 0 {
		if text := known(bare); text == string(bare) {
			return text, span, nil
		}
		return string(bare), span, nil
	}
	text, err := strictjson.AppendUnquote(nil, raw)
	return string(text), span, err
}
