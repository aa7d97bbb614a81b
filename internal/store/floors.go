package store

import (
	"sync"
	"time"
)

// floors remembers the totals of counters that this process saw, until they expire. They go along with each reservation, so that a
// Redis which lost its counters counts on from there, and not from zero.
type floors struct {
	mu       sync.Mutex
	now, old map[string]floor // of two generations, so that the oldest can be let go of at once
}

type floor struct {
	total   int64
	expires time.Time
}

// maxFloors is how many counters a generation holds.
const maxFloors = 1 << 15

func newFloors() *floors { return &floors{now: map[string]floor{}} }

// at is the least that a counter stands at, and for how long; zero when nothing is known.
func (f *floors) at(key string, now time.Time) (total int64, left time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.known(key)
	if left = known.expires.Sub(now); left < time.Millisecond {
		return 0, 0
	}
	return known.total, left
}

func (f *floors) known(key string) floor {
	if known, ok := f.now[key]; ok {
		return known
	}
	return f.old[key]
}

func (f *floors) saw(key string, total int64, expires, now time.Time) {
	if total <= 0 || !expires.After(now) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.known(key); known.total > total && known.expires.After(now) {
		return // an older answer that came later
	}
	if len(f.now) >= maxFloors {
		f.now, f.old = make(map[string]floor, maxFloors), f.now
	}
	f.now[key] = floor{total: total, expires: expires}
}

func (f *floors) forget(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.now, key)
	delete(f.old, key)
}
