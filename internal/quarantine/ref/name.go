package ref

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
	"sync"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Name is the name of a reference.
type Name string

const (
	prefix  = "$ref_"
	letters = "abcdefghijklmnopqrstuvwxyz234567"
	half    = 8 // letters of the result, and of the value
	nameLen = len(prefix) + 2*half
)

// isName tells whether text has the shape of a name; whether one was issued is another question.
func isName(text string) bool {
	rest, ok := strings.CutPrefix(text, prefix)
	return ok && len(text) == nameLen && strings.Trim(rest, letters) == ""
}

func (n Name) result() string { return string(n[len(prefix) : len(prefix)+half]) }
func (n Name) value() string  { return string(n[len(prefix)+half:]) }

// Minter makes names under the keys of an installation.
type Minter struct{ Keys *store.Keys }

// Issuer makes the names of one conversation of one principal. It may be copied and used by any number of goroutines.
type Issuer struct {
	macs   *sync.Pool // of hash.Hash, under the conversation's key
	record string     // what the keys of its records begin with
}

// For is the issuer of a conversation.
func (m Minter) For(scope label.Scope, conversation label.ConversationID) Issuer {
	key := m.Keys.MAC("reference", []byte(scope.Tenant), []byte(scope.Principal), conversation[:])
	return Issuer{
		macs:   &sync.Pool{New: func() any { return hmac.New(sha256.New, key[:]) }},
		record: m.Keys.Slot(scope) + "ref:" + hex.EncodeToString(conversation[:]) + ":",
	}
}

// Content is the hash of a tool's result that references are minted for. A result of an unknown tool has no name.
func Content(tool string, content []byte) [32]byte {
	h := sha256.New()
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(tool)))
	_, _ = h.Write(size[:])
	_, _ = h.Write([]byte(tool))
	_, _ = h.Write(content)
	return [32]byte(h.Sum(nil))
}

// Mint is the name of what stands at a place of a content.
func (i Issuer) Mint(content [32]byte, at string) Name {
	m := i.result(content)
	defer m.done(i)
	return m.mint(at)
}

// minting is the issuer of one content's names, for one goroutine, until it is done.
type minting struct {
	mac     hash.Hash
	content [32]byte
	sum     [sha256.Size]byte
	text    []byte
	name    string // as far as it is the result's
}

func (i Issuer) result(content [32]byte) *minting {
	out := &minting{mac: i.macs.Get().(hash.Hash), content: content}
	out.name = prefix + out.spell("r", "")
	return out
}

func (m *minting) done(i Issuer) { i.macs.Put(m.mac) }

func (m *minting) mint(at string) Name { return Name(m.name + m.spell("v", at)) }

// spell is the letters of something; what says which of both kinds it is.
func (m *minting) spell(what, at string) string {
	m.mac.Reset()
	m.text = append(append(append(m.text[:0], m.content[:]...), what...), at...)
	_, _ = m.mac.Write(m.text)
	return spell(m.mac.Sum(m.sum[:0]))
}

// spell makes letters of the first 40 bits of a MAC.
func spell(mac []byte) string {
	var out [half]byte
	bits := binary.BigEndian.Uint64(mac) >> (64 - 5*half)
	for i := half - 1; i >= 0; i-- {
		out[i] = letters[bits&31]
		bits >>= 5
	}
	return string(out[:])
}

// Found is a name in a text.
type Found struct {
	Start, End int
	Name       Name
}

// Scan finds every possible reference in a text.
func Scan(text []byte) []Found {
	var out []Found
	var s Scanner
	at := 0
	s.Write(text, func(b []byte) { at += len(b) }, func(n Name) {
		out = append(out, Found{at, at + nameLen, n})
		at += nameLen
	})
	return out
}

// Scanner finds references in a text that comes in pieces. What it calls for all pieces together does not depend on where they
// were cut, but for how the text between two references is cut.
type Scanner struct {
	held [nameLen]byte
	n    int
}

// Write takes a piece, and calls text and name for what is certain. It keeps back less than a name, and only what may be one.
func (s *Scanner) Write(piece []byte, text func([]byte), name func(Name)) {
	for len(piece) > 0 {
		if s.n == 0 {
			at := bytes.IndexByte(piece, prefix[0])
			if at < 0 {
				text(piece)
				return
			}
			if at > 0 {
				text(piece[:at])
			}
			piece = piece[at:]
		}
		c := piece[0]
		if !s.continues(c) {
			text(s.held[:s.n]) // no name begins in its middle
			s.n = 0
			continue
		}
		s.held[s.n] = c
		s.n++
		piece = piece[1:]
		if s.n == nameLen {
			name(Name(s.held[:]))
			s.n = 0
		}
	}
}

// Close says that the text has ended.
func (s *Scanner) Close(text func([]byte)) {
	if s.n > 0 {
		text(s.held[:s.n])
		s.n = 0
	}
}

func (s *Scanner) continues(c byte) bool {
	if s.n < len(prefix) {
		return c == prefix[s.n]
	}
	return 'a' <= c && c <= 'z' || '2' <= c && c <= '7'
}
