package events

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/revoke"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// tooOldLogout is how long ago a logout token may have been made; it should live for two minutes (section 4).
	tooOldLogout = 10 * time.Minute
)

var errLogout = errors.New("the request is no logout")

// logout takes a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.5 to 2.8): 200 says that the user is logged out.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	why, err := h.loggedOut(r)
	if err == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	code := "invalid_request"
	if why == "" { // ours: it may come again
		h.c.Log.Error("a logout could not be done", "err", err)
		code, why = "server_error", "the logout could not be done; try again"
	} else {
		h.c.Log.Warn("a logout was refused", "err", err)
	}
	doc, _ := json.Marshal(map[string]string{"error": code, "error_description": why}) // texts
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(doc)
}

// loggedOut does it; why is what the client reads when the token is at fault.
func (h *Handler) loggedOut(r *http.Request) (why string, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "send logout_token as a form", errLogout
	}
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		return "send one logout_token", errLogout
	}
	s, refused := h.c.Verifier.VerifyStatement(r.Context(), r.PostForm.Get("logout_token"), identity.StatementKind{
		Types: []string{"logout+jwt", "jwt", ""}, Issuers: h.named(func(s Source) bool { return s.Logout }), MaxAge: tooOldLogout,
		Audience: func(issuer string) []string { return h.sources[issuer].Audiences },
	})
	if refused != nil {
		if refused.Status >= http.StatusInternalServerError {
			return "", errors.New(refused.Log)
		}
		return refused.Client, errors.New(refused.Log)
	}
	who, why := logoutSubject(s)
	if why != "" {
		return why, errLogout
	}
	before, err := h.heard(r.Context(), s)
	if err != nil {
		return "", err
	}
	if before {
		return "the token was used before", errLogout
	}
	handles, err := h.c.Verifier.Handles(who)
	if err != nil {
		return "the token names nobody", err
	}
	h.c.Log.Info("access changed; older tokens count no more", "by", "logout", "issuer", s.Issuer, "id", s.ID)
	if err := h.c.Revoker.Revoke(r.Context(), revoke.Revocation{Handles: handles, Before: afterSecond(s.Issued)}); err != nil {
		return "", err
	}
	return "", h.hear(r.Context(), s)
}

// logoutSubject checks what makes a logout token one (section 2.6) and tells who logs out: with a sub all of the user's tokens count no
// more, since not every access token says of which session it is.
func logoutSubject(s *identity.Statement) (identity.Subject, string) {
	out := identity.Subject{Issuer: s.Issuer}
	events, _ := s.Claims["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return out, "the token is no logout token: its events say something else"
	}
	if _, there := s.Claims["nonce"]; there {
		return out, "the token is no logout token: it has a nonce"
	}
	if _, there := s.Claims["exp"]; !there {
		return out, "the token is no logout token: it has no exp"
	}
	for name, to := range map[string]*string{"sub": &out.Sub, "sid": &out.Session} {
		v, there := s.Claims[name]
		text, ok := v.(string)
		if there && (!ok || text == "") {
			return out, "the token's " + name + " is no text"
		}
		*to = text
	}
	if out.Sub == "" && out.Session == "" {
		return out, "the token has no sub and no sid"
	}
	return out, ""
}
