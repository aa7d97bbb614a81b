package identity

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// DefaultAlgorithms are those a signature may have where an issuer names none.
func DefaultAlgorithms() []string { return []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} }

// issuerName is what an issuer may be called. It has no "/", so the first "/" of a scoped name ends the issuer's name.
var issuerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

const (
	defaultSkew      = 60 * time.Second
	maxSkew          = 10 * time.Minute
	defaultMaxStale  = time.Hour
	defaultRefresh   = 5 * time.Minute
	defaultCacheSize = 10_000
	fetchTimeout     = 5 * time.Second
	maxClaimPath     = 256
)

// checked fills in the defaults and refuses a configuration that could not be told apart or would let anyone in.
func checked(cfg Config) (Config, error) {
	cfg.Skew = max(orDefault(cfg.Skew, defaultSkew), 0)
	cfg.MaxStale = orDefault(cfg.MaxStale, defaultMaxStale)
	cfg.Refresh = orDefault(cfg.Refresh, min(defaultRefresh, cfg.MaxStale))
	cfg.CacheSize = orDefault(cfg.CacheSize, defaultCacheSize)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.HTTPClient = client(cfg.HTTPClient)
	if cfg.DelegationKey == nil {
		cfg.DelegationKey = make([]byte, delegationKey)
		_, _ = rand.Read(cfg.DelegationKey) // never fails
	}
	switch {
	case len(cfg.DelegationKey) != delegationKey:
		return cfg, fmt.Errorf("the delegation key has %d bytes, not %d", len(cfg.DelegationKey), delegationKey)
	case cfg.Skew > maxSkew:
		return cfg, fmt.Errorf("skew %v is above %v: expired tokens would live on", cfg.Skew, maxSkew)
	case cfg.Refresh < 0 || cfg.MaxStale < cfg.Refresh:
		return cfg, fmt.Errorf("max stale %v is below refresh %v: keys would expire between two fetches", cfg.MaxStale, cfg.Refresh)
	case len(cfg.Issuers) == 0 && !cfg.Anonymous:
		return cfg, fmt.Errorf("no issuers and no anonymous principal: nobody could be let in; name an issuer")
	}
	names, urls, domains := map[string]bool{}, map[string]bool{}, map[string]string{}
	cfg.Issuers = slices.Clone(cfg.Issuers)
	for i := range cfg.Issuers {
		is := &cfg.Issuers[i]
		if !issuerName.MatchString(is.Name) {
			return cfg, fmt.Errorf("issuer %d: %q is no name; use lower-case letters, digits, \".\", \"_\" and \"-\"", i+1, is.Name)
		}
		if names[is.Name] {
			return cfg, fmt.Errorf("issuer %s: two issuers have this name; rename one", is.Name)
		}
		if urls[is.Issuer] {
			return cfg, fmt.Errorf("issuer %s: another issuer has the same issuer URL, so their tokens could not be told apart", is.Name)
		}
		names[is.Name], urls[is.Issuer] = true, true
		if err := checkIssuer(is); err != nil {
			return cfg, fmt.Errorf("issuer %s: %w", is.Name, err)
		}
		for _, d := range is.EmailDomains {
			if other, ok := domains[d]; ok {
				return cfg, fmt.Errorf("issuer %s: e-mail domain %s is declared by issuer %s too; only one can be its authority", is.Name, d, other)
			}
			domains[d] = is.Name
		}
	}
	return cfg, nil
}

func checkIssuer(is *IssuerConfig) error {
	if is.Issuer == "" {
		return fmt.Errorf("no issuer URL; give the exact iss of its tokens")
	}
	if len(is.Audiences) == 0 || slices.Contains(is.Audiences, "") {
		return fmt.Errorf("no audience, or an empty one: a token meant for another service would be taken; name this gateway's")
	}
	if len(is.Algorithms) == 0 {
		is.Algorithms = DefaultAlgorithms()
	}
	for _, a := range is.Algorithms {
		if _, ok := fits[a]; !ok {
			return fmt.Errorf("algorithm %q is none we verify with; only asymmetric ones are, such as %s", a, strings.Join(DefaultAlgorithms(), ", "))
		}
	}
	domains := make([]string, 0, len(is.EmailDomains))
	for _, d := range is.EmailDomains {
		d = strings.ToLower(d)
		if !domainName.MatchString(d) {
			return fmt.Errorf("e-mail domain %q is no plain domain such as example.com", d)
		}
		if !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	is.EmailDomains = domains
	if len(is.Tenants) > 0 && is.Claims.Tenant == "" {
		return fmt.Errorf("tenants are listed, but claims.tenant does not say which claim names a token's tenant")
	}
	c := is.Claims
	for _, path := range []string{c.Groups, c.Email, c.EmailVerified, c.Tenant, c.Teams, c.Client, c.Scopes, c.Actor} {
		if len(path) > maxClaimPath {
			return fmt.Errorf("a claim's path is longer than %d bytes", maxClaimPath)
		}
	}
	return checkKeysAt(is)
}

// checkKeysAt refuses a place for keys that cannot be meant: a file that is not there is a mistake in the configuration,
// while a server that is down is the weather. Keys fetched without TLS for an issuer that has it are anybody's.
func checkKeysAt(is *IssuerConfig) error {
	where := is.JWKS
	if where == "" {
		where = is.Issuer
	} else if !strings.Contains(where, "://") {
		if _, err := os.Stat(where); err != nil {
			return fmt.Errorf("jwks: %w; name a readable file or a URL", err)
		}
		return nil
	}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		return fmt.Errorf("keys cannot be fetched from %q; give an http(s) URL without user and password", where)
	}
	return noDowngrade(is.Issuer, u)
}

// noDowngrade refuses keys by http for an issuer of https. What comes from this machine itself is not on a network.
func noDowngrade(from string, to *url.URL) error {
	ip, err := netip.ParseAddr(to.Hostname())
	local := to.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	if strings.HasPrefix(from, "https:") && to.Scheme != "https" && !local {
		return fmt.Errorf("keys of an https issuer are not fetched from %s", to.Scheme)
	}
	return nil
}

// domainName is a plain domain in lower case.
var domainName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// client copies c, or makes one, so that redirects cannot leave TLS and nothing waits for ever.
func client(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{Timeout: fetchTimeout}
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			c.Transport = t.Clone()
		}
	}
	copied := *c
	copied.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) >= 3 {
			return fmt.Errorf("too many redirects")
		}
		return noDowngrade(via[0].URL.Scheme+":", r.URL)
	}
	return &copied
}

func orDefault[T time.Duration | int](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}
