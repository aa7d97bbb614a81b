package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// What one session may have open.
const (
	maxInFlight      = 256
	maxSubscriptions = 1024
)

// errSession is an id that opens no session here.
var errSession = errors.New("edge: no such session")

// session is one session of the legacy era. What never changes stands sealed in its id; the rest is in memory.
type session struct {
	key, owner string // random; the principal's key
	version    string
	caps, info []byte

	mu       sync.Mutex
	heard    time.Time
	level    string
	inFlight map[string]context.CancelFunc // the client's requests, by id
	asked    map[string]chan *rpc.Message  // ours, by id
	next     int
	subs     map[string]bool    // resources
	changed  chan struct{}      // closed when subs change
	hangUp   context.CancelFunc // ends the session's stream; nil while there is none
	streams  int                // that there were
	ended    bool
}

// sessions are those in memory.
type sessions struct {
	max   int
	mu    sync.Mutex
	all   map[string]*session
	ended map[string]time.Time // until when an id could still open
}

func newSessions(limit int) *sessions {
	return &sessions{max: limit, all: map[string]*session{}, ended: map[string]time.Time{}}
}

// sealSession makes the id of a new session.
func (e *Edge) sealSession(p *identity.Principal, set, version string, params []byte) string {
	inner := llm.AppendQuoted([]byte(`{"key":`), rand.Text())
	inner = llm.AppendQuoted(append(inner, `,"version":`...), version)
	for _, name := range []string{"capabilities", "clientInfo"} {
		if raw := rpc.Raw(params, name); len(raw) > 0 && raw[0] == '{' {
			inner = append(append(append(append(inner, `,"`...), name...), `":`...), raw...)
		}
	}
	return e.ids.Seal(append(inner, '}'), e.c.SessionTTL, p.Key(), set)
}

// openSession finds the session of an id, which belongs to the same principal at the same endpoint. One that another process made, or
// that was forgotten, is taken up again.
func (e *Edge) openSession(p *identity.Principal, set, id string) (*session, error) {
	inner, err := e.ids.Open(id, p.Key(), set)
	if err != nil {
		return nil, errSession
	}
	key, _ := rpc.Text(inner, "key")
	return e.sessions.take(key, p.Key(), inner, e.c.SessionTTL)
}

func (s *sessions) take(key, owner string, inner []byte, ttl time.Duration) (*session, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, ok := s.ended[key]; ok && now.Before(until) {
		return nil, errSession
	}
	if found := s.all[key]; found != nil {
		found.touch(now)
		return found, nil
	}
	if len(s.all) >= s.max && !s.makeRoom(now, ttl) {
		return nil, errors.New("edge: too many sessions")
	}
	made := &session{
		key: key, owner: owner, caps: rpc.Raw(inner, "capabilities"), info: rpc.Raw(inner, "clientInfo"), heard: now, level: "info",
		inFlight: map[string]context.CancelFunc{}, asked: map[string]chan *rpc.Message{}, subs: map[string]bool{}, changed: make(chan struct{}),
	}
	made.version, _ = rpc.Text(inner, "version")
	s.all[key] = made
	return made, nil
}

// makeRoom forgets the session that was silent for the longest time and has nothing open.
func (s *sessions) makeRoom(now time.Time, ttl time.Duration) bool {
	var oldest *session
	var at time.Time
	for _, c := range s.all {
		if heard, idle := c.idle(); idle && (oldest == nil || heard.Before(at)) {
			oldest, at = c, heard
		}
	}
	for key, until := range s.ended {
		if now.After(until) {
			delete(s.ended, key)
		}
	}
	if oldest == nil {
		return false
	}
	delete(s.all, oldest.key)
	return true
}

// end forgets a session for good.
func (s *sessions) end(c *session, ttl time.Duration) {
	s.mu.Lock()
	delete(s.all, c.key)
	s.ended[c.key] = time.Now().Add(ttl)
	s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, cancel := range c.inFlight {
		cancel()
	}
	if c.hangUp != nil {
		c.hangUp()
	}
}

func (c *session) touch(now time.Time) {
	c.mu.Lock()
	c.heard = now
	c.mu.Unlock()
}

func (c *session) idle() (heard time.Time, idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard, len(c.inFlight) == 0 && c.hangUp == nil
}

// begin notes a request of the client's; done ends it. An id that is in use, or one too many, is refused.
func (c *session) begin(ctx context.Context, id rpc.ID) (_ context.Context, done func(), err *relay.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := id.Key()
	if _, used := c.inFlight[key]; used {
		return nil, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "this id is in use"}
	}
	if c.ended || len(c.inFlight) >= maxInFlight {
		return nil, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "too many requests are open in this session"}
	}
	ctx, cancel := context.WithCancel(ctx)
	c.inFlight[key] = cancel
	return ctx, func() {
		cancel()
		c.mu.Lock()
		delete(c.inFlight, key)
		c.mu.Unlock()
	}, nil
}

// cancel ends a request of the client's.
func (c *session) cancel(id rpc.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.inFlight[id.Key()]; cancel != nil {
		cancel()
	}
}

// ask sends a request to the client on its stream and waits for the answer, which comes as a POST of its own.
func (c *session) ask(ctx context.Context, out *responder, wait time.Duration, in input) ([]byte, *relay.Error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	c.mu.Lock()
	c.next++
	id := rpc.ID(strconv.AppendQuote(nil, "yj-"+strconv.Itoa(c.next)))
	answer := make(chan *rpc.Message, 1)
	c.asked[id.Key()] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.asked, id.Key())
		c.mu.Unlock()
	}()
	if err := out.send(rpc.AppendRequest(nil, id, in.method, in.params)); err != nil {
		return nil, &relay.Error{Code: rpc.CodeInternal, Message: "the client is gone"}
	}
	select {
	case m := <-answer:
		if m.Err != nil {
			return nil, m.Err
		}
		return m.Result, nil
	case <-ctx.Done():
		return nil, &relay.Error{Code: rpc.CodeInternal, Message: "the client gave no input in time"}
	}
}

// answered hands an answer of the client's to who asked.
func (c *session) answered(m *rpc.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waiting := c.asked[m.ID.Key()]; waiting != nil {
		select {
		case waiting <- m:
		default: // a second answer
		}
	}
}

// subscribe notes a resource that the client wants to hear of, or no longer.
func (c *session) subscribe(uri string, on bool) *relay.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on && len(c.subs) >= maxSubscriptions {
		return &relay.Error{Code: rpc.CodeInvalidParams, Message: "too many subscriptions in this session"}
	}
	if c.subs[uri] == on {
		return nil
	}
	if on {
		c.subs[uri] = true
	} else {
		delete(c.subs, uri)
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return nil
}

// filter is what the session listens to, and a channel that is closed when that changes.
func (c *session) filter() (params []byte, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	params = []byte(`{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":[`)
	first := true
	for uri := range c.subs {
		if !first {
			params = append(params, ',')
		}
		first = false
		params = llm.AppendQuoted(params, uri)
	}
	return append(params, "]}}"...), c.changed
}

// setLevel notes the least level of messages that the client wants.
func (c *session) setLevel(level string) *relay.Error {
	if !protocol.KnownLevel(level) {
		return &relay.Error{Code: rpc.CodeInvalidParams, Message: "there is no such level"}
	}
	c.mu.Lock()
	c.level = level
	c.mu.Unlock()
	return nil
}

func (c *session) logLevel() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.level
}

// listening makes a stream the session's only one: an older one ends, since whoever opens a second has most often lost the first.
func (c *session) listening(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hangUp != nil {
		c.hangUp()
	}
	c.hangUp = cancel
	c.streams++
	mine := c.streams
	return ctx, func() {
		cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.heard = time.Now()
		if c.streams == mine {
			c.hangUp = nil
		}
	}
}
