package dual

import (
	"context"
	"sync"

	"github.com/yellowjack/yellowjack/internal/label"
)

// places bounds the model calls in progress: in all, and of each principal, so that one with two hundred results does not
// keep the others waiting.
type places struct {
	all  chan struct{}
	each int

	mu  sync.Mutex
	own map[label.Scope]*ownPlaces
}

type ownPlaces struct {
	free chan struct{}
	uses int
}

func newPlaces(all, each int) *places {
	return &places{all: make(chan struct{}, all), each: min(each, all), own: map[label.Scope]*ownPlaces{}}
}

// take waits for a place; leave gives it back. Without one, because ctx is over, leave is nil.
func (p *places) take(ctx context.Context, s label.Scope) (leave func()) {
	p.mu.Lock()
	own := p.own[s]
	if own == nil {
		own = &ownPlaces{free: make(chan struct{}, p.each)}
		p.own[s] = own
	}
	own.uses++
	p.mu.Unlock()
	done := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if own.uses--; own.uses == 0 {
			delete(p.own, s)
		}
	}
	select {
	case own.free <- struct{}{}:
	case <-ctx.Done():
		done()
		return nil
	}
	select {
	case p.all <- struct{}{}:
	case <-ctx.Done():
		<-own.free
		done()
		return nil
	}
	return func() {
		<-p.all
		<-own.free
		done()
	}
}
