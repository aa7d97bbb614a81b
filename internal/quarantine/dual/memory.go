package dual

import (
	"container/list"
	"sync"
	"time"
)

// memory remembers the newest values in this process, so that what every turn of a conversation asks costs no round trip.
// A value never changes under its key: the key is a MAC of all it depends on.
type memory[T any] struct {
	most int

	mu    sync.Mutex
	order *list.List // of *memorised[T], the newest first
	byKey map[string]*list.Element
}

type memorised[T any] struct {
	key   string
	value T
	until time.Time
}

func newMemory[T any](most int) *memory[T] {
	return &memory[T]{most: most, order: list.New(), byKey: map[string]*list.Element{}}
}

func (m *memory[T]) get(key string, now time.Time) (value T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.byKey[key]
	if !ok {
		return value, false
	}
	entry := e.Value.(*memorised[T])
	if !now.Before(entry.until) {
		m.order.Remove(e)
		delete(m.byKey, key)
		return value, false
	}
	m.order.MoveToFront(e)
	return entry.value, true
}

func (m *memory[T]) put(key string, value T, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byKey[key]; ok {
		e.Value = &memorised[T]{key, value, until}
		m.order.MoveToFront(e)
		return
	}
	m.byKey[key] = m.order.PushFront(&memorised[T]{key, value, until})
	for m.order.Len() > m.most {
		last := m.order.Back()
		delete(m.byKey, m.order.Remove(last).(*memorised[T]).key)
	}
}
