package main

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/credential"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/price"
	"github.com/yellowjack/yellowjack/internal/route"
	"github.com/yellowjack/yellowjack/internal/upstreamauth"
)

// identityConfig is the identity step's part of a configuration.
func identityConfig(cfg *conf.Config, delegation []byte, log *slog.Logger) identity.Config {
	id := cfg.Identity
	out := identity.Config{
		Anonymous: id.Anonymous, Skew: id.Skew, MaxStale: id.MaxStale, Refresh: id.Refresh, CacheSize: id.CacheSize, Log: log,
		DelegationKey: delegation,
	}
	if out.Skew == 0 {
		out.Skew = -1 // none; the step's zero is its default
	}
	for _, i := range id.Issuers {
		out.Issuers = append(out.Issuers, identity.IssuerConfig{
			Name: i.Name, Issuer: i.Issuer, JWKS: i.JWKS, Audiences: i.Audiences, Algorithms: i.Algorithms,
			Claims: identity.Claims(i.Claims), EmailDomains: i.EmailDomains, Tenants: i.Tenants,
		})
	}
	return out
}

// sourceOf makes what a credential has in the place of a plain key; nil where it has one.
func sourceOf(c conf.Credential) credential.Source {
	switch {
	case c.OAuth != nil:
		return upstreamauth.ClientCredentials{
			TokenURL: c.OAuth.TokenURL, ClientID: c.OAuth.ClientID, Secret: c.OAuth.ClientSecret.Reveal, Scopes: c.OAuth.Scopes, Audience: c.OAuth.Audience,
		}.New()
	case c.Google != nil:
		g := upstreamauth.Google{Scopes: c.Google.Scopes}
		if !c.Google.Key.IsZero() {
			g.File = func() ([]byte, error) {
				text, err := c.Google.Key.Reveal()
				return []byte(text), err
			}
		}
		return g.New()
	case c.AWS != nil:
		return &awsSource{c: c.AWS}
	}
	return nil
}

// pricesOf is the table of prices of a configuration.
func pricesOf(cfg *conf.Config) (*price.Table, error) {
	if cfg.Prices == "" {
		return price.Shipped()
	}
	t, err := price.Load(cfg.Prices)
	if err != nil {
		return nil, cfg.Problem(err.Error(), "write it as internal/price/prices.json is written", "prices")
	}
	return t, nil
}

// envoyConfig is Envoy's part of a configuration.
func envoyConfig(cfg *conf.Config) (envoy.Config, error) {
	out := envoy.Config{
		Listen: cfg.Listen, AdminSocket: filepath.Join(cfg.Envoy.RunDir, "admin.sock"), ExtProc: cfg.ExtProc.Listen, AccessLog: cfg.Envoy.AccessLog,
		RequestBytes: int(cfg.Limits.RequestBytes), MessageTimeout: cfg.Envoy.MessageTimeout,
		// Ours run out first, so that the client reads an error in its API's shape.
		StreamIdle:     max(cfg.Limits.StreamIdle, cfg.Limits.ResponseWait) + 30*time.Second,
		Connections:    cfg.Limits.Connections,
		InternalSocket: internalSocket(cfg), InternalRequests: internalExchanges(cfg),
	}
	if cfg.MCP.Enabled() {
		out.Broker = cfg.MCP.Listen
	}
	if t := cfg.Envoy.ClientTLS; t != nil {
		out.ExtProcTLS = &envoy.ClientTLS{Cert: t.Cert, Key: t.Key, CA: t.CA, ServerName: t.ServerName}
	}
	table, err := route.New(cfg) // only to have each mistake in a base URL said once, by the one who reads them
	if err != nil {
		return out, err
	}
	for _, name := range table.Providers() {
		p := cfg.Providers[name]
		base, err := url.Parse(p.BaseURL)
		if err != nil {
			return out, err
		}
		port, _ := strconv.Atoi(base.Port()) // "" is the scheme's own
		out.Providers = append(out.Providers, envoy.Provider{
			Name: name, Cluster: route.Cluster(name), Scheme: base.Scheme, Host: base.Hostname(), Port: port,
			CAFile: p.CAFile, ConnectTimeout: p.ConnectTimeout,
		})
	}
	return out, nil
}
