package mcpbroker

import (
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
)

// The broker keeps things for principals between their requests: sessions, lists, processes. So it has to hear of a revocation when
// no request of theirs is open, and remembers who was here. Who has not been for the longest time makes room, and what is kept for them
// ends too.

// maxPresent is how many principals are remembered.
const maxPresent = 20_000

type present struct {
	changes func(p *identity.Principal, changed func()) (stop func())
	end     func(principal string)

	mu  sync.Mutex
	all map[string]*visitor
}

type visitor struct {
	stop func()
	seen time.Time
}

func newPresent(changes func(*identity.Principal, func()) func(), end func(string)) *present {
	return &present{changes: changes, end: end, all: map[string]*visitor{}}
}

// note remembers that a principal is here.
func (v *present) note(p *identity.Principal) {
	if p.IsAnonymous() {
		return
	}
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if one := v.all[p.Key()]; one != nil {
		one.seen = now
		return
	}
	if len(v.all) >= maxPresent {
		v.makeRoom()
	}
	key := p.Key()
	v.all[key] = &visitor{seen: now, stop: v.changes(p, func() { go v.end(key) })}
}

func (v *present) makeRoom() {
	oldest := ""
	for key, one := range v.all {
		if oldest == "" || one.seen.Before(v.all[oldest].seen) {
			oldest = key
		}
	}
	v.all[oldest].stop()
	delete(v.all, oldest)
	go v.end(oldest)
}

// Revoked ends what the broker keeps for a principal, and has those of its clients that still listen look at their lists again.
func (b *Broker) Revoked(principal string) {
	for _, s := range b.names.servers {
		if e, ok := s.Receiver.(interface{ End(principal string) }); ok {
			e.End(principal)
		}
	}
	b.catalog.mu.Lock()
	for _, e := range b.catalog.all {
		if e.owner == principal {
			b.catalog.forget(e)
		}
	}
	b.catalog.mu.Unlock()
	b.hub.of(principal)
}

// of makes the clients of one principal look again.
func (h *hub) of(owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		for k := range kinds {
			if s.owner == owner && s.wants[k] {
				s.wake(k)
			}
		}
	}
}
