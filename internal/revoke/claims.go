package revoke

import (
	"context"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
)

// Two tokens of one principal, for the same client, audience and scopes, that say different groups: what the newer one says holds,
// and the older one counts no more. What each said stands on a board of the principal's: a mark for the groups (by a MAC), raised to
// the newest iat that said so. When another token's groups are newer, and what said these is not refused yet, the newer iat becomes
// a mark on the board of revocations, by the issuer's clock. Two of the same second cannot be told apart, and nothing follows.
//
// This goes on behind the request, which does not wait for it. It is refused at its next.

const (
	// maxSeen is how many tokens wait to be compared; one that finds no place is compared when it is verified again.
	maxSeen = 1024
	// maxClaims is how many different groups are remembered of a principal, over all its clients.
	maxClaims = 64
	// keepClaims is how long they are.
	keepClaims = 24 * time.Hour
	// patience is how long one comparison may take.
	patience = 2 * time.Second
)

// Saw is for identity: a token was verified anew.
func (s *Service) Saw(one identity.Sighting) {
	select {
	case s.seen <- one:
	default:
		s.c.Log.Debug("too many new tokens at once; one is compared with others when it is verified again")
	}
}

func (s *Service) compare(life context.Context) {
	for {
		select {
		case <-life.Done():
			return
		case one := <-s.seen:
			ctx, cancel := context.WithTimeout(life, patience)
			if err := s.compareOne(ctx, one); err != nil && life.Err() == nil {
				s.c.Log.Warn("a token could not be compared with others of its principal", "err", err)
			}
			cancel()
		}
	}
}

func (s *Service) compareOne(ctx context.Context, one identity.Sighting) error {
	if len(one.Handles) == 0 || one.Issued.UnixMilli() < 1 {
		return nil
	}
	if s.link(one.Handles) {
		if err := s.sync(ctx); err != nil {
			return err
		}
	}
	group := s.c.Keys.MAC("revoke/context", one.Context[:])
	said := s.c.Keys.MAC("revoke/groups", one.Groups[:])
	prefix := string(group[:12])
	key := s.c.Keys.Slot(one.Scope) + "claims"
	read := &store.Marks{Key: key, Limit: maxClaims, TTL: keepClaims}
	err := s.c.Store.Do(ctx, &store.Raise{Key: key, Mark: prefix + string(said[:12]), Value: one.Issued.UnixMilli(), Most: maxClaims, TTL: keepClaims}, read)
	if err != nil {
		return err
	}
	var newest, other store.Mark
	for _, k := range read.Marks {
		if len(k.Name) != 24 || k.Name[:12] != prefix {
			continue
		}
		if k.Value > newest.Value {
			newest = k
		}
	}
	for _, k := range read.Marks {
		if len(k.Name) == 24 && k.Name[:12] == prefix && k.Name != newest.Name && k.Value > other.Value {
			other = k
		}
	}
	if other.Value == 0 || other.Value >= newest.Value {
		return nil
	}
	s.mu.RLock()
	refused := s.marks[s.handle(one.Handles[0]).mark(byIssuer)].value
	s.mu.RUnlock()
	if other.Value < refused {
		return nil
	}
	s.c.Log.Info("a principal's groups changed; its older tokens count no more")
	return s.Revoke(ctx, Revocation{Handles: one.Handles[:1], Before: time.UnixMilli(newest.Value)})
}
