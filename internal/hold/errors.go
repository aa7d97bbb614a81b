package hold

import (
	"errors"
	"fmt"
)

// ErrTruncated is why a stream was refused that ended too early.
var ErrTruncated = errors.New("the stream ended too early")

// The codes of a StreamError.
const (
	CodeInvalid   = "upstream_invalid"   // the stream is not what it should be
	CodeTooLarge  = "upstream_too_large" // an event, the held calls or their number are over the limit
	CodeTruncated = "upstream_truncated" // the stream ended too early
)

// StreamError is what is wrong with a stream. What a callback of the Config returned is no StreamError.
type StreamError struct {
	Code   string
	Reason string // quotes nothing of the stream
	Err    error  // the cause, if there is one
}

func (e *StreamError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *StreamError) Unwrap() error { return e.Err }

// Invalid is a StreamError for a stream that is not what it should be.
func Invalid(reason string) error { return &StreamError{Code: CodeInvalid, Reason: reason} }

// TooLarge is a StreamError for what is over a limit.
func TooLarge(reason string) error { return &StreamError{Code: CodeTooLarge, Reason: reason} }

// Truncated is a StreamError for a stream that ended too early.
func Truncated(reason string) error {
	return &StreamError{Code: CodeTruncated, Reason: reason, Err: ErrTruncated}
}
