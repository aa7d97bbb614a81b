// Package identity turns an inbound token into a Principal.
//
// Credential finds the one credential a request carries (credential.go).
// Verify then works in this order, and stops at the first thing that is wrong:
//
//  1. a token seen before is found by its SHA-256 (cache.go); its expiry, its
//     issuer's keys and its revocation epoch are looked at again at each hit
//  2. the token is taken apart strictly (token.go): three parts, no duplicate
//     names, no crit, an algorithm that is asymmetric
//  3. `iss`, not verified yet, selects the issuer, and nothing else
//  4. the signature is verified with that issuer's keys alone (keys.go), by an
//     algorithm from its list and a key of the kind the algorithm needs; an
//     unknown kid fetches the keys once more (source.go)
//  5. exp, nbf, iat, aud and tenant are checked (claims.go)
//  6. the claims become names that belong to the issuer (principal.go, names.go)
//  7. it was not issued before a revocation (revocation.go)
//
// What an issuer says of somebody by a token of another kind is verified by the same steps (statement.go).
// The gateway's own model calls carry a delegated token instead (delegate.go), which is verified by another method.
//
// The claims are decoded once, so what was verified is what is read. RFC 7519,
// 8725 (best current practice) and 9068 (access tokens) say why.
package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config says whose tokens are taken.
type Config struct {
	// Issuers: the names of the first are written plainly, those of the others carry the issuer's name.
	Issuers []IssuerConfig
	// Anonymous gives requests without a credential a principal.
	Anonymous bool
	// Skew is how far clocks may be apart; zero is 60 seconds, below zero is none.
	Skew time.Duration
	// MaxStale is how long keys stay in use when they cannot be fetched; zero is an hour.
	MaxStale time.Duration
	// Refresh is how often keys are fetched anew; zero is 5 minutes.
	Refresh time.Duration
	// CacheSize bounds the verified tokens that are remembered; zero is 10,000, below zero is none.
	CacheSize int
	// Epochs knows revocations. It is asked at each request: an error refuses, and so does a token that was issued before;
	// another number than before verifies again. Nil: nobody is ever revoked.
	Epochs Epochs
	// DelegationKey seals delegated tokens (delegate.go): 32 secret bytes that all gateways behind one Envoy share. Nil is
	// a random key, which ends with the process.
	DelegationKey []byte
	// HTTPClient fetches keys; nil is one with sane time limits.
	HTTPClient *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log hears of keys that cannot be fetched; nil is silent.
	Log *slog.Logger
}

// IssuerConfig is one issuer of JWTs.
type IssuerConfig struct {
	Name   string // in names and logs: lower-case letters, digits, ".", "_" and "-"
	Issuer string // the exact `iss`
	JWKS   string // a URL or a file's path; empty means OIDC discovery
	// Audiences: a token must name one of them.
	Audiences []string
	// Algorithms that a signature may have; empty is DefaultAlgorithms.
	Algorithms []string
	Claims     Claims
	// EmailDomains are those whose verified addresses this issuer may assert; of a domain there is one authority.
	EmailDomains []string
	// Tenants, where there are any, are all that this issuer may assert; a token of another is refused.
	Tenants []string
}

// Claims says which claim holds what. A dotted path reaches into objects; a key that has dots itself wins.
type Claims struct {
	Groups        string // default "groups"
	Email         string // default "email"
	EmailVerified string // default "email_verified"
	Tenant        string // no default: no tenant
	Teams         string // no default: the groups are the teams
	Client        string // default "azp", then "client_id"
	Scopes        string // default "scope", then "scp"
	Actor         string // default "act.sub"
}

// Verifier verifies tokens. Its methods may be called at once from many goroutines.
type Verifier struct {
	cfg       Config
	issuers   map[string]*issuer // by the exact `iss`
	list      []*issuer
	cache     *cache
	anonymous *Principal
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// issuer is one issuer as Verify needs it.
type issuer struct {
	IssuerConfig
	first      bool
	algorithms map[string]bool
	domains    map[string]bool
	keys       *source
	ahead      atomic.Int64 // nanoseconds that its clock was seen to be ahead of ours
}

// startWait bounds how long New waits for the keys before it goes on without.
const startWait = 3 * time.Second

// New checks the configuration and fetches each issuer's keys. An issuer that cannot be reached is no error: its tokens
// are refused with keys_unavailable until it can be. ctx bounds the first fetch only; Close ends the verifier.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	cfg, err := checked(cfg)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	v := &Verifier{cfg: cfg, issuers: map[string]*issuer{}, cache: newCache(cfg.CacheSize), stop: stop}
	if cfg.Anonymous {
		v.anonymous = anonymous()
	}
	for i, ic := range cfg.Issuers {
		is := &issuer{IssuerConfig: ic, first: i == 0, algorithms: setOf(ic.Algorithms), domains: setOf(ic.EmailDomains)}
		is.keys = newSource(life, ic, cfg, &v.running)
		v.issuers[ic.Issuer] = is
		v.list = append(v.list, is)
	}
	first, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for _, is := range v.list {
		is.keys.start()
	}
	for _, is := range v.list {
		is.keys.waitFirst(first)
	}
	return v, nil
}

// Close ends the fetching of keys and waits for it.
func (v *Verifier) Close() {
	v.stop()
	v.running.Wait()
	v.cfg.HTTPClient.CloseIdleConnections()
}

// Ready is an error while no issuer's tokens can be verified. One issuer of several that is out of reach does not make
// the gateway unready for the users of the others.
func (v *Verifier) Ready() error {
	var errs []error // none without issuers: there is only the anonymous principal, which needs no keys
	for _, is := range v.list {
		err := is.keys.usable()
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("issuer %s: %w", is.Name, err))
	}
	return errors.Join(errs...)
}

// Anonymous is the principal of requests without a credential, where the configuration gives them one.
func (v *Verifier) Anonymous() (*Principal, bool) {
	return v.anonymous, v.anonymous != nil
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
