package revoke

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
)

const (
	// page is how many marks are read, and raised, in one batch.
	page = 1000
	// maxPages bounds one look, so that a store that answers nonsense does not keep us for ever.
	maxPages = 1000
)

// follow looks again and again.
func (s *Service) follow(life context.Context) {
	for {
		select {
		case <-life.Done():
			return
		case <-time.After(jitter(s.c.Interval)):
		}
		_ = s.sync(life) // it is logged
	}
}

// sync raises what is to be raised, and reads the board on.
func (s *Service) sync(ctx context.Context, more ...map[markName]int64) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("revoke: %w", ctx.Err())
	}
	for _, add := range more {
		for m, value := range add {
			s.pending[m] = max(s.pending[m], value)
		}
	}
	limit := s.c.Stale
	if s.after == 0 { // it has to read everything
		limit = 10 * s.c.Stale
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := s.look(ctx)
	if errors.Is(err, context.Canceled) {
		return err // we are ending
	}
	switch {
	case err != nil && s.down == nil:
		s.c.Log.Error("revocations cannot be read; everybody is refused until they can be", "err", err)
	case err == nil && s.down != nil:
		s.c.Log.Info("revocations are read again")
	}
	s.down = err
	return err
}

// look is one look: what is pending goes with its first batch.
func (s *Service) look(ctx context.Context) error {
	began := time.Now()
	for range maxPages {
		s.waits()
		batch := s.batch()
		read := &store.Marks{Key: boardKey, After: s.after, Limit: page, TTL: s.c.Keep}
		ops := make([]store.Op, 0, len(batch)+1)
		for m, value := range batch {
			ops = append(ops, &store.Raise{Key: boardKey, Mark: string(m[:]), Value: value, Most: s.c.Most, TTL: s.c.Keep})
		}
		if err := s.c.Store.Do(ctx, append(ops, read)...); err != nil {
			return fmt.Errorf("revoke: %w", err)
		}
		for m, value := range batch {
			if s.pending[m] == value {
				delete(s.pending, m)
			}
		}
		switch again, err := s.take(read); {
		case err != nil:
			return err
		case again || s.waits():
		default:
			s.mu.Lock()
			s.fresh = began
			s.mu.Unlock()
			return nil
		}
	}
	return errors.New("revoke: the board has no end")
}

// batch is a part of what is pending.
func (s *Service) batch() map[markName]int64 {
	if len(s.pending) <= page {
		return maps.Clone(s.pending)
	}
	out := make(map[markName]int64, page)
	for m, value := range s.pending {
		if len(out) == page {
			break
		}
		out[m] = value
	}
	return out
}

// take takes in what was read, and tells whether more is to be read.
func (s *Service) take(read *store.Marks) (again bool, err error) {
	fresh := make(map[markName]mark, len(read.Marks))
	for _, k := range read.Marks {
		if len(k.Name) != len(markName{}) {
			return false, errors.New("revoke: a mark that is none of ours")
		}
		fresh[markName([]byte(k.Name))] = mark{value: k.Value, number: k.Number}
	}
	s.mu.Lock()
	told := map[*watcher]struct{}{}
	defer func() { // when nothing is locked any more
		for w := range told {
			w.changed()
		}
	}()
	defer s.mu.Unlock()

	if s.born != read.Born {
		return true, s.begin(read, told)
	}
	for m, k := range fresh {
		if old := s.marks[m]; k.number > old.number || k.value > old.value {
			s.marks[m] = mark{value: max(k.value, old.value), number: max(k.number, old.number)}
			if k.value <= old.value {
				continue // it was only put back
			}
			for w := range s.watchers[m.handle()] {
				told[w] = struct{}{}
			}
			for key := range s.links[m.handle()] {
				s.raiseKey(m, key, k.value)
			}
		}
	}
	for _, k := range fresh {
		s.after = max(s.after, k.number)
	}
	s.forget(read.Lost, told)
	if len(read.Marks) == page {
		return true, nil
	}
	if read.Last < s.after || read.Count < int64(len(s.marks)) {
		return true, s.heal()
	}
	s.after = max(s.after, read.Last)
	return false, nil
}

// begin takes up a board that we did not know: the first one, or one in the place of a board that was lost. Its birth is the floor,
// since nobody knows what stood on another; what we know above that goes on it. s.mu is held.
func (s *Service) begin(read *store.Marks, told map[*watcher]struct{}) error {
	if s.born != 0 {
		s.c.Log.Warn("the store has lost the revocations; tokens issued before now count no more", "born", time.UnixMilli(read.Born))
	}
	s.born, s.after = read.Born, 0
	if s.c.Shared {
		s.raiseFloor(read.Born, told)
		for m, k := range s.marks {
			if k.value <= read.Born-slack.Milliseconds() {
				delete(s.marks, m)
			}
		}
	}
	return s.heal()
}

// heal has what we know raised again, and the board read from its beginning. s.mu is held.
func (s *Service) heal() error {
	if s.after != 0 {
		s.c.Log.Warn("the store has gone back to an earlier state; revocations are put back", "known", len(s.marks))
	}
	for m, k := range s.marks {
		s.pending[m] = max(s.pending[m], k.value)
	}
	s.after = 0
	return nil
}

// forget lets go of the marks that are no longer on the board; what they said becomes the floor. s.mu is held.
func (s *Service) forget(upTo int64, told map[*watcher]struct{}) {
	if upTo == 0 {
		return
	}
	for m, k := range s.marks {
		if k.number <= upTo {
			delete(s.marks, m)
		}
	}
	if upTo > time.Now().Add(slack-s.c.Keep).UnixMilli() { // pushed out; what was made under a number of before could still be there
		s.base = max(s.base, upTo)
	}
	s.raiseFloor(upTo+slack.Milliseconds(), told) // an issuer's clock may be ahead of the one that numbered it
}

// raiseFloor lets no token of before count; everybody who watches is told. s.mu is held.
func (s *Service) raiseFloor(to int64, told map[*watcher]struct{}) {
	// Up to a whole second, as an iat has them.
	if to = (to + 999) / 1000 * 1000; to <= s.floor {
		return
	}
	s.floor = to
	for _, all := range s.watchers {
		for w := range all {
			told[w] = struct{}{}
		}
	}
}
