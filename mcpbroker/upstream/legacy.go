package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

const (
	// stateAgain is the state of a call that has to be made again as it was, once the person has done something elsewhere.
	stateAgain = "again"
	// maxParked is how many calls wait for an input at one server.
	maxParked = 1000
	// goodbye is how long a notification about a call that ended may take.
	goodbye = 5 * time.Second
)

// legacySession is a session with a server: for one principal, and one set of capabilities of its client.
type legacySession struct {
	mu      sync.Mutex // held while it is being opened
	open    bool
	id      string
	version string
	hello   []byte // the server's InitializeResult
	ear     *ear

	// In Upstream.mu's care:
	using int         // calls and listeners
	idle  *time.Timer // ends it when nobody has used it for a while
}

// exchange is one call of a legacy server: the stream that answers it, which may outlive the caller's request.
type exchange struct {
	session *legacySession
	id      rpc.ID
	stream  stream
	reply   func(ctx context.Context, doc []byte) error // sends an answer of ours
	end     func()
}

// parked is a call that waits for an input.
type parked struct {
	x         *exchange
	principal string
	asked     rpc.ID
	request   []byte // the InputRequiredResult that the caller was given
	timer     *time.Timer
}

// legacy makes a call of a server with sessions.
func (u *Upstream) legacy(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	switch {
	case c.Method == protocol.Listen:
		return u.legacyListen(ctx, c)
	case c.State != nil && string(c.State) != stateAgain:
		return u.resume(ctx, c)
	}
	for again := false; ; again = true {
		s, err := u.session(ctx, c)
		if err != nil {
			return relay.Answer{}, err
		}
		if c.Method == protocol.Discover {
			return discovered(s)
		}
		x, gone, err := u.begin(ctx, c, s)
		if gone && !again { // the server has forgotten the session
			u.dropSession(c, s)
			continue
		}
		if err != nil {
			return relay.Answer{}, err
		}
		return u.pump(ctx, c, x)
	}
}

func sessionKey(c *relay.Call) string { return c.Principal.Key() + "\x00" + string(c.Capabilities) }

// session is the principal's session, opened when there is none.
func (u *Upstream) session(ctx context.Context, c *relay.Call) (*legacySession, error) {
	key := sessionKey(c)
	u.mu.Lock()
	s := u.sessions[key]
	if s == nil {
		s = &legacySession{}
		s.ear = newEar(u, s)
		u.sessions[key] = s
		last := &relay.Call{Principal: c.Principal, Capabilities: c.Capabilities, ClientInfo: c.ClientInfo}
		s.idle = time.AfterFunc(u.c.Idle, func() { u.retire(last, s) })
	}
	s.idle.Reset(u.c.Idle)
	u.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		return s, nil
	}
	if err := u.initialize(ctx, c, s); err != nil {
		return nil, err
	}
	s.open = true
	return s, nil
}

func (u *Upstream) dropSession(c *relay.Call, s *legacySession) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s.idle.Stop()
	if key := sessionKey(c); u.sessions[key] == s {
		delete(u.sessions, key)
	}
}

// use counts who uses a session; what it gives back says, once, that it is over.
func (u *Upstream) use(s *legacySession) func() {
	u.mu.Lock()
	s.using++
	u.mu.Unlock()
	return sync.OnceFunc(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if s.using--; s.using == 0 {
			s.idle.Reset(u.c.Idle)
		}
	})
}

// retire ends a session that nobody uses, and tells the server ("Session Management"): it would keep it for as long as it runs.
func (u *Upstream) retire(c *relay.Call, s *legacySession) {
	u.mu.Lock()
	unused := s.using == 0 && u.sessions[sessionKey(c)] == s
	if unused {
		delete(u.sessions, sessionKey(c))
	}
	u.mu.Unlock()
	if !unused {
		return
	}
	s.ear.end()
	if u.locals != nil || s.id == "" {
		return // a process ends by itself
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	resp, err := u.send(ctx, c, http.MethodDelete, nil, s.headers())
	if err != nil {
		u.c.Log.Debug("a server was not told that a session is over", "server", u.c.Name, "err", err)
		return
	}
	if resp.stream != nil {
		resp.close()
	}
}

// initialize opens a session ("Lifecycle").
func (u *Upstream) initialize(ctx context.Context, c *relay.Call, s *legacySession) error {
	resp, err := u.send(ctx, c, http.MethodPost, rpc.AppendRequest(nil, rpc.ID("0"), protocol.Initialize, initializeParams(c, u.c.ClientName, u.c.ClientVersion)), http.Header{})
	if err != nil {
		return err
	}
	if resp.stream == nil {
		return fmt.Errorf("%w: status %d to initialize", ErrInvalid, resp.status)
	}
	defer resp.close()
	hello, err := helloOf(resp.stream)
	if err != nil {
		return err
	}
	s.hello, s.id = hello, resp.header.Get(protocol.HeaderSession)
	s.version, _ = rpc.Text(hello, "protocolVersion")
	return u.post(ctx, c, s, rpc.AppendNotification(nil, protocol.NotifyInitialized, nil))
}

func initializeParams(c *relay.Call, name, version string) []byte {
	params := llm.AppendQuoted([]byte(`{"protocolVersion":`), protocol.V20251125)
	params = append(append(params, `,"capabilities":`...), legacyCapabilities(c.Capabilities)...)
	params = llm.AppendQuoted(append(params, `,"clientInfo":{"name":`...), name)
	return append(llm.AppendQuoted(append(params, `,"version":`...), version), "}}"...)
}

// legacyCapabilities are the client's, less what came with the stateless era, and less the promise to tell when roots change: a
// stateless client tells nobody, so a server asks when it wants to know.
func legacyCapabilities(capabilities []byte) []byte {
	if len(capabilities) == 0 {
		return []byte("{}")
	}
	edit := rpc.Change(capabilities).Remove("extensions")
	if rpc.Raw(capabilities, "roots") != nil {
		edit.Set([]byte("{}"), "roots")
	}
	out, err := edit.Bytes()
	if err != nil {
		return []byte("{}")
	}
	return out
}

// helloOf reads the InitializeResult.
func helloOf(s stream) ([]byte, error) {
	for {
		m, err := s.next()
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: no answer to initialize: %w", ErrInvalid, err)
		case m.Kind != rpc.Response:
			continue
		case m.Err != nil:
			return nil, fmt.Errorf("%w: initialize was refused with %d", ErrInvalid, m.Err.Code)
		}
		version, _ := rpc.Text(m.Result, "protocolVersion")
		if !protocol.Known(version) || protocol.Modern(version) {
			return nil, fmt.Errorf("%w: it speaks a version that is not spoken here", ErrInvalid)
		}
		return m.Result, nil
	}
}

// discovered is what server/discover would say of a legacy server.
func discovered(s *legacySession) (relay.Answer, error) {
	out := llm.AppendQuoted([]byte(`{"resultType":"complete","supportedVersions":[`), s.version)
	capabilities := rpc.Raw(s.hello, "capabilities")
	if len(capabilities) == 0 || capabilities[0] != '{' {
		capabilities = []byte("{}")
	}
	out = append(append(out, `],"capabilities":`...), capabilities...)
	if text := rpc.Raw(s.hello, "instructions"); text != nil {
		out = append(append(out, `,"instructions":`...), text...)
	}
	if info := rpc.Raw(s.hello, "serverInfo"); info != nil {
		out = append(append(append(out, `,"_meta":{"`+protocol.MetaServerInfo+`":`...), info...), '}')
	}
	return relay.Answer{Result: append(out, '}')}, nil
}

// begin sends a call. gone is a session that the server does not know any more.
func (u *Upstream) begin(ctx context.Context, c *relay.Call, s *legacySession) (x *exchange, gone bool, err error) {
	id := rpc.ID(strconv.AppendInt(nil, u.next.Add(1), 10))
	// The stream may have to wait for an input longer than the request that began it.
	streaming, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	resp, err := u.send(streaming, c, http.MethodPost, rpc.AppendRequest(nil, id, c.Method, c.Params), s.headers())
	switch {
	case err != nil && ctx.Err() != nil:
		cancel()
		return nil, false, ctx.Err()
	case err != nil:
		cancel()
		return nil, false, err
	case resp.status == http.StatusNotFound && s.id != "":
		cancel()
		return nil, true, fmt.Errorf("%w: the session is not known", ErrInvalid)
	case resp.stream == nil:
		cancel()
		return nil, false, fmt.Errorf("%w: status %d", ErrInvalid, resp.status)
	}
	if u.locals == nil {
		resp.stream = &lasting{u: u, ctx: streaming, c: c, s: s, now: resp.stream}
	}
	x = &exchange{session: s, id: id, stream: resp.stream, reply: func(ctx context.Context, doc []byte) error { return u.post(ctx, c, s, doc) }}
	over := u.use(s)
	x.end = func() { resp.close(); cancel(); over() }
	return x, false, nil
}

// pump reads the stream of a call up to its response, or up to something that the server asks.
func (u *Upstream) pump(ctx context.Context, c *relay.Call, x *exchange) (relay.Answer, error) {
	stop := context.AfterFunc(ctx, x.end)
	for {
		m, err := x.stream.next()
		if err != nil {
			stop()
			x.end()
			if ctx.Err() != nil {
				u.cancelled(ctx, x)
				return relay.Answer{}, ctx.Err()
			}
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: no response", ErrInvalid)
			}
			return relay.Answer{}, err
		}
		switch m.Kind {
		case rpc.Notification:
			if c.Notify != nil && c.Notify(m.Method, m.Params) != nil {
				stop()
				x.end()
				u.cancelled(ctx, x)
				return relay.Answer{}, context.Canceled
			}
		case rpc.Request:
			if protocol.CapabilityFor(m.Method) == "" || rpc.Raw(c.Capabilities, protocol.CapabilityFor(m.Method)) == nil || !protocol.MayNeedInput(c.Method) {
				if err := x.reply(ctx, declined(m)); err != nil {
					stop()
					x.end()
					return relay.Answer{}, err
				}
				continue
			}
			if !stop() { // the caller has just gone
				continue
			}
			return u.park(c, x, m)
		case rpc.Response:
			if !m.ID.Equal(x.id) {
				continue // of a stream that carries more than ours
			}
			stop()
			x.end()
			if m.Err != nil {
				return legacyError(c, m.Err)
			}
			return relay.Answer{Result: m.Result}, nil
		}
	}
}

// declined answers what a server asks and cannot have here.
func declined(m *rpc.Message) []byte {
	if m.Method == protocol.Ping {
		return rpc.AppendResult(nil, m.ID, []byte("{}"))
	}
	return rpc.AppendError(nil, m.ID, &relay.Error{Code: rpc.CodeNoMethod, Message: "the client cannot do this"})
}

// cancelled tells the server that nobody waits any more; nobody waits for that either.
func (u *Upstream) cancelled(ctx context.Context, x *exchange) {
	params := append(append([]byte(`{"requestId":`), x.id...), '}')
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	go func() {
		defer cancel()
		if err := x.reply(ctx, rpc.AppendNotification(nil, protocol.NotifyCancelled, params)); err != nil {
			u.c.Log.Debug("a server was not told of a cancelled call", "server", u.c.Name, "err", err)
		}
	}()
}

// park keeps a call until its caller comes again with the input.
func (u *Upstream) park(c *relay.Call, x *exchange, m *rpc.Message) (relay.Answer, error) {
	token := rand.Text()
	result := llm.AppendQuoted([]byte(`{"resultType":"input_required","inputRequests":{"input":{"method":`), m.Method)
	params := m.Params
	if params == nil { // some clients read them whether they are there or not
		params = []byte("{}")
	}
	result = append(append(result, `,"params":`...), params...)
	p := &parked{x: x, principal: c.Principal.Key(), asked: m.ID, request: append(result, "}}}"...)}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.parked) >= maxParked {
		go x.end()
		return relay.Answer{}, fmt.Errorf("%w: too many calls wait for input", ErrUnavailable)
	}
	u.parked[token] = p
	p.timer = time.AfterFunc(u.c.ParkTime, func() {
		if u.unpark(token, p.principal) != nil {
			x.end()
			u.cancelled(context.Background(), x)
		}
	})
	return relay.Answer{NeedInput: true, Result: p.request, State: []byte(token)}, nil
}

// unpark takes a parked call of a principal; nil when there is none.
func (u *Upstream) unpark(token, principal string) *parked {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.parked[token]
	if p == nil || p.principal != principal {
		return nil
	}
	delete(u.parked, token)
	p.timer.Stop()
	return p
}

// resume gives a parked call its input.
func (u *Upstream) resume(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	p := u.unpark(string(c.State), c.Principal.Key())
	if p == nil {
		return relay.Answer{Err: &relay.Error{Code: rpc.CodeInvalidParams, Message: "this call does not wait any more; make it anew"}}, nil
	}
	input := rpc.Raw(c.Inputs, "input")
	if len(input) == 0 || input[0] != '{' {
		input = []byte(`{"action":"cancel"}`)
		if method, _ := rpc.Text(p.request, "inputRequests", "input", "method"); method != protocol.Elicit {
			input = nil
		}
	}
	doc := rpc.AppendResult(nil, p.asked, input)
	if input == nil {
		doc = rpc.AppendError(nil, p.asked, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "the client gave no input"})
	}
	if err := p.x.reply(ctx, doc); err != nil {
		p.x.end()
		return relay.Answer{}, err
	}
	return u.pump(ctx, c, p.x)
}

// legacyError turns an error that says where a person has to go into the wish for that (2025-11-25, "URL mode"); others stay.
func legacyError(c *relay.Call, e *relay.Error) (relay.Answer, error) {
	list := rpc.Raw(e.Data, "elicitations")
	if e.Code != rpc.CodeURLRequired || len(list) == 0 || list[0] != '[' || !protocol.MayNeedInput(c.Method) {
		return relay.Answer{Err: e}, nil
	}
	requests := []byte(`{"resultType":"input_required","inputRequests":{`)
	err := rpc.Elements(list, func(i int, value []byte) error {
		if i > 0 {
			requests = append(requests, ',')
		}
		requests = fmt.Appendf(requests, `"url%d":{"method":%q,"params":`, i, protocol.Elicit)
		requests = append(append(requests, value...), '}')
		return nil
	})
	if err != nil {
		return relay.Answer{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return relay.Answer{NeedInput: true, Result: append(requests, "}}"...), State: []byte(stateAgain)}, nil
}

// Close ends the sessions and the calls that wait.
func (u *Upstream) Close() {
	if u.locals != nil {
		defer u.locals.close()
	}
	u.mu.Lock()
	waiting, all := u.parked, u.sessions
	u.parked, u.sessions = map[string]*parked{}, map[string]*legacySession{}
	u.mu.Unlock()
	for _, p := range waiting {
		p.timer.Stop()
		p.x.end()
	}
	for _, s := range all {
		s.idle.Stop()
		s.ear.end()
	}
}
