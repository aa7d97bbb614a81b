package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

const (
	// linger is how long a session's stream and subscriptions stay when nobody wants them, for who comes back at once with others.
	linger = 5 * time.Second
	// opening is how long is waited for a stream before resources are subscribed to without it.
	opening = 2 * time.Second
)

// ear hears what a server says unasked in one session, for all who listen to it: a server may refuse a second stream, and does not
// tell who subscribed to a resource ("Listening for Messages from the Server").
type ear struct {
	u *Upstream
	s *legacySession

	turn sync.Mutex // held by who changes what the server knows: it is told in order
	mu   sync.Mutex
	all  map[*listener]struct{}
	want map[string]int  // resources, by how many listen
	told map[string]bool // resources that the server was told of
	once chan struct{}   // closed when the stream was open for the first time, or there is none
	stop context.CancelFunc
	done chan struct{} // closed when the stream's loop has ended; nil: it does not run
	tidy *time.Timer
	lost bool // the session is not known any more
}

// listener is one who listens.
type listener struct {
	c    *relay.Call
	uris []string
	lost chan struct{} // closed with the session
}

func newEar(u *Upstream, s *legacySession) *ear {
	return &ear{u: u, s: s, all: map[*listener]struct{}{}, want: map[string]int{}, told: map[string]bool{}}
}

// legacyListen hears what a server says unasked until the caller goes; in another session when this one is lost.
func (u *Upstream) legacyListen(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	uris, err := urisOf(c.Params)
	if err != nil {
		return relay.Answer{}, fmt.Errorf("upstream: %w", err)
	}
	pause := firstPause
	for ctx.Err() == nil {
		if c.Notify(protocol.NotifyAcknowledged, []byte(`{"notifications":{}}`)) != nil {
			return relay.Answer{}, context.Canceled
		}
		began := time.Now()
		s, err := u.session(ctx, c)
		if err == nil {
			err = s.ear.attend(ctx, &listener{c: c, uris: uris, lost: make(chan struct{})})
		}
		if ctx.Err() != nil {
			break
		}
		u.c.Log.Debug("a server is listened to anew", "server", u.c.Name, "err", err)
		if time.Since(began) > maxPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
	return relay.Answer{}, ctx.Err()
}

func urisOf(params []byte) (uris []string, err error) {
	list := rpc.Raw(params, "notifications", "resourceSubscriptions")
	if len(list) == 0 || list[0] != '[' {
		return nil, nil
	}
	err = rpc.Elements(list, func(_ int, raw []byte) error {
		if uri, ok := rpc.String(raw); ok {
			uris = append(uris, uri)
		}
		return nil
	})
	return uris, err
}

// attend listens until the caller goes or the session is lost.
func (e *ear) attend(ctx context.Context, l *listener) error {
	defer e.u.use(e.s)()
	if err := e.join(ctx, l); err != nil {
		e.leave(l)
		return err
	}
	defer e.leave(l)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.lost:
		return fmt.Errorf("%w: the session is not known", ErrInvalid)
	}
}

// join adds a listener: the stream is opened if it is not, and the server told of resources that are new.
func (e *ear) join(ctx context.Context, l *listener) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	e.mu.Lock()
	if e.lost {
		e.mu.Unlock()
		return fmt.Errorf("%w: the session is not known", ErrInvalid)
	}
	e.all[l] = struct{}{}
	var fresh []string
	for _, uri := range l.uris {
		if e.want[uri]++; !e.told[uri] {
			fresh = append(fresh, uri)
		}
	}
	if e.done == nil {
		e.once, e.done = make(chan struct{}), make(chan struct{})
		var life context.Context
		life, e.stop = context.WithCancel(context.Background())
		go e.run(life, l.c, e.once, e.done)
	}
	opened := e.once
	e.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	select { // what changes at once is to be heard
	case <-opened:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(opening):
	}
	for _, uri := range fresh {
		if err := e.tell(ctx, l.c, protocol.Subscribe, uri); err != nil {
			return err
		}
		e.mu.Lock()
		e.told[uri] = true
		e.mu.Unlock()
	}
	return nil
}

// tell subscribes to a resource, or does so no longer. What the server refuses stays refused.
func (e *ear) tell(ctx context.Context, c *relay.Call, method, uri string) error {
	params, err := rpc.Change([]byte("{}")).SetText(uri, "uri").Bytes()
	if err != nil {
		return err
	}
	call := *c
	call.Method, call.Params, call.Notify = method, params, nil
	x, gone, err := e.u.begin(ctx, &call, e.s)
	if gone {
		e.lose(c)
	}
	if err != nil {
		return err
	}
	_, err = e.u.pump(ctx, &call, x)
	return err
}

// leave takes a listener out; what nobody wants any more ends a little later.
func (e *ear) leave(l *listener) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, in := e.all[l]; !in {
		return
	}
	delete(e.all, l)
	for _, uri := range l.uris {
		if e.want[uri]--; e.want[uri] <= 0 {
			delete(e.want, uri)
		}
	}
	if e.lost {
		return
	}
	if e.tidy != nil {
		e.tidy.Stop()
	}
	c := l.c
	e.tidy = time.AfterFunc(linger, func() { e.clean(c) })
}

// clean unsubscribes from what nobody wants, and ends the stream when nobody listens.
func (e *ear) clean(c *relay.Call) {
	e.turn.Lock()
	defer e.turn.Unlock()
	e.mu.Lock()
	var stale []string
	for uri := range e.told {
		if e.want[uri] == 0 {
			stale = append(stale, uri)
			delete(e.told, uri)
		}
	}
	unused := len(e.all) == 0
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	for _, uri := range stale {
		if err := e.tell(ctx, c, protocol.Unsubscribe, uri); err != nil {
			e.u.c.Log.Debug("a server was not told that nobody listens", "server", e.u.c.Name, "err", err)
			break
		}
	}
	if unused {
		e.end()
	}
}

// end ends the stream and waits for it.
func (e *ear) end() {
	e.mu.Lock()
	stop, done := e.stop, e.done
	if e.tidy != nil {
		e.tidy.Stop()
	}
	e.stop, e.done = nil, nil
	e.mu.Unlock()
	if done != nil {
		stop()
		<-done
	}
}

// lose tells all who listen that the session is not known any more.
func (e *ear) lose(c *relay.Call) {
	e.u.dropSession(c, e.s)
	e.drop()
}

// drop tells them, of a session that is ours no more.
func (e *ear) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost {
		return
	}
	e.lost = true
	for l := range e.all {
		close(l.lost)
	}
	if e.stop != nil {
		e.stop()
	}
}

// errNoStream is a server that says nothing unasked.
var errNoStream = errors.New("upstream: the server has no stream")

// errLost is a session that the server does not know.
var errLost = errors.New("upstream: the session is not known")

// run keeps the stream open, and begins it anew when it breaks, from where it was and when the server wants it.
func (e *ear) run(ctx context.Context, c *relay.Call, opened, done chan struct{}) {
	defer close(done)
	open := sync.OnceFunc(func() { close(opened) })
	defer open()
	pause := firstPause
	var at place
	for again := false; ctx.Err() == nil; again = true {
		began := time.Now()
		err := e.hear(ctx, c, &at, func() {
			open()
			if again { // what changed while nobody heard is not known
				e.say(protocol.NotifyAcknowledged, []byte(`{"notifications":{}}`))
			}
		})
		switch {
		case errors.Is(err, errNoStream):
			open()
			<-ctx.Done()
			return
		case errors.Is(err, errLost):
			e.lose(c)
			return
		}
		if time.Since(began) > maxPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(pause, at.retry)):
		}
		pause = min(2*pause, maxPause)
	}
}

// hear reads the server's own stream until it ends.
func (e *ear) hear(ctx context.Context, c *relay.Call, at *place, opened func()) error {
	h := e.s.headers()
	if at.last != "" {
		h.Set(protocol.HeaderLastEventID, at.last)
	}
	resp, err := e.u.send(ctx, c, http.MethodGet, nil, h)
	switch {
	case err != nil:
		return err
	case resp.status == http.StatusNotFound && e.s.id != "":
		return errLost
	case resp.status == http.StatusMethodNotAllowed || resp.status == http.StatusNotFound:
		return errNoStream
	case resp.stream == nil:
		return fmt.Errorf("%w: status %d", ErrInvalid, resp.status)
	}
	defer resp.close()
	if s, ok := resp.stream.(*events); ok {
		s.at = *at
		defer func() { *at = s.at }()
	}
	opened()
	for {
		m, err := resp.next()
		switch {
		case err != nil:
			return err
		case m.Kind == rpc.Notification:
			e.say(m.Method, m.Params)
		case m.Kind == rpc.Request:
			if err := e.u.post(ctx, c, e.s, declined(m)); err != nil {
				return err
			}
		}
	}
}

// say hands a notification to those whom it concerns; who is gone leaves by itself. A resource's may be of a part of it (2025-11-25,
// "Subscriptions").
func (e *ear) say(method string, params []byte) {
	uri, _ := rpc.Text(params, "uri")
	e.mu.Lock()
	var to []*listener
	for l := range e.all {
		if method != protocol.NotifyUpdated || l.wants(uri) {
			to = append(to, l)
		}
	}
	e.mu.Unlock()
	for _, l := range to {
		_ = l.c.Notify(method, params)
	}
}

func (l *listener) wants(uri string) bool {
	for _, want := range l.uris {
		if strings.HasPrefix(uri, want) {
			return true
		}
	}
	return false
}
