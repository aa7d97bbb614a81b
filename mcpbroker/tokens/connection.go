package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/seal"
)

// keepConnection is how long a connection lasts that nobody uses.
const keepConnection = 30 * 24 * time.Hour

// errNoCode is a source that people do not connect to.
var errNoCode = errors.New("tokens: nobody connects to this server")

// connection is where what a person granted is kept, beside her tokens. It is sealed under a key of its own, and bound to its place,
// which names the person, the server, what it is for and her epoch.
type connection struct{ key, lock string }

func (p place) connection() connection { return connection{p.name + ":c", p.name + ":cl"} }

func (c *Cache) box() (*seal.Box, error) { return seal.New(c.Keys, "mcp refresh token") }

// Connect takes the code with which a person granted the broker access, once: what was there before is replaced, and whoever is
// renewing that finds that it is no longer his to write.
func (s *Source) Connect(ctx context.Context, p *identity.Principal, code, verifier string) error {
	flow, at, err := s.person(ctx, p)
	if err != nil {
		return err
	}
	got, err := bearer(flow.exchange(ctx, code, verifier, s.Want))
	if err != nil {
		return err
	}
	now := time.Now()
	kept := record{token: got.token, issued: now, until: got.until}
	if !kept.usable(now, false) {
		return fmt.Errorf("%w: it has ended already", ErrRefused)
	}
	box, err := s.Cache.box()
	if err != nil {
		return err
	}
	c := at.connection()
	return s.Cache.Store.Do(ctx,
		&store.Delete{Key: c.lock}, &store.Delete{Key: at.name + ":l"},
		&store.Put{Key: c.key, Value: []byte(box.Seal([]byte(got.refresh), keepConnection, c.key)), TTL: keepConnection},
		&store.Put{Key: at.name, Value: kept.encode(), TTL: kept.until.Sub(now)},
		at.written(keepConnection),
	)
}

// Disconnect forgets what a person granted, and the token that was had with it, and tells the authorization server so. With ErrUntold it
// is forgotten all the same.
func (s *Source) Disconnect(ctx context.Context, p *identity.Principal) error {
	_, at, err := s.person(ctx, p)
	if err != nil {
		return err
	}
	_, err = s.forget(ctx, at)
	return err
}

// Connected tells whether there is something to call the server with.
func (s *Source) Connected(ctx context.Context, p *identity.Principal) (bool, error) {
	_, at, err := s.person(ctx, p)
	if err != nil {
		return false, err
	}
	had, err := s.Cache.look(ctx, at)
	if err != nil || had.usable(time.Now(), false) {
		return err == nil, err
	}
	refresh, err := s.Cache.granted(ctx, at)
	return refresh != "", err
}

// person is where a person's connection is. Nobody connects for somebody else.
func (s *Source) person(ctx context.Context, p *identity.Principal) (Code, place, error) {
	flow, ok := s.Flow.(Code)
	if !ok {
		return Code{}, place{}, errNoCode
	}
	if p.IsAnonymous() {
		return Code{}, place{}, ErrNobody
	}
	at, err := s.Cache.placeOf(ctx, p, s.Server, flow, s.Want)
	return flow, at, err
}

// granted is the refresh token at a place; "" where there is none.
func (c *Cache) granted(ctx context.Context, at place) (string, error) {
	get := &store.Get{Key: at.connection().key}
	if err := c.Store.Do(ctx, get); err != nil || !get.Found {
		return "", err
	}
	return c.open(at, get.Value)
}

func (c *Cache) open(at place, sealed []byte) (string, error) {
	box, err := c.box()
	if err != nil {
		return "", err
	}
	refresh, err := box.Open(string(sealed), at.connection().key)
	return string(refresh), err
}

// refresh gets a token by the connection. A refresh token that comes with it takes the place of the one that was used (RFC 9700,
// section 4.14.2); one that is refused ends the connection. Both are written only while the connection is the same one.
func (s *Source) refresh(ctx context.Context, at place, flow Code) (given, error) {
	c := at.connection()
	lock, get := &store.Lock{Key: c.lock, Owner: rand.Text(), TTL: fetchTime}, &store.Get{Key: c.key}
	if err := s.Cache.Store.Do(ctx, lock, get); err != nil {
		return given{}, err
	}
	if !lock.Got { // who had it before took longer than he may
		return given{}, fmt.Errorf("%w: somebody else is renewing it", ErrUnreachable)
	}
	leave := func(err error) (given, error) {
		return given{}, errors.Join(err, s.Cache.leave(ctx, lock))
	}
	if !get.Found {
		return leave(ErrConnect)
	}
	had, err := s.Cache.open(at, get.Value)
	switch {
	case err != nil:
		return leave(err)
	case had == "":
		return leave(ErrConnect)
	}
	got, failed := flow.fetch(ctx, had, s.Want)
	next := or(got.refresh, had)
	if failed != nil {
		if !errors.Is(failed, errGrant) {
			return leave(failed)
		}
		next, failed = "", errors.Join(ErrConnect, failed)
	}
	box, err := s.Cache.box()
	if err != nil {
		return leave(err)
	}
	put := &store.PutOwned{
		Lock: c.lock, Owner: lock.Owner, Key: c.key, Value: []byte(box.Seal([]byte(next), keepConnection, c.key)), TTL: keepConnection,
	}
	if err := s.Cache.Store.Do(ctx, put, at.written(keepConnection)); err != nil {
		return given{}, err
	}
	if !put.Stored { // she connected anew, or disconnected, meanwhile
		err := fmt.Errorf("%w: the connection is another one by now", ErrUnreachable)
		if now, failed := s.Cache.granted(ctx, at); now == "" && failed == nil { // what came is the end's too, of which nobody else could tell
			_, failed = s.tell(ctx, got.refresh, got.token)
			err = errors.Join(err, failed)
		}
		return given{}, err
	}
	return got, failed
}
