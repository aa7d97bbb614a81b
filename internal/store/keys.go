package store

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/yellowjack/yellowjack/internal/label"
)

// Keys are the keys made of one master key (store_key), one for each purpose, and those that seal what is kept.
//
// The master names records and signs ids; whoever replaces it gives up all that was kept under it, which then counts as unknown.
// Seals are replaced without that: the first seals what is written from now on, all of them open, and so does the master, which
// also seals when there is no other. To begin with a new one on several replicas, name it second everywhere, then first
// everywhere, and leave the old one out after the longest time that records are kept.
type Keys struct {
	master []byte
	macs   sync.Map // purpose → *sync.Pool of hash.Hash: deriving a key costs as much as five short MACs under it
	seals  []*seal
}

// shortest is how long a key has to be.
const shortest = 32

// NewKeys makes the keys of a master key, and of others that seal and open records. Each has at least 32 bytes.
func NewKeys(master []byte, seals ...[]byte) (*Keys, error) {
	if len(master) < shortest {
		return nil, fmt.Errorf("store: the master key has %d bytes; at least %d are needed", len(master), shortest)
	}
	k := &Keys{master: bytes.Clone(master)}
	for i, key := range append(slices.Clone(seals), master) {
		if len(key) < shortest {
			return nil, fmt.Errorf("store: sealing key %d has %d bytes; at least %d are needed", i+1, len(key), shortest)
		}
		s := newSeal(key)
		for _, other := range k.seals {
			if s.id == other.id && !bytes.Equal(s.root, other.root) {
				return nil, errors.New("store: two sealing keys have the same id; make another") // one of four thousand million
			}
		}
		if !slices.ContainsFunc(k.seals, func(o *seal) bool { return o.id == s.id }) {
			k.seals = append(k.seals, s)
		}
	}
	return k, nil
}

// RandomKeys makes keys that end with the process, for a store in memory.
func RandomKeys() *Keys {
	master := make([]byte, shortest)
	_, _ = rand.Read(master) // never fails
	k, err := NewKeys(master)
	if err != nil {
		panic(err) // it is long enough
	}
	return k
}

// Derive makes the key of a purpose.
func (k *Keys) Derive(purpose string) []byte {
	return derive(k.master, purpose)
}

func derive(master []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, master, nil, "yellowjack/"+purpose, 32)
	if err != nil {
		panic(err) // 32 bytes are always to be had
	}
	return key
}

// MAC is the HMAC-SHA-256 of the parts, each behind its length, under the key of a purpose.
func (k *Keys) MAC(purpose string, parts ...[]byte) [32]byte {
	pool := k.pool(purpose)
	m := pool.Get().(hash.Hash)
	defer pool.Put(m)
	m.Reset()
	var buf [32]byte
	for _, p := range parts {
		_, _ = m.Write(binary.BigEndian.AppendUint64(buf[:0], uint64(len(p))))
		_, _ = m.Write(p)
	}
	return [32]byte(m.Sum(buf[:0]))
}

// pool is of HMACs under the key of a purpose. Purposes are words of the code, so there are few.
func (k *Keys) pool(purpose string) *sync.Pool {
	if pool, ok := k.macs.Load(purpose); ok {
		return pool.(*sync.Pool)
	}
	key := k.Derive(purpose)
	pool, _ := k.macs.LoadOrStore(purpose, &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }})
	return pool.(*sync.Pool)
}

// Slot is what every key of a scope's records begins with: one slot of a Redis Cluster, and nothing personal.
func (k *Keys) Slot(s label.Scope) string {
	mac := k.MAC("slot", []byte(s.Tenant), []byte(s.Principal))
	return "{" + hex.EncodeToString(mac[:12]) + "}"
}
