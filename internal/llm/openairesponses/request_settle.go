package openairesponses

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// reference finds the call that a result answers.
type reference struct {
	call   int32  // index in Request.Calls
	answer string // the type of item that answers it
	spent  bool   // it has its result, or is ambiguous
}

// settle takes the complete item into the view.
func (p *parser) settle() error {
	it := &p.item
	if it.kind == "" {
		switch {
		case it.seen&mRole != 0:
			it.kind = "message"
		case it.seen == mID:
			it.kind = "item_reference"
		default:
			return p.failHere(".type", "is required")
		}
	}
	t, known := items[it.kind]
	if !known {
		return p.failHere(".type", "is not a type of item that is known")
	}
	for _, m := range it.members {
		if m.is&^(t.has|everyItem) != 0 && m.is&it.seen != 0 {
			if err := p.req.AddUnknown("input."+it.kind+".", m.name); err != nil {
				return err
			}
		}
		if m.is&t.needs&^it.seen != 0 {
			return p.failHere("."+m.name, "is required")
		}
	}
	if missing := t.needs &^ it.seen; missing != 0 {
		return p.failHere("."+nameOf(missing), "is required")
	}
	switch {
	case it.seen&mTools == 0:
	case t.has&mTools == 0:
		p.req.AddPart(llm.TextPart, it.toolSpan)
	default:
		if err := p.settleTools(it.kind != "mcp_list_tools"); err != nil {
			return err
		}
	}
	return p.settleFamily(t)
}

// left guesses how many calls or results there still are in the document.
func (p *parser) left() int { return min(1+(len(p.doc)-p.r.Offset())>>10, 512) }

func nameOf(bits mask) string {
	for name, bit := range members {
		if bit&bits != 0 && bit&(bit-1) == 0 {
			return name
		}
	}
	return ""
}

func (p *parser) settleFamily(t itemType) error {
	it := &p.item
	switch t.family {
	case aMessage:
		switch it.role {
		case "assistant":
			p.begin(true)
		case "user", "system", "developer":
			p.begin(false)
		default:
			return p.failHere(".role", "is not a role that is known")
		}
		p.settleParts(it.role, -1)
	case aThought:
		p.begin(true)
		p.settleParts("assistant", -1)
		for i := it.first; i < len(p.req.Parts); i++ {
			p.req.Parts[i].Kind = llm.ReasoningPart
		}
		if !it.secret {
			p.lay.unkept = append(p.lay.unkept, len(p.lay.input)-1)
		}
	case aCall:
		p.begin(true)
		return p.settleCall(t)
	case aResult, aServerTool:
		p.begin(false)
		return p.settleResult(t)
	case aCompaction:
		p.begin(false)
		p.req.AddFeature("compaction", "")
		p.settleParts("assistant", -1)
	case aReference:
		p.begin(false)
		p.req.AddFeature("stored:item", llm.Clip(it.id))
	case anApproval:
		p.begin(false)
		if it.approves {
			p.req.AddFeature("mcp_approval", llm.Clip(it.approval))
		}
		p.settleParts("user", -1)
	case aToolList:
		p.begin(false)
		if it.role != "developer" && it.role != "" {
			return p.failHere(".role", "must be developer")
		}
		p.settleParts("developer", -1)
	default:
		p.begin(false)
	}
	return nil
}

// begin says which message an item is of: what a model wrote one after the other is one turn.
func (p *parser) begin(model bool) {
	if !model || !p.turn {
		p.req.Messages++
		p.turnCalls = len(p.req.Calls)
	}
	p.turn = model
}

func (p *parser) message() int { return p.req.Messages - 1 }

// settleParts says of the parts of a complete item whose they are.
func (p *parser) settleParts(role string, result int) {
	for i := p.item.first; i < len(p.req.Parts); i++ {
		part := &p.req.Parts[i]
		if part.Tool >= 0 {
			continue
		}
		part.Message, part.Role, part.Result = p.message(), role, result
	}
}

// settleCall takes a call into the view.
func (p *parser) settleCall(t itemType) error {
	it := &p.item
	call := llm.HistoryCall{ID: it.callID, IDSpan: it.callIDSpan, Message: p.message(), Tool: t.tool, Arguments: it.said}
	place := callPlace{}
	if t.tool == "" {
		call.Tool, call.ToolSpan = it.name, it.nameSpan
		if it.namespace != "" {
			if strings.Contains(it.namespace, ".") || !llm.ValidName(it.namespace) {
				return p.failHere(".namespace", "is not a name")
			}
			call.Tool = qualified(it.namespace, it.name)
			for _, m := range it.members {
				if m.is == mNamespace {
					place.spaced = len(place.members)
				}
				place.members = append(place.members, m.span)
			}
		}
		call.Custom = t.said == mInput
		if it.saidKind != 0 && it.saidKind != strictjson.String {
			return p.failHere("", "must have a string for its arguments")
		}
	} else if err := p.settleObject(t, &call); err != nil {
		return err
	}
	if !llm.ValidName(call.Tool) {
		return p.failHere(".name", "is required")
	}
	if len(p.req.Calls) >= llm.MaxResults {
		return p.fail("input", "has too many tool calls")
	}
	p.dropName()
	p.settleParts("assistant", -1)
	if it.saidPart >= 0 {
		part := &p.req.Parts[it.saidPart]
		part.Kind, part.Call = llm.ArgumentsPart, len(p.req.Calls)
	}
	p.note(it.callID, reference{call: int32(len(p.req.Calls)), answer: answerOf(it.kind)}, call.Tool) //nolint:gosec // at most llm.MaxResults
	if it.kind == "local_shell_call" && it.id != it.callID {
		p.note(it.id, reference{call: int32(len(p.req.Calls)), answer: answerOf(it.kind)}, call.Tool) //nolint:gosec // as above
	}
	if p.req.Calls == nil {
		p.req.Calls, p.lay.calls = make([]llm.HistoryCall, 0, p.left()), make([]callPlace, 0, p.left())
	}
	p.req.Calls = append(p.req.Calls, call)
	p.lay.calls = append(p.lay.calls, place)
	return nil
}

// dropName takes the name of a call out of the parts: it is the tool's.
func (p *parser) dropName() {
	it := &p.item
	if it.namePart < 0 {
		return
	}
	p.req.Parts = append(p.req.Parts[:it.namePart], p.req.Parts[it.namePart+1:]...)
	if it.saidPart > it.namePart {
		it.saidPart--
	}
	for i := it.namePart + 1; i <= len(p.req.Parts) && len(p.lay.parts) > 0; i++ {
		if blank, ok := p.lay.parts[i]; ok {
			delete(p.lay.parts, i)
			p.lay.parts[i-1] = blank
		}
	}
}

// settleObject is about the arguments of a call whose tool OpenAI defines: a value of its own, no text.
func (p *parser) settleObject(t itemType, call *llm.HistoryCall) error {
	it, blank := &p.item, t.blank
	switch it.saidKind {
	case strictjson.Object, 0:
	case strictjson.Array:
		if it.seen&mActions == 0 {
			return p.failHere("", "must have an object for its arguments")
		}
		call.Wrap, blank = "actions", "["+blank+"]"
	case strictjson.String:
		if it.kind != "tool_search_call" {
			return p.failHere("", "must have an object for its arguments")
		}
	default:
		return p.failHere("", "must have an object for its arguments")
	}
	if it.saidPart >= 0 && it.saidKind != strictjson.String {
		p.blank(it.saidPart, blank)
	}
	return nil
}

// qualified is the name of a tool in a namespace. No namespace has a dot, so that two names are never one.
func qualified(namespace, name string) string { return namespace + "." + name }

func answerOf(call string) string {
	if call == "tool_search_call" {
		return "tool_search_output"
	}
	return call + "_output"
}

// note remembers a call that a result may answer. An id that comes again, as some providers number calls afresh in each
// answer, means the later call; one that names two tools in the same turn means none.
func (p *parser) note(id string, ref reference, tool string) {
	if id == "" {
		return
	}
	if old, ok := p.refs[id]; ok && int(old.call) >= p.turnCalls {
		ref.spent = old.spent || p.req.Calls[old.call].Tool != tool
	}
	p.refs[id] = ref
}

// settleResult takes a result into the view: one that answers a call, or what a tool inside the provider says.
func (p *parser) settleResult(t itemType) error {
	it := &p.item
	if len(p.req.Results) >= llm.MaxResults {
		return p.fail("input", "has too many tool results")
	}
	result := llm.ToolResult{Role: "tool", Message: p.message(), Content: it.content, Parts: it.parts, Bytes: it.content.Len(), Text: it.text}
	if it.content.Len() == 0 || t.form == asTools { // tools are judged one by one
		result.Parts = llm.Span{Start: len(p.req.Parts), End: len(p.req.Parts)}
	}
	name := it.name
	if t.family == aResult {
		result.ID, result.IDSpan = it.callID, it.callIDSpan
		if it.callID == "" && it.kind == "local_shell_call_output" {
			result.ID, result.IDSpan = it.id, it.idSpan
		}
		if it.namespace != "" && name != "" {
			name = qualified(it.namespace, name)
		}
		result.Tool = p.answered(result.ID, it.kind, name)
		result.Attributed = result.Tool != ""
	}
	if t.form == asMessage { // all of it, with what the model asked for
		p.imagePart()
		result.Parts, result.Text = llm.Span{Start: it.first, End: len(p.req.Parts)}, false
		result.Content, result.Bytes = llm.Span{Start: it.start, End: it.end}, it.end-it.start
	}
	p.settleParts("tool", len(p.req.Results))
	for i := result.Parts.Start; i < result.Parts.End; i++ {
		if part := &p.req.Parts[i]; part.Kind == llm.TextPart {
			part.Kind = llm.ResultPart
		}
	}
	if p.req.Results == nil {
		p.req.Results, p.lay.results = make([]llm.ToolResult, 0, p.left()), make([]resultPlace, 0, p.left())
	}
	p.req.Results = append(p.req.Results, result)
	p.lay.results = append(p.lay.results, p.placeOf(t, name, result.Tool))
	return nil
}

// imagePart says of the image that a tool inside the provider made that it is no text.
func (p *parser) imagePart() {
	it := &p.item
	if it.kind != "image_generation_call" || it.parts.Len() != 1 {
		return
	}
	part := &p.req.Parts[it.parts.Start]
	part.Kind, part.Media = llm.MediaPart, len(p.req.Media)
	p.req.Media = append(p.req.Media, llm.Media{Type: it.kind, Bytes: part.Span.Len()})
}

// answered finds the call that a result answers, and tells its tool. A result without one, or whose name is another's, is
// from an unknown tool, and so is the second result of one call.
func (p *parser) answered(id, kind, name string) string {
	ref, ok := p.refs[id]
	if id == "" || !ok || ref.spent || ref.answer != kind {
		return ""
	}
	tool := p.req.Calls[ref.call].Tool
	if name != "" && name != tool {
		return ""
	}
	ref.spent = true
	p.refs[id] = ref
	return tool
}

// wordy are the members of a result that may say something besides its content.
const wordy = mChecked | mError | mReason | mSummary | mEncrypted | mPrompt

// placeOf remembers what a result's item carries besides its content. A name that is not that of the tool which was called
// may be any text.
func (p *parser) placeOf(t itemType, name, tool string) resultPlace {
	it := &p.item
	place := resultPlace{form: t.form, item: llm.Span{Start: it.start, End: it.end}}
	if t.form == asMessage {
		return place
	}
	if it.content.Len() == 0 {
		place.form, place.member = asMember, nameOf(t.said)
	}
	if !it.saysMore(t) && it.nameSpan.Len() == 0 {
		return place
	}
	x := &extra{named: name}
	for _, m := range it.members {
		leave := m.is == 0 || m.is&wordy != 0 || m.is&^(t.has|everyItem) != 0
		isName := m.is == mName || m.is == mNamespace
		if isName {
			leave = name != tool
		}
		x.members, x.leave, x.isName = append(x.members, m.span), append(x.leave, leave), append(x.isName, isName)
	}
	place.extra = x
	return place
}

func (it *item) saysMore(t itemType) bool {
	for _, m := range it.members {
		if m.is == 0 || m.is&wordy != 0 || m.is&^(t.has|everyItem) != 0 {
			return true
		}
	}
	return false
}
