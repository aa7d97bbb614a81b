// Package relay has the shapes in which the broker's parts hand a call on: the edge (clients) to the broker, the broker to an
// upstream (servers).
//
// Whatever era a client or a server speaks, between them a call has one form, the stateless one of MCP 2026-07-28: a request
// carries all that it needs; a server that needs something of the client answers that input is required, and the same call comes
// again with the inputs and the server's own state. Edge and upstream translate from and to the older era. All JSON is raw, so
// that what nobody changes reaches the other side byte for byte.
package relay

import (
	"context"

	"github.com/yellowjack/yellowjack/internal/identity"
)

// Call is one request on its way to a server.
type Call struct {
	Principal *identity.Principal // who asks; never nil
	Set       string              // the virtual endpoint (/mcp/{set}); "" is all
	Method    string
	Params    []byte // a JSON object, {} when there are none; its _meta without the protocol's own fields
	Inputs    []byte // inputResponses of a call that comes again; nil the first time
	State     []byte // the state that the receiver gave out with InputRequired, opened; nil the first time

	Capabilities []byte // the client's, a JSON object
	ClientInfo   []byte // a JSON object; nil when the client did not say
	LogLevel     string // the least level that the client wants to hear; "" is none

	// Notify hands a notification that belongs to this call to the client (progress, messages, list changes of a listening
	// call). It may be called from several goroutines until the call has returned. An error means that the client is gone.
	Notify func(method string, params []byte) error
}

// Answer is what a call led to: Result or Err.
type Answer struct {
	Result    []byte // a JSON object, as the server gave it
	NeedInput bool   // Result is an InputRequiredResult: the call comes again with Inputs and State
	State     []byte // with NeedInput: what must come back; not part of Result, which the edge seals it into
	Err       *Error
}

// Error is a JSON-RPC error (JSON-RPC 2.0, section 5.1).
type Error struct {
	Code       int
	Message    string
	Data       []byte // raw JSON; nil when there is none
	HTTPStatus int    // what the edge answers with in the modern era; 0 is its choice by Code
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// ErrRevoked is the cause with which a call's context ends when its principal's token counts no more, and what its client reads.
var ErrRevoked = &Error{Code: -32600 /* an invalid request */, Message: "your access was revoked while this was in progress; log in again", HTTPStatus: 401}

// Receiver takes calls: the broker for the edge, an upstream for the broker.
type Receiver interface {
	// Call answers a call. An error that is no *Error is one of ours: the client reads an internal error without it.
	Call(ctx context.Context, c *Call) (Answer, error)
}
