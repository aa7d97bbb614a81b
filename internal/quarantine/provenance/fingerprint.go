package provenance

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Content is fingerprinted by winnowing (Schleimer, Wilkerson and Aiken, 2003): of each run of pickOf windows of windowSize bytes the
// one with the least hash is kept. A piece of windowSize+pickOf-1 bytes that two texts share is always found, and one shorter than
// windowSize never is.
const (
	windowSize = 32
	pickOf     = 32
	// maxPrints bounds what is kept of one content; of more, those with the least hashes are kept, wherever they stand.
	maxPrints = 512
)

// Multipliers of the rolling hash, odd and without a pattern.
const (
	rollBase = 0x9E3779B97F4A7C15
	mixer    = 0xD6E8FEB86659FD93
)

// mix spreads the rolling hash, whose low bits say little.
func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= mixer
	h ^= h >> 32
	h *= mixer
	return h ^ h>>32
}

// rolling calls f with the hash of each window of a text.
func rolling(text []byte, f func(hash uint64)) {
	if len(text) < windowSize {
		return
	}
	var h, top uint64 = 0, 1
	for i := range windowSize {
		h = h*rollBase + uint64(text[i])
		if i > 0 {
			top *= rollBase
		}
	}
	f(mix(h))
	for i := windowSize; i < len(text); i++ {
		h = (h-uint64(text[i-windowSize])*top)*rollBase + uint64(text[i])
		f(mix(h))
	}
}

// fingerprint adds the fingerprints of a text to into.
func fingerprint(text []byte, into map[uint64]struct{}) {
	var ring [pickOf]uint64
	n, least := 0, 0
	rolling(text, func(hash uint64) {
		at := n % pickOf
		ring[at] = hash
		n++
		switch {
		case n < pickOf:
			if hash <= ring[least] {
				least = at
			}
			return
		case least == at && n > pickOf: // the least one left the run
			for i := range ring {
				if ring[i] < ring[least] {
					least = i
				}
			}
		case hash <= ring[least]:
			least = at
		}
		into[ring[least]] = struct{}{}
	})
	if n > 0 && n < pickOf {
		into[ring[least]] = struct{}{}
	}
}

// windows adds the hash of every window of a text to into.
func windows(text []byte, into map[uint64]struct{}) {
	rolling(text, func(hash uint64) { into[hash] = struct{}{} })
}

// contains tells whether a text has a window whose fingerprint is in prints.
func contains(text []byte, prints map[uint64]struct{}) bool {
	if len(prints) == 0 {
		return false
	}
	found := false
	rolling(text, func(hash uint64) {
		if !found {
			_, found = prints[hash]
		}
	})
	return found
}

// packPrints writes fingerprints as a member of a conversation's set.
func packPrints(prints map[uint64]struct{}) string {
	list := make([]uint64, 0, len(prints))
	for p := range prints {
		list = append(list, p)
	}
	list = least(list, maxPrints)
	out := make([]byte, 0, len(memberPrints)+8*len(list))
	out = append(out, memberPrints...)
	for _, p := range list {
		out = binary.BigEndian.AppendUint64(out, p)
	}
	return string(out)
}

// unpackPrints reads what packPrints wrote.
func unpackPrints(member string, into map[uint64]struct{}) {
	b := []byte(strings.TrimPrefix(member, memberPrints))
	for ; len(b) >= 8; b = b[8:] {
		into[binary.BigEndian.Uint64(b)] = struct{}{}
	}
}

// least keeps the n least of a list.
func least(list []uint64, n int) []uint64 {
	slices.Sort(list)
	return list[:min(n, len(list))]
}
