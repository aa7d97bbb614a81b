package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
)

// ErrUntold is an authorization server that should hear that tokens are not needed any more, and does not take it. They are forgotten here.
var ErrUntold = errors.New("tokens: they are forgotten here, but the authorization server could not be told, so that they stay good there until they end")

// errKind is a server that cannot end tokens of that kind: access tokens that say all themselves (RFC 7009, section 2.2.1).
var errKind = errors.New("tokens of this kind are not taken back")

// tellTime bounds the telling of one authorization server.
const tellTime = 20 * time.Second

// What a token is, of which is told (RFC 7009, section 2.1).
const (
	kindRefresh = "refresh_token"
	kindAccess  = "access_token"
)

// revocation is where a server is told that a token is not needed any more (RFC 7009, section 2), and for whom the broker says who it is
// there; "" where there is no such place.
func (e *Endpoint) revocation(ctx context.Context) (at, audience string, err error) {
	if e.URL != "" || e.Server == nil {
		return e.Revocation, e.URL, nil
	}
	said, err := e.Server.metadata(ctx)
	return said.revocation, e.Server.Issuer, err
}

// end tells it of one token. A server answers that it is well for one that it does not know, too (RFC 7009, section 2.2).
func (e *Endpoint) end(ctx context.Context, at, audience, token, kind string) error {
	_, code, err := e.post(ctx, at, audience, url.Values{"token": {token}, "token_type_hint": {kind}})
	if code == "unsupported_token_type" && kind == kindAccess { // refresh tokens must be taken (section 2)
		err = errors.Join(err, errKind)
	}
	return err
}

// tell tells the server's authorization server that tokens are not needed any more: the refresh token first, with which most end the rest.
// told says that it has such a place, and took what it takes back there. It outlives whoever asked for it.
func (s *Source) tell(ctx context.Context, refresh, access string) (told bool, err error) {
	if refresh == "" && access == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	e := s.Flow.endpoint()
	at, audience, err := e.revocation(ctx)
	if err == nil && at == "" {
		return false, nil
	}
	for _, one := range [][2]string{{refresh, kindRefresh}, {access, kindAccess}} {
		if err != nil || one[0] == "" {
			continue
		}
		if err = e.end(ctx, at, audience, one[0], one[1]); errors.Is(err, errKind) { // they end by themselves
			err = nil
			continue
		}
		told = err == nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUntold, err)
	}
	return told, nil
}

// forget deletes what is kept at a place and then tells of it. What does not open here, nobody can be told of.
func (s *Source) forget(ctx context.Context, at place) (told bool, err error) {
	connection, token := &store.Get{Key: at.connection().key}, &store.Get{Key: at.name}
	err = s.Cache.Store.Do(ctx, append([]store.Op{connection, token}, at.forget()...)...)
	if errors.Is(err, store.ErrSealed) {
		return false, s.Cache.Store.Do(ctx, at.forget()...)
	}
	if err != nil {
		return false, fmt.Errorf("tokens: %w", err)
	}
	var refresh, access string
	if connection.Found {
		if refresh, err = s.Cache.open(at, connection.Value); err != nil {
			refresh = ""
		}
	}
	if token.Found {
		if had, err := decode(token.Value); err == nil && time.Now().Before(had.until) {
			access = had.token
		}
	}
	return s.tell(ctx, refresh, access)
}

// Forget deletes what List told of this source, as Cache.Forget does, and tells the authorization server; told says that it took it.
// What was had by another flow, or for another resource, may be another server's, which is not told.
func (s *Source) Forget(ctx context.Context, k Kept) (told bool, err error) {
	if k.Server != s.Server || k.Flow != s.Flow.name() || k.Resource != s.Want.Resource || k.Audience != s.Want.Audience {
		return false, s.Cache.Forget(ctx, k)
	}
	return s.forget(ctx, k.at)
}
