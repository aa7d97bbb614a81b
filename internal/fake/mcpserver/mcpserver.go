// Package mcpserver is an MCP server over Streamable HTTP for tests, the demo and the benchmark: by hand, so that neither the broker
// nor an SDK is tested against itself, and with nothing changed of what a test lets it say.
//
// It speaks both eras, or one of them. A POST whose _meta names 2026-07-28 is answered by itself (modern.go); anything else belongs
// to a session that initialize opened (legacy.go). Both end in dispatch, which answers lists from what was registered and hands
// calls to their handlers. A handler (call.go) speaks with the client through its Call: what it says before its answer makes the
// answer a stream of events, and what it has to ask (Need) is asked on that stream in the legacy era, and by an answer that input is
// required in the modern one, so that each handler is written once.
//
// Change tells those who listen that a list changed. Suite (suite.go) has what the MCP conformance suites look for.
package mcpserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Modern is the stateless version of the protocol; the others have sessions.
const Modern = "2026-07-28"

var legacyVersions = []string{"2025-11-25", "2025-06-18", "2025-03-26"}

// Object is a JSON object that is written with its names in order.
type Object = map[string]any

// Raw is JSON that is written as it stands.
type Raw = json.RawMessage

// Handler answers a call. A result is written as JSON.
type Handler func(c *Call) (result any, err *Error)

// Error is a JSON-RPC error.
type Error struct {
	Code    int
	Message string
	Data    any
	Status  int // over HTTP in the modern era; 0: 200
}

// Item is one thing that the server lists: a tool, a prompt, a resource or a template.
type Item struct {
	Definition any     // as it is listed
	Handle     Handler // of a template: reads what it makes
}

// Config is what a server has.
type Config struct {
	Name         string
	Tools        map[string]Item // by name
	Prompts      map[string]Item // by name
	Resources    map[string]Item // by uri
	Templates    map[string]Item // by uriTemplate
	Complete     Handler         // of completion/complete; nil: there is none
	Instructions string
	NoModern     bool          // it speaks versions with sessions alone
	NoLegacy     bool          // it speaks the stateless version alone
	Delay        time.Duration // before each answer
	// See is told of every request before it is answered.
	See func(r *http.Request, body []byte)
}

// Server is one server; it is an http.Handler.
type Server struct {
	c    Config
	http *http.Server
	url  string

	mu       sync.Mutex
	sessions map[string]*session
	streams  map[*listener]bool
	next     int
	counts   map[string]int
}

// New makes a server that somebody else serves.
func New(c Config) *Server {
	for _, m := range []*map[string]Item{&c.Tools, &c.Prompts, &c.Resources, &c.Templates} {
		*m = maps.Clone(*m)
		if *m == nil {
			*m = map[string]Item{}
		}
	}
	if c.Name == "" {
		c.Name = "fake"
	}
	return &Server{c: c, sessions: map[string]*session{}, streams: map[*listener]bool{}, counts: map[string]int{}}
}

// Start serves a server on a free port of loopback.
func Start(c Config) (*Server, error) {
	s := New(c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.Serve(l)
	return s, nil
}

// Serve serves it at an address of the caller's, at /mcp.
func (s *Server) Serve(l net.Listener) {
	s.url = "http://" + l.Addr().String() + "/mcp"
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(l) }() // it ends with Close
}

// URL is where it is.
func (s *Server) URL() string { return s.url }

// Close ends it with all that is open.
func (s *Server) Close() { _ = s.http.Close() }

// Count is how often a method was called.
func (s *Server) Count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[method]
}

// Sessions is how many sessions are open.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Forget makes the server lose all sessions, as after a restart.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// Restart ends what is open and loses all sessions.
func (s *Server) Restart() {
	s.Forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.streams {
		l.end()
	}
}

// Change changes what is listed, and tells those who listen by a notification such as notifications/tools/list_changed.
func (s *Server) Change(method string, change func(c *Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.c)
	s.tell(method, Object{}, nil)
}

// Updated tells those who subscribed to a resource that it changed.
func (s *Server) Updated(uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell("notifications/resources/updated", Object{"uri": uri}, func(l *listener) bool { return l.hears(uri) })
}

// tell hands a notification to those who listen for it; s.mu is held.
func (s *Server) tell(method string, params Object, of func(*listener) bool) {
	for l := range s.streams {
		if of != nil && !of(l) || of == nil && !l.wants(method) {
			continue
		}
		select {
		case l.out <- l.notification(method, params):
		default: // it does not read
		}
	}
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/mcp" {
		http.NotFound(w, r)
		return
	}
	switch r.Method {
	case http.MethodPost:
		s.post(w, r)
	case http.MethodGet:
		s.listenLegacy(w, r)
	case http.MethodDelete:
		s.terminate(w, r)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// dispatch answers a request of either era.
func (s *Server) dispatch(c *Call) (any, *Error) {
	if s.c.Delay > 0 {
		select {
		case <-c.ctx.Done():
		case <-time.After(s.c.Delay):
		}
	}
	switch c.method {
	case "tools/list":
		return s.list(c, "tools", func() map[string]Item { return s.c.Tools }), nil
	case "prompts/list":
		return s.list(c, "prompts", func() map[string]Item { return s.c.Prompts }), nil
	case "resources/list":
		return s.list(c, "resources", func() map[string]Item { return s.c.Resources }), nil
	case "resources/templates/list":
		return s.list(c, "resourceTemplates", func() map[string]Item { return s.c.Templates }), nil
	case "tools/call":
		return s.handle(c, func() map[string]Item { return s.c.Tools }, c.text("name"), "Unknown tool")
	case "prompts/get":
		return s.handle(c, func() map[string]Item { return s.c.Prompts }, c.text("name"), "Unknown prompt")
	case "resources/read":
		return s.read(c)
	case "completion/complete":
		if s.c.Complete != nil {
			return s.c.Complete(c)
		}
	}
	return nil, &Error{Code: -32601, Message: "Method not found", Status: http.StatusNotFound}
}

func (s *Server) list(c *Call, name string, of func() map[string]Item) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := of()
	all := make([]any, 0, len(items))
	for _, key := range slices.Sorted(maps.Keys(items)) {
		all = append(all, items[key].Definition)
	}
	out := Object{name: all}
	if c.modern {
		out["ttlMs"], out["cacheScope"] = 60_000, "public"
	}
	return out
}

func (s *Server) handle(c *Call, of func() map[string]Item, name, unknown string) (any, *Error) {
	s.mu.Lock()
	item, ok := of()[name]
	s.mu.Unlock()
	if !ok || item.Handle == nil {
		return nil, &Error{Code: -32602, Message: unknown + ": " + name}
	}
	return item.Handle(c)
}

// read reads a resource: of the list, or one that a template makes.
func (s *Server) read(c *Call) (any, *Error) {
	uri := c.text("uri")
	s.mu.Lock()
	item, ok := s.c.Resources[uri]
	if !ok {
		for template, of := range s.c.Templates {
			if c.variables, ok = match(template, uri); ok {
				item = of
				break
			}
		}
	}
	s.mu.Unlock()
	if !ok || item.Handle == nil {
		return nil, &Error{Code: c.noResource(), Message: "Resource not found", Data: Object{"uri": uri}}
	}
	result, err := item.Handle(c)
	if o, is := result.(Object); is && err == nil && c.modern && o["inputRequests"] == nil {
		o["ttlMs"], o["cacheScope"] = 1000, "public"
	}
	return result, err
}

// capabilities are what the server says that it can do.
func (s *Server) capabilities() Object {
	out := Object{"tools": Object{"listChanged": true}, "logging": Object{}}
	if len(s.c.Prompts) > 0 {
		out["prompts"] = Object{"listChanged": true}
	}
	if len(s.c.Resources)+len(s.c.Templates) > 0 {
		out["resources"] = Object{"listChanged": true, "subscribe": true}
	}
	if s.c.Complete != nil {
		out["completions"] = Object{}
	}
	return out
}

func (s *Server) count(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[method]++
}

// id is a new one.
func (s *Server) id(of string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return fmt.Sprintf("%s-%d", of, s.next)
}

// message is what a client sent.
type message struct {
	ID     Raw    `json:"id"`
	Method string `json:"method"`
	Params Raw    `json:"params"`
	Result Raw    `json:"result"`
	Error  Raw    `json:"error"`
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(`null`) // a fixture that cannot be written shows in its test
	}
	return b
}

func answer(id Raw, result any, err *Error) []byte {
	if err != nil {
		e := Object{"code": err.Code, "message": err.Message}
		if err.Data != nil {
			e["data"] = err.Data
		}
		out := Object{"jsonrpc": "2.0", "error": e}
		if id != nil {
			out["id"] = id
		}
		return encode(out)
	}
	return encode(Object{"jsonrpc": "2.0", "id": id, "result": result})
}

func notification(method string, params any) []byte {
	return encode(Object{"jsonrpc": "2.0", "method": method, "params": params})
}
