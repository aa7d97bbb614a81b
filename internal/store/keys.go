package store

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/yellowjack/yellowjack/internal/label"
)

// Keys are the keys made of one master key (store_key), one for each purpose.
type Keys struct{ master []byte }

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
	m := hmac.New(sha256.New, k.Derive(purpose))
	for _, p := range parts {
		_, _ = m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		_, _ = m.Write(p)
	}
	return [32]byte(m.Sum(nil))
}

// Slot is what every key of a scope's records begins with: one slot of a Redis Cluster, and nothing personal.
func (k *Keys) Slot(s label.Scope) string {
	mac := k.MAC("slot", []byte(s.Tenant), []byte(s.Principal))
	return fmt.Sprintf("{%x}", mac[:12])
}
