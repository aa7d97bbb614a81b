package provenance

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps what never changes once it is written: records of calls and of turns, by their keys, and when a ledger's entry was
// last written. Labels are not kept here, since another process may tighten them. A nil cache keeps nothing.
type cache struct {
	mu    sync.Mutex
	limit int64
	held  int64
	byKey map[string]*list.Element
	order list.List // the last used first
}

type cached struct {
	key     string
	value   any
	size    int64
	expires time.Time
}

// cachedOverhead is what an entry takes beside its key and its value.
const cachedOverhead = 160

func newCache(limit int64) *cache {
	if limit < 0 {
		return nil
	}
	return &cache{limit: limit, byKey: map[string]*list.Element{}}
}

func (c *cache) get(key string, now time.Time) any {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	v := e.Value.(*cached)
	if !v.expires.After(now) {
		c.drop(e)
		return nil
	}
	c.order.MoveToFront(e)
	return v.value
}

func (c *cache) put(key string, value any, size int, expires time.Time) {
	if c == nil {
		return
	}
	v := &cached{key: key, value: value, size: int64(len(key)+size) + cachedOverhead, expires: expires}
	if v.size > c.limit/16 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.byKey[key]; old != nil {
		c.drop(old)
	}
	c.byKey[key] = c.order.PushFront(v)
	c.held += v.size
	for c.held > c.limit {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	v := c.order.Remove(e).(*cached)
	delete(c.byKey, v.key)
	c.held -= v.size
}
