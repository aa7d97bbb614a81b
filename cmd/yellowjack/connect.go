package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/mcpbroker/connect"
	"github.com/yellowjack/yellowjack/mcpbroker/dial"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// originOf is the gateway's origin, as browsers reach it: that of /mcp.
func originOf(cfg *conf.Config) (string, error) {
	u, err := url.Parse(cfg.MCP.Resource)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host, nil
}

// connectPage makes the page on which people connect their accounts at servers; nil where the configuration has none.
func (g *guard) connectPage(cfg *conf.Config, p parts, accounts map[string]*tokens.Source) (*connect.Page, error) {
	c := cfg.MCP.Connect
	if c == nil {
		return nil, nil
	}
	origin, err := originOf(cfg)
	if err != nil {
		return nil, err
	}
	client := dial.New(dial.Config{Private: cfg.LoginHosts(), NoRedirects: true}).Client()
	client.Timeout = 10 * time.Second
	login := tokens.Code{
		Authorization: c.AuthorizationURL, Endpoint: tokens.Endpoint{URL: c.TokenURL, HTTP: client, Client: clientIs(c.MCPParty)}, Redirect: connect.Login(origin), Nonce: true,
	}
	for _, i := range cfg.Identity.Issuers {
		if i.Name == c.Issuer && c.TokenURL == "" {
			login.Endpoint.Server = &tokens.Server{Issuer: i.Issuer, HTTP: client}
		}
	}
	return connect.New(connect.Config{
		Origin: origin, Servers: accounts, Login: login, Scopes: c.Scopes, Issuer: c.Issuer, Verifier: p.verifier, Store: p.store, Keys: p.keys, Log: p.log,
		Done: func(_ context.Context, who *identity.Principal, server string, connected bool) error {
			return g.connected(p.audit, who, server, connected)
		},
	})
}

// connected writes down that somebody has connected an account, or ended a connection, and has the broker look at the server anew.
func (g *guard) connected(to audit.Sink, who *identity.Principal, server string, connected bool) error {
	if b := g.tools.Load(); b != nil {
		b.Reconnected(who.Key(), server)
	}
	code := "disconnected"
	if connected {
		code = "connected"
	}
	return to.Write(&audit.Record{
		Time: time.Now().UTC(), Decision: "allow", Code: code, Issuer: who.Issuer(), Subject: who.Subject(), User: who.User(), Client: who.Client(),
		Path: connect.Path + server, Server: server,
	})
}

// withPage serves the page in front of the broker.
func withPage(page *connect.Page, broker http.Handler) http.Handler {
	if page == nil {
		return broker
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, connect.Path) {
			page.ServeHTTP(w, r)
			return
		}
		broker.ServeHTTP(w, r)
	})
}

// account is people's accounts at one server, as the broker asks for them.
type account struct {
	page   *connect.Page
	source *tokens.Source
	server string
}

func (a account) Link(p *identity.Principal, asks string) string {
	if !a.page.Serves(p) {
		return ""
	}
	return a.page.Link(p, a.server, asks)
}

func (a account) Page() string { return a.page.For(a.server) }

func (a account) Connected(ctx context.Context, p *identity.Principal) (bool, error) {
	return a.source.Connected(ctx, p)
}
