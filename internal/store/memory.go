package store

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// MemoryConfig bounds a store in memory. Zero fields take their defaults.
type MemoryConfig struct {
	Bytes     int64 // of all records; default 256 MiB
	SlotBytes int64 // of the records of one slot, that is one principal; default an eighth of Bytes
}

// overhead is what a record takes beside its key and its value.
const overhead = 128

// record is what stands under a key: a value, a set or a number.
type record struct {
	key     string
	value   []byte
	next    string
	members []string // sorted
	number  int64
	expires time.Time
	size    int64
	index   int // in the heap
}

// memory is a Store in this process. Nothing is ever evicted before it expires: a principal that holds too much is refused, so that
// it cannot push out another's labels, nor its own.
type memory struct {
	c     MemoryConfig
	mu    sync.Mutex
	all   map[string]*record
	order expiry
	held  int64
	slots map[string]int64
}

// Memory makes a Store that ends with the process.
func Memory(c MemoryConfig) Store {
	if c.Bytes == 0 {
		c.Bytes = 256 << 20
	}
	if c.SlotBytes == 0 {
		c.SlotBytes = c.Bytes / 8
	}
	return &memory{c: c, all: map[string]*record{}, slots: map[string]int64{}}
}

func (m *memory) Ready(context.Context) error { return nil }
func (m *memory) Close() error                { return nil }

// Do runs a batch under the lock: it is all or nothing as long as nothing is over a quota, which is found before anything changes.
func (m *memory) Do(ctx context.Context, ops ...Op) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	if err := m.room(ops); err != nil {
		return err
	}
	for _, op := range ops {
		m.one(op, now)
	}
	return nil
}

func (m *memory) one(op Op, now time.Time) {
	switch o := op.(type) {
	case *Get:
		o.Value, o.Found, o.Next, o.Followed, o.Members = nil, false, "", nil, nil
		if r := m.all[o.Key]; r != nil {
			o.Value, o.Found, o.Next = bytes.Clone(r.value), true, r.next
		}
		if next := m.all[o.Next]; o.Follow && o.Next != "" && next != nil {
			o.Followed, o.Members = bytes.Clone(next.value), slices.Clone(next.members)
		}
	case *Put:
		o.Stored = !o.IfAbsent || m.all[o.Key] == nil
		if o.Stored {
			r := &record{value: bytes.Clone(o.Value), next: o.Next}
			if old := m.all[o.Key]; old != nil {
				r.members = old.members // a record and a set may share a key
			}
			m.set(o.Key, r, now.Add(o.TTL))
		}
	case *Take:
		o.Value, o.Found = nil, false
		if r := m.all[o.Key]; r != nil {
			o.Value, o.Found = r.value, true
			m.drop(r)
		}
	case *Delete:
		if r := m.all[o.Key]; r != nil {
			m.drop(r)
		}
	case *Union:
		r := &record{members: slices.Clone(o.Members)}
		if old := m.all[o.Key]; old != nil {
			r.value, r.next = old.value, old.next
			r.members = append(r.members, old.members...)
		}
		slices.Sort(r.members)
		r.members = slices.Compact(r.members)
		m.set(o.Key, r, now.Add(o.TTL))
	case *Members:
		o.Members, o.Found = nil, false
		if r := m.all[o.Key]; r != nil && r.members != nil {
			o.Members, o.Found = slices.Clone(r.members), true
		}
	case *Reserve:
		m.reserve(o, now)
	case *Lock:
		o.Got = m.all[o.Key] == nil
		if o.Got {
			m.set(o.Key, &record{value: []byte(o.Owner)}, now.Add(o.TTL))
		}
	case *PutOwned:
		lock := m.all[o.Lock]
		o.Stored = lock != nil && string(lock.value) == o.Owner
		if o.Stored {
			m.drop(lock)
			m.set(o.Key, &record{value: bytes.Clone(o.Value)}, now.Add(o.TTL))
		}
	}
}

func (m *memory) reserve(o *Reserve, now time.Time) {
	once := m.all[o.Once]
	o.Already = once != nil
	for i := range o.Counters {
		o.Counters[i].Total = 0
		if r := m.all[o.Counters[i].Key]; r != nil {
			o.Counters[i].Total = r.number
		}
	}
	if o.Already {
		o.Granted = once.number == 1
		return
	}
	o.Granted = o.Amount >= 0
	for _, c := range o.Counters {
		o.Granted = o.Granted && c.Total <= c.Limit && o.Amount <= c.Limit-c.Total
	}
	outcome := &record{}
	if o.Granted {
		outcome.number = 1
		for i := range o.Counters {
			c := &o.Counters[i]
			c.Total += o.Amount
			expires := now.Add(c.TTL)
			if old := m.all[c.Key]; old != nil {
				expires = old.expires // from the first reservation on
			}
			m.set(c.Key, &record{number: c.Total}, expires)
		}
	}
	m.set(o.Once, outcome, now.Add(o.TTL))
}

// set puts a record under a key.
func (m *memory) set(key string, r *record, expires time.Time) {
	if old := m.all[key]; old != nil {
		m.drop(old)
	}
	r.key, r.expires = key, expires
	r.size = int64(overhead + len(key) + len(r.value) + len(r.next))
	for _, s := range r.members {
		r.size += int64(16 + len(s))
	}
	m.all[key] = r
	heap.Push(&m.order, r)
	m.held += r.size
	m.slots[slotOf(key)] += r.size
}

func (m *memory) drop(r *record) {
	delete(m.all, r.key)
	heap.Remove(&m.order, r.index)
	m.held -= r.size
	slot := slotOf(r.key)
	if m.slots[slot] -= r.size; m.slots[slot] <= 0 {
		delete(m.slots, slot)
	}
}

func (m *memory) expire(now time.Time) {
	for len(m.order) > 0 && !m.order[0].expires.After(now) {
		m.drop(m.order[0])
	}
}

// room refuses a batch that would take more than there is for it. What it replaces is not counted off: this is a bound, not an
// account.
func (m *memory) room(ops []Op) error {
	var more int64
	slot := ""
	add := func(key string, bytes int) {
		slot = slotOf(key)
		more += int64(overhead + len(key) + bytes)
	}
	for _, op := range ops {
		switch o := op.(type) {
		case *Put:
			add(o.Key, len(o.Value)+len(o.Next))
		case *Union:
			for _, s := range o.Members {
				add(o.Key, 16+len(s))
			}
		case *Reserve:
			add(o.Once, overhead*len(o.Counters))
		case *Lock:
			add(o.Key, len(o.Owner))
		case *PutOwned:
			add(o.Key, len(o.Value))
		}
	}
	if more > 0 && (m.held+more > m.c.Bytes || m.slots[slot]+more > m.c.SlotBytes) {
		return ErrQuota
	}
	return nil
}

// slotOf is the part of a key that says whose it is.
func slotOf(key string) string {
	if end := strings.IndexByte(key, '}'); strings.HasPrefix(key, "{") && end > 0 {
		return key[:end+1]
	}
	return ""
}

// expiry is a heap of records, the next to expire first.
type expiry []*record

func (h expiry) Len() int           { return len(h) }
func (h expiry) Less(i, j int) bool { return h[i].expires.Before(h[j].expires) }
func (h expiry) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *expiry) Push(x any) {
	r := x.(*record)
	r.index = len(*h)
	*h = append(*h, r)
}

// Pop is for container/heap.
func (h *expiry) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}
