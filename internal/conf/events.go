package conf

// IssuerEvents is how an issuer tells that the access of one of its users is another one, at /events/ of the broker.
type IssuerEvents struct {
	// Audiences are those that its security event tokens and logout tokens name.
	Audiences []string `yaml:"audiences"`
	// Signals takes pushed security event tokens, at /events/signals.
	Signals bool `yaml:"signals"`
	// Authorization is the bearer token that comes with them; none is nothing.
	Authorization Secret `yaml:"authorization"`
	// Logout takes logout tokens, at /events/logout.
	Logout bool `yaml:"logout"`
	// SCIM is the bearer token that users and groups are pushed with, to /events/scim/{issuer}/v2.
	SCIM Secret `yaml:"scim"`
}

// shortestBearer is how long a secret has to be that stands between anybody and an endpoint.
const shortestBearer = 24

// events checks what issuers tell. It runs when the broker's part was checked.
func (d *decoder) events(c *Config) {
	for i := range c.Identity.Issuers {
		e := c.Identity.Issuers[i].Events
		if e == nil {
			continue
		}
		p := path{"identity", "issuers"}.item(i).with("events")
		if d.failed(p) {
			continue
		}
		tokens := e.Signals || e.Logout
		switch {
		case !tokens && e.SCIM.IsZero() && !d.failed(p.with("scim")):
			d.bad(p, "takes nothing", "say signals: true, logout: true, or scim: {file: …}, or remove it")
		case !c.MCP.Enabled():
			d.bad(p, "would be taken by the broker, and there is none", "add mcp.servers")
		}
		if tokens && len(e.Audiences) == 0 && !d.failed(p.with("audiences")) {
			d.bad(p.with("audiences"), "is missing: no token would fit", "name the audience of security event tokens, and the client whose users log out")
		}
		if !tokens && len(e.Audiences) > 0 {
			d.bad(p.with("audiences"), "is of signals and logout, which are not taken", "remove it, or say signals: true")
		}
		for k, a := range e.Audiences {
			if a == "" {
				d.bad(p.with("audiences").item(k), "is empty", "name an audience")
			}
		}
		if !e.Signals && !e.Authorization.IsZero() {
			d.bad(p.with("authorization"), "comes with signals, which are not taken", "remove it, or say signals: true")
		}
		for name, secret := range map[string]Secret{"authorization": e.Authorization, "scim": e.SCIM} {
			d.readable(p.with(name), secret)
			if text, err := secret.Reveal(); err == nil && len(text) < shortestBearer {
				d.bad(p.with(name), "is short enough to be guessed", "make a new one, such as by `openssl rand -hex 32`")
			}
		}
	}
}
