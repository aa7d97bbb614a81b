// Package refuse is how a step says no.
//
// A Refusal carries two texts: Client, which the caller reads and which says
// what was refused and what to do, and Log, which the operator reads. Only
// Client ever leaves the process; Error() is the log text, so a refusal that
// is wrapped into an error must not be shown to a client.
//
// Steps return a *Refusal beside their value. The walk turns it into a body
// in the caller's own API shape (shape.go), with a stable machine code
// (codes.go) and the decision's id. This package alone knows how each API
// writes an error. A status that is not an error becomes 500: a refusal can
// never read as a success.
package refuse

import (
	"fmt"
	"net/http"
	"time"
)

// Refusal is one refusal with its text for the client and its text for the log.
type Refusal struct {
	Status     int           // HTTP status, always 400 or above when made by New
	Code       string        // stable machine code, see codes.go
	Client     string        // what the client reads: what was refused and what to do
	Log        string        // what the operator reads; never sent
	Rule       string        // the policy rule that refused, if one did
	RetryAfter time.Duration // when asking again may help; zero says nothing
}

// New makes a refusal. The log text is a format with its arguments; the client's text is taken as it is, so that nothing
// internal is formatted into it by accident. A status under 400 becomes 500.
func New(status int, code, client, logf string, args ...any) *Refusal {
	if status < http.StatusBadRequest || status > 599 {
		status = http.StatusInternalServerError
	}
	return &Refusal{Status: status, Code: code, Client: client, Log: fmt.Sprintf(logf, args...)}
}

// Error is the log text (the code where there is none). It is for logs, never for clients.
func (r *Refusal) Error() string {
	if r.Log == "" {
		return r.Code
	}
	return r.Log
}

// WithRetryAfter says when asking again may help.
func (r *Refusal) WithRetryAfter(d time.Duration) *Refusal {
	c := *r
	c.RetryAfter = d
	return &c
}
