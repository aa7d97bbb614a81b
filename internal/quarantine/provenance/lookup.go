package provenance

import (
	"context"
	"fmt"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Bounds of what one history may ask for.
const (
	// maxConversations is how many conversations one history may point to; the labels of more are not known.
	maxConversations = 16
	// maxFollow is how many of its last texts lead to the set of their conversation by themselves. Of the others that set is known
	// when an id or one of these names it.
	maxFollow = 16
	// minLedger is how short a content is that the ledger does not know by its words: "ok" is nobody's.
	minLedger = 32
)

// Begin looks at what a request carries. It asks nobody, and of a request that begins a conversation it reads nothing.
func (a *Analyzer) Begin(scope label.Scope, r *llm.Request) *History {
	h := &History{
		a: a, scope: scope, request: r, last: noTag, fresh: len(r.Calls)+len(r.Results) == 0,
		Parts: make([]PartOrigin, len(r.Parts)), Results: make([]ResultOrigin, len(r.Results)), Calls: make([]CallOrigin, len(r.Calls)),
	}
	for i := range r.Parts {
		switch r.Parts[i].Role {
		case "system", "developer", "user", "":
		default:
			h.fresh = false
		}
	}
	h.older = !h.fresh
	return h
}

// Lookup asks the store, once, and decides. A request with one text of the person's, no assistant's turn and no tool traffic asks
// nothing. With an error nothing is known, and nothing is to be believed.
func (h *History) Lookup(ctx context.Context) error {
	if h.fresh && !h.continues() {
		h.begin()
		return nil
	}
	if err := h.name(ctx); err != nil {
		return fmt.Errorf("provenance: which calls these are: %w", err)
	}
	h.hash()
	if err := h.ask(ctx); err != nil {
		return fmt.Errorf("provenance: what is known of the conversation: %w", err)
	}
	h.settle()
	return nil
}

// Forget decides as if the store knew nothing, since it did not answer.
func (h *History) Forget() {
	if h.fresh {
		h.begin()
		return
	}
	h.calls, h.proofs, h.held, h.ledger = make([]*callRecord, len(h.request.Calls)), nil, nil, nil
	for i := range h.turns {
		h.turns[i].record = nil
	}
	for i := range h.gaps {
		h.gaps[i].record = nil
	}
	h.settle()
	h.Label = label.Label{}
}

// continues tells whether a request with no assistant's turn may leave one out: there are several texts of the person's, and tools.
// Calls may have been released behind a text that is not the last.
func (h *History) continues() bool {
	texts := 0
	for i := range h.request.Parts {
		if p := &h.request.Parts[i]; p.Kind == llm.TextPart && p.Role == "user" && p.Message >= 0 {
			texts++
		}
	}
	h.fresh = texts < 2 || len(h.request.Tools) == 0
	return !h.fresh
}

// beginning is the conversation of a history that nothing of ours ties to one: whose ids a client makes anew, or which began
// elsewhere. It follows from how the history begins, so that the same one is the same conversation each time: with the same bytes,
// the same label and one budget. Two that begin alike are one; that loosens nothing.
func (h *History) beginning() label.ConversationID {
	r := h.request
	last := r.Messages
	for i := range r.Calls {
		last = min(last, r.Calls[i].Message)
	}
	for i := range r.Results {
		last = min(last, r.Results[i].Message)
	}
	var parts [][]byte
	for _, p := range r.Parts {
		if p.Role == "assistant" {
			last = min(last, p.Message)
		}
		if p.Message > last {
			break
		}
		if p.Message >= 0 {
			parts = append(parts, []byte(p.Role), r.Text(p))
		}
	}
	sum := h.a.keys.beginning.sum(h.scope, parts...)
	return complete(h.a.keys, h.scope, sum[:halfSize])
}

// begin is the outcome of a request that begins a conversation: what the application and the person wrote.
func (h *History) begin() {
	h.New, h.Conversation, h.Label = true, newConversation(h.a.keys, h.scope), label.Clean()
	for i := range h.Parts {
		h.Parts[i] = PartOrigin{Label: label.Clean(), Reason: ruleBefore}
	}
}

// asks collects one batch, and what to do with each answer.
type asks struct {
	h      *History
	now    time.Time
	ops    []store.Op
	then   []func()
	follow int
	sets   map[label.ConversationID]*store.Members
	asked  map[[32]byte]*store.Members
}

// ask reads everything that the history can point to, in one batch.
func (h *History) ask(ctx context.Context) error {
	a := &asks{
		h: h, now: time.Now(), sets: map[label.ConversationID]*store.Members{}, asked: map[[32]byte]*store.Members{},
	}
	h.calls = make([]*callRecord, len(h.request.Calls))
	h.proofs = map[string]*callRecord{}
	h.held = map[label.ConversationID]*conversation{}
	h.ledger = map[[32]byte]label.Label{}
	a.allCalls()
	for i := range h.gaps {
		a.gap(&h.gaps[i])
	}
	for i := len(h.turns) - 1; i >= 0; i-- { // the last lead to the conversation
		a.turn(&h.turns[i])
	}
	if len(a.sets) == 0 && h.older {
		h.derived = h.beginning()
		a.set(h.derived)
	}
	for i := range h.Results {
		a.content(h.Results[i].Hash, h.request.Results[i].Bytes)
	}
	for i, p := range h.request.Parts {
		if isText(p) {
			a.text(h.hashes[i], p.Span.Len())
		}
	}
	for i := range h.turns {
		if t := &h.turns[i]; t.record == nil && len(t.parts) == 1 {
			a.content(t.hash, h.request.Parts[t.parts[0]].Span.Len())
		}
	}
	if len(a.ops) == 0 {
		return nil
	}
	if err := h.a.c.Store.Do(ctx, a.ops...); err != nil {
		return err
	}
	for _, then := range a.then {
		then()
	}
	for c, op := range a.sets {
		if h.held[c] = readMembers(op.Members); !op.Found {
			h.held[c] = &conversation{missing: true}
		}
	}
	for hash, op := range a.asked {
		if op.Found {
			h.ledger[hash] = labelOf(op.Members)
		}
	}
	return nil
}

// text asks about a text of the system or the person, unless it is known that it stood there: then the answer would not count. Should
// the store have forgotten that, the text is not believed.
func (a *asks) text(hash [32]byte, size int) {
	h := a.h
	for c := range a.sets {
		if h.a.cache.get(h.stoodKey(c, markOf(hash)), a.now) != nil {
			h.ledger[hash] = label.Label{}
			return
		}
	}
	a.content(hash, size)
}

func (a *asks) add(op store.Op, then func()) {
	a.ops = append(a.ops, op)
	if then != nil {
		a.then = append(a.then, then)
	}
}

// set asks for a conversation's set.
func (a *asks) set(c label.ConversationID) {
	if a.sets[c] == nil && len(a.sets) < maxConversations {
		a.sets[c] = &store.Members{Key: a.h.setKey(c)}
		a.add(a.sets[c], nil)
	}
}

// content asks what the ledger knows of a content.
func (a *asks) content(hash [32]byte, size int) {
	if a.asked[hash] == nil && size >= minLedger {
		a.asked[hash] = &store.Members{Key: a.h.ledgerKey(hash)}
		a.add(a.asked[hash], nil)
	}
}

// allCalls asks for the records of all calls, of those too whose results alone are left.
func (a *asks) allCalls() {
	h := a.h
	there := map[string]bool{}
	for i := range h.request.Calls {
		c := &h.request.Calls[i]
		if c.ID == "" {
			a.legacy(i)
			continue
		}
		there[c.ID] = true
		a.call(c.ID, func(r *callRecord) { h.calls[i] = r })
	}
	for i := range h.request.Results {
		if id := h.request.Results[i].ID; !there[id] {
			there[id] = true
			a.call(id, func(r *callRecord) { h.proofs[id] = r })
		}
	}
}

func (a *asks) call(id string, found func(*callRecord)) {
	h := a.h
	conversation, ok := conversationOf(h.a.keys, h.scope, id)
	if !ok {
		return
	}
	a.set(conversation)
	key := h.callKey(id)
	if r, ok := h.a.cache.get(key, a.now).(*callRecord); ok {
		found(r)
		return
	}
	get := &store.Get{Key: key}
	a.add(get, func() {
		if r := readCall(get.Value); get.Found && r != nil && r.conversation == conversation {
			h.a.cache.put(key, r, len(get.Value), a.now.Add(h.a.stale()))
			found(r)
		}
	})
}

// legacy asks for a call without an id.
func (a *asks) legacy(i int) {
	h := a.h
	canonical, err := strictjson.Canonical(h.request.CallArguments(i))
	if err != nil {
		return
	}
	get := &store.Get{Key: h.legacyKey(h.request.Calls[i].Tool, h.a.contentHash(h.scope, canonical)), Follow: true}
	a.add(get, func() {
		if r := readCall(get.Value); get.Found && r != nil {
			h.calls[i] = r
			a.followed(get, r.conversation)
		}
	})
}

func (a *asks) turn(t *spoken) {
	h := a.h
	if r, ok := h.a.cache.get(t.key, a.now).(*turnRecord); ok {
		t.record, t.placed = r, true
		a.set(r.conversation)
		return
	}
	for _, key := range [...]string{t.key, t.loose} {
		get := &store.Get{Key: key, Follow: a.follow < maxFollow}
		a.add(get, func() {
			r := readTurn(get.Value)
			if !get.Found || r == nil {
				return
			}
			a.followed(get, r.conversation)
			if t.record == nil {
				t.record, t.placed = r, key == t.key
				if t.placed {
					h.a.cache.put(key, r, len(get.Value), a.now.Add(h.a.stale()))
				}
			}
		})
	}
	a.follow++
}

// gap asks whether calls were released behind a text of the person's, unless an answer of ours is known to stand there.
func (a *asks) gap(g *gap) {
	h := a.h
	if !g.followed && g.message == h.request.Messages-1 {
		return
	}
	for i := range h.turns {
		if t := &h.turns[i]; t.before == g.chain && h.a.cache.get(t.key, a.now) != nil {
			return
		}
	}
	if h.calledAt(g) {
		return
	}
	get := &store.Get{Key: h.gapKey(g.chain), Follow: true}
	a.add(get, func() {
		if r := readEntry(get.Value); get.Found && r != nil {
			g.record = r
			a.followed(get, r.conversation)
		}
	})
}

// calledAt tells whether a call stands in a gap that was released there.
func (h *History) calledAt(g *gap) bool {
	for k, r := range h.calls {
		if m := h.request.Calls[k].Message; r != nil && r.place == [8]byte(g.chain[:8]) && m > g.message && m <= g.until {
			return true
		}
	}
	return false
}

// followed takes the set of a conversation that a record led to.
func (a *asks) followed(get *store.Get, c label.ConversationID) {
	if !get.Follow || a.sets[c] != nil || a.h.held[c] != nil || len(a.h.held) >= maxConversations {
		return
	}
	if a.h.held[c] = readMembers(get.Members); get.Members == nil {
		a.h.held[c] = &conversation{missing: true}
	}
}
