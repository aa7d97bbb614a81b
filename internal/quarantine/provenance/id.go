package provenance

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
	"sync"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// The id of a released call, as the client sees it: yj_ and, in base64url, a version with four bits that tell the key, the first half
// of the conversation's id, a nonce, and a MAC over these, the principal, the tool, the arguments as the model wrote them, the place
// in the conversation and the label. It is 37 characters long, which every client takes (some allow 40, some 64).
const (
	idPrefix  = "yj_"
	idVersion = 0x10
	halfSize  = 8
	nonceSize = 4
	headSize  = 1 + halfSize + nonceSize
	macSize   = 12
	idBytes   = headSize + macSize
)

// mac is an HMAC under a key of its own; it is safe for concurrent use.
type mac struct{ pool *sync.Pool }

func newMAC(k *store.Keys, purpose string) mac {
	key := k.Derive("provenance/" + purpose)
	return mac{&sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// sum is the HMAC of a scope and of the parts, each behind its length.
func (m mac) sum(s label.Scope, parts ...[]byte) [32]byte {
	h := m.pool.Get().(hash.Hash)
	defer m.pool.Put(h)
	h.Reset()
	var buffer [128]byte
	head := buffer[:0]
	for _, p := range [...]string{s.Tenant, s.Principal} {
		head = binary.BigEndian.AppendUint64(head, uint64(len(p)))
		head = append(head, p...)
	}
	_, _ = h.Write(head)
	for _, p := range parts {
		_, _ = h.Write(binary.BigEndian.AppendUint64(head[:0], uint64(len(p))))
		_, _ = h.Write(p)
	}
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// keys are the keys of this package, one for each purpose.
type keys struct {
	id, conversation, call, turn, chain, content, prints, grant, beginning mac

	version byte // with the bits that tell ids of this key from those of another
}

func newKeys(k *store.Keys) keys {
	return keys{
		id: newMAC(k, "id"), conversation: newMAC(k, "conversation"), call: newMAC(k, "call"), turn: newMAC(k, "turn"),
		chain: newMAC(k, "chain"), content: newMAC(k, "content"), prints: newMAC(k, "prints"), grant: newMAC(k, "grant"),
		beginning: newMAC(k, "beginning"),
		version:   idVersion | newMAC(k, "version").sum(label.Scope{})[0]&0x0f,
	}
}

// newConversation makes the id of a conversation: eight random bytes, and eight that follow from them and the principal, so that half
// of it in a call's id is enough to have all of it, and nobody has another's.
func newConversation(k keys, s label.Scope) label.ConversationID {
	var half [halfSize]byte
	_, _ = rand.Read(half[:]) // never fails
	return complete(k, s, half[:])
}

// complete makes the second half of a conversation's id.
func complete(k keys, s label.Scope, half []byte) label.ConversationID {
	var c label.ConversationID
	sum := k.conversation.sum(s, half)
	copy(c[copy(c[:], half):], sum[:])
	return c
}

// newID signs the id of a call.
func newID(k keys, s label.Scope, r *callRecord) string {
	raw := make([]byte, idBytes)
	raw[0] = k.version
	copy(raw[1:], r.conversation[:halfSize])
	_, _ = rand.Read(raw[1+halfSize : headSize]) // never fails
	sum := sign(k, s, raw[:headSize], r)
	copy(raw[headSize:], sum[:])
	return idPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func sign(k keys, s label.Scope, head []byte, r *callRecord) [32]byte {
	var ordinal [4]byte
	binary.BigEndian.PutUint32(ordinal[:], r.ordinal)
	return k.id.sum(s, head, r.conversation[:], ordinal[:], []byte(r.tool), r.arguments, appendLabel(nil, r.label))
}

// Alias is what goes up in the place of an id that a client made: the same for the same, and none of its words.
func (h *History) Alias(id string) string {
	sum := h.a.keys.call.sum(h.scope, []byte("alias"), []byte(id))
	return "call_" + hex.EncodeToString(sum[:12])
}

// rawID is the bytes of an id in our form.
func rawID(id string) ([]byte, bool) {
	text, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(idBytes) { // and so none of the line breaks that the decoder skips
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != idBytes || raw[0]&0xf0 != idVersion {
		return nil, false
	}
	return raw, true
}

// conversationOf is the conversation that an id in our form names. Whether it is ours the record tells.
func conversationOf(k keys, s label.Scope, id string) (label.ConversationID, bool) {
	raw, ok := rawID(id)
	if !ok || raw[0] != k.version {
		return label.ConversationID{}, false
	}
	return complete(k, s, raw[1:1+halfSize]), true
}

// signed tells whether an id was made for a call as its record has it.
func signed(k keys, s label.Scope, id string, r *callRecord) bool {
	raw, ok := rawID(id)
	if !ok || r == nil || !bytes.Equal(raw[1:1+halfSize], r.conversation[:halfSize]) {
		return false
	}
	sum := sign(k, s, raw[:headSize], r)
	return hmac.Equal(raw[headSize:], sum[:macSize])
}

// tag names a call within its conversation.
func tag(id string) string {
	if raw, ok := rawID(id); ok {
		return string(raw[1+halfSize : 1+halfSize+tagSize])
	}
	return ""
}

// contentHash names a content, for one principal: the same words have the same name however they are spaced at their ends, as
// clients trim them.
func (a *Analyzer) contentHash(s label.Scope, text []byte) [32]byte {
	if bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}
	return a.keys.content.sum(s, bytes.TrimSpace(text))
}

// mark is as much of a content's hash as a record remembers.
type mark [12]byte

func markOf(hash [32]byte) mark { return mark(hash[:12]) }

// The keys of records: all of a principal's share a slot.

func (h *History) slot() string {
	if h.slotOnce == "" {
		h.slotOnce = h.a.c.Keys.Slot(h.scope)
	}
	return h.slotOnce
}

func (h *History) key(kind string, sum []byte) string {
	return h.slot() + kind + hex.EncodeToString(sum[:16])
}

func (h *History) callKey(id string) string {
	sum := h.a.keys.call.sum(h.scope, []byte(id))
	return h.key("c:", sum[:])
}

// legacyKey is that of a call which has no id: its tool and its arguments, as the client has them, are what names it.
func (h *History) legacyKey(tool string, resolved [32]byte) string {
	sum := h.a.keys.call.sum(h.scope, []byte("function_call"), []byte(tool), resolved[:])
	return h.key("c:", sum[:])
}

// turnKey is that of a text of the model's, behind what stood before it (chain), or wherever it stands (nil).
func (h *History) turnKey(text [32]byte, chain []byte) string {
	sum := h.a.keys.turn.sum(h.scope, text[:], chain)
	return h.key("t:", sum[:])
}

// gapKey is that of the calls that were released behind what the person wrote.
func (h *History) gapKey(chain [32]byte) string {
	sum := h.a.keys.chain.sum(h.scope, chain[:], []byte("released"))
	return h.key("p:", sum[:])
}

func (h *History) ledgerKey(content [32]byte) string { return h.key("h:", content[:]) }

func (h *History) setKey(c label.ConversationID) string { return h.key("l:", c[:]) }

// stoodKey is that of what the process remembers of a text; there is no such record.
func (h *History) stoodKey(c label.ConversationID, m mark) string {
	return "s" + h.slot() + string(c[:]) + string(m[:])
}
