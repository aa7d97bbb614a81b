package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

// Verify tells who a token speaks for. What it takes is signed by a configured issuer, for us, and valid now.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Principal, *refuse.Refusal) {
	switch {
	case raw == "":
		return nil, noCredential()
	case len(raw) > maxToken:
		return nil, bad("the token is larger than a token may be; ask for one with fewer claims", "token of %d bytes", len(raw))
	}
	sum := sumOf(raw)
	now := v.cfg.Now()
	if p, r := v.remembered(&sum, now); p != nil || r != nil {
		return p, r
	}
	e, r := v.verified(ctx, raw, now)
	if r != nil {
		return nil, r
	}
	var err error
	if e.epoch, err = v.epoch(e.principal); err != nil {
		return nil, revoked(e.principal, err)
	}
	v.cache.put(&sum, e, now.UnixNano())
	return e.principal, nil
}

// sumOf is the token's hash. Most tokens fit the buffer, so that a hit allocates nothing.
func sumOf(raw string) tokenSum {
	var buf [2048]byte
	return sha256.Sum256(append(buf[:0], raw...))
}

// remembered is the principal of a token verified before, if all that its verification rested on still holds: it has
// not expired, its issuer publishes the same keys and they are not stale, and its principal's epoch is the same.
func (v *Verifier) remembered(sum *tokenSum, now time.Time) (*Principal, *refuse.Refusal) {
	e := v.cache.get(sum)
	if e == nil {
		return nil, nil
	}
	if now.UnixNano() >= e.until || e.issuer.keys.current(now) != e.keys {
		v.cache.drop(sum)
		return nil, nil
	}
	epoch, err := v.epoch(e.principal)
	if err != nil {
		v.cache.drop(sum)
		return nil, revoked(e.principal, err)
	}
	if epoch != e.epoch {
		v.cache.drop(sum)
		return nil, nil
	}
	return e.principal, nil
}

// verified does the whole work for one token.
func (v *Verifier) verified(ctx context.Context, raw string, now time.Time) (*entry, *refuse.Refusal) {
	t, err := parseToken(raw, "", "jwt", "at+jwt") // RFC 9068, section 4
	if err != nil {
		return nil, bad(notAToken, "token: %v", err)
	}
	is := v.issuers[t.iss]
	if t.iss == "" || is == nil {
		return nil, unknownIssuer(t.iss)
	}
	if !is.algorithms[t.header.alg] {
		return nil, bad(badSignature, "issuer %s: algorithm %q is not allowed", is.Name, clip(t.header.alg))
	}
	keys, r := is.signedBy(ctx, t.header, []byte(raw), v.cfg.Now)
	if r != nil {
		return nil, r
	}
	exp, err := checkTimes(t.claims, now, v.cfg.Skew)
	if err == nil {
		err = checkAudience(t.claims, is.Audiences)
	}
	if _, events := t.claims["events"]; events && err == nil {
		err = errStatement
	}
	var p *Principal
	if err == nil {
		p, err = is.principal(t.claims, exp)
	}
	if err != nil {
		return nil, claimRefusal(is, err)
	}
	is.noteClock(p.issued, now)
	if v.cfg.Epochs != nil && !p.issued.IsZero() {
		v.cfg.Epochs.Saw(sightingOf(p, t.claims))
	}
	until := min(exp.UnixNano(), now.Add(maxCached).UnixNano())
	return &entry{principal: p, issuer: is, keys: keys, until: until}, nil
}

// signedBy verifies the signature, with the issuer's keys fetched once more where the token names one that is not there,
// and returns the set that verified it.
func (is *issuer) signedBy(ctx context.Context, h header, raw []byte, now func() time.Time) (*keySet, *refuse.Refusal) {
	set := is.keys.current(now())
	fetched := false
	if set == nil || len(set.keys) == 0 {
		is.keys.again(ctx)
		fetched = true
		if set = is.keys.current(now()); set == nil || len(set.keys) == 0 {
			return nil, keysUnavailable(is)
		}
	}
	err := set.verify(h, raw)
	if errors.Is(err, errUnknownKid) && !fetched {
		if is.keys.again(ctx) {
			if newer := is.keys.current(now()); newer != nil && newer != set {
				set, err = newer, newer.verify(h, raw)
			}
		}
	}
	if err != nil {
		return nil, bad(badSignature, "issuer %s, alg %s, kid %q: %v", is.Name, h.alg, clip(h.kid), err)
	}
	return set, nil
}

// What clients read. The texts say what to do, and nothing of what we know or of what the token holds.
const (
	notAToken    = "the credential is not a token this gateway can read; send the access token that your identity provider gave you"
	badSignature = "the token's signature cannot be verified; get a new token from your identity provider"
	badClaims    = "the token's claims are not in order; get a new token from your identity provider, or ask its administrator"
)

func bad(client, logf string, args ...any) *refuse.Refusal {
	return refuse.New(http.StatusUnauthorized, refuse.BadCredential, client, logf, args...)
}

func noCredential() *refuse.Refusal {
	return refuse.New(http.StatusUnauthorized, refuse.NoCredential,
		"this gateway needs a credential; send your identity provider's token as \"Authorization: Bearer …\"", "no credential")
}

func unknownIssuer(iss string) *refuse.Refusal {
	return refuse.New(http.StatusUnauthorized, refuse.UnknownIssuer,
		"the token's issuer is not one this gateway trusts; log in with your organisation's identity provider",
		"unknown issuer %q (iss must be exactly as configured, with or without a last slash)", clip(iss))
}

func keysUnavailable(is *issuer) *refuse.Refusal {
	return refuse.New(http.StatusServiceUnavailable, refuse.KeysUnavailable,
		"the token cannot be verified now, since its issuer's keys cannot be fetched; try again in a few seconds",
		"issuer %s: no keys to verify with: %v", is.Name, is.keys.usable()).WithRetryAfter(refetchEvery)
}

func revoked(p *Principal, err error) *refuse.Refusal {
	if errors.Is(err, ErrRevoked) {
		return bad("the token has been revoked; log in again", "principal %s: %v", p.key, err)
	}
	return refuse.New(http.StatusServiceUnavailable, refuse.KeysUnavailable,
		"whether the token was revoked cannot be told now; try again in a few seconds",
		"principal %s: epoch: %v", p.key, err).WithRetryAfter(refetchEvery)
}

func claimRefusal(is *issuer, err error) *refuse.Refusal {
	code, client := refuse.BadCredential, badClaims
	switch {
	case errors.Is(err, errExpired):
		code, client = refuse.ExpiredToken, "the token has expired; get a new one from your identity provider"
	case errors.Is(err, errAudience):
		code, client = refuse.WrongAudience, "the token is for another service; ask your identity provider for one whose audience is this gateway"
	case errors.Is(err, errTenant):
		client = "the token's organisation may not use this gateway; log in with another one"
	case errors.Is(err, errNotYet):
		client = "the token is not valid yet; wait a moment, or set the clock that issued it"
	}
	return refuse.New(http.StatusUnauthorized, code, client, "issuer %s: %v", is.Name, err)
}
