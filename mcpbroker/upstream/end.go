package upstream

import (
	"errors"
	"strings"
	"time"
)

// lastCalls is how long the calls of a newer token may go on in a process that ends.
const lastCalls = 10 * time.Second

// errRevoked is why what a principal had is ended.
var errRevoked = errors.New("its principal was revoked")

// End ends all that is kept for a principal: its sessions, its calls that wait for an input, its processes. The server is not told,
// since that would take a credential of the principal. What it asks later begins anew.
func (u *Upstream) End(principal string) {
	if u.locals != nil {
		u.locals.endOf(principal)
	}
	var waiting []*parked
	var all []*legacySession
	u.mu.Lock()
	for token, p := range u.parked {
		if p.principal == principal {
			waiting = append(waiting, p)
			delete(u.parked, token)
		}
	}
	for key, s := range u.sessions {
		if ofPrincipal(key, principal) {
			all = append(all, s)
			delete(u.sessions, key)
			s.idle.Stop()
		}
	}
	u.mu.Unlock()
	for _, p := range waiting {
		p.timer.Stop()
		p.x.end()
	}
	for _, s := range all {
		s.ear.drop()
	}
}

// ofPrincipal tells whether a session's key is a principal's.
func ofPrincipal(key, principal string) bool { return strings.HasPrefix(key, principal+"\x00") }

// endOf ends the processes of a principal, also those that are just being started.
func (o *locals) endOf(principal string) {
	var all []*local
	o.mu.Lock()
	if o.starting > 0 {
		if o.cut == nil {
			o.cut = map[string]bool{}
		}
		o.cut[principal] = true
	}
	for key, l := range o.running {
		if ofPrincipal(key, principal) {
			all = append(all, l)
		}
	}
	o.mu.Unlock()
	for _, l := range all {
		l.leave()
	}
}

// leave lets a process end when the calls that it has are over, to which no more come. Those whose caller was revoked are over at once.
func (l *local) leave() {
	l.of.mu.Lock()
	if l.of.running[l.key] == l {
		delete(l.of.running, l.key)
	}
	l.of.mu.Unlock()
	l.mu.Lock()
	l.leaving = true
	l.mu.Unlock()
	l.left()
	time.AfterFunc(lastCalls, func() { l.end(errRevoked) })
}

// left ends a process that is to end when nobody uses it.
func (l *local) left() {
	l.mu.Lock()
	over := l.leaving && len(l.calls)+len(l.hearing) == 0
	l.mu.Unlock()
	if over {
		l.end(errRevoked)
	}
}

// startedFor tells whether what was started for a principal may run; o.mu is held, and o.starting counted down.
func (o *locals) startedFor(principal string) error {
	cut := o.cut[principal]
	if o.starting == 0 {
		o.cut = nil
	}
	switch {
	case o.closed:
		return errEnding
	case cut:
		return errRevoked
	}
	return nil
}
