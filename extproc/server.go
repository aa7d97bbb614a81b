package extproc

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/yellowjack/yellowjack/internal/bidi"
)

// Service decides exchanges. Make one with New.
type Service struct {
	cfg   Config
	slots chan struct{}
	users *userSlots
	pins  *pins
	// speaks has every dialect.
	speaks dialects
	// The internal listener's own: an exchange that waits for its quarantine must not wait for a slot that it holds itself.
	internalSlots chan struct{}
	internalUsers *userSlots
}

// Stream is what Envoy opens for one exchange: a call of envoy.service.ext_proc.v3.ExternalProcessor/Process.
type Stream interface {
	// Context ends when the stream does.
	Context() context.Context
	// Listener is the metadata headers.Listener, each value of it.
	Listener() []string
	// Recv returns Envoy's next message, a ProcessingRequest. Its error is ErrWait when none came for so long, and io.EOF
	// when Envoy has ended its side.
	Recv(wait time.Duration) ([]byte, error)
	// Interrupt makes the Recv that waits, or the next one, return ErrWait. It is called from another goroutine.
	Interrupt()
	Send(replies []Reply) error
}

// ErrWait is a Recv to which nothing came in time.
var ErrWait = bidi.ErrWait

// Process is one exchange: the only place that receives from and sends to Envoy.
//
// It never returns nil before the exchange has finished: Envoy would go on unguarded. It waits for Envoy's next message
// no longer than the exchange says, and gives the exchange a turn when that time is over.
func (s *Service) Process(stream Stream) (ended error) {
	internal, err := internalListener(stream.Listener())
	if err != nil {
		return err
	}
	slots := s.slots
	if internal {
		slots = s.internalSlots
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		s.cfg.Metrics.Overloaded()
		return status.Error(codes.ResourceExhausted, "too many exchanges at once")
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	x := newExchange(ctx, s)
	x.internal = internal
	x.interrupt = func() { // our own waits end, and Envoy's next message is not waited for
		cancel()
		stream.Interrupt()
	}
	defer x.end()
	// One exchange that breaks must not take the others with it: it ends with an error, as any that did not finish.
	defer func() {
		if broken := recover(); broken != nil {
			s.cfg.Log.Error("an exchange panicked and was ended", "panic", broken, "stack", string(debug.Stack()))
			x.finished = false
			x.cut("panic", errPanic)
			ended = status.Error(codes.Internal, "the exchange broke")
		}
	}()
	for {
		var replies []reply
		b, err := stream.Recv(x.wait())
		switch {
		case errors.Is(err, ErrWait):
			replies = x.late()
		case err != nil:
			return s.closed(x, err)
		default:
			m, err := parseMessage(b)
			if err != nil {
				x.cut("malformed", err)
				return status.Error(codes.InvalidArgument, err.Error())
			}
			replies = x.handle(m)
		}
		if len(replies) > 0 {
			if err := stream.Send(replies); err != nil {
				x.cut("send", err)
				return status.Error(codes.Unavailable, "the stream to Envoy broke")
			}
		}
		if x.failed != nil {
			return status.Error(codes.Aborted, "the exchange was ended")
		}
	}
}

// closed ends the stream after Envoy ended it. A finished exchange ends well; any other was cut off, by the client or
// by Envoy, and the status says so even if nobody is left to read it.
func (s *Service) closed(x *exchange, err error) error {
	if x.finished {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("Envoy ended the exchange")
	}
	x.cut("client_gone", err)
	return status.Error(codes.Canceled, "the exchange was cut off")
}
