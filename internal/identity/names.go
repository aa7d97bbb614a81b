package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names belong to issuers. Those of the first issuer are written plainly, those of any other as "issuer/name". An
// issuer's name has no "/", so "partner/…" can only be partner's, if no name of the first issuer begins like that.
// A group of the first issuer that does ("partner/finance", as GitLab writes its own) has that "/" written as %2F. This
// is so for whatever could be an issuer's name, not only for today's issuers: a group means the same when a second
// issuer is added. "/finance", as Keycloak writes groups, stays as it is.
//
// In every name, "%" becomes %25 and what does not print becomes its bytes in hex, so that two names of one issuer
// never meet either, and a line of a log stays a line.

// scoped writes a name of this issuer.
func (is *issuer) scoped(name string) string {
	name = escaped(name)
	if !is.first {
		return is.Name + "/" + name
	}
	if before, after, ok := strings.Cut(name, "/"); ok && issuerName.MatchString(before) {
		return before + "%2F" + after
	}
	return name
}

func escaped(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !hidden(r) {
			b.WriteString(s[i : i+n])
		} else {
			for _, c := range []byte(s[i : i+n]) {
				b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			}
		}
		i += n
	}
	return b.String()
}

// hidden is what is not written as it is: what a reader of a rule cannot see, and the escape itself. Letters, marks,
// digits, punctuation, symbols and the plain space are seen.
func hidden(r rune) bool { return r == '%' || r == utf8.RuneError || !unicode.IsPrint(r) }

// mailOf is the address as it is written in grants: in lower case, since no provider tells addresses of one domain apart
// by case. What is not one plain ASCII address does not count: case and look of other letters are no identity.
func (is *issuer) mailOf(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || len(address) > 254 {
		return ""
	}
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<>[\]%`, c) >= 0 {
			return ""
		}
	}
	domain = strings.ToLower(domain)
	if !is.domains[domain] { // a second "@" is in no domain of the configuration
		return ""
	}
	return strings.ToLower(local) + "@" + domain
}
