package bidi

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrWait is a Recv to which nothing came in time. The stream goes on.
var ErrWait = errors.New("bidi: nothing came in time")

var (
	errStopped = status.Error(codes.Unavailable, "the server has stopped")
	errPeer    = status.Error(codes.Canceled, "the peer cancelled the stream")
	errStalled = status.Error(codes.Unavailable, "the peer takes nothing")
	errPanic   = status.Error(codes.Internal, "the method broke")
	errTimeout = status.Error(codes.DeadlineExceeded, "the peer's own deadline is over")
)

// Message is what a stream sends: something that can append its bytes.
type Message interface{ Append(to []byte) []byte }

// Stream is one call. Recv and Send are for the goroutine that runs its method.
type Stream struct {
	conn   *conn
	id     uint32
	method Handler
	said   []metadata
	ctx    context.Context //nolint:containedctx // the call's own, as grpc-go's streams have
	cancel context.CancelFunc

	timer   *time.Timer // the goroutine's, for the waits of Recv
	scratch []byte      // the goroutine's, for what Send encodes

	in assembly // the reader's

	mu     sync.Mutex
	roused bool     // the next Recv returns at once
	queue  [][]byte // messages not yet received
	first  [4][]byte
	broken error         // why nothing comes after the queue; io.EOF when the peer half-closed
	wake   chan struct{} // something of the above changed

	// Guarded by conn.mu.
	credit int64 // what we may send
	room   int   // what the peer may still send
	owed   int   // what the peer sent, its room free again, and the peer not yet told
	headed bool  // the response's headers were sent
	half   bool  // the peer half-closed
	gone   error // the peer reset the stream, or the connection went: nothing can be sent
}

// Context ends when the stream does, whoever ended it.
func (s *Stream) Context() context.Context { return s.ctx }

// Metadata is every value of a name of Config.Metadata, in order.
func (s *Stream) Metadata(name string) []string {
	var out []string
	for _, m := range s.said {
		if m.name == name {
			out = append(out, m.value)
		}
	}
	return out
}

// metadata is one header of a call that was kept.
type metadata struct{ name, value string }

// Interrupt makes the Recv that waits, or the next one, return ErrWait, whatever has come. It may be called from any goroutine.
func (s *Stream) Interrupt() {
	s.mu.Lock()
	s.roused = true
	s.mu.Unlock()
	s.signal()
}

// Recv returns the next message, which is the caller's; io.EOF when the peer has said all; ErrWait when nothing came for
// so long, or Interrupt was called; or why the stream broke.
func (s *Stream) Recv(wait time.Duration) ([]byte, error) {
	waiting := false
	for {
		s.mu.Lock()
		if s.roused {
			s.roused = false
			s.mu.Unlock()
			return nil, ErrWait
		}
		if len(s.queue) > 0 {
			m := s.queue[0]
			copy(s.queue, s.queue[1:])
			s.queue[len(s.queue)-1] = nil
			s.queue = s.queue[:len(s.queue)-1]
			s.mu.Unlock()
			if !large(len(m)) {
				s.conn.giveBack(s, len(m))
			}
			return m, nil
		}
		broken := s.broken
		s.mu.Unlock()
		if broken != nil {
			return nil, broken
		}
		if !waiting {
			waiting = true
			s.timer.Reset(wait)
		}
		select {
		case <-s.wake:
		case <-s.timer.C:
			return nil, ErrWait
		}
	}
}

// Send sends messages, in one piece where the peer's windows allow it. It waits while they are closed.
func Send[M Message](s *Stream, messages []M) error {
	b := s.scratch[:0]
	for _, m := range messages {
		at := len(b)
		b = m.Append(append(b, 0, 0, 0, 0, 0)) // not compressed, and the length
		binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-5))
	}
	if cap(b) <= maxScratch {
		s.scratch = b
	}
	return s.conn.send(s, b)
}

// maxScratch is the largest buffer that is kept for the next Send.
const maxScratch = 64 << 10

// push hands a complete message over. The reader calls it.
func (s *Stream) push(m []byte) {
	s.mu.Lock()
	s.queue = append(s.queue, m)
	s.mu.Unlock()
	s.signal()
}

// end says that nothing more will come. The first reason stays, except that a half-closed stream can still break.
func (s *Stream) end(err error) {
	s.mu.Lock()
	if s.broken == nil || errors.Is(s.broken, io.EOF) {
		s.broken = err
	}
	if !errors.Is(err, io.EOF) {
		clear(s.queue)
		s.queue = s.queue[:0] // nobody is left to answer
	}
	s.mu.Unlock()
	if !errors.Is(err, io.EOF) {
		s.cancel()
	}
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run runs the method and ends the stream with its status.
func (s *Stream) run() {
	err := errPanic
	defer func() {
		if broken := recover(); broken != nil {
			s.conn.server.cfg.Log.Error("a method panicked", "panic", broken, "stack", string(debug.Stack()))
			err = errPanic
		}
		s.cancel()
		s.conn.finish(s, err)
	}()
	err = s.method(s)
}

// assembly is the message that is being received.
type assembly struct {
	prefix [5]byte
	have   int // bytes of the prefix
	body   []byte
	want   int
}

// maxAhead is how much is allocated for a message before any of it is there.
const maxAhead = 1 << 20

// feed takes a piece of the stream's bytes. It returns how many of them give their room back at once: those that are no
// message's, and those of a message too large for the window, which could not become complete otherwise.
func (s *Stream) feed(p []byte, most int) (credit int, err error) {
	a := &s.in
	for len(p) > 0 || a.complete() {
		if a.have < len(a.prefix) {
			n := copy(a.prefix[a.have:], p)
			a.have += n
			credit += n
			p = p[n:]
			if a.have < len(a.prefix) {
				return credit, nil
			}
			a.want = int(binary.BigEndian.Uint32(a.prefix[1:]))
			switch {
			case a.prefix[0] != 0:
				return credit, status.Error(codes.Unimplemented, "a message is compressed")
			case a.want > most:
				return credit, status.Errorf(codes.ResourceExhausted, "a message has more than %d bytes", most)
			}
			a.body = make([]byte, 0, min(a.want, maxAhead))
		}
		n := min(len(p), a.want-len(a.body))
		a.body = append(a.body, p[:n]...)
		p = p[n:]
		if a.large() {
			credit += n
		}
		if a.complete() {
			s.push(a.body)
			*a = assembly{}
		}
	}
	return credit, nil
}

func (a *assembly) complete() bool { return a.have == len(a.prefix) && len(a.body) == a.want }
func (a *assembly) large() bool    { return large(a.want) }

// large tells whether a message's room is given back while it is assembled, rather than when it is received.
func large(size int) bool { return size > streamWindow/2 }

// begun tells whether a message has begun and not ended.
func (a *assembly) begun() bool { return a.have > 0 }
