package extproc

import (
	"errors"
	"io"
	"runtime/debug"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Service serves Envoy's ExternalProcessor. Make one with New.
type Service struct {
	extprocv3.UnimplementedExternalProcessorServer
	cfg   Config
	slots chan struct{}
	users *userSlots
	// The internal listener's own: an exchange that waits for its quarantine must not wait for a slot that it holds itself.
	internalSlots chan struct{}
	internalUsers *userSlots
}

// Process is one exchange: the only place that receives from and sends to Envoy.
//
// It never returns nil before the exchange has finished: Envoy would go on unguarded. It waits for Envoy's next message
// no longer than the exchange says, and gives the exchange a turn when that time is over.
func (s *Service) Process(stream extprocv3.ExternalProcessor_ProcessServer) (ended error) {
	internal, err := internalListener(stream.Context())
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
	x := newExchange(stream.Context(), s)
	x.internal = internal
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

	incoming := make(chan received)
	over := make(chan struct{}) // not the stream's context: its end is what the last Recv has to tell
	defer close(over)
	go receive(stream, incoming, over)

	timer := time.NewTimer(x.wait())
	defer timer.Stop()
	for {
		var replies []reply
		select {
		case in := <-incoming:
			if in.err != nil {
				return s.closed(x, in.err)
			}
			replies = x.handle(in.message)
		case <-timer.C:
			replies = x.late()
		}
		for _, r := range replies {
			if err := stream.Send(r); err != nil {
				x.cut("send", err)
				return status.Error(codes.Unavailable, "the stream to Envoy broke")
			}
		}
		if x.failed != nil {
			return status.Error(codes.Aborted, "the exchange was ended")
		}
		timer.Reset(x.wait())
	}
}

// received is one Recv.
type received struct {
	message *extprocv3.ProcessingRequest
	err     error
}

// receive turns Recv into a channel, so that a wait can have a deadline. It ends with the stream: when Process returns,
// gRPC cancels the stream's context and Recv with it.
func receive(stream extprocv3.ExternalProcessor_ProcessServer, out chan<- received, over <-chan struct{}) {
	for {
		m, err := stream.Recv()
		select {
		case out <- received{m, err}:
			if err != nil {
				return
			}
		case <-over:
			return
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
