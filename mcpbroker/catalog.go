package mcpbroker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// kind is one of the lists that a server has; about is what it says of itself.
type kind uint8

const (
	tools kind = iota
	prompts
	resources
	templates
	about
	kinds
)

// shape is how a kind's list is asked for and read.
type shape struct{ method, list, name, changed string }

func (k kind) shape() shape {
	return [kinds]shape{
		tools:     {protocol.ListTools, "tools", "name", protocol.NotifyTools},
		prompts:   {protocol.ListPrompts, "prompts", "name", protocol.NotifyPrompts},
		resources: {protocol.ListResources, "resources", "uri", protocol.NotifyResources},
		templates: {protocol.ListTemplates, "resourceTemplates", "uriTemplate", protocol.NotifyResources},
		about:     {protocol.Discover, "", "", ""},
	}[k]
}

func kindOf(method string) kind {
	for k := range kinds {
		if k.shape().method == method {
			return k
		}
	}
	return kinds
}

// How long a list is kept, whatever its server says of it.
const (
	leastKept = time.Second
	mostKept  = time.Hour
)

const (
	// maxOwned is how many lists of single principals are kept.
	maxOwned = 10_000
	// ownedIdle is how long they are kept unused.
	ownedIdle = 30 * time.Minute
	firstWait = time.Second
	longWait  = time.Minute
)

// catalog keeps what servers list: once for a server, or for a server and a principal where each has a credential of its own.
type catalog struct {
	b   *Broker
	mu  sync.Mutex
	all map[entryKey]*entry
}

// entryKey names a server's lists; owner is "" where they are the same for all.
type entryKey struct{ server, owner string }

func newCatalog(b *Broker) *catalog { return &catalog{b: b, all: map[entryKey]*entry{}} }

// listing is one list as it was fetched; it never changes.
type listing struct {
	items  []*item
	byName map[string]*item // by the server's own name
	doc    []byte           // of about
	until  time.Time
	err    error // why there is none
}

// entry is the lists of one server, for one owner.
type entry struct {
	b     *Broker
	s     *server
	owner string

	mu       sync.Mutex
	lists    [kinds]*listing
	fetching [kinds]chan struct{} // closed when the fetch that is under way has ended
	version  [kinds]int           // counts what made a list stale
	missed   [kinds]bool          // somebody went without a list that was never fetched
	used     time.Time
	watched  bool
	reported map[string]bool // pins that were told of
	end      context.CancelFunc
	life     context.Context //nolint:containedctx // of its stream
}

// of is the lists of a server as a principal gets them.
func (c *catalog) of(s *server, p *identity.Principal) *entry {
	key := entryKey{server: s.name}
	if !s.Shared {
		key.owner = p.Key()
	}
	now := c.b.c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.all[key]
	if e == nil {
		if len(c.all) >= maxOwned+len(c.b.names.servers) {
			c.makeRoom()
		}
		e = &entry{b: c.b, s: s, owner: key.owner, reported: map[string]bool{}}
		e.life, e.end = context.WithCancel(c.b.life)
		c.all[key] = e
	}
	e.touch(now)
	return e
}

// makeRoom forgets the lists of a principal that were not used for the longest time.
func (c *catalog) makeRoom() {
	var oldest *entry
	var at time.Time
	for _, e := range c.all {
		if used := e.lastUsed(); e.owner != "" && (oldest == nil || used.Before(at)) {
			oldest, at = e, used
		}
	}
	if oldest != nil {
		c.forget(oldest)
	}
}

// forget drops lists and their stream; c.mu is held.
func (c *catalog) forget(e *entry) {
	e.end()
	delete(c.all, entryKey{e.s.name, e.owner})
}

func (e *entry) touch(now time.Time) {
	e.mu.Lock()
	e.used = now
	e.mu.Unlock()
}

func (e *entry) lastUsed() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.used
}

// get is a list: from memory while it is fresh, else fetched once for all who wait. For a server that was down when it was last
// asked, for this list or another, nobody waits: it is asked again in the background.
func (e *entry) get(ctx context.Context, p *identity.Principal, k kind) *listing {
	e.mu.Lock()
	had := e.lists[k]
	if had != nil && e.b.c.Now().Before(had.until) {
		e.mu.Unlock()
		return had
	}
	done := e.fetching[k]
	if done == nil {
		done = make(chan struct{})
		version := e.version[k]
		if !e.b.spawn(func() { e.fetch(p, k, version, done) }) {
			e.mu.Unlock()
			return &listing{err: context.Canceled}
		}
		e.fetching[k] = done
	}
	if had == nil {
		had = e.down()
		e.missed[k] = e.missed[k] || had != nil
	}
	e.mu.Unlock()
	if had != nil && had.err != nil && !errors.Is(had.err, tokens.ErrConnect) { // she may have connected by now
		return had
	}
	select {
	case <-done:
	case <-ctx.Done():
		return &listing{err: ctx.Err()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lists[k]
}

// down is a list that could not be had a moment ago since the server was down; nil when there is none. e.mu is held.
func (e *entry) down() *listing {
	for _, l := range e.lists {
		if l == nil || l.err == nil || !e.b.c.Now().Before(l.until) {
			continue
		}
		if _, said := errors.AsType[*leftError](l.err); !said { // what a server answers wrongly is about that list alone
			return &listing{err: l.err, until: l.until}
		}
	}
	return nil
}

// fetch asks the server for a whole list and puts it in place.
func (e *entry) fetch(p *identity.Principal, k kind, version int, done chan struct{}) {
	ctx, cancel := context.WithTimeout(e.life, e.b.c.ListTimeout)
	l := e.b.fetch(ctx, e.s, p, k)
	cancel()
	e.mu.Lock()
	had := e.lists[k]
	if e.version[k] != version { // it changed meanwhile
		l.until = time.Time{}
	}
	e.lists[k], e.fetching[k] = l, nil
	missed := e.missed[k]
	e.missed[k] = false
	watch := l.err == nil && k != about && !e.watched
	e.watched = e.watched || watch
	e.mu.Unlock()
	e.note(k, l, had)
	if k == tools && l.err == nil {
		e.b.noteSeen(e, l)
	}
	close(done)
	if had != nil && (had.err == nil) != (l.err == nil) || had == nil && missed && l.err == nil {
		e.b.hub.publish(e.s, e.owner, k)
	}
	if watch {
		e.b.spawn(func() { e.watch(p) })
	}
}

// note logs and counts a fetch.
func (e *entry) note(k kind, l, had *listing) {
	if errors.Is(l.err, context.Canceled) {
		return // we are ending
	}
	if errors.Is(l.err, tokens.ErrConnect) { // about one person, and not about the server
		e.b.metrics.fetches.WithLabelValues(e.s.name, "unconnected").Inc()
		return
	}
	if l.err != nil {
		e.b.metrics.fetches.WithLabelValues(e.s.name, "error").Inc()
		e.b.metrics.up.WithLabelValues(e.s.name).Set(0)
		reason := leftDown
		if left, ok := errors.AsType[*leftError](l.err); ok {
			reason = left.reason
		}
		e.b.metrics.left.WithLabelValues(e.s.name, reason).Inc()
		if had == nil || had.err == nil {
			e.b.c.Log.Warn("a server leaves the lists", "server", e.s.name, "list", k.shape().method, "reason", reason, "err", l.err)
		}
		return
	}
	e.b.metrics.fetches.WithLabelValues(e.s.name, "ok").Inc()
	e.b.metrics.up.WithLabelValues(e.s.name).Set(1)
	if had != nil && had.err != nil {
		e.b.c.Log.Info("a server is back in the lists", "server", e.s.name, "list", k.shape().method)
	}
}

// stale makes lists be fetched anew when they are next wanted, and tells those who listen.
func (e *entry) stale(list ...kind) {
	e.mu.Lock()
	for _, k := range list {
		e.version[k]++
		if old := e.lists[k]; old != nil && old.err == nil {
			fresh := *old
			fresh.until = time.Time{}
			e.lists[k] = &fresh
		}
	}
	e.mu.Unlock()
	for _, k := range list {
		e.b.hub.publish(e.s, e.owner, k)
	}
}

// changed takes a notification that a list of the server changed; false is another one.
func (e *entry) changed(method string) bool {
	switch method {
	case protocol.NotifyTools:
		e.stale(tools)
	case protocol.NotifyPrompts:
		e.stale(prompts)
	case protocol.NotifyResources:
		e.stale(resources, templates)
	default:
		return false
	}
	return true
}

// spawn runs something that Close waits for; false when the broker is closed.
func (b *Broker) spawn(f func()) bool {
	b.closing.Lock()
	defer b.closing.Unlock()
	if b.life.Err() != nil {
		return false
	}
	b.running.Go(f)
	return true
}
