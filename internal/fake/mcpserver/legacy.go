package mcpserver

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// session is one of the legacy era.
type session struct {
	id           string
	capabilities Object

	mu         sync.Mutex
	level      string
	subscribed map[string]bool // guarded by the server
	asked      map[string]chan message
	running    map[string]func() // cancels, by request
	replies    map[string]*reply // streams that were cut, by name
	streaming  bool              // its own stream is open
}

// legacy serves a message of a session.
func (s *Server) legacy(w http.ResponseWriter, r *http.Request, m message, params Object) {
	if m.Method == "initialize" {
		s.initialize(w, m, params)
		return
	}
	in := s.session(w, r)
	if in == nil {
		return
	}
	if m.ID == nil || m.Method == "" {
		in.note(m, params)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	in.mu.Lock()
	in.running[string(m.ID)] = cancel
	level := in.level
	in.mu.Unlock()
	defer func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.running, string(m.ID))
	}()
	c := &Call{s: s, ctx: ctx, method: m.Method, params: params, capabilities: in.capabilities, level: level, session: in, out: &reply{w: w}}
	var result any = Object{}
	var e *Error
	switch m.Method {
	case "ping":
	case "logging/setLevel":
		in.mu.Lock()
		in.level, _ = params["level"].(string)
		in.mu.Unlock()
	case "resources/subscribe", "resources/unsubscribe":
		s.mu.Lock()
		in.subscribed[c.text("uri")] = m.Method == "resources/subscribe"
		s.mu.Unlock()
	default:
		result, e = s.dispatch(c)
	}
	if ctx.Err() != nil && !c.out.cut {
		return // it was cancelled
	}
	c.out.finish(0, answer(m.ID, result, e))
}

func (s *Server) initialize(w http.ResponseWriter, m message, params Object) {
	version, _ := params["protocolVersion"].(string)
	if !slices.Contains(legacyVersions, version) {
		version = legacyVersions[0]
	}
	capabilities, _ := params["capabilities"].(map[string]any)
	in := &session{
		id: s.id("session"), capabilities: capabilities, level: "info", subscribed: map[string]bool{},
		asked: map[string]chan message{}, running: map[string]func(){}, replies: map[string]*reply{},
	}
	s.mu.Lock()
	s.sessions[in.id] = in
	s.mu.Unlock()
	out := Object{"protocolVersion": version, "capabilities": s.capabilities(), "serverInfo": Object{"name": s.c.Name, "version": "1"}}
	if s.c.Instructions != "" {
		out["instructions"] = s.c.Instructions
	}
	w.Header().Set("Mcp-Session-Id", in.id)
	(&reply{w: w}).finish(0, answer(m.ID, out, nil))
}

func (s *Server) session(w http.ResponseWriter, r *http.Request) *session {
	id := r.Header.Get("Mcp-Session-Id")
	s.mu.Lock()
	in := s.sessions[id]
	s.mu.Unlock()
	switch {
	case in != nil:
	case id == "":
		s.refuse(w, nil, http.StatusBadRequest, &Error{Code: -32000, Message: "Bad Request: no session"})
	default:
		s.refuse(w, nil, http.StatusNotFound, &Error{Code: -32001, Message: "Session not found"})
	}
	return in
}

// note takes a notification, or an answer to a question.
func (in *session) note(m message, params Object) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case m.Method == "notifications/cancelled":
		if cancel := in.running[string(encode(params["requestId"]))]; cancel != nil {
			cancel()
		}
	case m.Method == "":
		if waiting := in.asked[strings.Trim(string(m.ID), `"`)]; waiting != nil {
			waiting <- m
		}
	}
}

// ask asks the client on the call's stream.
func (c *Call) ask(request Object) (Object, *Error) {
	id := c.s.id("ask")
	waiting := make(chan message, 1)
	c.session.mu.Lock()
	c.session.asked[id] = waiting
	c.session.mu.Unlock()
	params := request["params"]
	if params == nil {
		params = Object{}
	}
	c.out.send(encode(Object{"jsonrpc": "2.0", "id": id, "method": request["method"], "params": params}))
	select {
	case m := <-waiting:
		if m.Error != nil {
			return nil, &Error{Code: -32000, Message: "the client answers " + string(m.Error)}
		}
		return decode(m.Result), nil
	case <-c.ctx.Done():
		return nil, &Error{Code: -32000, Message: "nobody answers"}
	}
}

// Cut ends the stream of a call of the legacy era: the client comes back for the rest (2025-11-25, "Sending Messages to the Server":
// the server may close the connection after an event with an id). In the modern era nothing happens.
func (c *Call) Cut(retry time.Duration) {
	if c.modern {
		return
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.stream = c.s.id("stream")
	c.session.mu.Lock()
	c.session.replies[c.out.stream] = c.out
	c.session.mu.Unlock()
	c.out.open()
	_, _ = c.out.w.Write([]byte("id: " + c.out.nextID() + "\nretry: " + strconv.FormatInt(retry.Milliseconds(), 10) + "\ndata: \n\n"))
	control := http.NewResponseController(c.out.w)
	_ = control.Flush()
	c.out.cut = true
	if conn, _, err := control.Hijack(); err == nil {
		_, _ = conn.Write([]byte("0\r\n\r\n")) // the last chunk: a good end
		_ = conn.Close()
	}
}

// listenLegacy is the stream of a session; with Last-Event-ID, the rest of one that was cut.
func (s *Server) listenLegacy(w http.ResponseWriter, r *http.Request) {
	if s.c.See != nil {
		s.c.See(r, nil)
	}
	s.count("GET")
	if s.c.NoLegacy {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	in := s.session(w, r)
	if in == nil {
		return
	}
	out := &reply{w: w}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		s.goOn(in, last, out, r)
		return
	}
	in.mu.Lock()
	taken := in.streaming
	in.streaming = true
	in.mu.Unlock()
	if taken { // as the official servers answer
		s.refuse(w, nil, http.StatusConflict, &Error{Code: -32000, Message: "Conflict: Only one SSE stream is allowed per session"})
		return
	}
	defer func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.streaming = false
	}()
	l := &listener{out: make(chan []byte, 1024), of: in}
	s.stream(&Call{ctx: r.Context(), out: out}, l, func() {
		out.open()
		_, _ = w.Write([]byte(": open\n\n"))
		_ = http.NewResponseController(w).Flush()
	})
}

// goOn gives a client the rest of a stream.
func (s *Server) goOn(in *session, last string, out *reply, r *http.Request) {
	name, _, _ := strings.Cut(last, "/")
	in.mu.Lock()
	cut := in.replies[name]
	delete(in.replies, name)
	in.mu.Unlock()
	if cut == nil {
		out.w.WriteHeader(http.StatusBadRequest)
		return
	}
	more := make(chan []byte, 1024)
	cut.mu.Lock()
	for _, doc := range cut.kept {
		more <- doc
	}
	cut.more = more
	cut.mu.Unlock()
	out.stream, out.count = name, 1
	for {
		select {
		case <-r.Context().Done():
			return
		case doc := <-more:
			out.send(doc)
			if decode(doc)["method"] == nil { // it was the answer
				return
			}
		}
	}
}

// terminate ends a session.
func (s *Server) terminate(w http.ResponseWriter, r *http.Request) {
	if in := s.session(w, r); in != nil {
		s.mu.Lock()
		delete(s.sessions, in.id)
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	}
}
