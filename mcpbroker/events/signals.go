package events

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/refuse"
	"github.com/yellowjack/yellowjack/internal/revoke"
)

// revoking are the events after which older tokens count no more: of the Continuous Access Evaluation Profile 1.0, and of the RISC Profile
// 1.0.
var revoking = []string{
	"https://schemas.openid.net/secevent/caep/event-type/session-revoked",
	"https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
	credentialChange,
	"https://schemas.openid.net/secevent/risc/event-type/account-disabled",
	"https://schemas.openid.net/secevent/risc/event-type/account-purged",
	"https://schemas.openid.net/secevent/risc/event-type/account-credential-change-required",
	"https://schemas.openid.net/secevent/risc/event-type/credential-compromise",
	"https://schemas.openid.net/secevent/risc/event-type/sessions-revoked",
}

const (
	credentialChange = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
	verification     = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	// tooOldSignal is how long ago an event token may have been made; it is delivered again for days (RFC 8935, section 4).
	tooOldSignal = 14 * 24 * time.Hour
)

// signalError is an error of RFC 8935, section 2.4.
type signalError struct {
	status int
	code   string
	text   string
}

func (e *signalError) Error() string { return e.text }

func badSignal(code, text string) error { return &signalError{http.StatusBadRequest, code, text} }

// signals takes a pushed security event token: 202 says that it was taken, also when it was before, or is about nothing that is
// acted on here (RFC 8935, section 2.2).
func (h *Handler) signals(w http.ResponseWriter, r *http.Request) {
	err := h.signal(r)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	var said *signalError
	if !errors.As(err, &said) {
		h.c.Log.Error("a security event could not be taken", "err", err)
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	h.c.Log.Warn("a security event was refused", "code", said.code, "why", said.text)
	doc, _ := json.Marshal(map[string]string{"err": said.code, "description": said.text}) // texts
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Language", "en")
	w.WriteHeader(said.status)
	_, _ = w.Write(doc)
}

func (h *Handler) signal(r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/secevent+jwt" {
		return &signalError{http.StatusUnsupportedMediaType, "invalid_request", "content-type must be application/secevent+jwt"}
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return badSignal("invalid_request", "the request could not be read, or is too large")
	}
	s, refused := h.c.Verifier.VerifyStatement(r.Context(), strings.TrimSpace(string(raw)), identity.StatementKind{
		Types: []string{"secevent+jwt"}, Issuers: h.named(func(s Source) bool { return s.Signals }), MaxAge: tooOldSignal, // RFC 8417, section 2.3
		Audience: func(issuer string) []string { return h.sources[issuer].Audiences },
	})
	if refused != nil {
		return signalRefusal(refused)
	}
	source := h.sources[s.Issuer]
	if source.Authorization != nil {
		known, err := bears(r, source.Authorization)
		if err != nil {
			return err
		}
		if !known {
			return &signalError{http.StatusUnauthorized, "authentication_failed", "the Authorization is not the one that was agreed on"}
		}
	}
	if before, err := h.heard(r.Context(), s); before || err != nil {
		return err
	}
	all, err := h.revocations(source, s)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		h.c.Log.Info("access changed; older tokens count no more", "by", "shared signals", "issuer", s.Issuer, "id", s.ID)
		if err := h.c.Revoker.Revoke(r.Context(), all...); err != nil {
			return err
		}
	}
	return h.hear(r.Context(), s)
}

// signalRefusal tells what was wrong with a token in the words of RFC 8935. That its keys cannot be had is nobody's fault but passes.
func signalRefusal(r *refuse.Refusal) error {
	switch r.Code {
	case refuse.KeysUnavailable:
		return errors.New(r.Log)
	case refuse.UnknownIssuer:
		return badSignal("invalid_issuer", "the token is of no issuer that sends events here")
	case refuse.WrongAudience:
		return badSignal("invalid_audience", "the token is for another receiver")
	}
	return badSignal("invalid_request", r.Client)
}

// revocations are what the events of a token lead to. All of them have to be understood before anything is done.
func (h *Handler) revocations(source Source, s *identity.Statement) (all []revoke.Revocation, err error) {
	events, ok := s.Claims["events"].(map[string]any)
	if !ok || len(events) == 0 {
		return nil, badSignal("invalid_request", "the token has no events")
	}
	for kind, payload := range events {
		event, ok := payload.(map[string]any)
		if !ok {
			return nil, badSignal("invalid_request", "an event is no object")
		}
		if kind == verification {
			h.c.Log.Info("a stream of security events was verified", "issuer", s.Issuer)
			continue
		}
		if !slices.Contains(revoking, kind) || kind == credentialChange && event["change_type"] == "create" { // one more credential takes nothing away
			h.c.Log.Debug("a security event is not acted on", "issuer", s.Issuer, "event", clip(kind))
			continue
		}
		about := s.Claims["sub_id"] // of the Shared Signals Framework 1.0; earlier ones have it in the event
		if about == nil {
			about = event["subject"]
		}
		subject, err := subjectOf(source, about)
		if err != nil {
			return nil, err
		}
		handles, err := h.c.Verifier.Handles(subject)
		if err != nil {
			return nil, badSignal("invalid_request", "the subject is nobody that this issuer can speak of")
		}
		all = append(all, revoke.Revocation{Handles: handles, Before: afterSecond(happened(s, event))})
	}
	return all, nil
}

// happened is when an event did, as far as it says so and not after it was told: a token that was issued in between is a new one.
func happened(s *identity.Statement, event map[string]any) time.Time {
	for _, v := range []any{event["event_timestamp"], s.Claims["toe"]} {
		if seconds, ok := v.(float64); ok && seconds > 0 && seconds < 1<<40 {
			if at := time.Unix(int64(seconds), 0); at.Before(s.Issued) {
				return at
			}
		}
	}
	return s.Issued
}

// clip bounds a stranger's text in a log.
func clip(s string) string {
	if len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}
