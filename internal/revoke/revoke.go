// Package revoke knows whose tokens count no more, and tells every process within two seconds.
//
// A revocation is a mark on one board of the store (store.Raise): who is revoked, by a MAC of a handle of identity's, and the time
// before which tokens count no more, by our clock or by the issuer's (claims.go says when it is the issuer's). A mark never falls, so that an old
// revocation that comes late changes nothing.
//
//  1. each process reads on, every half second, what was raised since its last look (follow.go), into a copy of the whole board
//  2. Epoch answers from the copy: the newest number and the latest times of all handles. A copy whose last good read began more
//     than two seconds ago answers ErrStale, which is a refusal; so does one that was never read
//  3. Revoke raises marks and reads them back in one step, so that the process that revokes knows at once
//  4. whoever holds streams open is told (Watch), and looks again
//  5. two tokens of one principal that say different groups are a revocation too: the older one counts no more (claims.go)
//
// The copy is bounded, and what is forgotten loosens nothing: it becomes a floor, a time before which nobody's tokens count. A
// mark that made room, or is older than Keep, leaves as its floor the time when it was raised. And a board that began while the store is one that outlives
// processes (Shared) may have been lost, with marks on it that nobody here has read: the floor is the time of its birth. So after a flush everybody logs in
// again. A board that went back to an earlier state (a replica was promoted that lagged) gets the marks back that its readers have.
package revoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
)

// ErrStale is a copy that is too old to answer from.
var ErrStale = errors.New("revoke: the copy of the revocations is stale")

// Config is what a Service works with. Zero fields take their defaults.
type Config struct {
	Store store.Store
	Keys  *store.Keys
	// Shared says that the store outlives this process, so that a board which begins may be one that was lost.
	Shared bool

	Interval time.Duration // between two looks; default 500 ms
	Stale    time.Duration // how old a copy may be; default 2 s
	Keep     time.Duration // how long a mark is kept; default 31 days
	Most     int           // marks that are kept; default 100,000
	Log      *slog.Logger
}

// boardKey is where the marks are. It is a slot of its own and names nobody.
const boardKey = "{revocations}v1"

// slack is by how much an issuer's clock may differ from ours at most (identity's largest skew).
const slack = 10 * time.Minute

// Service knows revocations. It is safe for concurrent use, and an identity.Epochs.
type Service struct {
	c Config

	turn    chan struct{}      // full while somebody talks to the store, so that answers are taken in order
	after   int64              // the number up to which the board was read; with turn
	pending map[markName]int64 // what could not be raised yet; with turn
	down    error              // why the last look failed; with turn

	mu       sync.RWMutex
	marks    map[markName]mark
	fresh    time.Time // when the last good read began; zero: there was none
	born     int64     // of the board, in milliseconds
	base     int64     // the number of who has no mark, in its place
	floor    int64     // tokens of before count no more, whoever's; milliseconds by our clock
	watchers map[handle]map[*watcher]struct{}
	links    links
	keys     map[markName]int64 // to be raised too (links.go)

	seen    chan identity.Sighting
	stop    context.CancelFunc
	running sync.WaitGroup
}

// handle is a MAC of a handle; markName is one with whose clock the time is by.
type (
	handle   [16]byte
	markName [17]byte
)

// Whose clock a mark's time is by.
const (
	byOwn    = 'o'
	byIssuer = 'i'
)

func (h handle) mark(clock byte) (m markName) {
	copy(m[:], h[:])
	m[len(h)] = clock
	return m
}

func (m markName) handle() handle { return handle(m[:16]) }

// mark is a time in milliseconds, and the number of its raise.
type mark struct{ value, number int64 }

type watcher struct{ changed func() }

// New reads the board and keeps reading it until Close.
func New(ctx context.Context, c Config) (*Service, error) {
	if c.Store == nil || c.Keys == nil {
		return nil, errors.New("revoke: a store and its keys are needed")
	}
	orDefault(&c.Interval, 500*time.Millisecond)
	orDefault(&c.Stale, 2*time.Second)
	orDefault(&c.Keep, 31*24*time.Hour)
	orDefault(&c.Most, 100_000)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		c: c, turn: make(chan struct{}, 1), pending: map[markName]int64{}, marks: map[markName]mark{}, watchers: map[handle]map[*watcher]struct{}{}, links: links{}, keys: map[markName]int64{},
		seen: make(chan identity.Sighting, maxSeen),
	}
	if err := s.sync(ctx); err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.running.Go(func() { s.follow(life) })
	s.running.Go(func() { s.compare(life) })
	return s, nil
}

func orDefault[T time.Duration | int](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Close ends the reading.
func (s *Service) Close() {
	s.stop()
	s.running.Wait()
}

// Ready is an error while Epoch cannot answer.
func (s *Service) Ready() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.stale()
}

// stale is why the copy is not to be answered from; s.mu is held.
func (s *Service) stale() error {
	if s.fresh.IsZero() || time.Since(s.fresh) > s.c.Stale {
		return ErrStale
	}
	return nil
}

// Epoch is what is known of the revocations of who has these handles.
func (s *Service) Epoch(handles []string) (identity.Epoch, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.stale(); err != nil {
		return identity.Epoch{}, err
	}
	own, issuer := s.floor, int64(0)
	e := identity.Epoch{Number: max(s.born, s.base)}
	for _, name := range handles {
		if len(s.marks) == 0 {
			break
		}
		h := s.handle(name)
		o, i := s.marks[h.mark(byOwn)], s.marks[h.mark(byIssuer)]
		own, issuer = max(own, o.value), max(issuer, i.value)
		e.Number = max(e.Number, o.number, i.number)
	}
	if own > 0 {
		e.Own = time.UnixMilli(own)
	}
	if issuer > 0 {
		e.Issuer = time.UnixMilli(issuer)
	}
	return e, nil
}

func (s *Service) handle(name string) handle {
	sum := s.c.Keys.MAC("revoke", []byte(name))
	return handle(sum[:16])
}

// Watch calls changed after each revocation of a handle, until stop. It must not wait, nor revoke.
func (s *Service) Watch(handles []string, changed func()) (stop func()) {
	w := &watcher{changed}
	of := make([]handle, len(handles))
	for i, name := range handles {
		of[i] = s.handle(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range of {
		if s.watchers[h] == nil {
			s.watchers[h] = map[*watcher]struct{}{}
		}
		s.watchers[h][w] = struct{}{}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, h := range of {
			if delete(s.watchers[h], w); len(s.watchers[h]) == 0 {
				delete(s.watchers, h)
			}
		}
	}
}

// Revocation says whose tokens count no more.
type Revocation struct {
	Handles []string // of identity.Verifier.Handles
	// Before is the time before which tokens count no more, by the issuer's clock; zero is now, by ours.
	Before time.Time
}

// Revoke makes tokens count no more. With an error it is not known to everybody yet; it will be, when the store is back and
// this process lives on.
func (s *Service) Revoke(ctx context.Context, all ...Revocation) error {
	raise := map[markName]int64{}
	for _, r := range all {
		clock, before := byte(byIssuer), r.Before
		if before.IsZero() {
			// An iat has whole seconds: what is issued in this very second may be of before.
			clock, before = byOwn, time.Now().Add(time.Second-1).Truncate(time.Second)
		}
		if before.UnixMilli() < 1 {
			return fmt.Errorf("revoke: %v is no time", before)
		}
		for _, name := range r.Handles {
			m := s.handle(name).mark(clock)
			raise[m] = max(raise[m], before.UnixMilli())
		}
	}
	if len(raise) == 0 {
		return errors.New("revoke: nobody is named")
	}
	return s.sync(ctx, raise)
}

// jitter spreads the looks of many processes.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/5+1)) //nolint:gosec // any
}
