package store

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"

	"github.com/yellowjack/yellowjack/internal/label"
)

// Keys are the keys made of one master key (store_key), one for each purpose.
type Keys struct {
	master []byte
	macs   sync.Map // purpose → *sync.Pool of hash.Hash: deriving a key costs as much as five short MACs under it
}

// NewKeys makes the keys of a master key of at least 32 bytes.
func NewKeys(master []byte) (*Keys, error) {
	if len(master) < 32 {
		return nil, fmt.Errorf("store: the master key has %d bytes; at least 32 are needed", len(master))
	}
	return &Keys{master: master}, nil
}

// RandomKeys makes keys that end with the process, for a store in memory.
func RandomKeys() *Keys {
	master := make([]byte, 32)
	_, _ = rand.Read(master) // never fails
	return &Keys{master: master}
}

// Derive makes the key of a purpose.
func (k *Keys) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, k.master, nil, "yellowjack/"+purpose, 32)
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
