package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

// Login says which ID tokens are taken: those that one issuer made for one client, in answer to one question.
type Login struct {
	Issuer string // its name in the configuration
	Client string // the client's id, as the issuer knows it
	Nonce  string // that went with the question; there is always one
}

var (
	errNonce  = errors.New("the token answers another question")
	errParty  = errors.New("the token was made for another client")
	errPerson = errors.New("the token is no person's")
)

// VerifyLogin tells who logged in, by an ID token (OpenID Connect Core 1.0, section 3.1.3.7). Whose it is is read from its claims as
// from those of an access token, so that a person has the same key, tenant and epoch by both.
func (v *Verifier) VerifyLogin(ctx context.Context, raw string, want Login) (*Principal, *refuse.Refusal) {
	if len(raw) > maxToken {
		return nil, bad("the token is larger than a token may be", "ID token of %d bytes", len(raw))
	}
	t, err := parseToken(raw, "", "jwt")
	if err != nil {
		return nil, bad(notAToken, "ID token: %v", err)
	}
	is := v.issuers[t.iss]
	if t.iss == "" || is == nil || is.Name != want.Issuer {
		return nil, unknownIssuer(t.iss)
	}
	if !is.algorithms[t.header.alg] {
		return nil, bad(badSignature, "issuer %s: algorithm %q is not allowed", is.Name, clip(t.header.alg))
	}
	if _, r := is.signedBy(ctx, t.header, []byte(raw), v.cfg.Now); r != nil {
		return nil, r
	}
	p, err := v.loggedIn(is, t.claims, want)
	if err != nil {
		return nil, claimRefusal(is, err)
	}
	if _, err := v.epoch(p); err != nil {
		return nil, revoked(p, err)
	}
	return p, nil
}

func (v *Verifier) loggedIn(is *issuer, claims map[string]any, want Login) (*Principal, error) {
	exp, err := checkTimes(claims, v.cfg.Now(), v.cfg.Skew)
	if err != nil {
		return nil, err
	}
	audience, err := listClaim(claims, "aud")
	if err != nil {
		return nil, err
	}
	party, _ := claims["azp"].(string)
	nonce, _ := claims["nonce"].(string)
	_, events := claims["events"]
	switch {
	case want.Client == "" || !slices.Contains(audience, want.Client):
		return nil, errAudience
	case party != "" && party != want.Client, party == "" && len(audience) > 1:
		return nil, errParty
	case want.Nonce == "" || subtle.ConstantTimeCompare([]byte(nonce), []byte(want.Nonce)) != 1:
		return nil, errNonce
	case events: // a logout token
		return nil, errStatement
	}
	p, err := is.principal(claims, exp)
	if err == nil && !p.IsPerson() {
		err = errPerson
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}
