package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/connect"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// credentials make the tokens with which the broker calls servers.
type credentials struct {
	assertions *tokens.Assertions
	cache      *tokens.Cache
}

// newCredentials keeps tokens in a store that seals what it keeps, under the number of a principal's key: a revocation by an address
// or a session becomes one of the key.
func newCredentials(p parts) *credentials {
	out := &credentials{assertions: &tokens.Assertions{}, cache: &tokens.Cache{Store: p.store, Keys: p.keys}}
	if p.revoked != nil {
		out.cache.Epoch = func(_ context.Context, principal string) (int64, error) {
			e, err := p.revoked.Epoch([]string{principal})
			return e.Number, err
		}
	}
	if p.verifier != nil {
		out.assertions.Counts = func(who *identity.Principal) bool {
			_, err := p.verifier.Epoch(who)
			return err == nil
		}
	}
	return out
}

// tokenTypes are the words of auth.subject_token_type and auth.actor_token_type.
var tokenTypes = map[string]string{"": "", "access_token": tokens.AccessToken, "id_token": tokens.IDToken, "jwt": tokens.JWT}

// source makes the source of a server's credential.
func (c *credentials) source(cfg *conf.Config, name string, s conf.MCPServer, client *http.Client) (*tokens.Source, error) {
	a := s.Auth
	out := &tokens.Source{
		Server: name, Cache: c.cache, Assertions: c.assertions, Callers: a.Callers, Want: tokens.Want{Resource: a.Resource, Audience: a.Audience, Scopes: a.Scopes},
	}
	if out.Want.Resource == "" {
		out.Want.Resource = s.URL
	}
	endpoint := endpointOf(a.MCPClient, client)
	endpoint.Revocation = a.RevocationURL
	switch a.Flow {
	case conf.FlowClientCredentials:
		out.Flow = tokens.Own{Endpoint: endpoint}
	case conf.FlowExchange:
		flow := tokens.Exchange{Endpoint: endpoint, Subject: tokenTypes[a.SubjectTokenType], ActorType: tokenTypes[a.ActorTokenType]}
		if !a.ActorToken.IsZero() {
			flow.Actor = a.ActorToken.Reveal
		}
		out.Flow = flow
	case conf.FlowWorkload:
		out.Flow = tokens.Workload{Endpoint: endpoint, Assertion: a.Assertion.Reveal}
	case conf.FlowOnBehalfOf:
		out.Flow = tokens.OnBehalfOf{Endpoint: endpoint}
	case conf.FlowIDJAG:
		out.Want.Audience = ""
		out.Flow = tokens.IDJAG{Issuer: endpointOf(a.Issuer, client), Subject: tokenTypes[a.SubjectTokenType], Audience: a.Audience, Server: endpoint}
	case conf.FlowCode:
		origin, err := originOf(cfg)
		if err != nil {
			return nil, err
		}
		out.Flow = tokens.Code{Authorization: a.AuthorizationURL, Endpoint: endpoint, Redirect: connect.Callback(origin, name)}
	default:
		return nil, fmt.Errorf("auth.flow %q is not built", a.Flow) // the configuration's check has said so
	}
	return out, nil
}

// forget forgets what is kept, and tells the authorization server of the server that it is for; told says that it took it. Of a server that
// is configured no more, nobody is known to be told.
func (c *credentials) forget(ctx context.Context, cfg *conf.Config, k tokens.Kept) (told bool, err error) {
	s, there := cfg.MCP.Servers[k.Server]
	if !there || s.Auth == nil || s.Auth.Flow != k.Flow {
		return false, c.cache.Forget(ctx, k)
	}
	guarded, err := guardedBy(s)
	if err != nil {
		return false, err
	}
	source, err := c.source(cfg, k.Server, s, fetcher(guarded))
	if err != nil {
		return false, err
	}
	return source.Forget(ctx, k)
}

func endpointOf(c conf.MCPClient, client *http.Client) tokens.Endpoint {
	out := tokens.Endpoint{URL: c.TokenURL, HTTP: client, Client: clientIs(c.MCPParty)}
	if c.AuthorizationServer != "" {
		out.Server = &tokens.Server{Issuer: c.AuthorizationServer, HTTP: client}
	}
	return out
}

// clientIs is who the broker is at an authorization server.
func clientIs(c conf.MCPParty) tokens.Client {
	out := tokens.Client{ID: c.ClientID, InForm: c.SecretIn == "form", KeyID: c.KeyID}
	if !c.ClientSecret.IsZero() {
		out.Secret = c.ClientSecret.Reveal
	}
	if !c.PrivateKey.IsZero() {
		out.PrivateKey = c.PrivateKey.Reveal
	}
	return out
}
