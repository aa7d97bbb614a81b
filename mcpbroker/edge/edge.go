// Package edge is the broker's side towards clients: the Streamable HTTP server of both eras of MCP.
//
// A POST carries one message. It is authenticated, read strictly, and told apart by era: one whose _meta names a version is
// served by itself (modern.go: headers and body must agree, nothing is remembered); anything else belongs to a session that
// `initialize` opened (legacy.go). Either way it becomes a relay.Call, and what the call leads to is answered as one JSON document
// until something has to be said earlier: a notification, a question to a legacy client, or a long silence. Then the answer
// becomes a stream of server-sent events (responder.go).
//
// A server that needs input answers a modern client with what it wants and a state, which is sealed to the principal and the
// request (input.go). A legacy client is asked on its stream, its answers arrive as POSTs of their own, and the edge calls again.
//
// Sessions of the legacy era are sealed ids: who the session belongs to, the version and the capabilities stand in the id, so that
// an id of somebody else, or a made-up one, opens nothing; what changes (the log level, subscriptions, open requests) is in
// memory and bounded (session.go). A disconnect cancels what it was waiting for.
package edge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/seal"
)

// Denied is why a request was not authenticated.
type Denied struct {
	Status    int    // 401, 403 or 400
	Challenge string // WWW-Authenticate; "" is none
	Message   string // for the client
}

// Config is what the edge works with.
type Config struct {
	Receiver relay.Receiver
	// Authenticate verifies the request's credential for the resource of a set.
	Authenticate func(r *http.Request, set string) (*identity.Principal, *Denied)
	// Watch tells, once, when the token that a principal came with counts no more. nil: that never happens.
	Watch func(p *identity.Principal, revoked func()) (stop func())
	// Params tells which arguments of a tool are mirrored into headers; nil is none.
	Params func(ctx context.Context, p *identity.Principal, set, tool string) ([]protocol.Param, error)

	Keys    *store.Keys
	Origins []string // of browsers' pages that may call, such as https://app.example.com
	Name    string   // of the server
	Version string

	BodyBytes  int           // default 4 MiB
	Depth      int           // default 64
	Sessions   int           // in memory, of all principals; default 10,000
	Keepalive  time.Duration // a silence after which the client hears a comment; default 15 s
	StateTTL   time.Duration // how long a state may be answered; default 10 min
	SessionTTL time.Duration // how long a session lives unheard of; default 24 h
	Log        *slog.Logger
}

// Edge is an http.Handler for /mcp and /mcp/{set}.
type Edge struct {
	c        Config
	states   *seal.Box
	ids      *seal.Box
	sessions *sessions
	limits   strictjson.Limits
}

// New makes an edge.
func New(c Config) (*Edge, error) {
	if c.Receiver == nil || c.Authenticate == nil || c.Keys == nil {
		return nil, errors.New("edge: a receiver, an authenticator and keys are needed")
	}
	orDefault(&c.BodyBytes, 4<<20)
	orDefault(&c.Depth, 64)
	orDefault(&c.Sessions, 10_000)
	orDefault(&c.Keepalive, 15*time.Second)
	orDefault(&c.StateTTL, 10*time.Minute)
	orDefault(&c.SessionTTL, 24*time.Hour)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	e := &Edge{c: c, limits: strictjson.Limits{MaxBytes: c.BodyBytes, MaxDepth: c.Depth}, sessions: newSessions(c.Sessions)}
	var err error
	if e.states, err = seal.New(c.Keys, "mcp/state"); err != nil {
		return nil, err
	}
	if e.ids, err = seal.New(c.Keys, "mcp/session"); err != nil {
		return nil, err
	}
	return e, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// ServeHTTP answers one request.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	set, ok := setOf(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if !e.originAllowed(r) {
		fail(w, http.StatusForbidden, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "this Origin may not call"})
		return
	}
	p, denied := e.c.Authenticate(r, set)
	if denied != nil || p == nil {
		deny(w, denied)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	ctx, done := e.untilRevoked(r.Context(), p)
	defer done()
	r = r.WithContext(ctx)
	switch r.Method {
	case http.MethodPost:
		e.post(w, r, p, set)
	case http.MethodGet:
		e.listen(w, r, p, set)
	case http.MethodDelete:
		e.terminate(w, r, p, set)
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		fail(w, http.StatusMethodNotAllowed, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "use POST"})
	}
}

// setOf is the virtual endpoint that a path names.
func setOf(path string) (string, bool) {
	if path == "/mcp" {
		return "", true
	}
	set, ok := strings.CutPrefix(path, "/mcp/")
	return set, ok && set != "" && !strings.Contains(set, "/")
}

// originAllowed keeps browsers' pages out (DNS rebinding): a request with an Origin must come from one that is listed.
func (e *Edge) originAllowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || len(origins) == 1 && slices.Contains(e.c.Origins, origins[0])
}

func deny(w http.ResponseWriter, d *Denied) {
	if d == nil {
		d = &Denied{Status: http.StatusUnauthorized, Message: "send a token"}
	}
	if d.Challenge != "" {
		w.Header().Set("WWW-Authenticate", d.Challenge)
	}
	fail(w, d.Status, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: d.Message})
}

// post reads one message, or a batch of a version that has them, and serves it.
func (e *Edge) post(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string) {
	if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" || !utf8Charset(params) {
		fail(w, http.StatusUnsupportedMediaType, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "content-type must be application/json"})
		return
	}
	if !accepts(r, "application/json") || !accepts(r, "text/event-stream") {
		fail(w, http.StatusNotAcceptable, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "accept must list application/json and text/event-stream"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(e.c.BodyBytes)))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		fail(w, status, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "the body could not be read, or is too large"})
		return
	}
	messages, batch, err := rpc.ParseBatch(body, e.limits)
	if err != nil {
		var bad *rpc.ParseError
		errors.As(err, &bad)
		fail(w, http.StatusBadRequest, bad.ID, &relay.Error{Code: bad.Code, Message: bad.Reason})
		return
	}
	if batch {
		e.batch(w, r, p, set, messages)
		return
	}
	m := messages[0]
	if version, ok := rpc.Text(m.Params, "_meta", protocol.MetaVersion); ok || isModern(r, m) {
		e.modern(w, r, p, set, m, version)
		return
	}
	e.legacy(w, r, p, set, m)
}

// isModern tells by its headers that a request without a version in its _meta is one of the modern era all the same: it will be
// refused as such.
func isModern(r *http.Request, m *rpc.Message) bool {
	if m.Method == protocol.Initialize || r.Header.Get(protocol.HeaderSession) != "" {
		return false
	}
	version := r.Header.Get(protocol.HeaderVersion)
	return protocol.Modern(version) || r.Header.Get(protocol.HeaderMethod) != "" || m.Method == protocol.Discover
}

func utf8Charset(params map[string]string) bool {
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}

// accepts tells whether a client takes a media type.
func accepts(r *http.Request, want string) bool {
	group, _, _ := strings.Cut(want, "/")
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			kind, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if err != nil || params["q"] == "0" {
				continue
			}
			if kind == want || kind == "*/*" || kind == group+"/*" {
				return true
			}
		}
	}
	return false
}

// fail answers with a JSON-RPC error alone.
func fail(w http.ResponseWriter, status int, id rpc.ID, e *relay.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(rpc.AppendError(nil, id, e)) // a client that is gone needs no answer
}

// asError is the JSON-RPC error of a call that failed. What is wrong with us is logged and not told.
func (e *Edge) asError(err error, method string) *relay.Error {
	if own, ok := errors.AsType[*relay.Error](err); ok {
		return own
	}
	if !errors.Is(err, context.Canceled) {
		e.c.Log.Error("a call failed", "method", method, "err", err)
	}
	return &relay.Error{Code: rpc.CodeInternal, Message: "the gateway could not make this call"}
}
