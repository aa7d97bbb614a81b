// Package seal closes what the broker hands out to clients and needs again: a server's request state, task ids, the ids of
// sessions, cursors, the state of a consent.
//
// A sealed text is AES-256-GCM over an expiry and the inner bytes, and opens only where everything that it was bound to is the
// same again: its purpose, the principal, and whatever else the caller names (the upstream, the digest of the request). One that
// was stolen does not open for another principal, one of a purpose for no other. The keys are made once at the start, by HKDF, one
// for each purpose; what they seal is short-lived, so nonces are random (NIST SP 800-38D, 8.2.2).
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
)

// ErrOpen is a text that does not open: forged, of another principal or purpose, or expired. It does not say which.
var ErrOpen = errors.New("seal: not valid here, or no longer")

// Overhead is how many bytes a sealed text has more than its inner bytes, before base64url.
const Overhead = 1 + 12 + 8 + 16

const version = 1

// Box seals for one purpose. It is safe for concurrent use.
type Box struct {
	aead    cipher.AEAD
	purpose string
	now     func() time.Time
}

// New makes the box of a purpose.
func New(keys *store.Keys, purpose string) (*Box, error) {
	block, err := aes.NewCipher(keys.Derive("seal/" + purpose))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Box{aead: aead, purpose: purpose, now: time.Now}, nil
}

// Seal closes inner for a time; it opens only with the same bound, in the same order. The text is base64url.
func (b *Box) Seal(inner []byte, ttl time.Duration, bound ...string) string {
	out := make([]byte, 1+b.aead.NonceSize(), Overhead+len(inner))
	out[0] = version
	_, _ = rand.Read(out[1:]) // never fails
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(inner)), uint64(b.now().Add(ttl).UnixMilli()))
	out = b.aead.Seal(out, out[1:], append(plain, inner...), b.context(bound))
	return base64.RawURLEncoding.EncodeToString(out)
}

// Open gives back the inner bytes.
func (b *Box) Open(text string, bound ...string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(raw) < Overhead || raw[0] != version { // the decoder skips line breaks
		return nil, ErrOpen
	}
	nonce, closed := raw[1:1+b.aead.NonceSize()], raw[1+b.aead.NonceSize():]
	plain, err := b.aead.Open(nil, nonce, closed, b.context(bound))
	if err != nil || len(plain) < 8 {
		return nil, ErrOpen
	}
	if b.now().UnixMilli() >= int64(binary.BigEndian.Uint64(plain)) {
		return nil, ErrOpen
	}
	return plain[8:], nil
}

// context is what a text is bound to: each value behind its length, so that no two lists are the same bytes.
func (b *Box) context(bound []string) []byte {
	out := []byte{version}
	for _, s := range append([]string{b.purpose}, bound...) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}
