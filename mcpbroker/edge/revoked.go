package edge

import (
	"context"
	"errors"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// A request may last: a stream that listens, a call that waits for a person. When its principal's token counts no more its context
// ends with relay.ErrRevoked as the cause, and what is open is answered with that. A legacy call goes on when its client has gone; it does
// not go on then.

type lifeKey struct{}

// untilRevoked gives a request a context that ends when its principal is revoked.
func (e *Edge) untilRevoked(ctx context.Context, p *identity.Principal) (context.Context, func()) {
	if e.c.Watch == nil {
		return ctx, func() {}
	}
	life, end := context.WithCancelCause(context.Background())
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, lifeKey{}, life))
	stop := e.c.Watch(p, func() {
		end(relay.ErrRevoked)
		cancel(relay.ErrRevoked)
	})
	return ctx, func() {
		stop()
		end(nil)
		cancel(nil)
	}
}

// detached goes on when the client has gone, and ends when the principal is revoked.
func detached(ctx context.Context) (context.Context, func()) {
	life, ok := ctx.Value(lifeKey{}).(context.Context)
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	if !ok {
		return out, func() { cancel(nil) }
	}
	stop := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	return out, func() {
		stop()
		cancel(nil)
	}
}

// revoked is the error of a call that ended since its principal was revoked; nil when it did not.
func revoked(ctx context.Context) *relay.Error {
	if errors.Is(context.Cause(ctx), relay.ErrRevoked) {
		return relay.ErrRevoked
	}
	return nil
}

// Revoked ends the sessions of a principal: its clients are told that there is no such session, and begin anew. What is open in them
// ends by itself where its token counts no more; a newer token may have brought it.
func (e *Edge) Revoked(principal string) {
	s := e.sessions
	until := time.Now().Add(e.c.SessionTTL)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, c := range s.all {
		if c.owner == principal {
			delete(s.all, key)
			s.ended[key] = until
			c.close()
		}
	}
}

// close takes no more requests.
func (c *session) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}
