package upstream

import (
	"sync"
	"time"
)

const (
	// failures in a row after which a server is left alone.
	tooMany = 5
	// firstPause doubles with each failed probe, up to maxPause.
	firstPause = time.Second
	maxPause   = time.Minute
)

// breaker leaves a server alone that keeps failing. After a pause one call probes it; the others are refused at once.
type breaker struct {
	mu       sync.Mutex
	failures int
	until    time.Time
	pause    time.Duration
	probing  bool
}

// allow tells whether a call may be made now.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failures < tooMany:
		return true
	case now.Before(b.until) || b.probing:
		return false
	}
	b.probing = true
	return true
}

// done takes the outcome of a call that was allowed.
func (b *breaker) done(now time.Time, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if !failed {
		b.failures, b.pause = 0, 0
		return
	}
	b.failures++
	if b.failures >= tooMany {
		b.pause = min(max(2*b.pause, firstPause), maxPause)
		b.until = now.Add(b.pause)
	}
}

// open tells whether the server is being left alone.
func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= tooMany && now.Before(b.until)
}

// well tells whether nothing has failed since the last success.
func (b *breaker) well() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures == 0 && !b.probing
}
