package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

// ErrNobody is a caller for whom no token can be had: one without a token of an identity provider, or whose token has ended.
var ErrNobody = errors.New("tokens: there is no token of the caller's to exchange; call again with a new one")

// ErrStranger is a caller of an issuer whose tokens the server's authorization server is not to see.
var ErrStranger = errors.New("tokens: the caller's issuer is none of those whose tokens are exchanged for this server")

// Source makes the credential of one server. It never sees what goes to the server besides, and no call holds the caller's own token:
// what goes there can only be made here.
type Source struct {
	Server     string // its name in the configuration
	Flow       Flow
	Want       Want
	Cache      *Cache
	Assertions *Assertions
	// Callers are the issuers, by their names in the configuration, whose tokens may be shown to the flow's endpoint: any other's would
	// tell it what is not its business.
	Callers []string
}

// Header makes the headers of one request. again says that the server did not take what it got before.
func (s *Source) Header(ctx context.Context, c *relay.Call, again bool) (http.Header, error) {
	if !s.Flow.shared() && c.Principal.IsAnonymous() {
		return nil, ErrNobody
	}
	at, err := s.Cache.placeOf(ctx, c.Principal, s.Server, s.Flow, s.Want)
	if err != nil {
		return nil, err
	}
	token, err := s.Cache.token(ctx, at, again, func(ctx context.Context) (given, error) {
		return s.fetch(ctx, at, c.Principal)
	})
	if err != nil {
		return nil, fmt.Errorf("a token for the server %s: %w", s.Server, err)
	}
	return http.Header{"Authorization": {"Bearer " + token}}, nil
}

func (s *Source) fetch(ctx context.Context, at place, p *identity.Principal) (given, error) {
	if s.Flow.shared() {
		return s.Flow.fetch(ctx, "", s.Want)
	}
	if flow, ok := s.Flow.(Code); ok {
		return s.refresh(ctx, at, flow)
	}
	if !slices.Contains(s.Callers, p.Issuer()) {
		return given{}, ErrStranger
	}
	assertion, ok := s.Assertions.of(holder(p))
	if !ok {
		return given{}, ErrNobody
	}
	return s.Flow.fetch(ctx, assertion, s.Want)
}

// Shared says that all principals have the same credential.
func (s *Source) Shared() bool { return s.Flow.shared() }
