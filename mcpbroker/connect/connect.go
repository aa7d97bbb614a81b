// Package connect is the page on which a person connects her accounts at servers to the broker, in her browser.
//
// Who she is, she shows by logging in at the configured issuer: code, PKCE and nonce; the ID token makes her the same principal as
// her access tokens do, and is verified anew for every request. Her session is a random cookie, and all that belongs to it is in the
// store in a slot of that cookie: another browser finds nothing there. It gets a new name when she logs in.
//
// A link that the broker hands out in a call is sealed for the person who called: opened by anybody else it leads to a refusal, so
// that nobody connects his account for another. She sees which server, what for and who asks, and consents by a form with a token of
// her session. Only then a state is made and her browser goes to the authorization server. The state is taken from the store when she
// comes back, so it works once, in this session, for this person and this server. Each server has a redirect URI of its own, so that no
// authorization server's answer is taken for another's (RFC 9700, section 4.4.2.2), and the answer's issuer is compared where it is known
// (RFC 9207). What she granted is then kept by package tokens, and written down (Config.Done).
//
// There is no script, the one style stands in the page, nothing is loaded, cached or framed, and no redirect goes anywhere but to the
// endpoints of configured servers and paths of this page. Every failure is a page that says what to do; none repeats what a request brought.
package connect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/seal"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

const (
	// linkTime is how long a link that was handed out in a call works.
	linkTime = time.Hour
	// stateTime is how long she may take at an authorization server, or to log in.
	stateTime = 10 * time.Minute
	// longestSession bounds a session; it ends with its ID token if that is earlier.
	longestSession = time.Hour
)

// Paths below the page that are no server's.
const (
	loginPath = "/connect/login"
	listPath  = "/connect/"
)

// Path is the page's own, with all below it.
const Path = listPath

// Login is the redirect URI of the login, of a page at an origin.
func Login(origin string) string { return origin + loginPath }

// Callback is the redirect URI of a server.
func Callback(origin, server string) string {
	return origin + listPath + url.PathEscape(server) + "/callback"
}

// Verifier tells whose an ID token is; *identity.Verifier does.
type Verifier interface {
	VerifyLogin(ctx context.Context, raw string, want identity.Login) (*identity.Principal, *refuse.Refusal)
}

// Config is what the page is made of.
type Config struct {
	Origin   string                    // scheme and host of the gateway, as browsers reach it
	Servers  map[string]*tokens.Source // by name, each with the flow Code, whose redirect URI is its Callback
	Login    tokens.Code               // at the issuer; its redirect URI is Login
	Scopes   []string                  // that are asked for at a login; openid among them
	Issuer   string                    // the issuer's name in the configuration
	Verifier Verifier
	Store    store.Store // that seals what it keeps
	Keys     *store.Keys
	// Done is told that she has connected, or disconnected; its error is hers. nil: nobody is told.
	Done func(ctx context.Context, who *identity.Principal, server string, connected bool) error
	Log  *slog.Logger
}

// Page serves /connect/ and what is below it.
type Page struct {
	c      Config
	links  *seal.Box
	cookie string
	style  string // as the policy names it
	secure bool
}

// New makes the page.
func New(c Config) (*Page, error) {
	u, err := url.Parse(c.Origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != c.Origin {
		return nil, errors.New("connect: the origin is no scheme and host")
	}
	if c.Verifier == nil || c.Store == nil || c.Keys == nil || c.Login.Redirect != Login(c.Origin) || !slices.Contains(c.Scopes, "openid") {
		return nil, errors.New("connect: a verifier, a store, keys, the login's own redirect URI and its scope openid are needed")
	}
	for name, s := range c.Servers {
		flow, ok := s.Flow.(tokens.Code)
		if !ok || flow.Redirect != Callback(c.Origin, name) || name == "login" || name == "logout" {
			return nil, errors.New("connect: nobody can connect to the server " + name)
		}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	p := &Page{c: c, secure: u.Scheme == "https", cookie: "yellowjack_connect"}
	if p.secure {
		p.cookie = "__Host-yellowjack_connect"
	}
	if p.style, err = styleSource(); err != nil {
		return nil, err
	}
	p.links, err = seal.New(c.Keys, "connect link")
	return p, err
}

// For is where a person reads of a server, whoever she is.
func (p *Page) For(server string) string { return p.c.Origin + listPath + url.PathEscape(server) }

// Serves tells whether somebody can log in here as who she is in her calls: a person, of the issuer at which people log in.
func (p *Page) Serves(who *identity.Principal) bool {
	return who.IsPerson() && who.Issuer() == p.c.Issuer
}

// Link is where a person is sent from a call, to connect to a server; asks is the application's name for itself.
func (p *Page) Link(who *identity.Principal, server, asks string) string {
	return p.For(server) + "?for=" + p.links.Seal([]byte(asks), linkTime, who.Key(), server)
}

// ServeHTTP answers one request of a browser.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.headers(w, "")
	rest, ok := strings.CutPrefix(r.URL.Path, listPath)
	server, act, _ := strings.Cut(rest, "/")
	source := p.c.Servers[server]
	switch get, post := r.Method == http.MethodGet, r.Method == http.MethodPost; {
	case !get && !post:
		w.Header().Set("Allow", "GET, POST")
		p.fail(w, http.StatusMethodNotAllowed, "This does not work here", "Open the page in a browser.")
	case r.URL.Path == loginPath && get:
		p.loggedIn(w, r)
	case ok && rest == "" && get:
		p.person(w, r, p.list)
	case ok && rest == "logout" && post:
		p.person(w, r, p.logout)
	case ok && source != nil && act == "" && rest == server && get:
		p.person(w, r, func(w http.ResponseWriter, r *http.Request, s *session) { p.ask(w, r, s, server, source) })
	case ok && source != nil && act == "" && rest == server && post:
		p.person(w, r, func(w http.ResponseWriter, r *http.Request, s *session) { p.leave(w, r, s, server, source) })
	case ok && source != nil && act == "callback" && get:
		p.person(w, r, func(w http.ResponseWriter, r *http.Request, s *session) { p.granted(w, r, s, server, source) })
	case ok && source != nil && act == "disconnect" && post:
		p.person(w, r, func(w http.ResponseWriter, r *http.Request, s *session) { p.disconnect(w, r, s, server, source) })
	default:
		p.fail(w, http.StatusNotFound, "There is no such page", "See the list of servers that you can connect to.")
	}
}

// headers are those of every answer. A form may lead to the page and, by way of it, to one authorization server.
func (p *Page) headers(w http.ResponseWriter, target string) {
	form := "'self'"
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		form += " " + u.Scheme + "://" + u.Host
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+p.style+"; base-uri 'none'; frame-ancestors 'none'; form-action "+form)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// list shows what she can connect to.
func (p *Page) list(w http.ResponseWriter, r *http.Request, s *session) {
	var rows []row
	for name, source := range p.c.Servers {
		there, err := source.Connected(r.Context(), s.who)
		if err != nil {
			p.broken(w, err)
			return
		}
		rows = append(rows, row{Name: name, Connected: there})
	}
	p.show(w, http.StatusOK, "list", view{Title: "Your connections", Who: s.name(), CSRF: p.csrf(s.id), Rows: sortRows(rows)})
}

// ask asks for her consent. A link that was made for somebody else asks nothing.
func (p *Page) ask(w http.ResponseWriter, r *http.Request, s *session, server string, source *tokens.Source) {
	v := view{Title: "Connect to " + server, Who: s.name(), CSRF: p.csrf(s.id), Server: server, Scopes: source.Want.Scopes, Resource: source.Want.Resource}
	if link := r.URL.Query().Get("for"); link != "" {
		asks, err := p.links.Open(link, s.who.Key(), server)
		if err != nil {
			p.fail(w, http.StatusForbidden, "This link is not for you", "It was made for somebody else, or it has expired. Do not go on if somebody sent it to you. If it is your own, make the call again for a new one, or log out here and log in as yourself.")
			return
		}
		v.Asks = string(asks)
	}
	at, err := source.Flow.(tokens.Code).Start(r.Context()) // New has seen the flow
	if err != nil {
		p.broken(w, err)
		return
	}
	if u, err := url.Parse(at.URL); err == nil {
		v.Authority = u.Host
	}
	p.headers(w, at.URL)
	p.show(w, http.StatusOK, "ask", v)
}

// leave sends her to the authorization server: she has consented.
func (p *Page) leave(w http.ResponseWriter, r *http.Request, s *session, server string, source *tokens.Source) {
	if !p.own(w, r, s) {
		return
	}
	flow := source.Flow.(tokens.Code)
	at, err := flow.Start(r.Context())
	if err != nil {
		p.broken(w, err)
		return
	}
	state, wait, err := p.wait(r.Context(), s.id, pending{Server: server, Person: s.who.Key(), Issuer: at.Issuer, Names: at.Names})
	if err != nil {
		p.broken(w, err)
		return
	}
	to, err := flow.URL(at, source.Want, state, wait.Verifier, nil)
	if err != nil {
		p.broken(w, err)
		return
	}
	p.headers(w, at.URL)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// granted takes her back from the authorization server.
func (p *Page) granted(w http.ResponseWriter, r *http.Request, s *session, server string, source *tokens.Source) {
	wait, ok := p.back(w, r, s.id, false)
	if !ok {
		return
	}
	if wait.Server != server || wait.Person != s.who.Key() {
		p.stale(w)
		return
	}
	code, ok := p.answer(w, r, wait)
	if !ok {
		return
	}
	if err := source.Connect(r.Context(), s.who, code, wait.Verifier); err != nil {
		p.broken(w, err)
		return
	}
	p.done(w, r, s, server, true)
}

func (p *Page) disconnect(w http.ResponseWriter, r *http.Request, s *session, server string, source *tokens.Source) {
	if !p.own(w, r, s) {
		return
	}
	err := source.Disconnect(r.Context(), s.who)
	if errors.Is(err, tokens.ErrUntold) { // it has ended here
		if p.noted(w, r, s, server, false) {
			p.c.Log.Warn("an authorization server was not told that somebody has disconnected", "server", server, "err", err)
			p.fail(w, http.StatusBadGateway, "Disconnected here", "The gateway has forgotten your account at "+server+" and calls nobody with it. But it could not tell the authorization server: to be sure, end the access there as well.")
		}
		return
	}
	if err != nil {
		p.broken(w, err)
		return
	}
	p.done(w, r, s, server, false)
}

// done has it written down, and shows her the list.
func (p *Page) done(w http.ResponseWriter, r *http.Request, s *session, server string, connected bool) {
	if p.noted(w, r, s, server, connected) {
		http.Redirect(w, r, listPath, http.StatusSeeOther)
	}
}

// noted has it written down, or shows her that it was not.
func (p *Page) noted(w http.ResponseWriter, r *http.Request, s *session, server string, connected bool) bool {
	if p.c.Done == nil {
		return true
	}
	err := p.c.Done(r.Context(), s.who, server, connected)
	if err != nil {
		p.broken(w, err)
	}
	return err == nil
}
