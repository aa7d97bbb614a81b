package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// A local server has one process for each principal and each set of capabilities, so that nothing of one is ever another's. It stays
// until nobody has called it for Config.Idle; one that ends fails the calls that it had, and the next call starts another. One that
// keeps failing is left alone for a while, for that principal alone.
//
// What stands between it and the rest are the answers that a server over HTTP would give: a request is answered by a stream of what
// belongs to it, a process is a session, and one that has ended a session that is not known any more.

const (
	// maxLocal is how many processes one server has by default.
	maxLocal = 64
	// startTime is how long a process may take to be started.
	startTime = 30 * time.Second
	// probeTime is how long a server may be silent when it is asked for its era; an old one may not answer at all.
	probeTime = 10 * time.Second
	// maxFailing is how many principals' failures are told apart.
	maxFailing = 1024
)

// locals are the processes of one local server.
type locals struct {
	u      *Upstream
	starts singleflight.Group // by principal and capabilities, as all maps

	mu       sync.Mutex
	running  map[string]*local
	starting int
	failing  map[string]*breaker
	cut      map[string]bool // principals that were ended while something was being started
	serial   int
	closed   bool
	ending   sync.WaitGroup // processes that are being ended
}

// send is the local way of what Upstream.send does over HTTP.
func (o *locals) send(ctx context.Context, c *relay.Call, method string, body []byte, h http.Header) (*response, error) {
	session := h.Get(protocol.HeaderSession)
	if method == http.MethodGet {
		l := o.find(c, session)
		if l == nil {
			return &response{status: http.StatusNotFound}, nil
		}
		t := &talk{l: l, ctx: ctx, ch: make(chan *rpc.Message, queued)}
		l.mu.Lock()
		l.hearing[t] = struct{}{}
		l.mu.Unlock()
		return &response{status: http.StatusOK, header: http.Header{}, stream: t}, nil
	}
	m, err := rpc.Parse(body, o.u.limits)
	if err != nil {
		return nil, fmt.Errorf("upstream: what is to be sent: %w", err)
	}
	l := o.find(c, session)
	if l != nil && m.Method == protocol.Initialize && l.greet() {
		l.end(errors.New("it is asked to begin anew"))
		l = nil
	}
	switch {
	case l != nil:
	case session != "" || m.Kind != rpc.Request:
		return &response{status: http.StatusNotFound}, nil
	default:
		if l, err = o.start(ctx, c); err != nil {
			return nil, err
		}
		if m.Method == protocol.Initialize {
			l.greet()
		}
	}
	if m.Kind != rpc.Request {
		return &response{status: http.StatusAccepted}, l.write(ctx, body)
	}
	t := &talk{l: l, ctx: ctx, id: m.ID, ch: make(chan *rpc.Message, queued), tell: protocol.Modern(h.Get(protocol.HeaderVersion))}
	if t.token = rpc.Raw(m.Params, "_meta", protocol.MetaProgressToken); t.token != nil { // two callers may have the same
		if body, err = rpc.Change(body).Set(m.ID, "params", "_meta", protocol.MetaProgressToken).Bytes(); err != nil {
			return nil, fmt.Errorf("upstream: what is to be sent: %w", err)
		}
	}
	l.mu.Lock()
	l.calls[m.ID.Key()] = t
	l.mu.Unlock()
	if err := l.write(ctx, body); err != nil {
		t.close()
		return nil, err
	}
	return &response{status: http.StatusOK, header: http.Header{http.CanonicalHeaderKey(protocol.HeaderSession): {l.id}}, stream: t}, nil
}

// find finds the process of a caller; of a session, when it is still that one.
func (o *locals) find(c *relay.Call, session string) *local {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.running[sessionKey(c)]; l != nil && (session == "" || l.id == session) {
		return l
	}
	return nil
}

// start starts a process for a caller; whoever else needs the same one waits for it.
func (o *locals) start(ctx context.Context, c *relay.Call) (*local, error) {
	key := sessionKey(c)
	principal := c.Principal.Key()
	begun := o.starts.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
		defer cancel()
		return o.started(ctx, key, principal)
	})
	select {
	case r := <-begun:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*local), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (o *locals) started(ctx context.Context, key, principal string) (*local, error) {
	if l, err := o.reserve(key); l != nil || err != nil {
		return l, err
	}
	p, err := o.u.c.Start(ctx, principal)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.starting--
	refused := o.startedFor(principal)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	o.serial++
	l := newLocal(o, key, strconv.Itoa(o.serial), p)
	if refused != nil {
		go l.end(refused)
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, refused)
	}
	o.running[key] = l
	return l, nil
}

// errEnding is why nothing is started any more.
var errEnding = errors.New("the broker ends")

// reserve finds the process that has been started meanwhile, or takes a place for one.
func (o *locals) reserve(key string) (*local, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch l := o.running[key]; {
	case o.closed:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, errEnding)
	case l != nil:
		return l, nil
	case len(o.running)+o.starting >= o.u.c.Processes && !o.evict():
		return nil, fmt.Errorf("%w: all of its %d processes are busy", ErrUnavailable, o.u.c.Processes)
	}
	o.starting++
	return nil, nil
}

// evict ends a process that does nothing; o.mu is held.
func (o *locals) evict() bool {
	for _, l := range o.running {
		if l.unused() {
			delete(o.running, l.key)
			go l.end(errors.New("another caller needs its place"))
			return true
		}
	}
	return false
}

// close ends all processes and waits until they have ended.
func (o *locals) close() {
	o.mu.Lock()
	o.closed = true
	all := o.running
	o.running = map[string]*local{}
	o.mu.Unlock()
	for _, l := range all {
		l.end(errEnding)
	}
	o.ending.Wait()
}

// breaker is that of a caller: one whose process fails does not keep others from theirs.
func (o *locals) breaker(c *relay.Call) *breaker {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := sessionKey(c)
	b := o.failing[key]
	if b == nil {
		if len(o.failing) >= maxFailing {
			return &o.u.breaker
		}
		b = &breaker{}
		o.failing[key] = b
	}
	return b
}

// well forgets a breaker that has nothing to remember.
func (o *locals) well(c *relay.Call, b *breaker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if key := sessionKey(c); o.failing[key] == b && b.well() {
		delete(o.failing, key)
	}
}
