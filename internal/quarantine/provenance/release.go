package provenance

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Released collects what has to be written down before something goes out to the client, for one round trip.
type Released struct {
	h       *History
	ops     []store.Op
	members map[string]struct{}
	grants  map[string]int
	owing   bool // that the request is answered by a call is noted
	noted   []noted
}

// Release begins to collect.
func (h *History) Release() *Released {
	return &Released{h: h, members: map[string]struct{}{}, grants: map[string]int{}}
}

// Empty tells that there is nothing to write down.
func (r *Released) Empty() bool { return len(r.ops) == 0 && len(r.members) == 0 && len(r.noted) == 0 }

// Call notes a call that is about to be released, and gives the id under which the client gets it. arguments are as the model wrote
// them, resolved as the client gets them.
func (r *Released) Call(tool, providerID string, arguments, resolved []byte, l label.Label) string {
	h := r.h
	record := &callRecord{tool: tool, providerID: providerID, arguments: arguments, label: l}
	if canonical, err := strictjson.Canonical(resolved); err == nil {
		record.resolved = h.a.contentHash(h.scope, canonical)
	}
	id := newID(h.a.keys, h.scope, h.Conversation, tool, arguments, l)
	r.ops = append(r.ops, &store.Put{Key: h.callKey(id), Value: record.append(nil), TTL: h.a.c.Keep})
	r.Context(l)
	r.owes(l)
	return id
}

// Turn notes a text of the model's that is about to be released: as the client reads it, and as it goes up again when the client
// sends it back; nil is the same.
func (r *Released) Turn(text, upstream []byte, l label.Label) {
	h := r.h
	hash := h.a.contentHash(h.scope, text)
	if hash == h.a.contentHash(h.scope, nil) {
		return
	}
	record := &contentRecord{kind: kindTurn, conversation: h.Conversation, label: l, upstream: upstream}
	r.ops = append(r.ops, &store.Put{Key: h.contentKey(hash), Value: record.append(nil), Next: h.setKey(h.Conversation), TTL: h.a.c.Keep})
	r.Context(l)
}

// noted is a content that was treated, and its label.
type noted struct {
	hash    [32]byte
	text    []byte
	message int
	label   label.Label
	turn    *contentRecord // it is a turn of the model's too
}

// Result notes the i-th result of the request with the label that it has. One that the ledger knows like that already costs nothing.
func (r *Released) Result(i int, l label.Label) {
	h := r.h
	o := &h.Results[i]
	l = l.Join(o.Label)
	if o.Known && o.Label.Covers(l) {
		return
	}
	n := noted{hash: o.Hash, text: h.request.ResultText(i), message: h.request.Results[i].Message, label: l}
	if known := h.found.contents[o.Hash]; known != nil && known.kind == kindTurn {
		n.turn = known
	}
	r.noted = append(r.noted, n)
}

// Part notes the i-th part of the request, which was treated as a result, with the label that it has.
func (r *Released) Part(i int, l label.Label) {
	h := r.h
	p := h.request.Parts[i]
	text := h.request.Text(p)
	r.noted = append(r.noted, noted{hash: h.a.contentHash(h.scope, text), text: text, message: p.Message, label: l})
}

// Seal makes what was noted ready to be written down; it is the last that needs the request.
func (r *Released) Seal() {
	h := r.h
	var untrusted []noted
	for _, n := range r.noted {
		r.members[memberOpen] = struct{}{}
		if isShort(n.text) { // it names nothing: whoever says it says it for himself
			continue
		}
		record := &contentRecord{kind: kindResult, conversation: h.Conversation, label: n.label}
		if n.turn != nil { // what the model said and a tool said after it is still what the model said
			record.kind, record.upstream, record.conversation = kindTurn, n.turn.upstream, n.turn.conversation
		}
		put := &store.Put{Key: h.contentKey(n.hash), Value: record.append(nil), TTL: h.a.c.Keep}
		if n.turn != nil {
			put.Next = h.setKey(record.conversation)
		}
		r.ops = append(r.ops, put)
		if n.label.Integrity == label.Untrusted {
			untrusted = append(untrusted, n)
		}
	}
	for _, prints := range h.printsOf(untrusted) {
		if len(prints) > 0 {
			r.members[packPrints(prints)] = struct{}{}
		}
	}
	r.noted = nil
}

// shortContent is the length below which a content says nothing of who wrote it.
const shortContent = windowSize

func isShort(text []byte) bool { return len(bytes.TrimSpace(text)) < shortContent }

// Context notes a label of the conversation, which it keeps.
func (r *Released) Context(l label.Label) {
	for _, m := range membersOf(l) {
		r.members[m] = struct{}{}
	}
}

// Grant notes that a call was released, so that it may be run, once, by who gets it: the arguments are as the client gets them.
func (r *Released) Grant(tool string, arguments []byte, l label.Label) error {
	canonical, err := strictjson.Canonical(arguments)
	if err != nil {
		return fmt.Errorf("provenance: arguments of a grant: %w", err)
	}
	key := r.h.a.grantKey(r.h.scope, tool, canonical)
	n := r.grants[key]
	r.grants[key]++
	value := append(append([]byte{recordVersion}, r.h.Conversation[:]...), appendLabel(nil, l)...)
	r.ops = append(r.ops, &store.Put{Key: fmt.Sprintf("%s:%d", key, n), Value: value, TTL: r.h.a.c.Grant})
	return nil
}

func (a *Analyzer) grantKey(s label.Scope, tool string, canonical []byte) string {
	sum := a.keys.grant.sum([]byte(s.Tenant), []byte(s.Principal), []byte(tool), canonical)
	return a.c.Keys.Slot(s) + "g:" + hex.EncodeToString(sum[:16])
}

// maxGrants is how many like calls of one answer are told apart.
const maxGrants = 8

// Grant is a grant that was taken.
type Grant struct {
	Conversation label.ConversationID
	Label        label.Label
}

// TakeGrant takes a grant for a call of a principal: of all who take it, one gets it. Nil is none.
func (a *Analyzer) TakeGrant(ctx context.Context, s label.Scope, tool string, arguments []byte) (*Grant, error) {
	canonical, err := strictjson.Canonical(arguments)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // what is no JSON was never granted
	}
	key := a.grantKey(s, tool, canonical)
	for n := range maxGrants {
		take := &store.Take{Key: fmt.Sprintf("%s:%d", key, n)}
		if err := a.c.Store.Do(ctx, take); err != nil {
			return nil, err
		}
		if take.Found && len(take.Value) > 17 && take.Value[0] == recordVersion {
			g := &Grant{}
			rest := take.Value[1:]
			rest = rest[copy(g.Conversation[:], rest):]
			if l, _, ok := cutLabel(rest); ok {
				g.Label = l
			}
			return g, nil
		}
	}
	return nil, nil //nolint:nilnil // no grant is no error
}

// Commit writes everything down, in one round trip. Until it has, nothing of it may be released.
func (r *Released) Commit(ctx context.Context) error {
	if len(r.noted) > 0 {
		r.Seal()
	}
	if r.Empty() {
		return nil
	}
	ops := r.ops
	if len(r.members) > 0 {
		ops = append(ops, &store.Union{Key: r.h.setKey(r.h.Conversation), Members: slices.Sorted(maps.Keys(r.members)), TTL: r.h.a.c.Keep})
	}
	if err := r.h.a.c.Store.Do(ctx, ops...); err != nil {
		return err
	}
	r.ops, r.members = nil, map[string]struct{}{}
	return nil
}

// Also writes something else down in the same round trip.
func (r *Released) Also(op store.Op) { r.ops = append(r.ops, op) }
