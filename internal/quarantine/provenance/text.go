package provenance

import (
	"bytes"
	"math"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// owing is which calls have no result of their own, and so where one may have been put.
type owing struct {
	first int // message of the first call in the history that has none; math.MaxInt when all have one
	// open tells of one that was released behind the last thing of ours in the history, or behind other calls that were, and which the
	// client left out.
	open      bool
	beside    bool   // it was released together with one that is there
	gaps      []*gap // in which such calls stood
	shortened bool   // the client left out calls of this conversation
}

// owed finds the calls that have no result of their own.
func (h *History) owed() owing {
	o := owing{first: math.MaxInt}
	has := make([]bool, len(h.calls))
	for _, call := range h.owner {
		if call >= 0 {
			has[call] = true
		}
	}
	here, at := map[string]bool{}, map[place]bool{}
	for i := range h.calls {
		if !has[i] {
			o.first = min(o.first, h.request.Calls[i].Message)
		}
		if r := h.calls[i]; r != nil {
			here[h.tagOf(h.request.Calls[i].ID, r)] = true
			at[place{r.conversation, r.ordinal}] = true
		}
	}
	unanswered := map[place]bool{} // those places of the gaps where a call is that was not
	for i := range h.gaps {
		if r := h.gaps[i].record; r != nil {
			unanswered[place{r.conversation, r.ordinal}] = false
		}
	}
	for _, c := range h.pointed {
		held, own := h.held[c], c == h.Conversation
		for t, call := range held.calls {
			if here[t] {
				continue
			}
			o.shortened = o.shortened || own
			if held.answered(t) {
				continue
			}
			stands := place{c, call.ordinal}
			if _, gap := unanswered[stands]; gap {
				unanswered[stands] = true
			}
			o.beside = o.beside || at[stands]
			o.open = o.open || o.beside || own && held.follows(call, h.last)
		}
	}
	for i := range h.gaps {
		if g := &h.gaps[i]; g.record != nil && unanswered[place{g.record.conversation, g.record.ordinal}] {
			o.gaps = append(o.gaps, g)
		}
	}
	return o
}

// somewhere tells that a place in the history may hold the result of a call that the client left out: from where calls were released
// on, up to the next text of the model's that we know.
func (o *owing) somewhere(part int, at *progress) bool {
	for _, g := range o.gaps {
		if g.part < part && at.turn[g.record.conversation] <= g.record.ordinal {
			return true
		}
	}
	return o.open
}

// tagOf names a call within its conversation.
func (h *History) tagOf(id string, r *callRecord) string {
	if id != "" {
		return tag(id)
	}
	sum := h.a.keys.call.sum(h.scope, []byte(h.legacyKey(r.tool, r.resolved)), []byte{byte(r.ordinal >> 24), byte(r.ordinal >> 16), byte(r.ordinal >> 8), byte(r.ordinal)})
	return string(sum[:tagSize])
}

// progress is how far a walk over the history has come.
type progress struct {
	calls, results int    // looked at
	traffic        bool   // there was any
	unproven       bool   // of calls or results that are not verified
	between        bool   // an answer stands behind the last traffic
	front          bool   // nothing stands before but the application's
	asked          bool   // a text of the person's stands behind the last thing of ours
	last           place  // of the last verified call
	turn           placed // the last known texts of the model's
}

// place is where something stands in its conversation.
type place struct {
	conversation label.ConversationID
	ordinal      uint32
}

// placed is the last place in each conversation.
type placed map[label.ConversationID]uint32

// reach goes on to a verified call; not back, within a conversation.
func (at *progress) reach(r *entry) {
	if at.last.conversation != r.conversation || at.last.ordinal < r.ordinal {
		at.last = place{r.conversation, r.ordinal}
	}
}

// advance looks at the calls and results that stand before a message.
func (h *History) advance(at *progress, message int) {
	r := h.request
	for ; at.calls < len(r.Calls) && r.Calls[at.calls].Message < message; at.calls++ {
		at.traffic, at.between = true, false
		if record := h.calls[at.calls]; record == nil {
			at.unproven = true
		} else {
			at.reach(&record.entry)
		}
	}
	for ; at.results < len(r.Results) && r.Results[at.results].Message < message; at.results++ {
		at.traffic, at.between = true, false
		if !h.Results[at.results].Verified {
			at.unproven = true
		}
		if proof := h.proofs[r.Results[at.results].ID]; proof != nil {
			at.reach(&proof.entry)
		}
	}
}

// settleParts walks the parts in order.
func (h *History) settleParts() {
	known := make(map[int]*spoken, len(h.turns)) // by part
	for i := range h.turns {
		t := &h.turns[i]
		for n, part := range t.parts {
			if t.record == nil || known[part] != nil {
				continue
			}
			known[part] = t
			if t.record.rendered && n == 0 {
				if h.Turns == nil {
					h.Turns = map[int][]byte{}
				}
				h.Turns[part] = t.record.upstream
			}
		}
	}
	owes := h.owed()
	at := progress{turn: placed{}, front: true}
	if owes.open { // nothing else looks at it
		for i, p := range h.request.Parts {
			at.asked = at.asked || h.asks(p) && h.stoodThere(h.hashes[i])
		}
	}
	for i, p := range h.request.Parts {
		o := &h.Parts[i]
		switch {
		case p.Result >= 0:
			o.Label, o.Reason = label.Clean(), ruleResult // its own origin tells
		case p.Kind == llm.DescriptionPart:
			o.Label, o.Reason = label.Clean(), ruleApplication
		case p.Kind == llm.ArgumentsPart:
			// What a call that is not known was called with may be anything: also what a client resolved, under an id of its own.
			c := &h.Calls[p.Call]
			o.Label, o.Reason, o.Result = c.Label, c.Reason, !c.Verified && string(h.request.Text(p)) != "{}"
		case p.Role == "assistant":
			h.advance(&at, p.Message)
			h.settleTurn(i, p, o, known[i], &at, owes)
		default:
			h.advance(&at, p.Message)
			h.settleText(i, p, o, &at, owes)
		}
		at.front = at.front && (isPrompt(p) || p.Kind == llm.DescriptionPart)
		at.asked = at.asked || h.asks(p)
	}
}

// settleTurn decides a text that the client says a model wrote.
func (h *History) settleTurn(i int, p llm.Part, o *PartOrigin, known *spoken, at *progress, owes owing) {
	text := h.request.Text(p)
	switch {
	case known != nil:
		r := known.record
		o.Label, o.Reason = r.label, ruleKnownTurn
		if p.Kind != llm.TextPart {
			return
		}
		at.turn[r.conversation] = max(at.turn[r.conversation], r.ordinal)
		if at.traffic && r.conversation == at.last.conversation && r.ordinal > at.last.ordinal {
			at.between = true
		}
	case p.Kind == llm.NamePart && plainName(text):
		o.Label, o.Reason = label.Clean(), ruleName
	case len(bytes.TrimSpace(text)) == 0:
		o.Label, o.Reason = label.Clean(), ruleBefore
	case p.Kind == llm.ReasoningPart:
		o.Reason, o.Result = ruleReasoning, at.traffic
	case h.ledgered(p, o):
	default:
		// Examples in front of a conversation are the client's to give; the label says that nobody knows who wrote them.
		o.Reason, o.Result = ruleUnknownTurn, at.traffic || owes.somewhere(i, at) || h.carries(text)
	}
}

// ledgered tells whether the ledger knows a model's text as another's.
func (h *History) ledgered(p llm.Part, o *PartOrigin) bool {
	known, ok := h.ledger[h.a.contentHash(h.scope, h.request.Text(p))]
	if ok {
		*o = PartOrigin{Label: known.Join(untrusted()), Reason: ruleKnownContent, Result: true}
	}
	return ok
}

// asks tells a text that the client says the person wrote behind the last thing of ours.
func (h *History) asks(p llm.Part) bool {
	return p.Kind == llm.TextPart && p.Role == "user" && p.Message > h.lastMessage
}

// holds tells whether a text begins or ends with a whole one that the person asked before, and goes on: so a client writes a result
// into its question.
func (h *History) holds(text []byte) bool {
	for _, c := range h.pointed {
		for _, n := range h.held[c].asked {
			if n := int(n); len(text)-n >= minLedger && (h.stoodThere(h.a.contentHash(h.scope, text[:n])) || h.stoodThere(h.a.contentHash(h.scope, text[len(text)-n:]))) {
				return true
			}
		}
	}
	return false
}

func (h *History) stoodThere(hash [32]byte) bool {
	_, stood := h.seen[markOf(hash)]
	return stood
}

// plainName tells a name as a framework gives its agents: too little to say anything with.
func plainName(text []byte) bool {
	for _, c := range text {
		if c != '_' && c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(text) <= 32
}

// settleText decides what the client says the person or the application wrote.
func (h *History) settleText(i int, p llm.Part, o *PartOrigin, at *progress, owes owing) {
	hash := h.hashes[i]
	if h.stoodThere(hash) {
		o.Label, o.Reason = label.Clean(), ruleStood
		return
	}
	o.Label, o.Reason = label.Clean(), ruleBefore
	if p.Message < 0 {
		o.Reason = ruleApplication
	} else if at.traffic {
		o.Reason = ruleAfter
	}
	switch rule := h.mayBeResult(i, p, at, owes); {
	case h.attested && p.Role == "user":
		o.Reason = ruleAttested
	case rule != "":
		*o = PartOrigin{Reason: rule, Result: true}
		return
	}
	if known, ok := h.ledger[hash]; ok && p.Kind != llm.MediaPart {
		*o = PartOrigin{Label: known, Reason: ruleKnownContent, Result: known.Integrity < label.Trusted}
		return
	}
	if h.carries(h.request.Text(p)) {
		*o = PartOrigin{Reason: ruleContains, Result: true}
	}
}

// mayBeResult names the rule by which a new text may be a call's result, put under another role; "" when it may not.
func (h *History) mayBeResult(i int, p llm.Part, at *progress, owes owing) string {
	if owes.first < math.MaxInt {
		if p.Message > owes.first {
			return ruleOwed
		}
		return rulePut
	}
	// Prompts change, and a person writes a question anew whose answer she did not wait for; results are put behind questions.
	owes.open = owes.open && (owes.beside || !(isPrompt(p) && at.front) && (at.asked || !h.asks(p) || h.holds(h.request.Text(p))))
	switch {
	case owes.somewhere(i, at):
		return ruleElsewhere
	case at.traffic && (at.unproven || !at.between):
		return ruleTraffic
	case !at.traffic && owes.shortened && at.turn[h.Conversation] == 0 && p.Role == "user":
		return ruleShortened
	}
	return ""
}
