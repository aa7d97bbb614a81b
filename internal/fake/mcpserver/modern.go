package mcpserver

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

const metaPrefix = "io.modelcontextprotocol/"

// post takes one message and tells its era by its _meta.
func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if s.c.See != nil {
		s.c.See(r, body)
	}
	var m message
	if err != nil || json.Unmarshal(body, &m) != nil {
		s.refuse(w, nil, http.StatusBadRequest, &Error{Code: -32700, Message: "Parse error"})
		return
	}
	if m.Method != "" {
		s.count(m.Method)
	}
	params := decode(m.Params)
	meta, _ := params["_meta"].(map[string]any)
	modern := meta[metaPrefix+"protocolVersion"] != nil || r.Header.Get("Mcp-Method") != ""
	switch {
	case modern && s.c.NoModern: // as servers do that know sessions alone
		s.refuse(w, nil, http.StatusBadRequest, &Error{Code: -32000, Message: "Bad Request: no valid session ID provided"})
	case !modern && s.c.NoLegacy:
		s.refuse(w, m.ID, http.StatusBadRequest, unsupported(""))
	case modern:
		s.modern(w, r, m, params, meta)
	default:
		s.legacy(w, r, m, params)
	}
}

func (s *Server) refuse(w http.ResponseWriter, id Raw, status int, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer(id, nil, e))
}

func unsupported(asked any) *Error {
	return &Error{Code: -32022, Message: "Unsupported protocol version", Data: Object{"supported": []string{Modern}, "requested": asked}, Status: http.StatusBadRequest}
}

// modern serves a request of the stateless era.
func (s *Server) modern(w http.ResponseWriter, r *http.Request, m message, params, meta Object) {
	if m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	capabilities, can := meta[metaPrefix+"clientCapabilities"].(map[string]any)
	if e := s.check(r, m, params, meta, can); e != nil {
		s.refuse(w, m.ID, e.Status, e)
		return
	}
	level, _ := meta[metaPrefix+"logLevel"].(string)
	c := &Call{s: s, ctx: r.Context(), method: m.Method, params: params, capabilities: capabilities, level: level, modern: true, out: &reply{w: w}}
	switch m.Method {
	case "server/discover":
		versions := []string{Modern}
		if !s.c.NoLegacy {
			versions = append(versions, legacyVersions...)
		}
		out := Object{
			"supportedVersions": versions, "capabilities": s.capabilities(), "resultType": "complete", "ttlMs": 60_000, "cacheScope": "public",
			"_meta": Object{metaPrefix + "serverInfo": Object{"name": s.c.Name, "version": "1"}},
		}
		if s.c.Instructions != "" {
			out["instructions"] = s.c.Instructions
		}
		c.out.finish(0, answer(m.ID, out, nil))
	case "subscriptions/listen":
		s.listenModern(c, m.ID)
	default:
		result, e := s.dispatch(c)
		if o, ok := result.(Object); ok && e == nil && o["resultType"] == nil {
			o["resultType"] = "complete"
		}
		status := 0
		if e != nil {
			status = e.Status
		}
		c.out.finish(status, answer(m.ID, result, e))
	}
}

// check holds a request to what the version asks for.
func (s *Server) check(r *http.Request, m message, params, meta Object, can bool) *Error {
	version, _ := meta[metaPrefix+"protocolVersion"].(string)
	mismatch := func(what string) *Error {
		return &Error{Code: -32020, Message: "Header mismatch: " + what, Status: http.StatusBadRequest}
	}
	name := ""
	switch m.Method {
	case "tools/call", "prompts/get":
		name, _ = params["name"].(string)
	case "resources/read":
		name, _ = params["uri"].(string)
	}
	switch {
	case version == "" || !can:
		return &Error{Code: -32602, Message: "_meta is not complete", Status: http.StatusBadRequest}
	case r.Header.Get("Mcp-Protocol-Version") != version:
		return mismatch("version")
	case version != Modern:
		return unsupported(version)
	case r.Header.Get("Mcp-Method") != m.Method:
		return mismatch("method")
	case name != "" && unwrap(r.Header.Get("Mcp-Name")) != name:
		return mismatch("name")
	}
	return nil
}

// unwrap reads a header's value, which may stand in base64.
func unwrap(v string) string {
	inner, ok := strings.CutPrefix(v, "=?base64?")
	if inner, ok2 := strings.CutSuffix(inner, "?="); ok && ok2 {
		b, err := base64.StdEncoding.DecodeString(inner)
		if err == nil {
			return string(b)
		}
	}
	return v
}

// listener is one stream on which changes are heard.
type listener struct {
	out   chan []byte
	id    Raw             // of the subscription; nil in the legacy era
	lists map[string]bool // nil: all
	uris  map[string]bool // of a subscription
	of    *session        // of the legacy era
	over  chan struct{}   // closed: it ends
}

func (l *listener) end() {
	select {
	case <-l.over:
	default:
		close(l.over)
	}
}

func (l *listener) wants(method string) bool { return l.lists == nil || l.lists[method] }

func (l *listener) hears(uri string) bool {
	if l.of != nil {
		return l.of.subscribed[uri]
	}
	return l.uris[uri]
}

func (l *listener) notification(method string, params Object) []byte {
	if l.id == nil {
		return notification(method, params)
	}
	marked := Object{"_meta": Object{metaPrefix + "subscriptionId": l.id}}
	for k, v := range params {
		marked[k] = v
	}
	return notification(method, marked)
}

// listenModern streams changes until the client goes.
func (s *Server) listenModern(c *Call, id Raw) {
	wanted, _ := c.params["notifications"].(map[string]any)
	l := &listener{out: make(chan []byte, 1024), id: id, lists: map[string]bool{}, uris: map[string]bool{}}
	for name, method := range map[string]string{"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"} {
		l.lists["notifications/"+method+"/list_changed"] = wanted[name] == true
	}
	uris, _ := wanted["resourceSubscriptions"].([]any)
	for _, u := range uris {
		if text, ok := u.(string); ok {
			l.uris[text] = true
		}
	}
	s.stream(c, l, func() {
		c.out.send(l.notification("notifications/subscriptions/acknowledged", Object{"notifications": wanted}))
	})
}

// stream writes what a listener hears.
func (s *Server) stream(c *Call, l *listener, begin func()) {
	l.over = make(chan struct{})
	s.mu.Lock()
	s.streams[l] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, l)
	}()
	begin()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-l.over:
			return
		case doc := <-l.out:
			c.out.send(doc)
		}
	}
}
