package issuer

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Grant and token types (RFC 6749, RFC 7523, RFC 8693), and of an identity assertion.
const (
	grantClient   = "client_credentials"
	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantJWT      = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	typeAccess = "urn:ietf:params:oauth:token-type:access_token"
	typeID     = "urn:ietf:params:oauth:token-type:id_token"
	typeJWT    = "urn:ietf:params:oauth:token-type:jwt"
	typeJAG    = "urn:ietf:params:oauth:token-type:id-jag"

	headerJAG = "oauth-id-jag+jwt"
)

// codeLife is how long a code is good.
const codeLife = time.Minute

// grant is what a person granted to a client in her browser. It lives on in refresh tokens: each is good once, and one that comes again
// ends them all (RFC 9700, section 4.14.2).
type grant struct {
	client, redirect, challenge, nonce, resource, scope string
	claims                                              map[string]any // of the person
	until                                               time.Time      // of the code
	refresh                                             string         // the one that is good now
	access                                              []string       // given for it
	used, ended                                         bool
}

// answer is a refusal where code is not empty.
type answer struct {
	code string
	body map[string]any
}

func no(code string) answer { return answer{code: code} }

// authorize is the authorization endpoint (RFC 6749, section 4.1.1): whoever signed in grants what is asked, at once.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	client, redirect := q.Get("client_id"), q.Get("redirect_uri")
	if !i.redirects(client, redirect) {
		http.Error(w, "no such client or redirect URI", http.StatusBadRequest) // and no redirect (section 4.1.2.1)
		return
	}
	back := url.Values{"iss": {i.URL()}} // RFC 9207
	if state := q.Get("state"); state != "" {
		back.Set("state", state)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case q.Get("response_type") != "code":
		back.Set("error", "unsupported_response_type")
	case q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256": // RFC 7636, section 4.4.1
		back.Set("error", "invalid_request")
	case i.person == nil:
		back.Set("error", "access_denied")
	default:
		code := rand.Text()
		if i.codes == nil {
			i.codes, i.refreshes = map[string]*grant{}, map[string]*grant{}
		}
		i.codes[code] = &grant{
			client: client, redirect: redirect, challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), resource: q.Get("resource"), scope: q.Get("scope"),
			claims: i.person, until: i.cfg.Now().Add(codeLife),
		}
		back.Set("code", code)
	}
	to := redirect + "?" + back.Encode()
	if strings.Contains(redirect, "?") {
		to = redirect + "&" + back.Encode()
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// Redirect adds to the redirect URIs of a client.
func (i *Issuer) Redirect(client string, uris ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.more == nil {
		i.more = map[string][]string{}
	}
	i.more[client] = append(i.more[client], uris...)
}

func (i *Issuer) redirects(client, uri string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Contains(i.cfg.Redirects[client], uri) || slices.Contains(i.more[client], uri)
}

// SignIn says who is at every browser that comes: what a token says of a person. nil is somebody who refuses.
func (i *Issuer) SignIn(claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.person = claims
}

// take makes of a code or a refresh token, once, the grant that it is of, and the refresh token that is good from now on.
func (i *Issuer) take(client string, form url.Values) (g *grant, next string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if form.Get("grant_type") == grantCode {
		g = i.codes[form.Get("code")]
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		switch {
		case g == nil || g.client != client:
			return nil, ""
		case g.used: // RFC 6749, section 4.1.2
			g.ended = true
			return nil, ""
		}
		g.used = true
		if g.redirect != form.Get("redirect_uri") || i.cfg.Now().After(g.until) || subtle.ConstantTimeCompare([]byte(b64(sum[:])), []byte(g.challenge)) != 1 {
			return nil, ""
		}
	} else {
		g = i.refreshes[form.Get("refresh_token")]
		if g == nil || g.client != client || g.ended {
			return nil, ""
		}
		if g.refresh != form.Get("refresh_token") {
			g.ended = true
			return nil, ""
		}
	}
	g.refresh = rand.Text()
	i.refreshes[g.refresh] = g
	return g, g.refresh
}

// granted gives the tokens of a grant. What is asked for may be less than was granted, never more (RFC 8707, section 2.2).
func (i *Issuer) granted(client string, form url.Values) answer {
	g, next := i.take(client, form)
	if g == nil {
		return no("invalid_grant")
	}
	resource, scope := form.Get("resource"), g.scope
	if g.resource != "" && resource != "" && resource != g.resource {
		return no("invalid_target")
	}
	if resource == "" {
		resource = g.resource
	}
	if asked := form.Get("scope"); asked != "" {
		for _, one := range strings.Fields(asked) {
			if !slices.Contains(strings.Fields(g.scope), one) {
				return no("invalid_scope")
			}
		}
		scope = asked
	}
	out := i.access(client, g.claims, resource, scope, nil)
	if out.code != "" {
		return out
	}
	out.body["refresh_token"] = next
	i.mu.Lock()
	g.access = append(g.access, out.body["access_token"].(string))
	i.mu.Unlock()
	if form.Get("grant_type") == grantCode && slices.Contains(strings.Fields(g.scope), "openid") {
		id, err := i.Mint(with(with(map[string]any{}, g.claims), map[string]any{"aud": client, "nonce": orNil(g.nonce)}))
		if err != nil {
			return no("server_error")
		}
		out.body["id_token"] = id
	}
	return out
}

// access gives an access token for a person, or for a client itself.
func (i *Issuer) access(client string, person map[string]any, audience, scope string, act any) answer {
	claims := with(with(map[string]any{}, person), map[string]any{"client_id": client, "scope": orNil(scope), "aud": orNil(audience), "act": act}) // RFC 9068, section 2.2
	token, err := i.MintWith(map[string]any{"typ": "at+jwt"}, claims)
	if err != nil {
		return no("server_error")
	}
	return answer{body: map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(i.cfg.Lifetime.Seconds())}}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// exchange is a token for another (RFC 8693): of the same person, for another audience, with who acts; or an identity assertion.
func (i *Issuer) exchange(client string, form url.Values) answer {
	if !slices.Contains([]string{typeAccess, typeID, typeJWT}, form.Get("subject_token_type")) {
		return no("invalid_request")
	}
	_, subject, err := i.Open(form.Get("subject_token"))
	if err != nil {
		return no("invalid_request") // RFC 8693, section 2.2.2
	}
	person := whose(subject)
	if form.Get("requested_token_type") == typeJAG {
		audience := form.Get("audience")
		if audience == "" {
			return no("invalid_target")
		}
		token, err := i.MintWith(map[string]any{"typ": headerJAG}, with(person, map[string]any{
			"aud": audience, "client_id": client, "resource": orNil(form.Get("resource")), "scope": orNil(form.Get("scope")),
		}))
		if err != nil {
			return no("server_error")
		}
		return answer{body: map[string]any{"access_token": token, "issued_token_type": typeJAG, "token_type": "N_A", "expires_in": int(i.cfg.Lifetime.Seconds())}}
	}
	actor := any(map[string]any{"sub": client})
	if raw := form.Get("actor_token"); raw != "" {
		_, claims, err := i.Open(raw)
		if err != nil || form.Get("actor_token_type") == "" {
			return no("invalid_request")
		}
		actor = map[string]any{"sub": claims["sub"]}
	}
	if before := subject["act"]; before != nil {
		actor.(map[string]any)["act"] = before // section 4.1: who acts now stands outermost
	}
	out := i.access(client, person, first(form.Get("audience"), form.Get("resource")), form.Get("scope"), actor)
	if out.code == "" {
		out.body["issued_token_type"] = typeAccess
	}
	return out
}

// assertion is a token for a JWT (RFC 7523): Entra's on-behalf-of for one of its own, an identity assertion for one of an issuer that it
// trusts.
func (i *Issuer) assertion(client string, form url.Values) answer {
	raw := form.Get("assertion")
	if form.Get("requested_token_use") == "on_behalf_of" {
		_, claims, err := i.Open(raw)
		if err != nil || form.Get("scope") == "" {
			return no("invalid_grant")
		}
		return i.access(client, whose(claims), form.Get("audience"), form.Get("scope"), nil)
	}
	for _, other := range i.cfg.Trusts {
		header, claims, err := other.Open(raw)
		if err == nil && header["typ"] == headerJAG && claims["aud"] == i.URL() && claims["client_id"] == client {
			scope, _ := claims["scope"].(string)
			resource, _ := claims["resource"].(string)
			return i.access(client, whose(claims), resource, scope, nil)
		}
	}
	return no("invalid_grant")
}

// whose are the claims that are about a person, and of no token.
func whose(claims map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range claims {
		if !slices.Contains([]string{"iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "client_id", "azp", "scope", "resource", "act"}, name) {
			out[name] = value
		}
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
