package provenance

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Some frameworks leave calls and results out of the history and write what a tool returned as the person's words. Nothing in such
// a request points to the call that was released. So what a request says is remembered, by its hash, when a call is released in
// answer to it: when a later request begins with the same words and has no tool traffic, what follows them stands where that call
// still owes its result, up to the next text of the model's that we know.

// link is how a request begins, up to and including a text.
type link struct {
	message int
	hash    [32]byte
	person  bool // there is a text of the person's in it
}

// maxLinks is how many beginnings of one request are looked for, from the last one back.
const maxLinks = 32

// ends is how much of a text is hashed at each of its ends, besides its length: who would evade this could as well say the content
// in the first place, and a long prompt is sent again and again.
const ends = 1 << 10

// chain hashes how a request begins, text by text.
func (h *History) chain() []link {
	var out []link
	var last [32]byte
	person := false
	for _, p := range h.request.Parts {
		if p.Kind != llm.TextPart || p.Message < 0 || p.Result >= 0 {
			continue
		}
		text := h.request.Text(p)
		size := binary.BigEndian.AppendUint64(nil, uint64(len(text)))
		last = h.a.keys.beginning.sum([]byte("chain"), []byte(h.scope.Tenant), []byte(h.scope.Principal), last[:], []byte(p.Role), size,
			text[:min(ends, len(text))], text[max(0, len(text)-ends):])
		person = person || p.Role == "user"
		out = append(out, link{p.Message, last, person})
	}
	return out
}

func (h *History) owedKey(hash [32]byte) string { return h.slot + "o:" + hex.EncodeToString(hash[:16]) }

// owing are the beginnings of the request that may have been answered by calls: those that something follows which is not a
// model's. None when the request has tool traffic of its own, which tells better.
func (h *History) owing() []link {
	if h.first < h.request.Messages {
		return nil
	}
	texts, last := 0, -1
	for _, p := range h.request.Parts {
		if p.Kind == llm.TextPart && p.Message >= 0 && p.Role == "user" {
			texts++
			last = p.Message
		}
	}
	if texts < 2 {
		return nil
	}
	all := h.chain()
	for len(all) > 0 && (all[len(all)-1].message >= last) {
		all = all[:len(all)-1]
	}
	for len(all) > 0 && !all[0].person {
		all = all[1:]
	}
	return all[max(0, len(all)-maxLinks):]
}

// owes notes that the request is answered by a call, which owes its result.
func (r *Released) owes(l label.Label) {
	h := r.h
	if r.owing || h.said == ([32]byte{}) {
		return
	}
	r.owing = true
	record := &contentRecord{kind: kindOwed, conversation: h.Conversation, label: l}
	r.ops = append(r.ops, &store.Put{Key: h.owedKey(h.said), Value: record.append(nil), Next: h.setKey(h.Conversation), TTL: h.a.c.Keep})
}

// Spoken remembers all of what the request says, while it is there.
func (h *History) Spoken() {
	if h.request == nil || len(h.request.Tools) == 0 { // let go of, or nothing that could be called
		return
	}
	if all := h.chain(); len(all) > 0 {
		h.said = all[len(all)-1].hash
	}
}
