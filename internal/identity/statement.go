package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

// Statement is what an issuer says of somebody by a signed token that is no access token: a security event token (RFC 8417), or a
// logout token (OpenID Connect Back-Channel Logout 1.0).
type Statement struct {
	Issuer string // its name in the configuration
	ID     string // jti
	Issued time.Time
	// Claims are all that it says, as JSON's plain types.
	Claims map[string]any
}

// StatementKind says which statements are taken.
type StatementKind struct {
	Types    []string // of the header's typ, in lower case and without "application/"; "" is none
	Issuers  []string // by name
	Audience func(issuer string) []string
	// MaxAge is how long ago a statement may have been made; zero is any time.
	MaxAge time.Duration
}

var (
	errNoID     = errors.New("the statement has no jti")
	errNoIssued = errors.New("the statement does not say when it was made")
	errTooOld   = errors.New("the statement was made too long ago")
)

// VerifyStatement verifies a statement by its issuer's keys, as Verify does a token: the signature, the type, iss, aud, iat, and exp
// where it has one. What it is about is the caller's to read.
func (v *Verifier) VerifyStatement(ctx context.Context, raw string, kind StatementKind) (*Statement, *refuse.Refusal) {
	if len(raw) > maxToken {
		return nil, bad("the statement is larger than one may be", "statement of %d bytes", len(raw))
	}
	t, err := parseToken(raw, kind.Types...)
	if err != nil {
		return nil, bad(notAToken, "statement: %v", err)
	}
	is := v.issuers[t.iss]
	if t.iss == "" || is == nil || !slices.Contains(kind.Issuers, is.Name) {
		return nil, unknownIssuer(t.iss)
	}
	if !is.algorithms[t.header.alg] {
		return nil, bad(badSignature, "issuer %s: algorithm %q is not allowed", is.Name, clip(t.header.alg))
	}
	if _, r := is.signedBy(ctx, t.header, []byte(raw), v.cfg.Now); r != nil {
		return nil, r
	}
	s := &Statement{Issuer: is.Name, Claims: t.claims}
	if err := s.check(v.cfg.Now(), v.cfg.Skew, kind); err != nil {
		return nil, claimRefusal(is, err)
	}
	return s, nil
}

func (s *Statement) check(now time.Time, skew time.Duration, kind StatementKind) error {
	exp, expires, err := timeClaim(s.Claims, "exp")
	if err != nil {
		return err
	}
	var said bool
	if s.Issued, said, err = timeClaim(s.Claims, "iat"); err != nil {
		return err
	}
	if s.ID, err = textClaim(map[string]any{"jti": s.Claims["jti"]}, "jti"); err != nil {
		return err
	}
	switch {
	case expires && !now.Before(exp.Add(skew)):
		return errExpired
	case !said:
		return errNoIssued
	case now.Add(skew).Before(s.Issued):
		return errNotYet
	case kind.MaxAge > 0 && now.Sub(s.Issued) > kind.MaxAge+skew:
		return errTooOld
	case s.ID == "" || len(s.ID) > 1024:
		return errNoID
	}
	return checkAudience(s.Claims, kind.Audience(s.Issuer))
}

// errStatement is a statement in the place of an access token: it is signed by the same keys, and says who but grants nothing
// (RFC 8725, section 2.8).
var errStatement = errors.New("the token is a statement about events, and no access token")

// sightingOf is what a token says its principal is.
func sightingOf(p *Principal, claims map[string]any) Sighting {
	sum := func(lists ...[]string) [16]byte {
		w := &packer{}
		for _, l := range lists {
			w.list(l)
		}
		full := sha256.Sum256(w.b)
		return [16]byte(full[:16])
	}
	audience, _ := listClaim(claims, "aud") // it was checked
	return Sighting{
		Scope: p.Scope(), Handles: p.handles, Issued: p.issued,
		Context: sum([]string{p.client, p.actor, p.tenant}, sorted(audience), p.scopes), Groups: sum(p.groups, p.teams),
	}
}
