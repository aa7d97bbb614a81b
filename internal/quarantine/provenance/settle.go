package provenance

import (
	"bytes"
	"slices"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// The rules by which an origin is decided; an explanation names them.
const (
	ruleApplication  = "written by the application"
	ruleBefore       = "stands before the first tool traffic"
	ruleStood        = "stood there when something was released after it"
	ruleAfter        = "stands after an answer to every call"
	ruleAttested     = "the application vouches for it"
	ruleOwed         = "stands where a call still owes its result"
	ruleTraffic      = "stands after tool traffic, with no answer of the model's between"
	rulePut          = "was put there while a call owes its result"
	ruleElsewhere    = "a call that the client left out still owes its result"
	ruleShortened    = "is new, and the client left out what stood before it"
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
	ruleResult       = "a tool's result"
	ruleName         = "the name of one of the conversation"
	ruleReasoning    = "a model's reasoning that was never released here"
)

// untrusted is what a label is joined with that is believed no more, whoever may read it.
func untrusted() label.Label { return label.Label{Confidentiality: label.Public} }

// settle decides, from what the store knows.
func (h *History) settle() {
	h.Label = label.Clean()
	h.settleCalls()
	h.settleTurns()
	h.settleGaps()
	h.settleConversation()
	h.settleResults()
	h.settleParts()
	h.containSuspects()
	for i, p := range h.request.Parts {
		if p.Result < 0 && !h.Parts[i].Result {
			h.Label = h.Label.Join(h.Parts[i].Label)
		}
	}
	for i := range h.Calls { // a call without arguments is no part
		h.Label = h.Label.Join(h.Calls[i].Label)
	}
}

// present is what the store holds of a conversation, if it holds anything.
func (h *History) present(c label.ConversationID) *conversation {
	if held := h.held[c]; held != nil && !held.missing {
		return held
	}
	return nil
}

func (h *History) settleCalls() {
	count := map[string]int{}
	for i := range h.request.Calls {
		count[h.request.Calls[i].ID]++
	}
	for i := range h.request.Calls {
		c, o, record := &h.request.Calls[i], &h.Calls[i], h.calls[i]
		_, ours := rawID(c.ID)
		h.calls[i] = nil
		switch {
		case !ours && (c.ID != "" || record == nil):
			o.Reason = ruleNoID
		case ours && count[c.ID] > 1:
			o.Reason = ruleTwice
		case record == nil || h.present(record.conversation) == nil:
			o.Reason = ruleForgotten
		case record.tool != c.Tool || ours && !signed(h.a.keys, h.scope, c.ID, record):
			o.Reason = ruleOtherTool
		default:
			h.calls[i] = record
			o.Verified, o.ProviderID, o.Arguments, o.Label, o.Reason = true, record.providerID, record.arguments, record.label, ruleVerified
			if !h.sameArguments(h.request.CallArguments(i), record) {
				// What the model wrote goes up, whatever the client says it was; but such a client is not believed.
				o.Label, o.Reason = o.Label.Join(untrusted()), ruleArguments
			}
		}
	}
	for id, record := range h.proofs { // of results whose call is not there
		if record == nil || count[id] > 0 || h.present(record.conversation) == nil || !signed(h.a.keys, h.scope, id, record) {
			delete(h.proofs, id)
		}
	}
}

// sameArguments tells whether a client sends a call's arguments as it was given them, or as the model wrote them.
func (h *History) sameArguments(sent []byte, record *callRecord) bool {
	if bytes.Equal(sent, record.arguments) {
		return true
	}
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

// settleTurns leaves the records of those texts that are known. What is shown in another form goes up in its own again, if it is of
// one piece; taken apart it is not known.
func (h *History) settleTurns() {
	for i := range h.turns {
		t := &h.turns[i]
		if t.record != nil && (h.present(t.record.conversation) == nil || len(t.parts) > 1 && t.record.rendered) {
			t.record = nil
		}
	}
}

// settleGaps leaves the records of those gaps in which no answer of ours stands: there the client has put something else in the place of
// calls, or nothing.
func (h *History) settleGaps() {
	for i := range h.gaps {
		g := &h.gaps[i]
		if g.record == nil {
			continue
		}
		filled := h.present(g.record.conversation) == nil || h.calledAt(g)
		for k := range h.turns {
			t := &h.turns[k]
			filled = filled || t.record != nil && t.placed && t.before == g.chain
		}
		if filled {
			g.record = nil
		}
	}
}

// settleConversation finds the conversation, joins the labels of all that the history points to, and collects what these know.
func (h *History) settleConversation() {
	h.New, h.seen = true, map[mark]struct{}{}
	latest := map[label.ConversationID]uint32{} // of those that records lead to, the highest ordinal of theirs
	now := time.Now()
	take := func(r *entry, key string, value func(entry) []byte) {
		latest[r.conversation] = max(latest[r.conversation], r.ordinal)
		if r.old(now, h.a.stale()) {
			renewed := *r
			renewed.at = now.Unix()
			h.refresh = append(h.refresh, &store.Put{Key: key, Value: value(renewed), Next: h.setKey(r.conversation), TTL: h.a.c.Keep})
		}
	}
	call := func(key string, r *callRecord) {
		take(&r.entry, key, func(renewed entry) []byte {
			c := *r
			c.entry = renewed
			return c.append(nil)
		})
	}
	for i, r := range h.calls {
		if r != nil && h.request.Calls[i].ID != "" {
			call(h.callKey(h.request.Calls[i].ID), r)
		} else if r != nil {
			call(h.legacyKey(r.tool, r.resolved), r)
		}
	}
	for id, r := range h.proofs {
		call(h.callKey(id), r)
		h.Label = h.Label.Join(r.label)
	}
	for i := range h.turns {
		if t := &h.turns[i]; t.record != nil {
			take(&t.record.entry, t.key, func(renewed entry) []byte {
				c := *t.record
				c.entry = renewed
				return c.append(nil)
			})
		}
	}
	for i := range h.gaps {
		if r := h.gaps[i].record; r != nil {
			latest[r.conversation] = max(latest[r.conversation], r.ordinal)
		}
	}
	h.joined()
	h.ordinal = latest[h.Conversation]
	for i := range h.turns { // references of another conversation lead nowhere
		if t := &h.turns[i]; t.record != nil && t.record.rendered && t.record.conversation != h.Conversation {
			t.record = nil
		}
	}
	h.findLast()
	for c := range h.held {
		held := h.present(c)
		_, pointed := latest[c]
		switch {
		case held == nil && h.named(c):
			h.Label = h.Label.Join(label.Label{}) // the store has forgotten: nothing is known to be clean
			continue
		case held == nil || !pointed && c != h.Conversation:
			continue
		}
		if pointed { // a beginning alone says nothing of what is owed: others begin alike
			h.pointed = append(h.pointed, c)
		}
		h.Label = h.Label.Join(held.label)
		for m := range held.stood {
			h.seen[m] = struct{}{}
		}
		h.packed = append(h.packed, held.prints...)
		if c == h.Conversation {
			h.printed = held.printed
			for _, call := range held.calls {
				h.ordinal = max(h.ordinal, call.ordinal)
			}
		}
	}
	if len(h.held) >= maxConversations {
		h.Label = h.Label.Join(label.Label{})
	}
}

// findLast finds the last thing of ours in the history.
func (h *History) findLast() {
	h.last = noTag
	message := -1
	for i, r := range h.calls {
		if m := h.request.Calls[i].Message; r != nil && m >= message {
			message, h.last = m, h.tagOf(h.request.Calls[i].ID, r)
		}
	}
	for i := range h.turns {
		if t := &h.turns[i]; t.record != nil && t.message > message {
			message, h.last = t.message, string(t.hash[:tagSize])
		}
	}
	h.lastMessage = message
}

// named tells whether the history bears an id of a conversation.
func (h *History) named(c label.ConversationID) bool {
	for i := range h.request.Calls {
		if of, ok := conversationOf(h.a.keys, h.scope, h.request.Calls[i].ID); ok && of == c {
			return true
		}
	}
	for i := range h.request.Results {
		if of, ok := conversationOf(h.a.keys, h.scope, h.request.Results[i].ID); ok && of == c {
			return true
		}
	}
	return false
}

// joined finds which conversation this is: that of the last call; else that of most of the known texts, the last if there are as many.
func (h *History) joined() {
	votes := map[label.ConversationID]int{}
	best := 0
	vote := func(r *entry, weight int) {
		votes[r.conversation] += weight
		if votes[r.conversation] >= best {
			best, h.Conversation, h.New = votes[r.conversation], r.conversation, false
		}
	}
	for i := range h.turns {
		if r := h.turns[i].record; r != nil {
			vote(&r.entry, 1)
		}
	}
	for _, r := range h.proofs {
		vote(&r.entry, len(h.turns)+1)
	}
	for i := len(h.calls) - 1; i >= 0; i-- {
		if r := h.calls[i]; r != nil {
			h.Conversation, h.New = r.conversation, false
			break
		}
	}
	for i := len(h.gaps) - 1; h.New && i >= 0; i-- {
		if r := h.gaps[i].record; r != nil {
			h.Conversation, h.New = r.conversation, false
		}
	}
	if h.New && h.derived != (label.ConversationID{}) {
		h.Conversation, h.New = h.derived, h.present(h.derived) == nil
		return
	}
	if h.New {
		h.Conversation = newConversation(h.a.keys, h.scope)
	}
}

// settleResults finds the call that each result answers: the first behind a call that bears its id.
func (h *History) settleResults() {
	r := h.request
	h.owner = make([]int, len(r.Results))
	byID := map[string]int{}
	legacy, next := -1, 0
	for i := range r.Results {
		result, o := &r.Results[i], &h.Results[i]
		for ; next < len(r.Calls) && r.Calls[next].Message < result.Message; next++ {
			if byID[r.Calls[next].ID] = next; r.Calls[next].ID == "" {
				legacy = next
			}
		}
		h.owner[i] = -1
		o.Label, o.Reason = untrusted(), ruleNoCall
		call, there := byID[result.ID]
		if result.ID == "" {
			call, there, legacy = legacy, legacy >= 0, -1
		}
		if !there || !result.Attributed { // an id of ours whose call is not there proves nothing
			continue
		}
		h.owner[i] = call
		if record := h.calls[call]; record != nil {
			o.Verified, o.Tool, o.Reason, o.Label = true, record.tool, ruleAnswers, label.Clean()
			if h.present(record.conversation).changed(h.answers(i), o.Hash) {
				o.Changed, o.Label = true, untrusted()
			}
		}
	}
	now := time.Now()
	for i := range h.Results {
		o := &h.Results[i]
		if known, ok := h.ledger[o.Hash]; ok {
			o.Known, o.Label = true, o.Label.Join(known)
		}
		o.Kept = h.kept(o.Hash, h.answers(i), now)
	}
}

// kept tells that a content was written down in this conversation, and is not due to be again.
func (h *History) kept(hash [32]byte, tag string, now time.Time) bool {
	held := h.present(h.Conversation)
	return held != nil && slices.Contains(held.done[tag], doneBy(hash[:])) && h.a.cache.get("w"+h.ledgerKey(hash), now) != nil
}

// isText tells a part that the client says is of the system or the person.
func isText(p llm.Part) bool {
	return worded(p) && p.Role != "assistant" && p.Role != "tool" && p.Role != "function"
}
