package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

const (
	// usualRetry is how long is waited before a stream is taken up again whose server does not say.
	usualRetry = time.Second
	// maxRetry is the longest time that a server can ask for; a call ends before.
	maxRetry = time.Hour
	// maxIdle is how often a stream is taken up again that brings nothing new.
	maxIdle = 10
)

// place is where in its stream a server was (2025-11-25, "Resumability and Redelivery").
type place struct {
	last  string // the id of the last event; "" is none
	retry time.Duration
}

// note remembers what an event says of its place.
func (p *place) note(e sse.Event) {
	if e.HasID {
		p.last = e.ID
	}
	if e.Retry == "" {
		return
	}
	p.retry = maxRetry
	if ms, err := strconv.ParseInt(e.Retry, 10, 64); err == nil && ms < maxRetry.Milliseconds() {
		p.retry = time.Duration(ms) * time.Millisecond
	}
}

// pause is how long the server wants to be left alone.
func (p *place) pause() time.Duration {
	if p.retry > 0 {
		return p.retry
	}
	return usualRetry
}

// lasting is the stream of a call, which goes on when the server closed it and its events had ids ("Sending Messages to the Server":
// a server may close a connection at any time, and is polled). What has no id ends as it ends.
type lasting struct {
	u   *Upstream
	ctx context.Context //nolint:containedctx // of the stream, which outlives the request that began it
	c   *relay.Call
	s   *legacySession

	mu     sync.Mutex // close comes from another goroutine
	now    stream
	closed bool
	idle   int
}

func (l *lasting) next() (*rpc.Message, error) {
	for {
		l.mu.Lock()
		now := l.now
		l.mu.Unlock()
		m, err := now.next()
		if err == nil {
			l.idle = 0
			return m, nil
		}
		at, ok := placeOf(now)
		if !ok || at.last == "" || l.idle >= maxIdle || !broken(err) {
			return nil, err
		}
		l.idle++
		select {
		case <-l.ctx.Done():
			return nil, l.ctx.Err()
		case <-time.After(at.pause()):
		}
		if again := l.again(at); again != nil {
			return nil, again
		}
	}
}

// broken tells whether a stream ended that could go on.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, ErrUnavailable) || errors.Is(err, sse.ErrTruncated)
}

func placeOf(s stream) (*place, bool) {
	e, ok := s.(*events)
	if !ok {
		return nil, false
	}
	return &e.at, true
}

// again takes the stream up where it was.
func (l *lasting) again(at *place) error {
	h := l.s.headers()
	h.Set(protocol.HeaderLastEventID, at.last)
	resp, err := l.u.send(l.ctx, l.c, http.MethodGet, nil, h)
	if err != nil {
		return err
	}
	if e, ok := resp.stream.(*events); !ok || resp.status != http.StatusOK {
		if resp.stream != nil {
			resp.close()
		}
		return io.EOF // it does not go on
	} else if e.at.last == "" {
		e.at = *at
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		resp.close()
		return io.EOF
	}
	l.now.close()
	l.now = resp.stream
	return nil
}

func (l *lasting) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.now.close()
}
