package conf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Dialects are those that a provider may speak.
var (
	builtDialects = []string{"openai-chat", "openai-responses", "anthropic", "gemini", "bedrock"}
)

// reservedProviders are first segments of the gateway's own paths, which a provider's native surface would hide.
var reservedProviders = []string{"v1", "mcp", "connect", "events", "auto", "yellowjack"}

func (d *decoder) providers(c *Config) {
	p := path{"providers"}
	if len(c.Providers) == 0 && !d.failed(p) {
		d.bad(p, "has no provider", "add one, such as openrouter: {base_url: https://openrouter.ai/api/v1}")
	}
	for _, n := range slices.Sorted(maps.Keys(c.Providers)) {
		pp, prov := p.with(n), c.Providers[n]
		switch {
		case !name.MatchString(n):
			d.bad(pp, "is no name for a provider", "use lower-case letters, digits, - and _")
		case slices.Contains(reservedProviders, n):
			d.bad(pp, "is one of the gateway's own names", "choose another")
		}
		d.dialect(pp.with("dialect"), prov.Dialect)
		for i, more := range prov.Dialects {
			if d.dialect(pp.with("dialects").item(i), more); more == prov.Dialect || slices.Contains(prov.Dialects[:i], more) {
				d.bad(pp.with("dialects").item(i), "is there already", "remove it")
			}
		}
		if prov.BaseURL != "" {
			prov.BaseURL = d.baseURL(pp.with("base_url"), prov.BaseURL)
		}
		for i, m := range prov.Models {
			if m == "" {
				d.bad(pp.with("models").item(i), "is empty", "name a model")
			}
		}
		d.roots(pp.with("ca_file"), prov.CAFile)
		c.Providers[n] = prov
	}
	d.defaultProvider(c)
}

func (d *decoder) dialect(p path, s string) {
	use := "use one of " + strings.Join(builtDialects, ", ")
	switch {
	case slices.Contains(builtDialects, s) || d.failed(p):
	default:
		d.bad(p, "is no known dialect", use)
	}
}

func (d *decoder) baseURL(p path, s string) string {
	u, ok := d.webURL(p, s)
	if !ok {
		return s
	}
	if u.Scheme == "http" && !isLoopback(u) {
		d.doubt(p, "sends keys and prompts without TLS", "use https, unless the network between is yours")
	}
	if strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/chat/completions") {
		d.bad(p, "is an endpoint, not a base", "leave out /chat/completions")
	}
	return strings.TrimRight(s, "/")
}

// defaultProvider checks the default, or chooses the only provider, or the one called openrouter.
func (d *decoder) defaultProvider(c *Config) {
	p := path{"default_provider"}
	if c.DefaultProvider != "" {
		d.isProvider(c, p, c.DefaultProvider)
		return
	}
	if _, ok := c.Providers["openrouter"]; ok {
		c.DefaultProvider = "openrouter"
		return
	}
	if len(c.Providers) == 1 {
		for n := range c.Providers {
			c.DefaultProvider = n
		}
	}
}

func (d *decoder) isProvider(c *Config, p path, n string) bool {
	if _, ok := c.Providers[n]; ok || n == "" {
		return ok
	}
	known := slices.Sorted(maps.Keys(c.Providers))
	do := "known providers: " + strings.Join(known, ", ")
	if near := nearest(n, known); near != "" {
		do = fmt.Sprintf("did you mean %q?", near)
	}
	d.bad(p, "there is no "+shown("provider", n), do)
	return false
}

func (d *decoder) models(c *Config) {
	for _, alias := range slices.Sorted(maps.Keys(c.Models)) {
		p := path{"models"}.with(alias)
		first, _, slash := strings.Cut(alias, "/")
		_, shadows := c.Providers[first]
		switch {
		case alias == "" || strings.HasPrefix(alias, "@") || strings.ContainsFunc(alias, func(r rune) bool { return r <= ' ' || r > '~' }):
			d.bad(p, "is no name for a model", "use letters, digits and punctuation, not starting with @")
		case slash && shadows:
			d.bad(p, "begins like a model of the "+shown("provider", first), "choose another name for the alias")
		}
		cands, cp := c.Models[alias].Candidates, p.with("candidates")
		switch {
		case d.failed(cp):
			continue
		case len(cands) == 0:
			d.bad(cp, "is empty", "name one as provider/model")
		case len(cands) > 1:
			d.bad(cp, "more than one candidate (a fallback chain) is not built yet", "keep one")
		}
		for i, cand := range cands {
			prov, model, ok := strings.Cut(cand, "/")
			if !ok || prov == "" || model == "" {
				d.bad(cp.item(i), "is not of the form provider/model", "name the provider too")
				continue
			}
			d.isProvider(c, cp.item(i), prov)
		}
	}
}

func (d *decoder) credentials(c *Config) {
	whom, ids := map[string]int{}, map[string]int{}
	domains := map[string]bool{}
	for _, iss := range c.Identity.Issuers {
		for _, dom := range iss.EmailDomains {
			domains[dom] = true
		}
	}
	for i := range c.Credentials {
		p, cr := path{"credentials"}.item(i), &c.Credentials[i]
		d.isProvider(c, p.with("provider"), cr.Provider)
		cr.User = strings.ToLower(cr.User)
		who := "*"
		switch {
		case cr.User != "" && cr.Team != "":
			d.bad(p, "names a user and a team", "keep one; make two entries for both")
			continue
		case cr.User != "":
			who = "user:" + cr.User
			_, dom, ok := strings.Cut(cr.User, "@")
			if !ok || dom == "" {
				d.bad(p.with("user"), "is no e-mail address", "write the verified address, such as sara@example.com")
			} else if !domains[dom] {
				d.doubt(p.with("user"), "can never match: no issuer may assert addresses of that domain", "add the domain to an issuer's email_domains")
			}
		case cr.Team != "":
			who = "team:" + cr.Team
		}
		own := cr.Provider + "/" + who
		if !d.unique(whom, p, own, "is for the same provider and the same people as another credential") {
			continue
		}
		if cr.ID == "" {
			cr.ID = own
		}
		d.unique(ids, p.with("id"), cr.ID, "is another credential's id too")
		d.payment(p, cr)
	}
}

// payment checks what a credential is: exactly one of a secret, client credentials, a Google identity and AWS keys.
func (d *decoder) payment(p path, cr *Credential) {
	given := 0
	for _, key := range []string{"secret", "oauth", "google", "aws"} {
		if _, ok := d.lines[p.with(key).id()]; ok {
			given++
		}
	}
	if given != 1 {
		d.bad(p, "wants exactly one of secret, oauth, google and aws", "write secret: {file: path} for a key")
		return
	}
	d.readable(p.with("secret"), cr.Secret)
	if o := cr.OAuth; o != nil {
		d.readable(p.with("oauth").with("client_secret"), o.ClientSecret)
		if o.TokenURL != "" {
			if u, ok := d.webURL(p.with("oauth").with("token_url"), o.TokenURL); ok && u.Scheme == "http" && !isLoopback(u) {
				d.bad(p.with("oauth").with("token_url"), "is reached without TLS: the client's secret can be read on the way", "use https")
			}
		}
	}
	if a := cr.AWS; a != nil {
		d.readable(p.with("aws").with("secret_access_key"), a.Secret)
		d.readable(p.with("aws").with("session_token"), a.Session)
		if _, keys := d.lines[p.with("aws").with("secret_access_key").id()]; keys != (a.KeyID != "") {
			d.bad(p.with("aws"), "has half of a key", "give access_key_id and secret_access_key, or neither to take what the machine has")
		}
	}
	if g := cr.Google; g != nil && !g.Key.IsZero() {
		if _, err := g.Key.Reveal(); err != nil { // a document, in which there are spaces
			d.bad(p.with("google").with("key"), err.Error(), "name the file of a service account's key")
		}
	}
}

// readable checks that a secret can be had now, without saying what or where it is.
func (d *decoder) readable(p path, s Secret) {
	if s.IsZero() || s.File != "" && s.Env != "" {
		return // already reported
	}
	v, err := s.Reveal()
	if err != nil {
		do := "make the file readable; relative paths start at " + d.dir
		if s.Env != "" {
			do = "set the variable for this process"
		}
		d.bad(p, err.Error(), do)
		return
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
		d.bad(p, "holds characters that no key has (a space, a line break or such)", "keep the key alone in it")
	}
}
