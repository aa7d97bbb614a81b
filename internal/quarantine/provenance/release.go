package provenance

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Released collects what has to be written down before something goes out to the client, for one round trip.
type Released struct {
	h       *History
	now     time.Time
	ops     []store.Op
	members map[string]struct{} // of the conversation's set
	grants  map[string]int
	called  bool
	noted   []noted
	written []func() // once everything is
	err     error
}

var errForgotten = errors.New("provenance: the request was let go before its results were noted")

// Release begins to collect.
func (h *History) Release() *Released {
	return &Released{h: h, now: time.Now(), members: map[string]struct{}{}, grants: map[string]int{}}
}

// prepare reads what a release needs of the request.
func (h *History) prepare() {
	if h.prepared || h.request == nil {
		return
	}
	h.prepared = true
	h.hashParts()
	h.behind = h.atEnd()
	if h.nameless = h.request.Nameless; h.nameless {
		h.trail = h.wholeTrail()
	}
	for i, p := range h.request.Parts {
		if o := &h.Parts[i]; isText(p) && !o.Result && o.Label.Integrity == label.Trusted {
			if m := markOf(h.hashes[i]); !slices.Contains(h.stood, m) {
				h.stood = append(h.stood, m)
			}
			if p.Kind == llm.TextPart && p.Role == "user" {
				h.asking = uint32(len(h.request.Text(p)))
			}
			h.remember(p, o)
		}
	}
	if len(h.stood) > maxStood {
		h.stood = h.stood[len(h.stood)-maxStood:]
	}
}

// remember takes samples of a prompt that did not stand there before.
func (h *History) remember(p llm.Part, o *PartOrigin) {
	if !isPrompt(p) || o.Reason == ruleStood {
		return
	}
	known := h.samplesBefore()
	if h.sampled == nil {
		h.sampled = map[uint64]struct{}{}
	}
	samples(h.request.Text(p), h.key64(), func(hash uint64) {
		if _, stood := known[hash]; !stood && len(known)+len(h.sampled) < maxSamples {
			h.sampled[hash] = struct{}{}
		}
	})
}

// maxStood is how many texts one release remembers, the last of them. Those before were remembered by earlier ones.
const maxStood = 256

// Shrink lets the request go, which may be large: of it stays what Turn and Call need, and, with words, what the person wrote for
// Arguments. Results and parts are noted before.
func (h *History) Shrink(words bool) {
	h.prepare()
	if words {
		h.keepPersonal()
	}
	h.request, h.calls, h.turns, h.gaps, h.ledger, h.hashes, h.packed, h.prints, h.Turns = nil, nil, nil, nil, nil, nil, nil, nil, nil
}

// Empty tells that there is nothing to write down.
func (r *Released) Empty() bool { return len(r.ops) == 0 && len(r.members) == 0 && len(r.noted) == 0 }

func (r *Released) record(l label.Label) entry {
	h := r.h
	h.prepare()
	held := h.present(h.Conversation)
	for _, m := range h.stood {
		if held != nil {
			if _, known := held.stood[m]; known {
				continue
			}
		}
		r.members[memberStood+string(m[:])] = struct{}{}
	}
	if h.asking > 0 && (held == nil || !slices.Contains(held.asked, h.asking)) {
		r.members[string(binary.BigEndian.AppendUint32([]byte(memberAsked), h.asking))] = struct{}{}
	}
	if h.sampled != nil {
		r.members[packPrints(memberPrompt, h.sampled, maxSamples)] = struct{}{}
	}
	ordinal := h.ordinal
	if ordinal < math.MaxUint32 {
		ordinal++
	}
	return entry{conversation: h.Conversation, ordinal: ordinal, at: r.now.Unix(), label: l}
}

// Call notes a call that is about to be released, and gives the id under which the client gets it. arguments are as the model wrote
// them, resolved as the client gets them.
func (r *Released) Call(tool, providerID string, arguments, resolved []byte, l label.Label) string {
	h := r.h
	record := r.call(tool, providerID, arguments, resolved, l)
	id := newID(h.a.keys, h.scope, record)
	r.put(h.callKey(id), record, tag(id))
	if h.nameless && providerID == "" {
		h.trail.call(h, tool, record.resolved)
		r.ops = append(r.ops, &store.Put{Key: h.trail.key(h), Value: appendName(nil, r.now, id), TTL: h.a.c.Keep})
	}
	return id
}

// Legacy notes a call in the form that has no id (function_call).
func (r *Released) Legacy(tool string, arguments, resolved []byte, l label.Label) {
	h := r.h
	record := r.call(tool, "", arguments, resolved, l)
	r.put(h.legacyKey(tool, record.resolved), record, h.tagOf("", record))
}

func (r *Released) call(tool, providerID string, arguments, resolved []byte, l label.Label) *callRecord {
	record := &callRecord{entry: r.record(l), tool: tool, providerID: providerID, arguments: slices.Clone(arguments)}
	copy(record.place[:], r.h.behind[:])
	if canonical, err := strictjson.Canonical(resolved); err == nil {
		record.resolved = r.h.a.contentHash(r.h.scope, canonical)
	}
	return record
}

func (r *Released) put(key string, record *callRecord, tag string) {
	h := r.h
	value := record.append(nil)
	r.ops = append(r.ops, &store.Put{Key: key, Value: value, Next: h.setKey(h.Conversation), TTL: h.a.c.Keep})
	if !r.called { // what stands behind the same words later, and is no call of these, is held against them
		r.called = true
		gap, here := h.gapKey(h.behind), record.entry
		r.ops = append(r.ops, &store.Put{Key: gap, Value: here.alone(), Next: h.setKey(h.Conversation), TTL: h.a.c.Keep})
		r.written = append(r.written, func() { h.a.cache.put(gap, &here, len(value), r.now.Add(h.a.stale())) })
	}
	r.members[callMember(record.ordinal, tag, h.last)] = struct{}{}
	r.written = append(r.written, func() { h.a.cache.put(key, record, len(value), r.now.Add(h.a.stale())) })
	r.Context(record.label)
}

// Turn notes a text of the model's that is about to be entry: as the client reads it, and as it goes up again when the client
// sends it back; nil is the same.
func (r *Released) Turn(text, upstream []byte, l label.Label) {
	h := r.h
	hash := h.a.contentHash(h.scope, text)
	if hash == h.a.contentHash(h.scope, nil) {
		return
	}
	record := &turnRecord{entry: r.record(l), rendered: upstream != nil, upstream: slices.Clone(upstream)}
	value := record.append(nil)
	key, set := h.turnKey(hash, h.behind[:]), h.setKey(h.Conversation) // record has read what is behind
	for _, k := range [...]string{key, h.turnKey(hash, nil)} {
		r.ops = append(r.ops, &store.Put{Key: k, Value: value, Next: set, TTL: h.a.c.Keep})
	}
	r.written = append(r.written, func() { h.a.cache.put(key, record, len(value), r.now.Add(h.a.stale())) })
	if record.rendered { // what it shows of others is under any other role what it is
		r.union(hash, len(text), l.Join(untrusted()))
	} else if l.Integrity < label.Trusted {
		r.union(hash, len(text), l)
	}
	r.Context(l)
}

// noted is a content that was treated, and the label that it has.
type noted struct {
	hash  [32]byte
	tag   string // of the call that it answers
	text  []byte
	label label.Label
}

// Result notes the i-th result of the request with the label that its content has. One that is noted like that already costs nothing.
func (r *Released) Result(i int, l label.Label) {
	h := r.h
	if h.request == nil {
		r.err = errForgotten
		return
	}
	o := &h.Results[i]
	r.note(noted{hash: o.Hash, tag: h.answers(i), label: l.Join(o.Label)}, func() []byte { return h.request.ResultText(i) })
}

// answers is the tag of the call that the i-th result is verified to answer.
func (h *History) answers(i int) string {
	if !h.Results[i].Verified {
		return noTag
	}
	id := h.request.Results[i].ID
	if call := h.owner[i]; call >= 0 && id == "" {
		return h.tagOf("", h.calls[call])
	}
	return tag(id)
}

// noTag stands for the call of what answers none.
var noTag = string(make([]byte, tagSize))

// Part notes the i-th part of the request, which was treated as a result, with the label that it has.
func (r *Released) Part(i int, l label.Label) {
	h := r.h
	if h.request == nil {
		r.err = errForgotten
		return
	}
	text := h.request.Text(h.request.Parts[i])
	hash := h.a.contentHash(h.scope, text)
	if known, ok := h.ledger[hash]; ok {
		l = l.Join(known)
	}
	r.note(noted{hash: hash, tag: noTag, label: l}, func() []byte { return text })
}

// note collects a content that was seen, unless it is written down like that.
func (r *Released) note(n noted, text func() []byte) {
	h := r.h
	known, ok := h.ledger[n.hash]
	if (ok && known.Covers(n.label) || !ok && n.label.Integrity == label.Trusted) && h.kept(n.hash, n.tag, r.now) {
		return
	}
	n.text = text()
	r.noted = append(r.noted, n)
}

// Seal makes what was noted ready to be written down: the labels in the ledger, and in the conversation what each content answered, and
// its fingerprints. It is the last that needs the request, and reads every text once.
func (r *Released) Seal() {
	h := r.h
	own := make([]map[uint64]struct{}, len(r.noted))
	all := map[uint64]struct{}{}
	for i, n := range r.noted {
		r.union(n.hash, len(n.text), n.label)
		r.members[memberOpen] = struct{}{}
		r.members[doneMember(n.tag, n.hash)] = struct{}{}
		if n.label.Integrity > label.Untrusted {
			continue
		}
		own[i] = map[uint64]struct{}{}
		winnow(n.text, h.key64(), func(hash uint64) { own[i][hash], all[hash] = struct{}{}, struct{}{} })
	}
	h.exempt(all)
	for _, prints := range own {
		for hash := range prints {
			if _, counts := all[hash]; !counts {
				delete(prints, hash)
			}
		}
		if len(prints) > 0 {
			n := room(h.printed)
			r.members[packPrints(memberPrints, prints, n)] = struct{}{}
			h.printed += min(len(prints), n)
		}
	}
	r.noted = nil
}

// union tightens the ledger's label of a content.
func (r *Released) union(hash [32]byte, size int, l label.Label) {
	h := r.h
	key := h.ledgerKey(hash)
	if size >= minLedger {
		r.ops = append(r.ops, &store.Union{Key: key, Members: membersOf(l), TTL: h.a.c.Keep})
	}
	r.written = append(r.written, func() { h.a.cache.put("w"+key, true, 1, r.now.Add(h.a.stale())) })
}

// Context notes a label of the conversation, which it keeps.
func (r *Released) Context(l label.Label) {
	for _, m := range membersOf(l) {
		r.members[m] = struct{}{}
	}
}

// Also writes something else down in the same round trip.
func (r *Released) Also(op store.Op) { r.ops = append(r.ops, op) }

// Commit writes everything down, in one round trip. Until it has, nothing of it may be released.
func (r *Released) Commit(ctx context.Context) error {
	if r.err == nil && len(r.noted) > 0 && r.h.request == nil {
		r.err = errForgotten
	}
	if r.err != nil {
		return r.err
	}
	if len(r.noted) > 0 {
		r.Seal()
	}
	if r.Empty() {
		return nil
	}
	h := r.h
	ops := append(r.ops, h.refresh...)
	if len(r.members) > 0 {
		ops = append(ops, &store.Union{Key: h.setKey(h.Conversation), Members: slices.Sorted(maps.Keys(r.members)), TTL: h.a.c.Keep})
	}
	if err := h.a.c.Store.Do(ctx, ops...); err != nil {
		return fmt.Errorf("provenance: what is about to be entry: %w", err)
	}
	for _, then := range r.written {
		then()
	}
	for _, m := range h.stood {
		h.a.cache.put(h.stoodKey(h.Conversation, m), true, 1, r.now.Add(h.a.stale()))
	}
	h.refresh = nil
	r.ops, r.written, r.members = nil, nil, map[string]struct{}{}
	return nil
}

// keepPersonal copies what the person wrote.
func (h *History) keepPersonal() {
	if h.read || h.request == nil {
		return
	}
	h.read = true
	left := maxPerson
	for i := len(h.request.Parts) - 1; i >= 0 && left > 0; i-- { // the last first
		p := h.request.Parts[i]
		if p.Kind != llm.TextPart || p.Role != "user" || h.Parts[i].Label.Integrity != label.Trusted || h.Parts[i].Result {
			continue
		}
		text := h.request.Text(p)
		text = text[:min(len(text), left)]
		h.personal = append(h.personal, string(text))
		left -= len(text)
	}
}
