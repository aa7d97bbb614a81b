package connect

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// session is a browser in which somebody is logged in.
type session struct {
	id  string
	who *identity.Principal
}

func (s *session) name() string {
	if u := s.who.User(); u != "" {
		return u
	}
	return s.who.Subject()
}

// login is what is kept of a session.
type login struct{ Token, Nonce string }

// pending is what is kept while she is elsewhere: at the authorization server of Server, or, without one, to log in. Issuer is who must
// have answered, where that is known, and Names says that it must say so.
type pending struct {
	Server, Person, Verifier, Nonce, Back, Issuer string
	Names                                         bool
}

// slot is where a session's records are: who does not have its cookie cannot name it.
func (p *Page) slot(id string) string {
	return p.c.Keys.Slot(label.Scope{Principal: "\x00connect\x00" + id})
}

// csrf is the token of a session's forms.
func (p *Page) csrf(id string) string {
	sum := p.c.Keys.MAC("connect form", []byte(id))
	return hex.EncodeToString(sum[:])
}

func (p *Page) cookieOf(r *http.Request) string {
	c, err := r.Cookie(p.cookie)
	if err != nil || len(c.Value) > 64 {
		return ""
	}
	return c.Value
}

func (p *Page) setCookie(w http.ResponseWriter, id string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: p.cookie, Value: id, Path: "/", Secure: p.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(age.Seconds())})
}

// person lets her in who is logged in. A browser in which nobody is goes to log in, if it only asks to see something of this page.
func (p *Page) person(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *http.Request, *session)) {
	id := p.cookieOf(r)
	if id != "" {
		get := &store.Get{Key: p.slot(id) + "s"}
		if err := p.c.Store.Do(r.Context(), get); err != nil {
			p.broken(w, err)
			return
		}
		var kept login
		if get.Found && json.Unmarshal(get.Value, &kept) == nil {
			who, refused := p.c.Verifier.VerifyLogin(r.Context(), kept.Token, identity.Login{Issuer: p.c.Issuer, Client: p.c.Login.Endpoint.Client.ID, Nonce: kept.Nonce})
			if refused == nil {
				next(w, r, &session{id: id, who: who})
				return
			}
		}
	}
	if r.Method != http.MethodGet || strings.HasSuffix(r.URL.Path, "/callback") {
		p.stale(w)
		return
	}
	id = rand.Text()
	at, err := p.c.Login.Start(r.Context())
	if err != nil {
		p.broken(w, err)
		return
	}
	state, wait, err := p.wait(r.Context(), id, pending{Back: r.URL.RequestURI(), Issuer: at.Issuer, Names: at.Names})
	if err != nil {
		p.broken(w, err)
		return
	}
	to, err := p.c.Login.URL(at, tokens.Want{Scopes: p.c.Scopes}, state, wait.Verifier, url.Values{"nonce": {wait.Nonce}})
	if err != nil {
		p.broken(w, err)
		return
	}
	p.setCookie(w, id, stateTime)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// wait keeps what must be there when she comes back, under a state that nobody can guess.
func (p *Page) wait(ctx context.Context, id string, wait pending) (string, pending, error) {
	state := rand.Text()
	wait.Verifier, wait.Nonce = rand.Text()+rand.Text(), rand.Text() // RFC 7636, section 4.1: at least 43 characters
	doc, err := json.Marshal(wait)
	if err != nil {
		return "", wait, err
	}
	return state, wait, p.c.Store.Do(ctx, &store.Put{Key: p.slot(id) + "p:" + state, Value: doc, TTL: stateTime})
}

// back takes what was kept, once; login says which of the two kinds it must be.
func (p *Page) back(w http.ResponseWriter, r *http.Request, id string, toLogIn bool) (pending, bool) {
	var wait pending
	state := r.URL.Query()["state"]
	if id == "" || len(state) != 1 || len(state[0]) > 64 {
		p.stale(w)
		return wait, false
	}
	take := &store.Take{Key: p.slot(id) + "p:" + state[0]}
	if err := p.c.Store.Do(r.Context(), take); err != nil {
		p.broken(w, err)
		return wait, false
	}
	if !take.Found || json.Unmarshal(take.Value, &wait) != nil || (wait.Server == "") != toLogIn {
		p.stale(w)
		return wait, false
	}
	return wait, true
}

// answer reads what an authorization server sent her back with (RFC 6749, section 4.1.2). An issuer that is named must be the one that
// she was sent to, and must be named where the server says that it always is (RFC 9207, section 2.4; 2026-07-28, "Authorization Response
// Validation"); an error of anybody else's is not shown either.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, wait pending) (string, bool) {
	q := r.URL.Query()
	switch code, named := q["code"], q["iss"]; {
	case len(named) > 1, wait.Names && len(named) == 0, wait.Issuer != "" && len(named) == 1 && named[0] != wait.Issuer:
		p.fail(w, http.StatusBadRequest, "The answer came from elsewhere", "It is not from the server that you were sent to, so nothing was connected. Begin again; tell your administrator if it stays so.")
	case q.Get("error") == "access_denied":
		p.fail(w, http.StatusForbidden, "You did not agree", "Nothing was connected. Begin again if that was a mistake.")
	case q.Has("error"):
		p.fail(w, http.StatusBadGateway, "The server refused", "Nothing was connected. Begin again later; tell your administrator if it stays so.")
	case len(code) != 1 || code[0] == "":
		p.stale(w)
	default:
		return code[0], true
	}
	return "", false
}

// loggedIn takes her back from the issuer, and gives the session a new name.
func (p *Page) loggedIn(w http.ResponseWriter, r *http.Request) {
	old := p.cookieOf(r)
	wait, ok := p.back(w, r, old, true)
	if !ok {
		return
	}
	code, ok := p.answer(w, r, wait)
	if !ok {
		return
	}
	token, err := p.c.Login.Login(r.Context(), code, wait.Verifier)
	if err != nil {
		p.broken(w, err)
		return
	}
	who, refused := p.c.Verifier.VerifyLogin(r.Context(), token, identity.Login{Issuer: p.c.Issuer, Client: p.c.Login.Endpoint.Client.ID, Nonce: wait.Nonce})
	if refused != nil {
		p.c.Log.Warn("a login was refused", "why", refused.Log)
		p.fail(w, http.StatusForbidden, "You could not be logged in", "Begin again; tell your administrator if it stays so.")
		return
	}
	doc, err := json.Marshal(login{Token: token, Nonce: wait.Nonce})
	life := min(time.Until(who.Expires()), longestSession)
	if err != nil || life <= 0 {
		p.stale(w)
		return
	}
	id := rand.Text()
	if err := p.c.Store.Do(r.Context(), &store.Put{Key: p.slot(id) + "s", Value: doc, TTL: life}); err != nil {
		p.broken(w, err)
		return
	}
	p.setCookie(w, id, life)
	http.Redirect(w, r, wait.Back, http.StatusSeeOther)
}

func (p *Page) logout(w http.ResponseWriter, r *http.Request, s *session) {
	if !p.own(w, r, s) {
		return
	}
	if err := p.c.Store.Do(r.Context(), &store.Delete{Key: p.slot(s.id) + "s"}); err != nil {
		p.broken(w, err)
		return
	}
	p.setCookie(w, "", -time.Second)
	p.show(w, http.StatusOK, "fail", view{Title: "You are logged out", Text: "You can close this page."})
}

// own tells whether a form is this page's own, of this session.
func (p *Page) own(w http.ResponseWriter, r *http.Request, s *session) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	origin := r.Header.Get("Origin")
	// A form of a page with no-referrer has the origin null (Fetch, "append a request Origin header").
	if kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil || origin != "" && origin != "null" && origin != p.c.Origin ||
		strings.HasPrefix(r.Header.Get("Sec-Fetch-Site"), "cross") ||
		subtle.ConstantTimeCompare([]byte(r.PostForm.Get("csrf")), []byte(p.csrf(s.id))) != 1 {
		p.fail(w, http.StatusForbidden, "The form is not this page's", "Nothing was done. Open the list of your connections and try again.")
		return false
	}
	return true
}
