package hold

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/sse"
)

// Stream feeds a gate the events of its stream. Errors stick, and nothing is released after one.
type Stream struct {
	take   func(dst []byte, e sse.Event) ([]byte, error)
	end    func(dst []byte) ([]byte, error)
	forget func()
	events *sse.Reader
	broken bool
	err    error
}

// StreamConfig is what a Stream calls.
type StreamConfig struct {
	MaxEvent int // bytes of one event

	Take   func(dst []byte, e sse.Event) ([]byte, error) // takes one event, comment or blank line; appends what goes on
	End    func(dst []byte) ([]byte, error)              // the stream has ended: an error when that was too early
	Forget func()                                        // after an error: drops what was held
}

// NewStream makes the Stream of one gate.
func NewStream(c StreamConfig) *Stream {
	return &Stream{take: c.Take, end: c.End, forget: c.Forget, events: sse.NewReader(c.MaxEvent)}
}

// Write takes the next bytes of the stream and appends to dst what may go on to the client. With an error too, what it
// appended may go on; nothing comes after that.
func (s *Stream) Write(dst, chunk []byte) ([]byte, error) {
	if s.err != nil || s.broken {
		return dst, s.err
	}
	s.events.Feed(chunk)
	return s.drain(dst)
}

func (s *Stream) drain(dst []byte) ([]byte, error) {
	for !s.broken {
		e, ok, err := s.events.Next()
		if err != nil {
			return dst, s.fail(Unreadable(err))
		}
		if !ok {
			break
		}
		if dst, err = s.take(dst, e); err != nil {
			return dst, s.fail(err)
		}
	}
	return dst, nil
}

// Close says that the stream has ended, and appends to dst what that releases. It is an error when the stream cannot
// have been complete.
func (s *Stream) Close(dst []byte) ([]byte, error) {
	if s.err != nil || s.broken {
		return dst, s.err
	}
	if err := s.events.Close(); err != nil {
		return dst, s.fail(Unreadable(err))
	}
	dst, err := s.drain(dst)
	if err != nil || s.broken {
		return dst, err
	}
	if dst, err = s.end(dst); err != nil {
		return dst, s.fail(err)
	}
	return dst, nil
}

func (s *Stream) fail(err error) error {
	s.err = err
	s.forget()
	return err
}

// Break says that the provider ended the stream by an error of its own, which Take has appended. Whatever comes after it
// is dropped.
func (s *Stream) Break() { s.broken = true }

// Broken tells whether Break was called.
func (s *Stream) Broken() bool { return s.broken }

// Unreadable is a StreamError for what the reader of events says.
func Unreadable(err error) error {
	out := &StreamError{Code: CodeInvalid, Reason: "the stream cannot be read", Err: err}
	switch {
	case errors.Is(err, sse.ErrTruncated):
		out = &StreamError{Code: CodeTruncated, Reason: "the stream ended within an event", Err: ErrTruncated}
	case errors.Is(err, sse.ErrTooLarge):
		out.Code = CodeTooLarge
	}
	return out
}
