package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
)

// Principal is who a verified token speaks for. It can only be had from a Verifier, so holding one proves verification.
// It never changes; its lists must not be changed.
type Principal struct {
	issuer, subject, user, client, tenant, actor string
	key                                          string
	groups, teams, scopes, subjects, handles     []string
	expires, issued                              time.Time
	first, anonymous                             bool
}

// Issuer is the issuer's name in the configuration; "" for the anonymous principal.
func (p *Principal) Issuer() string { return p.issuer }

// First tells whether the issuer is the configuration's first, whose names are written plainly.
func (p *Principal) First() bool { return p.first }

// Subject is the token's sub, scoped to its issuer. Of a token that a client got for itself it is the client.
func (p *Principal) Subject() string { return p.subject }

// User is the e-mail address, in lower case, where it is verified and its issuer is the authority for its domain; else "".
func (p *Principal) User() string { return p.user }

// Client is the application the token was given to, scoped to its issuer, or "".
func (p *Principal) Client() string { return p.client }

// Tenant is the organisation. One that the issuer is configured to assert is written plainly, any other is scoped.
func (p *Principal) Tenant() string { return p.tenant }

// Actor is who acts on behalf of the subject (RFC 8693, section 4.1), scoped, or "".
func (p *Principal) Actor() string { return p.actor }

// Groups are sorted and scoped to the issuer.
func (p *Principal) Groups() []string { return p.groups }

// Scopes are sorted.
func (p *Principal) Scopes() []string { return p.scopes }

// Teams are sorted and scoped to the issuer. Without a claim of their own they are the groups.
func (p *Principal) Teams() []string { return p.teams }

// Subjects are all strings of a grant that mean this principal, sorted.
func (p *Principal) Subjects() []string { return p.subjects }

// Expires is the token's exp; zero for the anonymous principal.
func (p *Principal) Expires() time.Time { return p.expires }

// Key is the same for every token of one principal and different for any two principals: "issuer|subject", and
// "issuer#client" for a client that speaks for itself, since a user's sub may read like a client's id (RFC 9068, section 5).
func (p *Principal) Key() string { return p.key }

// Scope is whose records a store keeps for this principal.
func (p *Principal) Scope() label.Scope { return label.Scope{Tenant: p.tenant, Principal: p.key} }

// IsPerson tells whether a user speaks for herself: she is no client that got a token for itself, and nobody acts for her.
func (p *Principal) IsPerson() bool { return !p.anonymous && !p.clientAlone() && p.actor == "" }

// IsAnonymous tells whether the request had no credential.
func (p *Principal) IsAnonymous() bool { return p.anonymous }

func anonymous() *Principal {
	return &Principal{anonymous: true, subject: "anonymous", key: "|anonymous", subjects: []string{"*"}, handles: []string{"|anonymous"}}
}

// principal makes the principal of verified claims.
func (is *issuer) principal(claims map[string]any, exp time.Time) (*Principal, error) {
	c := is.Claims
	get := &reader{claims: claims}
	sub := get.text("sub")
	client := get.text(or(c.Client, "azp"))
	if client == "" && c.Client == "" {
		client = get.text("client_id")
	}
	tenant := get.text(c.Tenant)
	actor := get.text(or(c.Actor, "act.sub"))
	groups := get.list(or(c.Groups, "groups"))
	teams := groups
	if c.Teams != "" {
		teams = get.list(c.Teams)
	}
	scopes := get.scopes(or(c.Scopes, "scope"))
	if scopes == nil && c.Scopes == "" {
		scopes = get.scopes("scp")
	}
	session := get.text("sid")
	issued, _, err := timeClaim(claims, "iat")
	get.keep(err)
	mail := get.mail(or(c.Email, "email"), or(c.EmailVerified, "email_verified"))
	if get.err != nil {
		return nil, get.err
	}
	if session != "" {
		session = is.sessionHandle(session)
	}
	if sub == "" && client == "" {
		return nil, errClaim{"sub", "there, and no client is either"}
	}
	if len(is.Tenants) > 0 && !slices.Contains(is.Tenants, tenant) {
		return nil, errTenant
	}

	p := &Principal{issuer: is.Name, first: is.first, expires: exp, issued: issued, user: is.mailOf(mail)}
	p.groups, p.teams, p.scopes = is.names(groups), is.names(teams), sorted(scopes)
	p.client, p.actor = is.name(client), is.name(actor)
	if p.tenant = tenant; len(is.Tenants) == 0 {
		p.tenant = is.name(tenant)
	}
	clientAlone := sub == "" || sub == client
	if clientAlone {
		p.subject, p.key = p.client, is.clientKey(client)
	} else {
		p.subject, p.key = is.name(sub), is.userKey(sub)
	}
	p.subjects, p.handles = p.allSubjects(clientAlone), p.allHandles(session)
	return p, nil
}

// allSubjects lists every string of a grant that means p. The token of a client that got it for itself has no user's sub.
func (p *Principal) allSubjects(clientAlone bool) []string {
	out := []string{"*"}
	if !clientAlone {
		out = append(out, "sub:"+p.subject)
	}
	if p.client != "" {
		out = append(out, "client:"+p.client)
	}
	if p.user != "" {
		out = append(out, "user:"+p.user)
	}
	for _, g := range p.groups {
		out = append(out, "group:"+g)
	}
	for _, t := range p.teams {
		out = append(out, "team:"+t)
	}
	return sorted(out)
}

// clientAlone tells whether p is a client that speaks for itself; its key says so.
func (p *Principal) clientAlone() bool { return strings.HasPrefix(p.key, p.issuer+"#") }

// name scopes one name; "" is none and stays so.
func (is *issuer) name(s string) string {
	if s == "" {
		return ""
	}
	return is.scoped(s)
}

func (is *issuer) names(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s != "" {
			out = append(out, is.scoped(s))
		}
	}
	return sorted(out)
}

// sorted sorts a list of its own and leaves out what is there twice. It is never nil.
func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Clip(slices.Compact(out))
}

func or(path, fallback string) string {
	if path == "" {
		return fallback
	}
	return path
}

// reader reads claims and keeps the first thing that is wrong.
type reader struct {
	claims map[string]any
	err    error
}

func (r *reader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) text(path string) string {
	s, err := textClaim(r.claims, path)
	r.keep(err)
	return s
}

func (r *reader) list(path string) []string {
	l, err := listClaim(r.claims, path)
	r.keep(err)
	return l
}

func (r *reader) scopes(path string) []string {
	l, err := scopeClaim(r.claims, path)
	r.keep(err)
	return l
}

// mail is the address if the issuer says, with a plain true, that it is verified (OpenID Connect Core 1.0, section 5.1).
func (r *reader) mail(path, verifiedPath string) string {
	if verified, _ := lookup(r.claims, verifiedPath); verified != true {
		return ""
	}
	return r.text(path)
}
