package conf

import (
	"maps"
	"slices"
	"strings"
)

// MCPAuth is how the broker's credential for a server is made.
type MCPAuth struct {
	Flow string `yaml:"flow" required:"true"`
	// Secret is that of the static flow; Header is where it stands, empty is a Bearer token.
	Secret Secret `yaml:"secret"`
	Header string `yaml:"header"`
	// The rest is of the flows that get tokens. TokenURL and who the broker is there:
	MCPClient
	// AuthorizationURL is where a person's browser goes, of authorization-code.
	AuthorizationURL string `yaml:"authorization_url"`
	// RevocationURL is where the token endpoint's server is told that a token is not needed any more (RFC 7009).
	RevocationURL string   `yaml:"revocation_url"`
	Scopes        []string `yaml:"scopes"`
	// Resource is what the token is for; empty means the server's URL. Audience is for authorization servers that want one besides; of
	// id-jag it is the server's authorization server.
	Resource string `yaml:"resource"`
	Audience string `yaml:"audience"`
	// SubjectTokenType is what callers' tokens are; empty is what the flow expects.
	SubjectTokenType string `yaml:"subject_token_type" enum:"access_token,id_token,jwt"`
	// ActorToken is the broker's own token, of token-exchange, for authorization servers that write into a token who acts.
	ActorToken     Secret `yaml:"actor_token"`
	ActorTokenType string `yaml:"actor_token_type" enum:"access_token,id_token,jwt"`
	// Assertion is the broker's own JWT, of jwt-bearer.
	Assertion Secret `yaml:"assertion"`
	// Callers are the issuers whose callers' tokens are shown to the token endpoint; empty is the only one that there is.
	Callers []string `yaml:"callers"`
	// Issuer is the callers' issuer, of id-jag.
	Issuer MCPClient `yaml:"issuer"`
}

// MCPClient is a token endpoint, and who the broker is there.
type MCPClient struct {
	TokenURL string `yaml:"token_url"`
	// AuthorizationServer is the issuer identifier of a server that says itself where its token endpoint is.
	AuthorizationServer string `yaml:"authorization_server"`
	MCPParty
}

// MCPParty is who the broker is at an authorization server.
type MCPParty struct {
	ClientID     string `yaml:"client_id"`
	ClientSecret Secret `yaml:"client_secret"`
	// SecretIn is where the secret stands.
	SecretIn string `yaml:"secret_in" enum:"header,form"`
	// PrivateKey signs who the broker is, in the place of a secret; KeyID names it there.
	PrivateKey Secret `yaml:"private_key"`
	KeyID      string `yaml:"key_id"`
}

// Flows by which a credential is made.
const (
	FlowStatic            = "static"
	FlowClientCredentials = "client-credentials"
	FlowExchange          = "token-exchange"
	FlowOnBehalfOf        = "on-behalf-of"
	FlowIDJAG             = "id-jag"
	FlowCode              = "authorization-code"
	FlowWorkload          = "jwt-bearer"
)

// clientKeys say who the broker is.
var clientKeys = []string{"token_url", "authorization_server", "client_id", "client_secret", "secret_in", "private_key", "key_id"}

// endpointKeys are those and what else there is of a server's own token endpoint.
var endpointKeys = append(slices.Clone(clientKeys), "revocation_url")

// flowKeys are what each flow takes, and needs, besides flow.
var flowKeys = map[string]struct{ takes, needs []string }{
	FlowStatic:            {[]string{"secret", "header"}, []string{"secret"}},
	FlowClientCredentials: {slices.Concat(endpointKeys, []string{"scopes", "resource", "audience"}), []string{"client_id"}},
	FlowExchange:          {slices.Concat(endpointKeys, []string{"scopes", "resource", "audience", "subject_token_type", "callers", "actor_token", "actor_token_type"}), nil},
	FlowOnBehalfOf:        {slices.Concat(endpointKeys, []string{"scopes", "callers"}), []string{"client_id", "scopes"}},
	FlowCode:              {slices.Concat(endpointKeys, []string{"authorization_url", "scopes", "resource", "audience"}), []string{"client_id"}},
	FlowWorkload:          {slices.Concat(endpointKeys, []string{"scopes", "resource", "audience", "assertion"}), []string{"assertion"}},
	FlowIDJAG: {
		slices.Concat(endpointKeys, []string{"scopes", "resource", "audience", "subject_token_type", "callers", "issuer"}), []string{"client_id", "audience", "issuer"},
	},
}

func (d *decoder) mcpAuth(p path, c *Config, s MCPServer, a *MCPAuth) {
	for i, scope := range a.Scopes {
		if !scopeToken.MatchString(scope) {
			d.bad(p.with("scopes").item(i), "is no scope", "use visible characters without quotes, one scope an item")
		}
	}
	if d.failed(p.with("flow")) || a.Flow == "" {
		return
	}
	use := "use one of " + strings.Join(slices.Sorted(maps.Keys(flowKeys)), ", ")
	keys, known := flowKeys[a.Flow]
	if !known {
		d.bad(p.with("flow"), "is no known flow", use)
		return
	}
	d.flowKeys(p, a.Flow, keys.takes, keys.needs)
	d.readable(p.with("secret"), a.Secret)
	d.readable(p.with("actor_token"), a.ActorToken)
	d.readable(p.with("assertion"), a.Assertion)
	if a.Flow != FlowStatic {
		d.mcpClient(p, s, &a.MCPClient, a.Flow == FlowClientCredentials || a.Flow == FlowOnBehalfOf)
	}
	if at := p.with("issuer"); a.Flow == FlowIDJAG && d.lines[at.id()] > 0 && !d.failed(at) {
		d.mcpClient(p.with("issuer"), s, &a.Issuer, false)
	}
	switch {
	case a.RevocationURL != "" && a.AuthorizationServer != "":
		d.bad(p.with("revocation_url"), "stands beside an authorization_server", "keep one of the two")
	case a.RevocationURL != "":
		d.mcpURL(p.with("revocation_url"), s, a.RevocationURL)
	}
	if a.Flow == FlowCode {
		d.mcpAuthorization(p, s, a)
	}
	if slices.Contains(keys.takes, "callers") {
		d.mcpCallers(p.with("callers"), c, a)
	}
	if a.Resource != "" {
		d.webURL(p.with("resource"), a.Resource)
	}
	if h := strings.ToLower(a.Header); h != "" && (!headerName.MatchString(h) || strings.HasPrefix(h, "mcp-") || slices.Contains(ownHeaders, h)) {
		d.bad(p.with("header"), "is no header that a secret can stand in", "name one such as X-Api-Key; without it the secret is a Bearer token")
	}
}

// mcpCallers: whose tokens a token endpoint is shown is said by name where there is a choice, since it reads them.
func (d *decoder) mcpCallers(p path, c *Config, a *MCPAuth) {
	var known []string
	for _, i := range c.Identity.Issuers {
		known = append(known, i.Name)
	}
	for i, one := range a.Callers {
		if !slices.Contains(known, one) {
			d.bad(p.item(i), "there is no "+shown("issuer", one), "known issuers: "+strings.Join(known, ", "))
		}
	}
	switch {
	case len(a.Callers) > 0 || d.failed(p):
	case len(known) > 1:
		d.bad(p, "is missing", "name the issuers whose callers' tokens the token endpoint may be shown; known issuers: "+strings.Join(known, ", "))
	default:
		a.Callers = known
	}
}

// flowKeys says which keys are missing, and which are another flow's.
func (d *decoder) flowKeys(p path, flow string, takes, needs []string) {
	for _, key := range slices.Concat([]string{"secret", "header", "scopes", "resource", "audience", "subject_token_type", "callers", "actor_token", "actor_token_type", "issuer", "authorization_url", "assertion"}, endpointKeys) {
		_, written := d.lines[p.with(key).id()]
		switch {
		case !written && slices.Contains(needs, key):
			d.bad(p.with(key), "is missing", "the flow "+flow+" needs it")
		case written && !slices.Contains(takes, key):
			d.bad(p.with(key), "is of another flow than "+flow, "remove it")
		}
	}
}

// mcpClient checks a token endpoint, and who the broker is there.
func (d *decoder) mcpClient(p path, s MCPServer, c *MCPClient, needed bool) {
	d.mcpParty(p, c.MCPParty, needed)
	switch {
	case c.TokenURL != "" && c.AuthorizationServer != "":
		d.bad(p.with("authorization_server"), "stands beside a token_url", "keep one of the two")
	case c.TokenURL != "":
		d.mcpURL(p.with("token_url"), s, c.TokenURL)
	case c.AuthorizationServer != "":
		d.mcpURL(p.with("authorization_server"), s, c.AuthorizationServer)
	case !d.failed(p.with("token_url")) && !d.failed(p.with("authorization_server")):
		d.bad(p.with("token_url"), "is missing", "name the token endpoint, or by authorization_server the issuer that says where it is")
	}
}

// mcpParty checks that the broker says who it is in one way: where that is needed, in any.
func (d *decoder) mcpParty(p path, c MCPParty, needed bool) {
	d.readable(p.with("client_secret"), c.ClientSecret)
	if !c.PrivateKey.IsZero() {
		if _, err := c.PrivateKey.Reveal(); err != nil { // a document of several lines
			d.bad(p.with("private_key"), err.Error(), "name the file of a PKCS #8 key in PEM")
		}
	}
	secret, key := d.lines[p.with("client_secret").id()] > 0, d.lines[p.with("private_key").id()] > 0
	switch {
	case secret && key:
		d.bad(p.with("private_key"), "stands beside a client_secret", "keep one of the two")
	case (secret || key) && c.ClientID == "":
		d.bad(p.with("client_id"), "is missing", "name the client that the secret or the key is of")
	case needed && !secret && !key:
		d.bad(p.with("client_secret"), "is missing", "give a client_secret or a private_key")
	}
}
