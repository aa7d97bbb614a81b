package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
)

// A revocation makes the tokens that were issued before it count no more; one that is issued later does. It is made known by a
// handle, and reaches every principal that has it (Principal.Handles): the key, which is issuer and subject; the e-mail address,
// where the issuer may assert it; the session at the issuer (sid), where its tokens name one.
//
// A token's iat is by its issuer's clock, in whole seconds. A revocation that the issuer itself tells of is by the same clock, and the
// two compare exactly. One that we made is by ours, and the issuer's may be ahead, so that a token of before looks like one of after.
// By how much it is ahead is seen from its tokens: the farthest that an iat was in the future when we verified it (at most the
// configured skew) is added. A token that does not say when it was issued is older than any revocation.

// ErrRevoked says that a principal's token counts no more.
var ErrRevoked = errors.New("revoked")

// Epoch is what is known of the revocations of a principal.
type Epoch struct {
	Number int64     // another one after each revocation; what was made under another number counts no more
	Issuer time.Time // tokens issued before count no more, by the clock of the issuer
	Own    time.Time // the same, by our clock
}

// Sighting is what a verified token says its principal is, to be compared with what another token says.
type Sighting struct {
	Scope   label.Scope
	Handles []string  // the principal's; the key first
	Issued  time.Time // by the issuer's clock
	Context [16]byte  // of client, audience and scopes: only tokens for the same say the same
	Groups  [16]byte  // of the groups and teams
}

// Epochs knows revocations, from a copy that is never stale: an error is a refusal (ErrRevoked as such, any other as "cannot be
// known now").
type Epochs interface {
	Epoch(handles []string) (Epoch, error)
	// Watch calls changed after each revocation of a handle, from another goroutine, until stop.
	Watch(handles []string, changed func()) (stop func())
	// Saw hears of each token that was verified anew. It does not wait.
	Saw(s Sighting)
}

// Handles are the names by which the principal may be revoked; its key is the first.
func (p *Principal) Handles() []string { return p.handles }

// Issued is the token's iat; zero when it has none.
func (p *Principal) Issued() time.Time { return p.issued }

// epoch is the number under which a principal is good now, or why it is not.
func (v *Verifier) epoch(p *Principal) (int64, error) {
	if v.cfg.Epochs == nil || p.anonymous {
		return 0, nil
	}
	e, err := v.cfg.Epochs.Epoch(p.handles)
	switch {
	case err != nil:
		return 0, err
	case p.issued.Before(e.Issuer), !e.Own.IsZero() && p.issued.Before(e.Own.Add(v.ahead(p.issuer))):
		return 0, ErrRevoked
	}
	return e.Number, nil
}

// Epoch is the number under which a principal's tokens count now; after a revocation it is another one.
func (v *Verifier) Epoch(p *Principal) (int64, error) { return v.epoch(p) }

// ahead is by how much an issuer's clock was seen to be ahead of ours.
func (v *Verifier) ahead(issuer string) time.Duration {
	for _, is := range v.list {
		if is.Name == issuer {
			return time.Duration(is.ahead.Load())
		}
	}
	return 0
}

// noteClock learns from a token that was verified how far its issuer's clock is ahead.
func (is *issuer) noteClock(issued, now time.Time) {
	if issued.IsZero() {
		return
	}
	for {
		known, by := is.ahead.Load(), int64(issued.Sub(now))
		if by <= known || is.ahead.CompareAndSwap(known, by) {
			return
		}
	}
}

// Watch calls revoked, once and from any goroutine, when the token that p came with counts no more; at once, when that is so already.
func (v *Verifier) Watch(p *Principal, revoked func()) (stop func()) {
	if v.cfg.Epochs == nil || p.anonymous {
		return func() {}
	}
	var once sync.Once
	look := func() {
		if _, err := v.epoch(p); errors.Is(err, ErrRevoked) {
			once.Do(revoked)
		}
	}
	stop = v.cfg.Epochs.Watch(p.handles, look)
	look()
	return stop
}

// Changes calls changed after each revocation of p, whichever of its tokens count no more.
func (v *Verifier) Changes(p *Principal, changed func()) (stop func()) {
	if v.cfg.Epochs == nil || p.anonymous {
		return func() {}
	}
	return v.cfg.Epochs.Watch(p.handles, changed)
}

// Subject is somebody as others than a token name them: by one or several of these, at an issuer.
type Subject struct {
	Issuer  string // its name, or its exact `iss`; may be empty with an address or a key
	Sub     string
	Client  string // a client that speaks for itself
	Email   string
	Session string // sid
	Key     string // a principal's key, as in the audit
}

// Handles are those of a subject. An address counts at the issuer that is the authority for its domain, and nowhere else.
func (v *Verifier) Handles(s Subject) ([]string, error) { return s.handles(v.list) }

// Handles are those of a subject by a configuration, where no token is to be verified and so no keys are fetched.
func Handles(cfg Config, s Subject) ([]string, error) {
	cfg, err := checked(cfg)
	if err != nil {
		return nil, err
	}
	var list []*issuer
	for i, ic := range cfg.Issuers {
		list = append(list, &issuer{IssuerConfig: ic, first: i == 0, domains: setOf(ic.EmailDomains)})
	}
	return s.handles(list)
}

func (s Subject) handles(list []*issuer) ([]string, error) {
	var out []string
	if s.Key != "" {
		if !slices.ContainsFunc(list, func(is *issuer) bool {
			rest, ok := strings.CutPrefix(s.Key, is.Name)
			return ok && len(rest) > 1 && (rest[0] == '|' || rest[0] == '#')
		}) {
			return nil, fmt.Errorf("%q is no principal's key of a configured issuer", clip(s.Key))
		}
		out = append(out, s.Key)
	}
	var is *issuer
	for _, one := range list {
		if s.Issuer != "" && (one.Name == s.Issuer || one.Issuer == s.Issuer) {
			is = one
		}
	}
	if is == nil && s.Issuer != "" {
		return nil, fmt.Errorf("there is no issuer %q", clip(s.Issuer))
	}
	if is == nil && (s.Sub != "" || s.Client != "" || s.Session != "") {
		if len(list) != 1 {
			return nil, errors.New("several issuers are configured; say which one")
		}
		is = list[0]
	}
	if s.Sub != "" {
		out = append(out, is.userKey(s.Sub))
	}
	if s.Client != "" {
		out = append(out, is.clientKey(s.Client))
	}
	if s.Session != "" {
		out = append(out, is.sessionHandle(s.Session))
	}
	if s.Email != "" {
		address := ""
		for _, one := range list {
			if a := one.mailOf(s.Email); a != "" && (is == nil || is == one) {
				address = a
			}
		}
		switch {
		case address != "":
			out = append(out, mailHandle(address))
		case len(out) == 0:
			return nil, fmt.Errorf("%q is no address that the issuer may assert (email_domains)", clip(s.Email))
		}
	}
	if len(out) == 0 {
		return nil, errors.New("nobody is named")
	}
	return out, nil
}

// The handles. An issuer's name holds none of these signs, so that no two kinds meet.
func (is *issuer) userKey(sub string) string       { return is.Name + "|" + escaped(sub) }
func (is *issuer) clientKey(client string) string  { return is.Name + "#" + escaped(client) }
func (is *issuer) sessionHandle(sid string) string { return is.Name + "~" + escaped(sid) }
func mailHandle(address string) string             { return "@" + address }

// allHandles are those of a principal.
func (p *Principal) allHandles(session string) []string {
	out := []string{p.key}
	if p.user != "" {
		out = append(out, mailHandle(p.user))
	}
	if session != "" {
		out = append(out, session)
	}
	return slices.Clip(out)
}
