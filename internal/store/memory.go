package store

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// MemoryConfig bounds a store in memory. Zero fields take their defaults.
type MemoryConfig struct {
	Bytes     int64 // of all records; default 256 MiB
	SlotBytes int64 // of the records of one slot, that is one principal; default an eighth of Bytes
}

// record is what stands under a key: a value, a set, a number or a board.
type record struct {
	key     string
	value   []byte
	next    string
	members []string // sorted
	number  int64
	board   *board
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

// Do runs a batch under the lock. What is over a quota is found before anything changes.
func (m *memory) Do(ctx context.Context, ops ...Op) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	b, err := check(ops)
	if err != nil {
		return err
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	if b.more > 0 && (m.held+b.more > m.c.Bytes || m.slots[b.slot]+b.more > m.c.SlotBytes) {
		return ErrQuota
	}
	for _, op := range ops {
		m.one(op, now)
	}
	return nil
}

func (m *memory) one(op Op, now time.Time) {
	switch o := op.(type) {
	case *Get:
		m.get(o)
	case *Put:
		o.Stored = !o.IfAbsent || m.all[o.Key] == nil
		if o.Stored {
			m.set(o.Key, &record{value: append([]byte{}, o.Value...), next: o.Next}, now.Add(o.TTL))
		}
	case *Take:
		o.Value, o.Found = nil, false
		if r := m.all[o.Key]; r != nil {
			o.Value, o.Found = r.value, true
			m.drop(r)
		}
	case *Delete:
		for _, key := range []string{o.Key, o.Key + setMark} {
			if r := m.all[key]; r != nil {
				m.drop(r)
			}
		}
	case *Union:
		m.union(o, now)
	case *Members:
		o.Members, o.Found = nil, false
		if r := m.all[o.Key+setMark]; r != nil {
			o.Members, o.Found = slices.Clone(r.members), true
		}
	case *Reserve:
		m.reserve(o, now)
	case *Lock:
		held := m.all[o.Key]
		o.Got = held == nil || string(held.value) == o.Owner
		if o.Got {
			m.set(o.Key, &record{value: []byte(o.Owner)}, now.Add(o.TTL))
		}
	case *PutOwned:
		lock := m.all[o.Lock]
		o.Stored = lock != nil && string(lock.value) == o.Owner
		if o.Stored {
			m.drop(lock)
			m.set(o.Key, &record{value: append([]byte{}, o.Value...)}, now.Add(o.TTL))
		}
	case *Incr:
		o.Value = now.UnixMilli()
		if r := m.all[o.Key]; r != nil {
			o.Value = max(o.Value, r.number+o.By)
		}
		m.set(o.Key, &record{number: o.Value}, now.Add(o.TTL))
	case *Raise:
		m.raise(o, now)
	case *Marks:
		m.read(o, now)
	}
}

func (m *memory) get(o *Get) {
	o.Value, o.Found, o.Next, o.Followed, o.Members = nil, false, "", nil, nil
	r := m.all[o.Key]
	if r == nil {
		return
	}
	o.Value, o.Found, o.Next = bytes.Clone(r.value), true, r.next
	if !o.Follow || o.Next == "" {
		return
	}
	if next := m.all[o.Next]; next != nil {
		o.Followed = bytes.Clone(next.value)
	}
	if next := m.all[o.Next+setMark]; next != nil {
		o.Members = slices.Clone(next.members)
	}
}

func (m *memory) union(o *Union, now time.Time) {
	key, expires := o.Key+setMark, now.Add(o.TTL)
	members := slices.Clone(o.Members)
	if old := m.all[key]; old != nil {
		members = append(members, old.members...)
		if old.expires.After(expires) {
			expires = old.expires
		}
	}
	slices.Sort(members)
	m.set(key, &record{members: slices.Compact(members)}, expires)
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
		o.Granted = o.Granted && o.Amount <= min(c.Limit, MaxAmount)-c.Total
	}
	outcome := &record{}
	if o.Granted {
		outcome.number = 1
		for i := range o.Counters {
			c := &o.Counters[i]
			expires := now.Add(c.TTL)
			c.Total = o.Amount
			if old := m.all[c.Key]; old != nil {
				c.Total += old.number
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
		r.size += int64(member + len(s))
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
