package budget

import (
	"sync"
	"time"
)

// memory remembers the outcomes of charges in this process, so that a growing conversation does not ask for them every turn. It
// forgets the older half when it is full; what it forgets is asked again.
type memory struct {
	mu         sync.Mutex
	young, old map[string]outcome
}

type outcome struct {
	granted bool
	until   time.Time
}

const (
	rememberMost = 20_000
	rememberFor  = time.Hour
)

func newMemory() *memory { return &memory{young: map[string]outcome{}} }

func (m *memory) get(key string) (granted, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.young[key]
	if !ok {
		o, ok = m.old[key]
	}
	if !ok || time.Now().After(o.until) {
		return false, false
	}
	return o.granted, true
}

func (m *memory) put(key string, granted bool, keep time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= rememberMost/2 {
		m.young, m.old = map[string]outcome{}, m.young
	}
	m.young[key] = outcome{granted, time.Now().Add(keep)}
}
