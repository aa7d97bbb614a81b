package openairesponses

import "errors"

// ErrNotResponse is why a body is refused that is strict JSON, but no response as a client reads it.
var ErrNotResponse = errors.New("not a response")

// ErrNotEvent is why an event's data is refused that is strict JSON, but no event of a response's stream as a client reads it.
var ErrNotEvent = errors.New("not an event of a response")

var errNoInput = errors.New("they are not of the form that the call has")
