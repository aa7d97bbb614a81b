// Package provenance says, of every piece of a conversation that a client sends, where it comes from and how far it may be
// believed. The history is the client's word, and nothing in it is believed because of its role.
//
// What we know is what we wrote down. When a tool call or a text of the model's is released to the client, a record of it is kept
// (release.go): of a call under the id that the client is given, which is signed (id.go); of a text under the hash of its words. A
// result that was seen has its label in the same ledger (record.go). Lookup reads, in one round trip, all records that a history
// can point to, and settle (settle.go) then walks it:
//
//   - A call is verified when its id is ours, its record is there, and it is a call of that tool. Its provider's id and its
//     arguments as the model wrote them go back up; the client sends them resolved.
//   - A result is verified when it answers a verified call, and is the only one that does.
//   - Text of the system and of the person is trusted up to the first tool traffic. After it, only when every call up to there has
//     its own result and a text of the model's that we know stands between: otherwise it stands where a result is owed, and is one.
//   - Text of a model that we do not know is untrusted; after tool traffic it is treated as a result of an unknown tool.
//   - Whatever the ledger knows has the label that it had, under any role; whatever contains a piece of untrusted content
//     (fingerprint.go) is a result too.
//
// The label of a conversation is in the store as a set that only grows. A set that is missing although a record points to it is the
// worst label: a store that has forgotten loosens nothing. A store that is away is an error, and the walk withholds.
//
// arguments.go tells which arguments of a call are the person's own words.
package provenance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Config is what an Analyzer works with.
type Config struct {
	Store store.Store
	Keys  *store.Keys
	Keep  time.Duration // how long what is written down is kept; default 24 h
	Grant time.Duration // how long a grant is good; default 10 min
}

// Analyzer analyzes histories; it is safe for concurrent use.
type Analyzer struct {
	c    Config
	keys keys
}

// New makes an analyzer.
func New(c Config) (*Analyzer, error) {
	if c.Store == nil || c.Keys == nil {
		return nil, errors.New("provenance: a store and its keys are needed")
	}
	if c.Keep == 0 {
		c.Keep = 24 * time.Hour
	}
	if c.Grant == 0 {
		c.Grant = 10 * time.Minute
	}
	return &Analyzer{c: c, keys: newKeys(c.Keys)}, nil
}

// PartOrigin says where a part comes from.
type PartOrigin struct {
	Label  label.Label
	Result bool   // it is to be treated as a result of an unknown tool, whatever its role
	Reason string // the rule that decided
}

// ResultOrigin says where a result comes from.
type ResultOrigin struct {
	Tool     string // whose call it answers; "" when that is not proven
	Verified bool
	Known    bool        // the ledger has seen this content
	Kept     bool        // and what goes with it was written down, in this conversation
	Label    label.Label // what is known of the content from before; label.Clean when nothing is
	Hash     [32]byte    // of the content, for this principal alone
	Reason   string
}

// CallOrigin says where a call of the history comes from.
type CallOrigin struct {
	Verified   bool
	ProviderID string
	Arguments  []byte // as the model wrote them; nil when they are not known
	Label      label.Label
	Reason     string
}

// History is the analysis of one request. It is for one goroutine.
type History struct {
	Conversation label.ConversationID
	New          bool        // nothing ties the request to an earlier one
	Label        label.Label // of everything but the results, joined with what the store holds
	Parts        []PartOrigin
	Results      []ResultOrigin
	Calls        []CallOrigin
	Turns        map[int][]byte // text parts that go up in another form, with references, by the part's index

	a       *Analyzer
	scope   label.Scope
	slot    string
	request *llm.Request
	first   int // message of the first tool traffic; the number of messages when there is none
	found   found
	derived label.ConversationID // of a history that nothing of ours ties to one
	prints  map[uint64]struct{}  // of untrusted content of this conversation, from before
	person  *words
	links   []link   // how the request begins, where that may tell
	said    [32]byte // all of what it says
}

// found is what the store knows, by what it was asked for.
type found struct {
	calls    map[string]*callRecord // by id
	contents map[[32]byte]*contentRecord
	sets     map[label.ConversationID][]string
	pointed  map[label.ConversationID]bool
	owed     map[int]*contentRecord // by the message that ends what was answered by calls
}

// Begin hashes what a request carries. It asks nobody.
func (a *Analyzer) Begin(scope label.Scope, r *llm.Request) *History {
	h := &History{
		a: a, scope: scope, request: r, slot: a.c.Keys.Slot(scope), Label: label.Clean(), first: r.Messages,
		Parts: make([]PartOrigin, len(r.Parts)), Results: make([]ResultOrigin, len(r.Results)), Calls: make([]CallOrigin, len(r.Calls)),
	}
	for i := range r.Calls {
		h.first = min(h.first, r.Calls[i].Message)
	}
	for i := range r.Results {
		h.first = min(h.first, r.Results[i].Message)
		h.Results[i].Hash = a.contentHash(scope, r.ResultText(i))
	}
	h.links = h.owing()
	return h
}

// older tells that the request carries something from before: a model's turn, or tool traffic.
func (h *History) older() bool {
	if h.first < h.request.Messages {
		return true
	}
	for _, p := range h.request.Parts {
		if p.Role == "assistant" {
			return true
		}
	}
	return false
}

// Lookup asks the store, once, and decides. A request with one text of the person's and nothing from before asks nothing.
func (h *History) Lookup(ctx context.Context) error {
	if h.older() || len(h.links) > 0 {
		if err := h.ask(ctx); err != nil {
			return err
		}
	}
	h.settle()
	return nil
}

// ask reads everything that the history can point to, in one batch.
func (h *History) ask(ctx context.Context) error {
	r := h.request
	var ops []store.Op
	type callOp struct {
		id  string
		get *store.Get
	}
	type contentOp struct {
		hash [32]byte
		get  *store.Get
	}
	var calls []callOp
	var contents []contentOp
	sets := map[label.ConversationID]*store.Members{}
	seen := map[string]bool{}
	for i := range r.Calls {
		id := r.Calls[i].ID
		conversation, ok := conversationOf(h.a.keys, h.scope, id)
		if !ok || seen[id] {
			continue
		}
		seen[id] = true
		calls = append(calls, callOp{id, &store.Get{Key: h.callKey(id)}})
		ops = append(ops, calls[len(calls)-1].get)
		if sets[conversation] == nil && len(sets) < maxConversations {
			sets[conversation] = &store.Members{Key: h.setKey(conversation)}
			ops = append(ops, sets[conversation])
		}
	}
	tied := len(sets) > 0
	if !tied && h.older() {
		h.derived = h.beginning()
		sets[h.derived] = &store.Members{Key: h.setKey(h.derived)}
		ops = append(ops, sets[h.derived])
	}
	last := -1 // the last text of an assistant's, which leads to the conversation when no call does
	for i, p := range r.Parts {
		if p.Kind == llm.TextPart && p.Role == "assistant" {
			last = i
		}
	}
	asked := map[[32]byte]bool{}
	add := func(hash [32]byte, follow bool) {
		if asked[hash] {
			return
		}
		asked[hash] = true
		get := &store.Get{Key: h.contentKey(hash), Follow: follow}
		contents = append(contents, contentOp{hash, get})
		ops = append(ops, get)
	}
	if last >= 0 {
		add(h.a.contentHash(h.scope, r.Text(r.Parts[last])), !tied)
	}
	for _, p := range r.Parts {
		if h.ledgered(p) {
			add(h.a.contentHash(h.scope, r.Text(p)), false)
		}
	}
	for i := range h.Results {
		add(h.Results[i].Hash, false)
	}
	owed := make([]*store.Get, len(h.links))
	for i, l := range h.links {
		owed[i] = &store.Get{Key: h.owedKey(l.hash), Follow: true}
		ops = append(ops, owed[i])
	}
	if len(ops) == 0 {
		return nil
	}
	if err := h.a.c.Store.Do(ctx, ops...); err != nil {
		return err
	}
	h.found = found{
		calls: map[string]*callRecord{}, contents: map[[32]byte]*contentRecord{},
		sets: map[label.ConversationID][]string{}, pointed: map[label.ConversationID]bool{}, owed: map[int]*contentRecord{},
	}
	for i, get := range owed {
		record := readContent(get.Value)
		if !get.Found || record == nil || record.kind != kindOwed {
			continue
		}
		h.found.owed[h.links[i].message] = record
		h.found.pointed[record.conversation] = true
		if get.Members != nil {
			h.found.sets[record.conversation] = get.Members
		}
	}
	for _, c := range calls {
		if c.get.Found {
			h.found.calls[c.id] = readCall(c.get.Value)
		}
	}
	for conversation, s := range sets {
		h.found.pointed[conversation] = conversation != h.derived || s.Found
		if s.Found {
			h.found.sets[conversation] = s.Members
		}
	}
	for _, c := range contents {
		record := readContent(c.get.Value)
		if !c.get.Found || record == nil {
			continue
		}
		h.found.contents[c.hash] = record
		if c.get.Follow && c.get.Next != "" {
			h.found.pointed[record.conversation] = true
			if c.get.Members != nil {
				h.found.sets[record.conversation] = c.get.Members
			}
		}
	}
	if tied || last < 0 && len(h.found.contents) == 0 {
		return nil
	}
	if last >= 0 {
		if said := h.contentOf(r.Parts[last]); said != nil && said.kind == kindTurn {
			return nil
		}
	}
	return h.askMore(ctx)
}

// askMore reads the sets of the conversations that what is known belongs to, when neither a call nor the last text of the model's
// leads to one: a client has changed that much of its history that it pays for a second round trip.
func (h *History) askMore(ctx context.Context) error {
	sets := map[label.ConversationID]*store.Members{}
	var ops []store.Op
	for _, record := range h.found.contents {
		if c := record.conversation; sets[c] == nil && !h.found.pointed[c] && len(sets) < maxConversations {
			sets[c] = &store.Members{Key: h.setKey(c)}
			ops = append(ops, sets[c])
		}
	}
	if len(ops) == 0 {
		return nil
	}
	if err := h.a.c.Store.Do(ctx, ops...); err != nil {
		return err
	}
	for c, s := range sets {
		h.found.pointed[c] = true
		if s.Found {
			h.found.sets[c] = s.Members
		}
	}
	return nil
}

// maxConversations is how many conversations one history may point to; the labels of more are not known.
const maxConversations = 8

// ledgered tells which parts are looked up by their content: what a model said, and what is long enough to be content of a tool's.
func (h *History) ledgered(p llm.Part) bool {
	switch p.Kind {
	case llm.TextPart, llm.NamePart:
		// Also what stands before all tool traffic: a client may leave the calls out, and call their results something else.
		return p.Role == "assistant" || p.Result < 0 && !isShort(h.request.Text(p))
	case llm.ReasoningPart:
		return true
	}
	return false
}

// newConversation makes the id of a conversation: eight random bytes, and eight that follow from them and the principal, so that
// half of it in a call's id is enough to have all of it.
func (h *History) newConversation() label.ConversationID {
	var c label.ConversationID
	_, _ = rand.Read(c[:8]) // never fails
	return complete(h.a.keys, h.scope, c)
}

// beginning is the conversation of a history that nothing of ours ties to one: whose ids a client makes anew, or which began
// elsewhere. It follows from how the history begins, so that the same one is the same conversation each time: with the same bytes,
// the same label and one budget. Two that begin alike are one; that loosens nothing.
func (h *History) beginning() label.ConversationID {
	parts := [][]byte{[]byte(h.scope.Tenant), []byte(h.scope.Principal)}
	last := h.first
	for _, p := range h.request.Parts {
		if p.Role == "assistant" {
			last = min(last, p.Message)
			break
		}
	}
	for _, p := range h.request.Parts {
		if p.Message > last {
			break
		}
		if p.Message >= 0 {
			parts = append(parts, []byte(p.Role), h.request.Text(p))
		}
	}
	sum := h.a.keys.beginning.sum(parts...)
	var c label.ConversationID
	copy(c[:8], sum[:])
	return complete(h.a.keys, h.scope, c)
}

func (h *History) callKey(id string) string {
	mac := h.a.keys.call.sum([]byte(h.scope.Tenant), []byte(h.scope.Principal), []byte(id))
	return h.slot + "c:" + hex.EncodeToString(mac[:16])
}

func (h *History) contentKey(hash [32]byte) string { return contentKey(h.slot, hash) }

func contentKey(slot string, hash [32]byte) string {
	return slot + "t:" + hex.EncodeToString(hash[:16])
}

func (h *History) setKey(c label.ConversationID) string {
	return h.slot + "l:" + hex.EncodeToString(c[:])
}

// Forget decides as if the store knew nothing, since it did not answer.
func (h *History) Forget() {
	h.found = found{}
	h.settle()
}
