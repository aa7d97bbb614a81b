package tokens

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// Flow is how a token is had.
type Flow interface {
	// name is part of what tells tokens apart.
	name() string
	// shared says that the token is the broker's own, the same for all.
	shared() bool
	// fetch gets a token for the bearer of an assertion; "" where the flow is shared.
	fetch(ctx context.Context, assertion string, want Want) (given, error)
	// endpoint is whose tokens they are.
	endpoint() *Endpoint
}

// Want is what a token is to be for.
type Want struct {
	Resource string // the server's URI (RFC 8707)
	Audience string // for authorization servers that want one besides
	Scopes   []string
}

// form is the grant's, with what is wanted.
func (w Want) form(grant string) url.Values {
	out := url.Values{"grant_type": {grant}}
	for name, value := range map[string]string{"resource": w.Resource, "audience": w.Audience, "scope": strings.Join(w.Scopes, " ")} {
		if value != "" {
			out.Set(name, value)
		}
	}
	return out
}

// Grant and token types (RFC 6749, RFC 7523, RFC 8693).
const (
	grantClient   = "client_credentials"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantJWT      = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	// AccessToken, IDToken and JWT are what an inbound token may be said to be.
	AccessToken = "urn:ietf:params:oauth:token-type:access_token"
	IDToken     = "urn:ietf:params:oauth:token-type:id_token"
	JWT         = "urn:ietf:params:oauth:token-type:jwt"

	typeJAG = "urn:ietf:params:oauth:token-type:id-jag"
)

// bearer refuses a token of another type than Bearer (RFC 6749, section 7.1).
func bearer(g given, err error) (given, error) {
	if err == nil && !strings.EqualFold(g.kind, "bearer") {
		return given{}, fmt.Errorf("%w: it gives one that is not to be borne", ErrRefused)
	}
	return g, err
}

// Own is the broker's own token, by client credentials (RFC 6749, section 4.4).
type Own struct{ Endpoint Endpoint }

func (Own) name() string          { return "client-credentials" }
func (Own) shared() bool          { return true }
func (f Own) endpoint() *Endpoint { return &f.Endpoint }
func (f Own) fetch(ctx context.Context, _ string, w Want) (given, error) {
	return bearer(f.Endpoint.ask(ctx, w.form(grantClient)))
}

// Workload is the broker's own token, for a JWT of its own that another issuer gave: what its platform says that it is (RFC 7523, section
// 2.1). The authorization server trusts that issuer.
type Workload struct {
	Endpoint  Endpoint
	Assertion func() (string, error) // read anew for each request
}

func (Workload) name() string          { return "jwt-bearer" }
func (Workload) shared() bool          { return true }
func (f Workload) endpoint() *Endpoint { return &f.Endpoint }
func (f Workload) fetch(ctx context.Context, _ string, w Want) (given, error) {
	assertion, err := f.Assertion()
	if err != nil {
		return given{}, fmt.Errorf("tokens: the workload's assertion %w", err)
	}
	form := w.form(grantJWT)
	form.Set("assertion", assertion)
	return bearer(f.Endpoint.ask(ctx, form))
}

// Exchange is a token for the person, in exchange for hers (RFC 8693). Who acts is the broker: as it authenticates or, for authorization
// servers that want to write it into the token (act), as a token of its own says.
type Exchange struct {
	Endpoint  Endpoint
	Subject   string                 // the type of her token; default AccessToken
	Actor     func() (string, error) // the broker's own token, read anew for each request; nil: there is none
	ActorType string                 // its type; default JWT
}

func (Exchange) name() string          { return "token-exchange" }
func (Exchange) shared() bool          { return false }
func (f Exchange) endpoint() *Endpoint { return &f.Endpoint }
func (f Exchange) fetch(ctx context.Context, assertion string, w Want) (given, error) {
	form := w.form(grantExchange)
	form.Set("subject_token", assertion)
	form.Set("subject_token_type", or(f.Subject, AccessToken))
	form.Set("requested_token_type", AccessToken)
	if f.Actor != nil {
		actor, err := f.Actor()
		if err != nil {
			return given{}, fmt.Errorf("tokens: the actor's token %w", err)
		}
		form.Set("actor_token", actor)
		form.Set("actor_token_type", or(f.ActorType, JWT))
	}
	return bearer(f.Endpoint.ask(ctx, form))
}

// OnBehalfOf is Entra's: its own parameters on a grant of RFC 7523, which is no exchange of RFC 8693. It takes no resource, but scopes.
type OnBehalfOf struct{ Endpoint Endpoint }

func (OnBehalfOf) name() string          { return "on-behalf-of" }
func (OnBehalfOf) shared() bool          { return false }
func (f OnBehalfOf) endpoint() *Endpoint { return &f.Endpoint }
func (f OnBehalfOf) fetch(ctx context.Context, assertion string, w Want) (given, error) {
	form := Want{Scopes: w.Scopes}.form(grantJWT)
	form.Set("assertion", assertion)
	form.Set("requested_token_use", "on_behalf_of")
	return bearer(f.Endpoint.ask(ctx, form))
}

// IDJAG is an identity assertion grant: her issuer gives an assertion for the server's authorization server, and that gives the token.
type IDJAG struct {
	Issuer   Endpoint // her issuer's token endpoint
	Subject  string   // the type of her token; default IDToken
	Audience string   // the issuer identifier of the server's authorization server
	Server   Endpoint // that one's token endpoint
}

func (IDJAG) name() string          { return "id-jag" }
func (IDJAG) shared() bool          { return false }
func (f IDJAG) endpoint() *Endpoint { return &f.Server }
func (f IDJAG) fetch(ctx context.Context, assertion string, w Want) (given, error) {
	form := Want{Resource: w.Resource, Audience: f.Audience, Scopes: w.Scopes}.form(grantExchange)
	form.Set("subject_token", assertion)
	form.Set("subject_token_type", or(f.Subject, IDToken))
	form.Set("requested_token_type", typeJAG)
	grant, err := f.Issuer.ask(ctx, form) // its token_type is N_A
	if err != nil {
		return given{}, err
	}
	form = Want{Resource: w.Resource, Scopes: w.Scopes}.form(grantJWT)
	form.Set("assertion", grant.token)
	return bearer(f.Server.ask(ctx, form))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
