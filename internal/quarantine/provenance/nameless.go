package provenance

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Of some providers calls have no id, and their clients leave out the one that we give. Such a call is known by its trail: the tool and
// the arguments, as the client has them, of it and of all calls before it, the results before it, and what the person wrote before
// it. Under that its id is kept, so that from here on it is a call like any other: what is believed of it its record says, and the
// MAC in the id. Two conversations of one principal with one trail are one, as they are when a client takes an id from the one to the
// other; that proves nothing of the results, whose labels come of their content. A client that leaves out or changes
// anything before a call has a call that nobody knows.

// trail is a hash over a history up to a place.
type trail struct {
	sum            [32]byte
	texts, results int // passed so far
	calls          int
}

func (t *trail) add(h *History, kind byte, parts ...[]byte) {
	t.sum = h.a.keys.chain.sum(h.scope, append([][]byte{[]byte("trail"), t.sum[:], {kind}}, parts...)...)
}

// upTo passes what the person wrote, and the results, in messages before one.
func (t *trail) upTo(h *History, message int) {
	r := h.request
	for ; t.texts < len(r.Parts); t.texts++ {
		p := &r.Parts[t.texts]
		if p.Message >= message {
			break
		}
		if p.Role == "user" && p.Kind == llm.TextPart && p.Message >= 0 {
			t.add(h, 'u', h.hashes[t.texts][:])
		}
	}
	for ; t.results < len(r.Results) && r.Results[t.results].Message < message; t.results++ {
		t.add(h, 'r', h.Results[t.results].Hash[:])
	}
}

// call passes a call, by its tool and the hash of its arguments as the client has them.
func (t *trail) call(h *History, tool string, resolved [32]byte) {
	t.add(h, 'c', []byte(tool), resolved[:])
}

// next passes the next call of the history, and what stands before it.
func (t *trail) next(h *History) {
	c := &h.request.Calls[t.calls]
	t.upTo(h, c.Message)
	var resolved [32]byte
	if canonical, err := strictjson.Canonical(h.request.CallArguments(t.calls)); err == nil {
		resolved = h.a.contentHash(h.scope, canonical)
	}
	t.call(h, c.Tool, resolved)
	t.calls++
}

// key is that of the id of the call that was passed last.
func (t *trail) key(h *History) string {
	sum := h.a.keys.call.sum(h.scope, []byte("nameless"), t.sum[:])
	return h.key("n:", sum[:])
}

// wholeTrail is the trail of all of a request; its parts and results are hashed.
func (h *History) wholeTrail() trail {
	var t trail
	for t.calls < len(h.request.Calls) {
		t.next(h)
	}
	t.upTo(h, math.MaxInt)
	return t
}

// name gives the calls of a history that have come back without their ids those ids, and the results that answer them. It costs a round
// trip when there are such calls, and nothing when there are none.
func (h *History) name(ctx context.Context) error {
	r := h.request
	if !r.Nameless {
		return nil
	}
	missing := false
	for i := range r.Calls {
		missing = missing || r.Calls[i].ID == ""
	}
	if !missing {
		return nil
	}
	h.hashParts()
	h.hashResults()
	gets := make([]*store.Get, len(r.Calls))
	var ops []store.Op
	var t trail
	for i := range r.Calls {
		if t.next(h); r.Calls[i].ID == "" {
			gets[i] = &store.Get{Key: t.key(h)}
			ops = append(ops, gets[i])
		}
	}
	if err := h.a.c.Store.Do(ctx, ops...); err != nil {
		return err
	}
	now := time.Now()
	for i, get := range gets {
		if get == nil || !get.Found {
			continue
		}
		written, id, ok := readName(get.Value)
		if !ok {
			continue
		}
		if r.Calls[i].ID = id; now.Sub(written) > h.a.stale() {
			h.refresh = append(h.refresh, &store.Put{Key: get.Key, Value: appendName(nil, now, id), TTL: h.a.c.Keep})
		}
	}
	for i := range r.Results {
		if result := &r.Results[i]; result.ID == "" && result.Call > 0 {
			result.ID = r.Calls[result.Call-1].ID
		}
	}
	return nil
}

// versionName is the first byte of what is kept under a trail.
const versionName = 0x51

// appendName writes when an id was kept, and the id.
func appendName(dst []byte, at time.Time, id string) []byte {
	dst = binary.AppendUvarint(append(dst, versionName), uint64(max(at.Unix(), 0)))
	return appendBytes(dst, []byte(id))
}

// readName reads what appendName wrote, of an id in our form.
func readName(b []byte) (at time.Time, id string, ok bool) {
	if len(b) == 0 || b[0] != versionName {
		return time.Time{}, "", false
	}
	in := reader{b: b[1:]}
	seconds := in.number()
	id = string(in.bytes())
	_, ours := rawID(id)
	return time.Unix(int64(min(seconds, 1<<62)), 0), id, ours && !in.fail && len(in.b) == 0
}
