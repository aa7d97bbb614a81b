package conf

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// MCPConnect is the page on which people connect their accounts at servers with the flow authorization-code: where they log in, and
// who the page is there.
type MCPConnect struct {
	// Issuer is the name of the issuer at which people log in; empty is the only one that there is.
	Issuer string `yaml:"issuer"`
	// AuthorizationURL and TokenURL are its endpoints; empty: it says itself where they are.
	AuthorizationURL string `yaml:"authorization_url"`
	TokenURL         string `yaml:"token_url"`
	MCPParty
	// Scopes are what is asked for at a login.
	Scopes []string `yaml:"scopes"`
}

func (c *MCPConnect) defaults() { c.Scopes = []string{"openid", "email"} }

// Connects tells whether people connect their accounts at a server.
func (s MCPServer) Connects() bool { return s.Auth != nil && s.Auth.Flow == FlowCode }

func (d *decoder) mcpConnect(p path, c *Config) {
	var of []string
	for _, n := range slices.Sorted(maps.Keys(c.MCP.Servers)) {
		if c.MCP.Servers[n].Connects() {
			of = append(of, n)
		}
	}
	at := c.MCP.Connect
	switch {
	case d.failed(p):
		return
	case at == nil && len(of) > 0:
		d.bad(p, "is missing: people connect their accounts at "+strings.Join(of, ", "), "say as what client of an identity provider they log in, such as {client_id: yellowjack, client_secret: {env: NAME}}")
		return
	case at == nil:
		return
	case len(of) == 0:
		d.doubt(p, "has no effect: there is no server with the flow "+FlowCode, "remove it")
	}
	for _, n := range of {
		if n == "login" || n == "logout" {
			d.bad(path{"mcp", "servers"}.with(n), "is called like a path of the page on which people connect", "choose another name")
		}
	}
	d.mcpConnectIssuer(p, c, at)
	secret, key := d.lines[p.with("client_secret").id()] > 0, d.lines[p.with("private_key").id()] > 0
	if at.ClientID == "" && !secret && !key && !d.failed(p.with("client_id")) {
		d.bad(p.with("client_id"), "is missing", "name the client as which the page is known to the issuer")
	}
	d.mcpParty(p, at.MCPParty, false) // a client without either is a public one
	for i, s := range at.Scopes {
		if !scopeToken.MatchString(s) {
			d.bad(p.with("scopes").item(i), "is no scope", "use visible characters without quotes, one scope an item")
		}
	}
	if !slices.Contains(at.Scopes, "openid") && !d.failed(p.with("scopes")) {
		d.bad(p.with("scopes"), "has no openid, so that nobody could be told apart", "add openid")
	}
}

// mcpConnectIssuer checks where people log in: at an issuer whose tokens are taken, whose endpoints are both written down or both asked for.
func (d *decoder) mcpConnectIssuer(p path, c *Config, at *MCPConnect) {
	var known []string
	var issuer *Issuer
	for i := range c.Identity.Issuers {
		one := &c.Identity.Issuers[i]
		known = append(known, one.Name)
		if one.Name == at.Issuer || at.Issuer == "" && len(c.Identity.Issuers) == 1 {
			issuer = one
		}
	}
	switch {
	case d.failed(p.with("issuer")):
		return
	case issuer == nil && at.Issuer == "":
		d.bad(p.with("issuer"), "is missing", "name the issuer at which people log in; known issuers: "+strings.Join(known, ", "))
		return
	case issuer == nil:
		d.bad(p.with("issuer"), "there is no "+shown("issuer", at.Issuer), "known issuers: "+strings.Join(known, ", "))
		return
	}
	at.Issuer = issuer.Name
	switch {
	case at.AuthorizationURL == "" && at.TokenURL == "":
		if u, err := url.Parse(issuer.Issuer); err != nil || u.Host == "" {
			d.bad(p.with("authorization_url"), "is missing, and the issuer's identifier is no URL that could be asked", "name authorization_url and token_url")
		} else if u.Scheme == "http" && !isLoopback(u) {
			d.doubt(p, "asks an issuer without TLS where people log in", "use https, or name authorization_url and token_url")
		}
	case at.AuthorizationURL == "":
		d.bad(p.with("authorization_url"), "is missing", "name it beside token_url, or neither: the issuer then says itself where they are")
	case at.TokenURL == "":
		d.bad(p.with("token_url"), "is missing", "name it beside authorization_url, or neither: the issuer then says itself where they are")
	default:
		for _, one := range [][2]string{{"authorization_url", at.AuthorizationURL}, {"token_url", at.TokenURL}} {
			if u, ok := d.webURL(p.with(one[0]), one[1]); ok && u.Scheme == "http" && !isLoopback(u) {
				d.bad(p.with(one[0]), "is reached without TLS: credentials can be read on the way", "use https")
			}
		}
	}
}

// mcpAuthorization checks where a person's browser goes: an authorization server says both of its endpoints, or neither.
func (d *decoder) mcpAuthorization(p path, s MCPServer, a *MCPAuth) {
	at := p.with("authorization_url")
	switch {
	case a.AuthorizationURL != "" && a.AuthorizationServer != "":
		d.bad(at, "stands beside an authorization_server", "keep one of the two")
	case a.AuthorizationURL == "" && a.TokenURL != "" && !d.failed(at):
		d.bad(at, "is missing", "name it beside token_url, or in the place of both the authorization_server that says where they are")
	case a.AuthorizationURL != "":
		if u, ok := d.webURL(at, a.AuthorizationURL); ok && u.Scheme == "http" && !slices.Contains(s.PrivateHosts(), strings.ToLower(u.Hostname())) {
			d.bad(at, "is reached without TLS: what a person agrees to can be changed on the way", "use https, or say private: true of a server on a network of yours")
		}
	}
}

// LoginHosts are the hosts of a login that may have a private address: an identity provider is often on a network of one's own, and the
// configuration names it.
func (c *Config) LoginHosts() []string {
	if c.MCP.Connect == nil {
		return nil
	}
	all := []string{c.MCP.Connect.TokenURL}
	for _, i := range c.Identity.Issuers {
		if i.Name == c.MCP.Connect.Issuer {
			all = append(all, i.Issuer)
		}
	}
	var out []string
	for _, text := range all {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			out = append(out, strings.ToLower(u.Hostname()))
		}
	}
	return out
}
