package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// seal encrypts records with AES-256-GCM, each under a key of its own: HKDF-Expand of a root key with the record's key as info.
// What is sealed begins with the id of the root key and a nonce. The additional data is the record's key, and its Next is within, so that
// none of it can be moved, nor a record made to point elsewhere.
type seal struct {
	id   [idSize]byte
	root []byte
	macs sync.Pool // of hash.Hash under root
}

const (
	idSize    = 4
	nonceSize = 12
	tagSize   = 16
)

// The infos under which keys are expanded; each is followed by a zero byte and the record's key.
const (
	ofRecord = "record"
	ofMember = "member"
	ofNonce  = "nonce"
)

func newSeal(key []byte) *seal {
	s := &seal{root: derive(key, "store/seal")}
	copy(s.id[:], derive(key, "store/id"))
	s.macs.New = func() any { return hmac.New(sha256.New, s.root) }
	return s
}

// expand is HKDF-Expand for one block, with more behind the info where that tells two uses apart.
func (s *seal) expand(info, key string, more []byte) [32]byte {
	m := s.macs.Get().(hash.Hash)
	defer s.macs.Put(m)
	m.Reset()
	buf := make([]byte, 0, 128)
	buf = append(append(append(buf, info...), 0), key...) // keys hold no zero byte
	if more != nil {
		buf = append(append(buf, 0), more...)
	}
	_, _ = m.Write(append(buf, 1))
	return [32]byte(m.Sum(buf[:0]))
}

func (s *seal) cipher(info, key string) cipher.AEAD {
	of := s.expand(info, key, nil)
	block, err := aes.NewCipher(of[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block
	}
	return aead
}

// record seals a value, with where it points.
func (s *seal) record(key, next string, value []byte) []byte {
	plain := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(next)+len(value)), uint16(len(next))) //nolint:gosec // check bounds it
	plain = append(append(plain, next...), value...)
	out := make([]byte, idSize+nonceSize, idSize+nonceSize+len(plain)+tagSize)
	copy(out, s.id[:])
	_, _ = rand.Read(out[idSize:]) // never fails
	return s.cipher(ofRecord, key).Seal(out, out[idSize:], plain, []byte(key))
}

// member seals a member of a set: always alike, so that a set holds it once. Its nonce is a MAC of it.
func (s *seal) member(aead cipher.AEAD, key, text string) string {
	nonce := s.expand(ofNonce, key, []byte(text))
	out := make([]byte, 0, idSize+nonceSize+len(text)+tagSize)
	out = append(append(out, s.id[:]...), nonce[:nonceSize]...)
	return string(aead.Seal(out, out[idSize:], []byte(text), []byte(key)))
}

// by finds the seal under which something was sealed; nil is none.
func (k *Keys) by(sealed []byte) *seal {
	if len(sealed) < idSize+nonceSize+tagSize {
		return nil
	}
	for _, s := range k.seals {
		if bytes.Equal(s.id[:], sealed[:idSize]) {
			return s
		}
	}
	return nil
}

func (k *Keys) openRecord(key string, sealed []byte) (next string, value []byte, err error) {
	s := k.by(sealed)
	if s == nil {
		return "", nil, ErrSealed
	}
	plain, err := s.cipher(ofRecord, key).Open(nil, sealed[idSize:idSize+nonceSize], sealed[idSize+nonceSize:], []byte(key))
	if err != nil || len(plain) < 2 {
		return "", nil, ErrSealed
	}
	n := int(binary.BigEndian.Uint16(plain))
	if plain = plain[2:]; len(plain) < n {
		return "", nil, ErrSealed
	}
	return string(plain[:n]), plain[n:], nil
}

// openMembers opens the members of a set, in place. What was sealed under two keys comes out twice.
func (k *Keys) openMembers(key string, sealed []string) error {
	ciphers := map[*seal]cipher.AEAD{}
	for i, text := range sealed {
		b := []byte(text)
		s := k.by(b)
		if s == nil {
			return ErrSealed
		}
		aead, ok := ciphers[s]
		if !ok {
			aead = s.cipher(ofMember, key)
			ciphers[s] = aead
		}
		plain, err := aead.Open(b[idSize+nonceSize:idSize+nonceSize], b[idSize:idSize+nonceSize], b[idSize+nonceSize:], []byte(key))
		if err != nil {
			return ErrSealed
		}
		sealed[i] = string(plain)
	}
	return nil
}
