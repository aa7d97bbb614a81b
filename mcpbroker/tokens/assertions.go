package tokens

import (
	"strings"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
)

// maxAssertions is how many principals' tokens are held at once.
const maxAssertions = 10_000

// Assertions holds the tokens that principals came with. The zero value is ready.
type Assertions struct {
	// Counts tells whether the token that a principal came with counts still. nil: nobody's is revoked.
	Counts func(*identity.Principal) bool

	mu  sync.Mutex
	all map[string]assertion // by holder
}

// assertion is one such token. It is inside a function, so that nothing that prints a struct prints it.
type assertion struct {
	token  func() string
	of     *identity.Principal
	issued time.Time
	until  time.Time
}

// good tells whether it is shown to a token endpoint now.
func (a *Assertions) good(one assertion) bool {
	return time.Now().Before(one.until) && (a.Counts == nil || a.Counts(one.of))
}

// Hold takes the token that a principal came with, after it was verified: the one that was issued last counts, so that none serves on that was
// revoked before another was given. The anonymous one has none.
func (a *Assertions) Hold(p *identity.Principal, token string) {
	if p == nil || p.IsAnonymous() || token == "" || p.Expires().IsZero() {
		return
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[string]assertion{}
	}
	had, there := a.all[holder(p)]
	if there && now.Before(had.until) && (p.Issued().Before(had.issued) || p.Issued().Equal(had.issued) && !p.Expires().After(had.until)) {
		return // an older one, or the same
	}
	if !there && len(a.all) >= maxAssertions {
		a.makeRoom(now)
	}
	a.all[holder(p)] = assertion{token: func() string { return token }, of: p, issued: p.Issued(), until: p.Expires()}
}

// makeRoom forgets those that have ended, or the one that ends first.
func (a *Assertions) makeRoom(now time.Time) {
	var first string
	var ends time.Time
	for key, one := range a.all {
		if !now.Before(one.until) {
			delete(a.all, key)
		} else if first == "" || one.until.Before(ends) {
			first, ends = key, one.until
		}
	}
	if len(a.all) >= maxAssertions {
		delete(a.all, first)
	}
}

// Drop forgets those of a principal's that count no more: one with which she has come since is good.
func (a *Assertions) Drop(principal string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, one := range a.all {
		if who, _, _ := strings.Cut(key, "\x00"); who == principal && !a.good(one) {
			delete(a.all, key)
		}
	}
}

// holder tells apart who holds a token: a principal by one application, or by somebody who acts on her behalf, is not herself by another.
func holder(p *identity.Principal) string { return p.Key() + "\x00" + p.Actor() + "\x00" + p.Client() }

// of is a holder's token, while it is good. One that was revoked is shown to nobody, whoever still waits for what comes of it.
func (a *Assertions) of(holder string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.all[holder]
	if !ok || !a.good(one) {
		delete(a.all, holder)
		return "", false
	}
	return one.token(), true
}
