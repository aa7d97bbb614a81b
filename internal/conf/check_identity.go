package conf

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxSkew is as far as clocks can be apart and times still mean something.
const maxSkew = 10 * time.Minute

// algorithms are the signatures a token may have: asymmetric ones only, since a key set is public.
var algorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

func (d *decoder) identity(c *Config) {
	p := path{"identity"}
	id := &c.Identity
	if len(id.Issuers) == 0 && !id.Anonymous && !d.failed(p) && !d.failed(p.with("issuers")) {
		d.bad(p, "has no issuers, so nobody could be let in", "add one under identity.issuers")
	}
	if id.Anonymous {
		d.doubt(p.with("anonymous"), "lets in requests that carry no credential", "leave it false except in demos and tests")
	}
	if id.MaxStale < id.Refresh {
		d.bad(d.written(p.with("max_stale"), p.with("refresh")),
			"identity.max_stale is below identity.refresh, so keys would expire between two fetches", "let the first be longer")
	}
	if id.Skew > maxSkew {
		d.bad(p.with("skew"), "is above "+maxSkew.String()+", so that expired tokens would live on", "make it shorter")
	}
	names, urls, domains := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range id.Issuers {
		ip := p.with("issuers").item(i)
		iss := &id.Issuers[i]
		d.unique(names, ip.with("name"), iss.Name, "is another issuer's name too")
		d.unique(urls, ip.with("issuer"), iss.Issuer, "is another issuer's too, so their tokens could not be told apart")
		if iss.Name != "" && !name.MatchString(iss.Name) {
			d.bad(ip.with("name"), "is no name", "use lower-case letters, digits, - and _")
		}
		d.keys(ip, iss)
		d.audiences(ip, iss)
		d.algorithms(ip.with("algorithms"), iss.Algorithms)
		for k, dom := range iss.EmailDomains {
			dp := ip.with("email_domains").item(k)
			dom = strings.ToLower(dom)
			iss.EmailDomains[k] = dom
			if dom == "" || strings.ContainsAny(dom, "@*/ ") || strings.HasPrefix(dom, ".") {
				d.bad(dp, "is no domain", "write it plainly, such as example.com")
				continue
			}
			d.unique(domains, dp, dom, "is declared twice: only one issuer can be the authority for a domain")
		}
		if len(iss.Tenants) > 0 && iss.Claims.Tenant == "" {
			d.bad(ip.with("tenants"), "has no effect without claims.tenant, which says where a token names its tenant", "add claims.tenant")
		}
		for k, t := range iss.Tenants {
			if t == "" {
				d.bad(ip.with("tenants").item(k), "is empty", "name a tenant")
			}
		}
	}
}

// unique reports a value that an earlier key has already, and says whether it is the first.
func (d *decoder) unique(seen map[string]int, p path, value, what string) bool {
	if value == "" {
		return true
	}
	if line, ok := seen[value]; ok {
		d.bad(p, fmt.Sprintf("%s (line %d)", what, line), "keep one")
		return false
	}
	seen[value] = d.line(p)
	return true
}

// keys checks where an issuer's keys come from, and makes a file's path absolute.
func (d *decoder) keys(p path, iss *Issuer) {
	switch {
	case iss.Issuer == "":
	case iss.JWKS == "":
		if u, ok := d.webURL(p.with("issuer"), iss.Issuer); ok && u.Scheme == "http" && !isLoopback(u) {
			d.doubt(p.with("issuer"), "is fetched without TLS: who can change the answer can be anybody", "use https")
		}
	case strings.Contains(iss.JWKS, "://"):
		u, ok := d.webURL(p.with("jwks"), iss.JWKS)
		if ok && u.Scheme == "http" && strings.HasPrefix(iss.Issuer, "https:") && !isLoopback(u) {
			d.bad(p.with("jwks"), "would fetch the keys of an https issuer without TLS", "use https")
			return
		}
		if ok && u.Scheme == "http" && !isLoopback(u) {
			d.doubt(p.with("jwks"), "is fetched without TLS: who can change the answer can be anybody", "use https")
		}
	default:
		iss.JWKS = d.abs(iss.JWKS)
		if _, err := readSmall(iss.JWKS, 1<<20); err != nil {
			d.bad(p.with("jwks"), "cannot be read: "+err.Error(), "name a readable file or a URL; relative paths start at "+d.dir)
		}
	}
}

func (d *decoder) audiences(p path, iss *Issuer) {
	p = p.with("audiences")
	if len(iss.Audiences) == 0 && !d.failed(p) {
		d.bad(p, "is empty, so no token would fit", "name the audience that the issuer writes into tokens for this gateway")
	}
}

func (d *decoder) algorithms(p path, list []string) {
	if len(list) == 0 && !d.failed(p) {
		d.bad(p, "is empty, so no token would fit", "remove it for the default or name some")
	}
	for i, a := range list {
		switch {
		case slices.Contains(algorithms, a) || a == "":
		case strings.EqualFold(a, "none") || strings.HasPrefix(strings.ToUpper(a), "HS"):
			d.bad(p.item(i), "is an algorithm that anyone with the public keys could sign with", "name an asymmetric one")
		default:
			d.bad(p.item(i), "is no known algorithm", "give one of "+strings.Join(algorithms, ", "))
		}
	}
}
