package telemetry

import (
	"sync"
	"sync/atomic"
)

// bounded keeps a label's number of values bounded: the first ones are themselves, later ones are "other".
type bounded struct {
	max  int64
	n    atomic.Int64
	seen sync.Map
}

func newBounded(most int64) *bounded { return &bounded{max: most} }

func (b *bounded) label(s string) string {
	if _, ok := b.seen.Load(s); ok {
		return s
	}
	if len(s) > 64 || b.n.Load() >= b.max {
		return Other
	}
	if b.n.Add(1) > b.max {
		return Other
	}
	if _, ok := b.seen.LoadOrStore(s, struct{}{}); ok {
		b.n.Add(-1)
	}
	return s
}
