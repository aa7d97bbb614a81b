package provenance

import (
	"bytes"
	"strings"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// The rules by which an origin is decided; an explanation names them.
const (
	ruleApplication  = "written by the application"
	ruleBefore       = "stands before the first tool traffic"
	ruleAfter        = "stands after an answer to every call"
	ruleOwed         = "stands where a call still owes its result"
	ruleKnownTurn    = "a text of the model's that was released"
	ruleUnknownTurn  = "a model's text that was never released here"
	ruleKnownContent = "content that was seen as a tool's result"
	ruleContains     = "contains a piece of untrusted content"
	ruleNoID         = "its id is not one that was given out here"
	ruleForgotten    = "what the store knew of it is gone"
	ruleOtherTool    = "its id was given out for another call"
	ruleTwice        = "its id stands for more than one call"
	ruleArguments    = "its arguments are not those that were released"
	ruleVerified     = "a call that was released"
	ruleAnswers      = "answers a call that was released"
	ruleNoCall       = "answers no call that was released"
	ruleReasoning    = "a model's reasoning that was never released here"
)

// settle decides, from what the store knows.
func (h *History) settle() {
	h.settleCalls()
	h.settleConversation()
	h.settleResults()
	h.settleParts()
	for i := range h.Parts {
		p := h.request.Parts[i]
		if p.Result < 0 && !h.Parts[i].Result {
			h.Label = h.Label.Join(h.Parts[i].Label)
		}
	}
	for i := range h.Calls { // a call without arguments is no part
		h.Label = h.Label.Join(h.Calls[i].Label)
	}
}

func (h *History) settleCalls() {
	count := map[string]int{}
	for i := range h.request.Calls {
		count[h.request.Calls[i].ID]++
	}
	for i := range h.request.Calls {
		c, o := &h.request.Calls[i], &h.Calls[i]
		record := h.found.calls[c.ID]
		_, ours := rawID(c.ID)
		switch {
		case !ours:
			o.Reason = ruleNoID
		case count[c.ID] > 1:
			o.Reason = ruleTwice
		case record == nil:
			o.Reason = ruleForgotten
		case record.tool != c.Tool || !signed(h.a.keys, h.scope, c.ID, record):
			o.Reason = ruleOtherTool
		default:
			o.Verified, o.ProviderID, o.Arguments, o.Label, o.Reason = true, record.providerID, record.arguments, record.label, ruleVerified
			if !h.sameArguments(h.request.CallArguments(i), record) {
				// What the model wrote goes up, whatever the client says it was; but such a client is not believed.
				o.Label, o.Reason = o.Label.Join(label.Label{Confidentiality: label.Public}), ruleArguments
			}
		}
	}
}

// sameArguments tells whether a client sends a call's arguments as it was given them, or as the model wrote them.
func (h *History) sameArguments(sent []byte, record *callRecord) bool {
	canonical, err := strictjson.Canonical(sent)
	if err != nil {
		return false
	}
	if h.a.contentHash(h.scope, canonical) == record.resolved {
		return true
	}
	wrote, err := strictjson.Canonical(record.arguments)
	return err == nil && bytes.Equal(wrote, canonical)
}

// settleConversation finds the conversation, and joins the labels of all that the history points to.
func (h *History) settleConversation() {
	h.New = true
	for i := len(h.Calls) - 1; i >= 0; i-- {
		if h.Calls[i].Verified {
			h.Conversation, _ = conversationOf(h.a.keys, h.scope, h.request.Calls[i].ID)
			h.New = false
			break
		}
	}
	for i := len(h.request.Parts) - 1; h.New && i >= 0; i-- {
		p := h.request.Parts[i]
		if p.Kind != llm.TextPart || p.Role != "assistant" {
			continue
		}
		if record := h.contentOf(p); record != nil && record.kind == kindTurn {
			h.Conversation, h.New = record.conversation, false
		}
	}
	for i := len(h.links) - 1; h.New && i >= 0; i-- {
		if record := h.found.owed[h.links[i].message]; record != nil {
			h.Conversation, h.New = record.conversation, false
		}
	}
	switch {
	case h.New && h.derived != label.ConversationID{}:
		_, known := h.found.sets[h.derived]
		h.Conversation, h.New = h.derived, !known
	case h.New:
		h.Conversation = h.newConversation()
	}
	h.prints = map[uint64]struct{}{}
	for conversation, pointed := range h.found.pointed {
		if !pointed {
			continue
		}
		members, there := h.found.sets[conversation]
		if !there {
			if h.pointedByUs(conversation) {
				h.Label = h.Label.Join(label.Label{}) // the store has forgotten: nothing is known to be clean
			}
			continue
		}
		h.Label = h.Label.Join(labelOf(members))
		for _, m := range members {
			if strings.HasPrefix(m, memberPrints) {
				unpackPrints(m, h.prints)
			}
		}
	}
	if len(h.found.pointed) >= maxConversations {
		h.Label = h.Label.Join(label.Label{})
	}
}

// pointedByUs tells whether a record of ours leads to a conversation; an id that a client made up leads nowhere.
func (h *History) pointedByUs(c label.ConversationID) bool {
	if c == h.Conversation && !h.New {
		return true
	}
	for i := range h.Calls {
		if !h.Calls[i].Verified {
			continue
		}
		if of, ok := conversationOf(h.a.keys, h.scope, h.request.Calls[i].ID); ok && of == c {
			return true
		}
	}
	return false
}

func (h *History) settleResults() {
	calls := map[string]int{}
	for i := range h.request.Calls {
		if h.Calls[i].Verified {
			calls[h.request.Calls[i].ID] = i
		}
	}
	for i := range h.request.Results {
		r, o := &h.request.Results[i], &h.Results[i]
		o.Label, o.Reason = label.Clean(), ruleNoCall
		if call, ok := calls[r.ID]; ok && r.Attributed && h.request.Calls[call].Message < r.Message {
			o.Verified, o.Tool, o.Reason = true, h.request.Calls[call].Tool, ruleAnswers
		}
		if record := h.found.contents[o.Hash]; record != nil {
			o.Known, o.Label = true, record.label
			o.Kept = record.conversation == h.Conversation
		}
	}
}

// contentOf is what the ledger knows of a part's words.
func (h *History) contentOf(p llm.Part) *contentRecord {
	if len(h.found.contents) == 0 {
		return nil
	}
	return h.found.contents[h.a.contentHash(h.scope, h.request.Text(p))]
}

// progress is how far the tool traffic has come, up to a message.
type progress struct {
	calls, results int // looked at
	open           int // calls without a result of their own
	unproven       int // calls and results that are not verified
	lastResult     int // its message
	lastTurn       int // message of the last text of the model's that is known
	links          int // looked at
	lastOwed       int // message of the last text that was answered by a call which is not here
}

// settleParts walks the parts in order.
func (h *History) settleParts() {
	at := progress{lastResult: -1, lastTurn: -1, lastOwed: -1}
	for i, p := range h.request.Parts {
		o := &h.Parts[i]
		switch {
		case p.Result >= 0:
			o.Label, o.Reason = label.Clean(), "a result" // its own origin tells
		case p.Kind == llm.DescriptionPart:
			o.Label, o.Reason = label.Clean(), ruleApplication
		case p.Kind == llm.ArgumentsPart:
			// What a call that is not known was called with may be anything: also what a client resolved, under an id of its own.
			c := &h.Calls[p.Call]
			o.Label, o.Reason, o.Result = c.Label, c.Reason, !c.Verified && !isEmptyObject(h.request.Text(p))
		case p.Role == "assistant":
			h.settleTurn(i, p, o, &at)
		default:
			h.advance(&at, p.Message)
			h.settleText(p, o, at)
		}
	}
}

// advance counts the calls and results that stand before a message.
func (h *History) advance(at *progress, message int) {
	r := h.request
	for ; at.calls < len(r.Calls) && r.Calls[at.calls].Message < message; at.calls++ {
		at.open++
		if !h.Calls[at.calls].Verified {
			at.unproven++
		}
	}
	for ; at.links < len(h.links) && h.links[at.links].message < message; at.links++ {
		if h.found.owed[h.links[at.links].message] != nil {
			at.lastOwed = h.links[at.links].message
		}
	}
	for ; at.results < len(r.Results) && r.Results[at.results].Message < message; at.results++ {
		at.lastResult = r.Results[at.results].Message
		if h.Results[at.results].Verified {
			at.open--
		} else {
			at.unproven++
		}
	}
}

// settleTurn decides a text that the client says a model wrote.
func (h *History) settleTurn(i int, p llm.Part, o *PartOrigin, at *progress) {
	h.advance(at, p.Message)
	record := h.contentOf(p)
	switch {
	case record != nil && record.kind == kindTurn && p.Kind != llm.NamePart:
		o.Label, o.Reason = record.label, ruleKnownTurn
		if record.upstream != nil {
			if h.Turns == nil {
				h.Turns = map[int][]byte{}
			}
			h.Turns[i] = record.upstream
		}
		if p.Kind == llm.TextPart {
			at.lastTurn = p.Message
		}
	case record != nil:
		o.Label, o.Reason, o.Result = record.label.Join(label.Label{Confidentiality: label.Public}), ruleKnownContent, true
	case p.Kind == llm.ReasoningPart:
		o.Reason, o.Result = ruleReasoning, p.Message > h.first
	default:
		// Examples in front of a conversation are the client's to give; the label says that nobody knows who wrote them.
		o.Reason, o.Result = ruleUnknownTurn, p.Message > h.first || at.lastOwed > at.lastTurn || contains(h.request.Text(p), h.prints)
	}
}

// settleText decides what the client says the person or the application wrote.
func (h *History) settleText(p llm.Part, o *PartOrigin, at progress) {
	o.Label, o.Reason = label.Clean(), ruleBefore
	switch {
	case p.Message < 0:
		o.Reason = ruleApplication
	case at.lastOwed > at.lastTurn:
		*o = PartOrigin{Reason: ruleOwed, Result: true}
		return
	case p.Message > h.first && (at.open != 0 || at.unproven != 0 || at.lastTurn <= at.lastResult):
		*o = PartOrigin{Reason: ruleOwed, Result: true}
		return
	case p.Message > h.first:
		o.Reason = ruleAfter
	}
	if p.Kind == llm.MediaPart {
		return
	}
	if record := h.contentOf(p); record != nil && !isShort(h.request.Text(p)) && (record.kind == kindResult || record.label.Integrity < label.Trusted) {
		*o = PartOrigin{Label: record.label, Reason: ruleKnownContent, Result: record.label.Integrity < label.Trusted}
		return
	}
	if contains(h.request.Text(p), h.prints) {
		*o = PartOrigin{Label: label.Label{}, Reason: ruleContains, Result: true}
	}
}

// isEmptyObject tells the arguments of a call that has none.
func isEmptyObject(arguments []byte) bool { return string(arguments) == "{}" }
