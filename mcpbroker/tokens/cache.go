package tokens

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
)

const (
	// early is how long before its end a token is not used any more.
	early = 10 * time.Second
	// fetchTime bounds the getting of one token, other processes' turns included; a lock is kept no longer.
	fetchTime = 20 * time.Second
	// turn is how often a process looks whether another one has the token by now.
	turn = 50 * time.Millisecond
	// badTime is how long a failure is remembered.
	badTime = 3 * time.Second
	// young is how old a token is at most that is used again although the server has just refused one: others may have got it.
	young = 2 * time.Second
)

// ErrRevoked is a person whose tokens were revoked while one was being had.
var ErrRevoked = errors.New("tokens: revoked meanwhile")

// Cache keeps tokens in a store that seals what it keeps (store.Sealed). It is used by pointer.
type Cache struct {
	Store store.Store
	Keys  *store.Keys
	// Epoch is a principal's revocation epoch: what was had under another one is not used. nil: there is none.
	Epoch func(ctx context.Context, principal string) (int64, error)

	flight singleflight.Group
}

// record is a token as it is kept; one without a token is a failure.
type record struct {
	token         string
	issued, until time.Time
}

func (r record) encode() []byte {
	out := binary.BigEndian.AppendUint64(nil, uint64(r.issued.UnixMilli()))
	out = binary.BigEndian.AppendUint64(out, uint64(r.until.UnixMilli()))
	return append(out, r.token...)
}

func decode(b []byte) (record, error) {
	if len(b) < 16 {
		return record{}, errors.New("tokens: a record that is none")
	}
	at := func(i int) time.Time { return time.UnixMilli(int64(binary.BigEndian.Uint64(b[i:]))) }
	return record{token: string(b[16:]), issued: at(0), until: at(8)}, nil
}

// usable tells whether a token may be used now.
func (r record) usable(now time.Time, refused bool) bool {
	return r.token != "" && now.Before(r.until.Add(-early)) && !(refused && now.Sub(r.issued) > young)
}

// failure tells whether it says that there is no token now.
func (r record) failure(now time.Time) bool { return r.token == "" && now.Before(r.until) }

// renew is when another one is had: after three quarters of its life, a little earlier or later by its name, so that not all are had at
// the same time.
func (r record) renew(name string) time.Time {
	life := r.until.Sub(r.issued)
	jitter := time.Duration(name[len(name)-1]%16) * life / 128
	return r.issued.Add(life*3/4 - jitter)
}

// place is where the tokens of one kind for one principal are.
type place struct {
	slot, name string
	principal  string
	epoch      int64
	entry      string // what is written down of it (kept.go)
}

// placeOf names it by all that makes two tokens different.
func (c *Cache) placeOf(ctx context.Context, p *identity.Principal, server string, flow Flow, w Want) (place, error) {
	owner, who := Owner{}, []string{"", "", "", ""}
	var err error
	out := place{}
	if !flow.shared() {
		owner = Owner{Tenant: p.Tenant(), Principal: p.Key()}
		who = []string{p.Tenant(), p.Key(), p.Actor(), p.Client()}
		if _, connected := flow.(Code); connected { // what she connects in her browser is for whatever application she calls from
			who[3] = ""
		}
		out.principal = p.Key()
		if out.epoch, err = c.epoch(ctx, out.principal); err != nil {
			return place{}, err
		}
	}
	parts := append(who, server, w.Resource, w.Audience, flow.name(), strconv.FormatInt(out.epoch, 10))
	scopes := slices.Sorted(slices.Values(w.Scopes))
	parts = append(parts, scopes...)
	all := make([][]byte, len(parts))
	for i, part := range parts {
		all[i] = []byte(part)
	}
	sum := c.Keys.MAC("mcp token", all...)
	out.slot = c.slot(owner)
	out.name = out.slot + "t:" + hex.EncodeToString(sum[:])
	out.entry, err = entry{
		Name: out.name[len(out.slot):], Server: server, Flow: flow.name(), Resource: w.Resource, Audience: w.Audience, Scopes: scopes, Actor: who[2], Application: who[3],
	}.encode()
	return out, err
}

func (c *Cache) epoch(ctx context.Context, principal string) (int64, error) {
	if c.Epoch == nil || principal == "" {
		return 0, nil
	}
	return c.Epoch(ctx, principal)
}

// token is a token that may be used now; refused says that the server has just refused the one that it was given.
func (c *Cache) token(ctx context.Context, at place, refused bool, fetch func(context.Context) (given, error)) (string, error) {
	had, err := c.look(ctx, at)
	if err != nil {
		return "", err
	}
	now := time.Now()
	switch {
	case had.usable(now, refused):
		if !refused && now.After(had.renew(at.name)) {
			c.start(ctx, at, had.issued, false, fetch)
		}
		return had.token, nil
	case had.failure(now):
		return "", fmt.Errorf("%w: it failed a moment ago", ErrRefused)
	}
	select {
	case r := <-c.start(ctx, at, had.issued, refused, fetch):
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// look reads what is kept; nothing is a record without a token that has ended.
func (c *Cache) look(ctx context.Context, at place) (record, error) {
	get := &store.Get{Key: at.name}
	if err := c.Store.Do(ctx, get); err != nil {
		return record{}, fmt.Errorf("tokens: %w", err)
	}
	if !get.Found {
		return record{}, nil
	}
	return decode(get.Value)
}

// start gets another token than the one issued then, unless this process is about it already. It outlives the call that wanted it first.
func (c *Cache) start(ctx context.Context, at place, before time.Time, refused bool, fetch func(context.Context) (given, error)) <-chan singleflight.Result {
	return c.flight.DoChan(at.name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		return c.get(ctx, at, before, refused, fetch)
	})
}

// get gets a token when it is this process' turn, or takes the one that another has got.
func (c *Cache) get(ctx context.Context, at place, before time.Time, refused bool, fetch func(context.Context) (given, error)) (string, error) {
	lock := &store.Lock{Key: at.name + ":l", Owner: rand.Text(), TTL: fetchTime}
	for {
		get := &store.Get{Key: at.name}
		if err := c.Store.Do(ctx, lock, get); err != nil {
			return "", fmt.Errorf("tokens: %w", err)
		}
		var had record
		if get.Found {
			var err error
			if had, err = decode(get.Value); err != nil {
				return "", err
			}
		}
		now := time.Now()
		switch other := had.issued.After(before); {
		case other && had.usable(now, false):
			return had.token, c.leave(ctx, lock)
		case other && had.failure(now):
			return "", errors.Join(fmt.Errorf("%w: it failed a moment ago", ErrRefused), c.leave(ctx, lock))
		case lock.Got:
			if refused {
				had = record{} // it serves no more
			}
			token, again, err := c.fetch(ctx, at, lock, had, fetch)
			if !again {
				return token, err
			}
		case !refused && had.usable(now, false):
			return had.token, nil // somebody renews it
		}
		select {
		case <-time.After(turn):
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
		}
	}
}

// leave gives the lock back, if it was had.
func (c *Cache) leave(ctx context.Context, lock *store.Lock) error {
	if !lock.Got {
		return nil
	}
	return c.Store.Do(ctx, &store.Delete{Key: lock.Key})
}

// fetch gets a token and keeps it. What comes when the lock or the epoch is another one is thrown away; again says that it was the lock.
// When there is none to be had, the one that there is serves on, and the lock stays for a while, so that nobody tries again at once.
func (c *Cache) fetch(ctx context.Context, at place, lock *store.Lock, had record, fetch func(context.Context) (given, error)) (token string, again bool, err error) {
	got, failed := fetch(ctx)
	now := time.Now()
	kept := record{token: got.token, issued: now, until: got.until}
	if failed == nil && !kept.usable(now, false) {
		failed = fmt.Errorf("%w: it has ended already", ErrRefused)
	}
	switch {
	case failed == nil:
	case errors.Is(failed, ErrConnect): // what there is goes with the connection; nothing is remembered, since she may connect at once
		nothing := record{issued: now, until: now}
		put := &store.PutOwned{Lock: lock.Key, Owner: lock.Owner, Key: at.name, Value: nothing.encode(), TTL: badTime}
		return "", false, errors.Join(failed, c.Store.Do(ctx, put))
	case had.usable(now, false):
		lock.TTL = badTime
		return had.token, false, c.Store.Do(ctx, lock)
	case errors.Is(failed, ErrNobody), errors.Is(failed, ErrStranger): // the next call may bring what this one did not
		return "", false, errors.Join(failed, c.leave(ctx, lock))
	default:
		kept = record{issued: now, until: now.Add(badTime)}
	}
	epoch, err := c.epoch(ctx, at.principal)
	if err == nil && epoch != at.epoch {
		err = ErrRevoked
	}
	if err != nil {
		return "", false, errors.Join(err, c.leave(ctx, lock))
	}
	put := &store.PutOwned{Lock: lock.Key, Owner: lock.Owner, Key: at.name, Value: kept.encode(), TTL: kept.until.Sub(now)}
	if err := c.Store.Do(ctx, put, at.written(put.TTL)); err != nil {
		return "", false, fmt.Errorf("tokens: %w", err)
	}
	if failed != nil {
		return "", false, failed
	}
	return kept.token, !put.Stored, nil
}
