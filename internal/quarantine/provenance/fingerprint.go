package provenance

import (
	"encoding/binary"
	"slices"
)

// Content is fingerprinted by winnowing (Schleimer, Wilkerson and Aiken, 2003): of each run of pickOf windows of windowSize bytes the
// one with the least hash is kept. A piece of windowSize+pickOf-1 bytes that two texts share is always found, as long as all is kept,
// and one shorter than windowSize never is. The hash is keyed by principal, so that nobody can write a text whose telling windows
// are left out.
const (
	windowSize = 32
	pickOf     = 32
	printSize  = 6 // of each that the store keeps
)

// A prompt that changes from request to request (the time of day is in it) never stands there as it stood, but most of its windows do.
// Which windows of it are remembered depends on each alone, so that a change leaves all others as they were.
const (
	sampleOf   = 16 // one of so many
	maxSamples = 4096
)

// samples calls f with the hashes of the windows of a prompt that are remembered.
func samples(text []byte, key uint64, f func(hash uint64)) {
	rolling(text, key, func(hash uint64) bool {
		if hash%sampleOf == 0 {
			f(hash)
		}
		return true
	})
}

// How much is kept of one content, by how much is kept of its conversation already; of more those with the least hashes are kept,
// wherever they stand.
const (
	maxPrints    = 512
	manyPrints   = 8 << 10
	fewPrints    = 64
	mostPrints   = 16 << 10
	fewestPrints = 8
)

// room is how many fingerprints of one more content a conversation keeps.
func room(kept int) int {
	switch {
	case kept >= mostPrints:
		return fewestPrints
	case kept >= manyPrints:
		return fewPrints
	}
	return maxPrints
}

// mix spreads the rolling hash, whose low bits say little, and leaves as much as is kept.
func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	return (h ^ h>>32) >> (64 - 8*printSize)
}

// rolling calls f with the hash of each window of a text, until it has enough.
func rolling(text []byte, key uint64, f func(hash uint64) bool) {
	if len(text) < windowSize {
		return
	}
	base := key | 1
	seed := key * 0x9E3779B97F4A7C15
	var h, top uint64 = 0, 1
	for i := range windowSize {
		h = h*base + uint64(text[i]) + 1
		if i > 0 {
			top *= base
		}
	}
	if !f(mix(h ^ seed)) {
		return
	}
	for i := windowSize; i < len(text); i++ {
		h = (h-(uint64(text[i-windowSize])+1)*top)*base + uint64(text[i]) + 1
		if !f(mix(h ^ seed)) {
			return
		}
	}
}

// winnow calls f with the fingerprints of a text, some more than once.
func winnow(text []byte, key uint64, f func(hash uint64)) {
	var ring [pickOf]uint64
	n, least := 0, 0
	rolling(text, key, func(hash uint64) bool {
		at := n % pickOf
		left := n >= pickOf && least == at // the least one leaves the run
		ring[at] = hash
		n++
		picked := least
		switch {
		case left:
			for i := range ring {
				if ring[i] < ring[least] {
					least = i
				}
			}
		case n == 1 || hash <= ring[least]:
			least = at
		}
		if n == pickOf || n > pickOf && (left || least != picked) {
			f(ring[least])
		}
		return true
	})
	if n > 0 && n < pickOf {
		f(ring[least])
	}
}

// fingerprint adds the fingerprints of a text to into.
func fingerprint(text []byte, key uint64, into map[uint64]struct{}) {
	winnow(text, key, func(hash uint64) { into[hash] = struct{}{} })
}

// windows are the hashes of all windows of texts, with a coarse look ahead of the map.
type windows struct {
	coarse [1 << 10]uint64 // a bit for each of the low sixteen
	all    map[uint64]struct{}
}

func newWindows() *windows { return &windows{all: map[uint64]struct{}{}} }

func (w *windows) add(hash uint64) {
	w.coarse[hash>>6&0x3ff] |= 1 << (hash & 0x3f)
	w.all[hash] = struct{}{}
}

func (w *windows) remove(text []byte, key uint64) {
	rolling(text, key, func(hash uint64) bool {
		if w.coarse[hash>>6&0x3ff]>>(hash&0x3f)&1 != 0 {
			delete(w.all, hash)
		}
		return true
	})
}

// note puts a hash into found, if it is among the windows.
func (w *windows) note(hash uint64, found map[uint64]struct{}) {
	if w.coarse[hash>>6&0x3ff]>>(hash&0x3f)&1 == 0 {
		return
	}
	if _, ok := w.all[hash]; ok {
		found[hash] = struct{}{}
	}
}

// contains tells whether a text has a window whose fingerprint is in prints.
func contains(text []byte, key uint64, prints map[uint64]struct{}) bool {
	if len(prints) == 0 {
		return false
	}
	found := false
	rolling(text, key, func(hash uint64) bool {
		_, found = prints[hash]
		return !found
	})
	return found
}

// key64 is the key of this principal's fingerprints.
func (h *History) key64() uint64 {
	if h.printKey == 0 {
		sum := h.a.keys.prints.sum(h.scope)
		h.printKey = binary.BigEndian.Uint64(sum[:]) | 1
	}
	return h.printKey
}

// packPrints writes fingerprints as a member of a set, at most n.
func packPrints(kind string, prints map[uint64]struct{}, n int) string {
	list := make([]uint64, 0, len(prints))
	for p := range prints {
		list = append(list, p)
	}
	slices.Sort(list)
	list = list[:min(n, len(list))]
	out := make([]byte, 0, len(kind)+printSize*len(list))
	out = append(out, kind...)
	for _, p := range list {
		out = append(out, byte(p>>40), byte(p>>32), byte(p>>24), byte(p>>16), byte(p>>8), byte(p))
	}
	return string(out)
}

// unpackPrints reads what packPrints wrote, behind its kind.
func unpackPrints(packed string, into map[uint64]struct{}) {
	for ; len(packed) >= printSize; packed = packed[printSize:] {
		var p uint64
		for i := range printSize {
			p = p<<8 | uint64(packed[i])
		}
		into[p] = struct{}{}
	}
}
