package provenance

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// The id of a released call, as the client sees it: yj_ and, in base64url, a version, the first half of the conversation's id, a
// nonce, and a MAC over these, the principal, the tool, the arguments as the model wrote them and the label. It is 37 characters
// long, which every client takes (some allow 40, some 64).
const (
	idPrefix  = "yj_"
	idVersion = 1
	nonceSize = 4
	macSize   = 12
	idBytes   = 1 + 8 + nonceSize + macSize
)

// mac is an HMAC under a key of its own; sum is safe for concurrent use.
type mac struct{ pool *sync.Pool }

func newMAC(k *store.Keys, purpose string) mac {
	key := k.Derive("provenance/" + purpose)
	return mac{&sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// sum is the HMAC of the parts, each behind its length.
func (m mac) sum(parts ...[]byte) [32]byte {
	h := m.pool.Get().(interface {
		Write(p []byte) (int, error)
		Sum(b []byte) []byte
		Reset()
	})
	defer m.pool.Put(h)
	h.Reset()
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		_, _ = h.Write(length[:])
		_, _ = h.Write(p)
	}
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// keys are the keys of this package, one for each purpose.
type keys struct{ id, conversation, call, content, grant, beginning mac }

func newKeys(k *store.Keys) keys {
	return keys{
		id: newMAC(k, "id"), conversation: newMAC(k, "conversation"), call: newMAC(k, "call"),
		content: newMAC(k, "content"), grant: newMAC(k, "grant"), beginning: newMAC(k, "beginning"),
	}
}

// complete makes the second half of a conversation's id.
func complete(k keys, s label.Scope, c label.ConversationID) label.ConversationID {
	sum := k.conversation.sum([]byte(s.Tenant), []byte(s.Principal), c[:8])
	copy(c[8:], sum[:])
	return c
}

// newID signs the id of a call.
func newID(k keys, s label.Scope, c label.ConversationID, tool string, arguments []byte, l label.Label) string {
	raw := make([]byte, idBytes)
	raw[0] = idVersion
	copy(raw[1:], c[:8])
	_, _ = rand.Read(raw[9 : 9+nonceSize]) // never fails
	sum := sign(k, s, raw[:9+nonceSize], tool, arguments, l)
	copy(raw[9+nonceSize:], sum[:])
	return idPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func sign(k keys, s label.Scope, head []byte, tool string, arguments []byte, l label.Label) [32]byte {
	return k.id.sum([]byte(s.Tenant), []byte(s.Principal), head, []byte(tool), arguments, appendLabel(nil, l))
}

// Alias is what goes up in the place of an id that a client made: the same for the same, and none of its words.
func (h *History) Alias(id string) string {
	sum := h.a.keys.call.sum([]byte(h.scope.Tenant), []byte(h.scope.Principal), []byte("alias"), []byte(id))
	return "call_" + hex.EncodeToString(sum[:12])
}

// rawID is the bytes of an id in our form.
func rawID(id string) ([]byte, bool) {
	text, ok := strings.CutPrefix(id, idPrefix)
	if !ok || strings.ContainsAny(text, "\r\n") { // the decoder would skip these
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != idBytes || raw[0] != idVersion {
		return nil, false
	}
	return raw, true
}

// conversationOf is the conversation that an id in our form names. Whether it is ours the record tells.
func conversationOf(k keys, s label.Scope, id string) (label.ConversationID, bool) {
	raw, ok := rawID(id)
	if !ok {
		return label.ConversationID{}, false
	}
	var c label.ConversationID
	copy(c[:8], raw[1:9])
	return complete(k, s, c), true
}

// signed tells whether an id was made for a call as its record has it.
func signed(k keys, s label.Scope, id string, r *callRecord) bool {
	raw, ok := rawID(id)
	if !ok {
		return false
	}
	sum := sign(k, s, raw[:9+nonceSize], r.tool, r.arguments, r.label)
	return hmac.Equal(raw[9+nonceSize:], sum[:macSize])
}

// contentHash names a content, for one principal: the same words have the same name however they are spaced at their ends, as
// clients trim them.
func (a *Analyzer) contentHash(s label.Scope, text []byte) [32]byte {
	return a.keys.content.sum([]byte(s.Tenant), []byte(s.Principal), bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
}
