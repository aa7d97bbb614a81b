// Package upstream is the broker's side towards MCP servers: a client of both eras that takes the broker's stateless calls.
//
// Over HTTP the era is found once for a server: a modern request first, initialize when the answer is none that a modern server
// gives (2026-07-28, "Backward Compatibility"). A modern server (modern.go) gets each call by itself, with the headers that mirror
// it. A legacy one (legacy.go) gets a session for each principal; when it asks something in the middle of a call, the call is
// parked and the caller is told that input is required; it comes again with the input and the state that finds the parked call.
// Local servers speak the same over their standard input and output (stdio.go).
//
// A call that fails is an error of that call alone. A server that keeps failing is left alone for a while (breaker.go), so that it
// does not slow down the others. What comes back is read strictly and under limits, and handed on byte for byte.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// ErrUnavailable is a server that cannot be reached, or that is left alone for a while since it kept failing.
var ErrUnavailable = errors.New("upstream: the server is not available")

// ErrInvalid is an answer that is not what the protocol says.
var ErrInvalid = errors.New("upstream: the server's answer is invalid")

// Unauthorized is a server that wants another credential.
type Unauthorized struct {
	Status    int    // 401 or 403
	Challenge string // WWW-Authenticate
}

// Error says so.
func (e *Unauthorized) Error() string { return fmt.Sprintf("upstream: status %d", e.Status) }

// Config is one server: over HTTP, or a local one.
type Config struct {
	Name   string // for logs
	URL    string
	Client *http.Client // of package dial; it follows no redirect
	// Start makes a local server: it starts a process of it, for the principal of that key. URL, Client and Header are left out then.
	Start     func(ctx context.Context, principal string) (*sandbox.Process, error)
	Idle      time.Duration // how long a process, or a session, stays that nobody uses; default 5 min
	Processes int           // of a local server, at most; default 64
	// Header makes the credential of a call. It is asked anew for each request, and again with again true after a 401.
	Header func(ctx context.Context, c *relay.Call, again bool) (http.Header, error)

	ClientName, ClientVersion string        // what we are to the server
	Timeout                   time.Duration // of a call, without the waits for a person; default 60 s
	ParkTime                  time.Duration // how long a call waits for its input; default 10 min
	BodyBytes                 int           // of one message; default 16 MiB
	Depth                     int           // default 128
	Log                       *slog.Logger
}

// Upstream is one server; it is a relay.Receiver and safe for concurrent use.
type Upstream struct {
	c       Config
	limits  strictjson.Limits
	breaker breaker
	next    atomic.Int64
	mirror  mirrors
	locals  *locals // nil: it is reached over HTTP

	mu       sync.Mutex
	era      era
	version  string                    // of a modern server
	sessions map[string]*legacySession // by principal
	parked   map[string]*parked
}

// era is which of the two a server speaks.
type era uint8

const (
	unknown era = iota
	modernEra
	legacyEra
)

// New makes the client of a server. Nothing is asked of it before the first call.
func New(c Config) *Upstream {
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.ParkTime == 0 {
		c.ParkTime = 10 * time.Minute
	}
	if c.BodyBytes == 0 {
		c.BodyBytes = 16 << 20
	}
	if c.Depth == 0 {
		c.Depth = 128
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Header == nil {
		c.Header = func(context.Context, *relay.Call, bool) (http.Header, error) { return nil, nil }
	}
	if c.Idle == 0 {
		c.Idle = 5 * time.Minute
	}
	if c.Processes == 0 {
		c.Processes = maxLocal
	}
	u := &Upstream{
		c: c, limits: strictjson.Limits{MaxBytes: c.BodyBytes, MaxDepth: c.Depth}, sessions: map[string]*legacySession{}, parked: map[string]*parked{},
	}
	if c.Start != nil {
		u.locals = &locals{u: u, running: map[string]*local{}, failing: map[string]*breaker{}}
	}
	return u
}

// Call makes a call. Its error is *Unauthorized, ErrUnavailable, ErrInvalid, the context's, or of Config.Header.
func (u *Upstream) Call(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	b := &u.breaker
	if u.locals != nil {
		b = u.locals.breaker(c)
		defer u.locals.well(c, b)
	}
	if !b.allow(time.Now()) {
		return relay.Answer{}, fmt.Errorf("%w: it kept failing", ErrUnavailable)
	}
	answer, err := u.call(ctx, c)
	b.done(time.Now(), failed(ctx, err))
	return answer, err
}

// failed tells whether an error is the server's fault.
func failed(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInvalid) || errors.Is(err, context.DeadlineExceeded))
}

func (u *Upstream) call(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	if c.Method != protocol.Listen {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, u.c.Timeout)
		defer cancel()
	}
	speaks, err := u.detect(ctx, c)
	if err != nil {
		return relay.Answer{}, err
	}
	if speaks == legacyEra {
		return u.legacy(ctx, c)
	}
	return u.modern(ctx, c)
}

// detect finds the server's era, once. What was found holds for the server, whoever asks.
func (u *Upstream) detect(ctx context.Context, c *relay.Call) (era, error) {
	u.mu.Lock()
	speaks := u.era
	u.mu.Unlock()
	if speaks != unknown {
		return speaks, nil
	}
	probe := *c
	probe.Method, probe.Params, probe.Inputs, probe.State = protocol.Discover, []byte("{}"), nil, nil
	asking, cancel := ctx, context.CancelFunc(func() {})
	if u.locals != nil { // "stdio", Backward Compatibility: it may be silent
		asking, cancel = context.WithTimeout(ctx, probeTime)
	}
	answer, err := u.modernAs(asking, &probe, protocol.V20260728)
	cancel()
	version := protocol.V20260728
	switch {
	case err == nil && (answer.Err == nil || modernError(answer.Err)):
		speaks = modernEra
		if v, ok := common(answer); ok {
			version = v
		} else if answer.Err != nil && answer.Err.Code == rpc.CodeUnsupportedVersion {
			speaks = legacyEra // of both eras, and its modern versions are not ours
		}
	case err == nil, errors.Is(err, errNotModern), ctx.Err() == nil && u.locals != nil && errors.Is(err, context.DeadlineExceeded):
		speaks = legacyEra
	default:
		return unknown, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.era, u.version = speaks, version
	return speaks, nil
}

// forget makes the next call find the era anew.
func (u *Upstream) forget() {
	u.mu.Lock()
	u.era = unknown
	u.mu.Unlock()
}

// modernError tells an error that only a modern server gives.
func modernError(e *relay.Error) bool {
	switch e.Code {
	case rpc.CodeUnsupportedVersion, rpc.CodeMissingCapability, rpc.CodeHeaderMismatch:
		return true
	}
	return false
}

// common is the newest stateless version that both speak.
func common(a relay.Answer) (string, bool) {
	list := rpc.Raw(a.Result, "supportedVersions")
	if a.Err != nil {
		list = rpc.Raw(a.Err.Data, "supported")
	}
	found := ""
	if len(list) > 0 && list[0] == '[' {
		_ = rpc.Elements(list, func(_ int, value []byte) error {
			if v, _ := rpc.String(value); protocol.Modern(v) && v > found {
				found = v
			}
			return nil
		})
	}
	return found, found != ""
}
