// Package events hears from identity providers that somebody's access is another one, and has their older tokens count no more.
//
//	/events/signals              Shared Signals: security event tokens that are pushed (signals.go; RFC 8417, RFC 8935, CAEP, RISC)
//	/events/logout               OpenID Connect back-channel logout (logout.go)
//	/events/scim/{issuer}/v2/…   SCIM 2.0: users and groups (package scim)
//
// Each is there for the issuers that the configuration says it of, and speaks for the users of its own issuer alone. Security event
// tokens and logout tokens are verified by the issuer's keys, as access tokens are and by the same code; SCIM shows a secret of the
// configuration. What is heard becomes handles of identity's and a revocation: by the issuer's own clock, where it says when, and
// otherwise by ours. It is answered as done when every process can know of it, and else as failed, so that it comes again.
//
// Requests are small, and so many a second; who sends more waits. None of this can grant anything.
package events

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/revoke"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/mcpbroker/events/scim"
)

// Verifier knows issuers; *identity.Verifier does.
type Verifier interface {
	VerifyStatement(ctx context.Context, raw string, kind identity.StatementKind) (*identity.Statement, *refuse.Refusal)
	Handles(s identity.Subject) ([]string, error)
}

// Revoker makes tokens count no more; *revoke.Service does.
type Revoker interface {
	Revoke(ctx context.Context, all ...revoke.Revocation) error
}

// Source is an issuer that tells of its users.
type Source struct {
	Issuer string // its name
	URL    string // its exact `iss`, as it stands in subjects
	// Audiences are those that its security event tokens and logout tokens name.
	Audiences []string
	Signals   bool
	Logout    bool
	// Authorization is what comes with each security event token, as a bearer token; nil: nothing does.
	Authorization func() (string, error)
	// SCIM is the secret that it pushes users and groups with; nil: it does not.
	SCIM func() (string, error)
}

// Config is what a Handler works with. Zero numbers take their defaults.
type Config struct {
	Sources  []Source
	Verifier Verifier
	Revoker  Revoker
	Store    store.Store // that seals what it keeps
	Keys     *store.Keys

	PerSecond float64 // requests of one endpoint; default 50
	Log       *slog.Logger
	Now       func() time.Time
}

const (
	// maxStatement bounds a request with a token in it.
	maxStatement = 64 << 10
	// replayTime is how long a token's id is remembered, beyond which it is too old anyway or changes nothing.
	replayTime = time.Hour
)

// Handler serves /events/.
type Handler struct {
	c       Config
	sources map[string]Source // by name
	scim    map[string]*scim.Server
	limits  map[string]*rate.Limiter // by endpoint
}

// New makes a handler.
func New(c Config) (*Handler, error) {
	if c.Verifier == nil || c.Revoker == nil || c.Store == nil || c.Keys == nil {
		return nil, errors.New("events: a verifier, a revoker, a store and its keys are needed")
	}
	if c.PerSecond == 0 {
		c.PerSecond = 50
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Handler{c: c, sources: map[string]Source{}, scim: map[string]*scim.Server{}, limits: map[string]*rate.Limiter{}}
	h.limit("signals")
	h.limit("logout")
	for _, s := range c.Sources {
		h.sources[s.Issuer] = s
		if s.SCIM == nil {
			continue
		}
		made, err := scim.New(scim.Config{
			Store: c.Store, Keys: c.Keys, Realm: s.Issuer, Path: scimPath + s.Issuer + "/v2", Log: c.Log, Now: c.Now,
			Changed: func(ctx context.Context, who []scim.Person) error { return h.changed(ctx, s, who) },
		})
		if err != nil {
			return nil, err
		}
		h.scim[s.Issuer] = made
		h.limit(s.Issuer + "/scim")
	}
	return h, nil
}

func (h *Handler) limit(endpoint string) {
	h.limits[endpoint] = rate.NewLimiter(rate.Limit(h.c.PerSecond), int(max(4*h.c.PerSecond, 1)))
}

const scimPath = "/events/scim/"

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch rest, isSCIM := strings.CutPrefix(r.URL.Path, scimPath); {
	case isSCIM:
		issuer, _, _ := strings.Cut(rest, "/")
		h.serveSCIM(w, r, issuer)
	case r.URL.Path == "/events/signals" && h.any(func(s Source) bool { return s.Signals }):
		h.post(w, r, "signals", h.signals)
	case r.URL.Path == "/events/logout" && h.any(func(s Source) bool { return s.Logout }):
		h.post(w, r, "logout", h.logout)
	default:
		http.NotFound(w, r)
	}
}

func (h *Handler) any(is func(Source) bool) bool {
	for _, s := range h.c.Sources {
		if is(s) {
			return true
		}
	}
	return false
}

// named are the issuers of which something is so.
func (h *Handler) named(is func(Source) bool) (out []string) {
	for _, s := range h.c.Sources {
		if is(s) {
			out = append(out, s.Issuer)
		}
	}
	return out
}

func (h *Handler) post(w http.ResponseWriter, r *http.Request, endpoint string, serve http.HandlerFunc) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "use POST", http.StatusMethodNotAllowed)
		return
	}
	if !h.admit(w, endpoint) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxStatement)
	serve(w, r)
}

// admit lets so many requests of an endpoint in.
func (h *Handler) admit(w http.ResponseWriter, endpoint string) bool {
	if h.limits[endpoint].AllowN(h.c.Now(), 1) {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(1))
	http.Error(w, "too many requests", http.StatusTooManyRequests)
	return false
}

// bears tells whether a request has a secret as its bearer token.
func bears(r *http.Request, secret func() (string, error)) (bool, error) {
	want, err := secret()
	if err != nil || want == "" {
		return false, fmt.Errorf("events: the secret cannot be read: %w", err)
	}
	all := r.Header.Values("Authorization")
	if len(all) != 1 {
		return false, nil
	}
	scheme, token, _ := strings.Cut(all[0], " ")
	a, b := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(want))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1, nil
}

// serveSCIM shows the door to whoever has not the issuer's secret; of an issuer that does not push it says the same.
func (h *Handler) serveSCIM(w http.ResponseWriter, r *http.Request, issuer string) {
	server := h.scim[issuer]
	if server == nil {
		unauthorized(w)
		return
	}
	if !h.admit(w, issuer+"/scim") {
		return
	}
	known, err := bears(r, h.sources[issuer].SCIM)
	if err != nil {
		h.c.Log.Error("SCIM is refused", "issuer", issuer, "err", err)
	}
	if !known {
		unauthorized(w)
		return
	}
	server.ServeHTTP(w, r)
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, "the secret is wrong", http.StatusUnauthorized)
}

// changed has the tokens of users count no more of whom SCIM says that something is another. A user is whoever the issuer knows by
// one of these names; a name that is none of its tokens' reaches nobody.
func (h *Handler) changed(ctx context.Context, s Source, who []scim.Person) error {
	var handles []string
	for _, p := range who {
		for _, subject := range append([]identity.Subject{{Sub: p.ExternalID}, {Sub: p.UserName}, {Email: p.UserName}}, addresses(p.Emails)...) {
			subject.Issuer = s.Issuer
			if found, err := h.c.Verifier.Handles(subject); err == nil {
				handles = append(handles, found...)
			}
		}
	}
	if len(handles) == 0 {
		return nil // nobody who could have a token
	}
	h.c.Log.Info("access changed; older tokens count no more", "by", "scim", "issuer", s.Issuer, "users", len(who))
	return h.c.Revoker.Revoke(ctx, revoke.Revocation{Handles: handles})
}

func addresses(all []string) (out []identity.Subject) {
	for _, a := range all {
		out = append(out, identity.Subject{Email: a})
	}
	return out
}

// heard tells whether a statement was heard before.
func (h *Handler) heard(ctx context.Context, s *identity.Statement) (bool, error) {
	get := &store.Get{Key: h.replayKey(s)}
	err := h.c.Store.Do(ctx, get)
	return get.Found, err
}

// hear remembers a statement whose work is done.
func (h *Handler) hear(ctx context.Context, s *identity.Statement) error {
	return h.c.Store.Do(ctx, &store.Put{Key: h.replayKey(s), TTL: replayTime})
}

func (h *Handler) replayKey(s *identity.Statement) string {
	mac := h.c.Keys.MAC("event", []byte(s.Issuer), []byte(s.ID))
	return h.c.Keys.Slot(label.Scope{Principal: "\x00events\x00" + s.Issuer}) + "event:" + hex.EncodeToString(mac[:])
}

// afterSecond is the time before which tokens count no more when something happened at a time by the issuer's clock: an iat has whole
// seconds, and one of the same second may be of before.
func afterSecond(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second) }
