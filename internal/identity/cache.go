package identity

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxCached is how long a verified token is remembered at most, even where it lives longer.
const maxCached = 5 * time.Minute

// shards of the cache: exchanges meet at a lock only where their tokens share a shard.
const shards = 64

type tokenSum = [sha256.Size]byte

// entry is one verified token with what must still hold at a hit.
type entry struct {
	principal *Principal
	issuer    *issuer
	keys      *keySet // the set that verified it
	until     int64   // Unix nanoseconds: its expiry, or maxCached after it was verified
	epoch     int64
}

// cache remembers verified tokens by their hash, never by themselves. Refused tokens are not remembered: what fills
// the cache is signed.
type cache struct {
	perShard int
	shard    [shards]struct {
		sync.RWMutex
		m map[tokenSum]*entry
	}
}

// newCache makes a cache of at most size tokens, rounded up to a multiple of the shards. A size below zero holds none.
func newCache(size int) *cache {
	c := &cache{}
	if size <= 0 {
		return c
	}
	c.perShard = (size + shards - 1) / shards
	for i := range c.shard {
		c.shard[i].m = map[tokenSum]*entry{}
	}
	return c
}

func (c *cache) get(sum *tokenSum) *entry {
	s := &c.shard[sum[0]%shards]
	s.RLock()
	e := s.m[*sum]
	s.RUnlock()
	return e
}

func (c *cache) drop(sum *tokenSum) {
	s := &c.shard[sum[0]%shards]
	s.Lock()
	delete(s.m, *sum)
	s.Unlock()
}

// put remembers e. A full shard first loses what has run out, looking at a few entries, and else any one of them.
func (c *cache) put(sum *tokenSum, e *entry, now int64) {
	if c.perShard == 0 || e.until <= now {
		return
	}
	s := &c.shard[sum[0]%shards]
	s.Lock()
	defer s.Unlock()
	if _, ok := s.m[*sum]; !ok && len(s.m) >= c.perShard {
		looked, freed := 0, false
		var any tokenSum
		for k, old := range s.m { // Go's order is random enough
			if any = k; old.until <= now {
				delete(s.m, k)
				freed = true
			}
			if looked++; looked == 8 {
				break
			}
		}
		if !freed {
			delete(s.m, any)
		}
	}
	s.m[*sum] = e
}

// size is how many tokens are remembered.
func (c *cache) size() int {
	n := 0
	for i := range c.shard {
		s := &c.shard[i]
		s.RLock()
		n += len(s.m)
		s.RUnlock()
	}
	return n
}
