package mcpserver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// Call is one request as its handler sees it.
type Call struct {
	s            *Server
	ctx          context.Context //nolint:containedctx // of the request, which the call is
	method       string
	params       Object
	capabilities Object
	level        string // of messages that the client hears; "" is none
	variables    map[string]string
	modern       bool
	session      *session // of the legacy era
	out          *reply
}

// Context ends when nobody waits for the answer.
func (c *Call) Context() context.Context { return c.ctx }

// Arguments are those of a tool or a prompt.
func (c *Call) Arguments() Object {
	a, _ := c.params["arguments"].(map[string]any)
	return a
}

// Text is an argument.
func (c *Call) Text(name string) string {
	t, _ := c.Arguments()[name].(string)
	return t
}

// URI is what a resource is read by.
func (c *Call) URI() string { return c.text("uri") }

// Variable is what stands for a variable of a template in the uri that is read.
func (c *Call) Variable(name string) string { return c.variables[name] }

// Modern tells the era.
func (c *Call) Modern() bool { return c.modern }

// Can tells whether the client has a capability.
func (c *Call) Can(capability string) bool { return c.capabilities[capability] != nil }

func (c *Call) text(name string) string {
	t, _ := c.params[name].(string)
	return t
}

func (c *Call) noResource() int {
	if c.modern {
		return -32602
	}
	return -32002
}

// Notify says something before the answer.
func (c *Call) Notify(method string, params Object) { c.out.send(notification(method, params)) }

// Progress says how far the call is, to a client that wants to know.
func (c *Call) Progress(progress, total float64, message string) {
	meta, _ := c.params["_meta"].(map[string]any)
	token := meta["progressToken"]
	if token == nil {
		return
	}
	params := Object{"progressToken": token, "progress": progress, "total": total}
	if message != "" {
		params["message"] = message
	}
	c.Notify("notifications/progress", params)
}

// Log says a message of level info, to a client that hears it.
func (c *Call) Log(text string) {
	if c.level == "" || c.level != "debug" && c.level != "info" {
		return
	}
	c.Notify("notifications/message", Object{"level": "info", "logger": "fake", "data": text})
}

// Need asks the client: in the modern era by the answer that is returned as wait until the inputs are there, in the legacy one on
// the stream. A client that has none of what is asked for is refused. state is what the server wants to see again, signed.
func (c *Call) Need(state string, requests map[string]Object) (inputs map[string]Object, wait any, err *Error) {
	for _, r := range requests {
		method, _ := r["method"].(string)
		if capability := capabilityFor(method); !c.Can(capability) {
			return nil, nil, &Error{Code: -32021, Message: "the client cannot do this", Data: Object{"requiredCapabilities": Object{capability: Object{}}}, Status: http.StatusBadRequest}
		}
	}
	if !c.modern {
		inputs = map[string]Object{}
		for key, r := range requests {
			if inputs[key], err = c.ask(r); err != nil {
				return nil, nil, err
			}
		}
		return inputs, nil, nil
	}
	given, _ := c.params["inputResponses"].(map[string]any)
	inputs = map[string]Object{}
	for key := range requests {
		if o, ok := given[key].(map[string]any); ok {
			inputs[key] = o
		}
	}
	if len(inputs) == len(requests) && c.State() == state {
		return inputs, nil, nil
	}
	out := Object{"resultType": "input_required", "inputRequests": requests}
	if state != "" {
		out["requestState"] = sign(state)
	}
	return nil, out, nil
}

// State is what the server gave out and the client brings back; "" when there is none, or when it was changed on the way.
func (c *Call) State() string {
	text, ok := strings.CutSuffix(c.text("requestState"), "")
	payload, mac, found := strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if !ok || !found || err != nil || !hmac.Equal([]byte(mac), []byte(macOf(string(raw)))) {
		return ""
	}
	return string(raw)
}

// Forged tells whether a state came that the server did not give out.
func (c *Call) Forged() bool { return c.params["requestState"] != nil && c.State() == "" }

func sign(state string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(state)) + "." + macOf(state)
}

func macOf(state string) string {
	h := hmac.New(sha256.New, []byte("a fixture's key"))
	_, _ = h.Write([]byte(state))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func capabilityFor(method string) string {
	switch method {
	case "elicitation/create":
		return "elicitation"
	case "sampling/createMessage":
		return "sampling"
	}
	return "roots"
}

// match takes the variables of a template out of a uri.
func match(template, uri string) (map[string]string, bool) {
	names := regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(template, -1)
	pattern := regexp.QuoteMeta(template)
	for _, n := range names {
		pattern = strings.Replace(pattern, regexp.QuoteMeta(n[0]), `([^/]+)`, 1)
	}
	found := regexp.MustCompile("^" + pattern + "$").FindStringSubmatch(uri)
	if found == nil {
		return nil, false
	}
	out := map[string]string{}
	for i, n := range names {
		out[n[1]], _ = url.PathUnescape(found[i+1])
	}
	return out, true
}

// reply answers one POST: with a document, or with events once something was said before.
type reply struct {
	mu     sync.Mutex
	w      http.ResponseWriter
	events bool
	cut    bool        // the server has ended the stream; what comes is kept for who comes back for it
	kept   [][]byte    // for a client that comes back
	more   chan []byte // to a client that has come back
	stream string      // its name, in the ids of its events
	count  int
}

func (r *reply) send(doc []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event(doc)
}

// event writes a message; r.mu is held.
func (r *reply) event(doc []byte) {
	switch {
	case r.more != nil:
		r.more <- doc
	case r.cut:
		r.kept = append(r.kept, doc)
	default:
		r.open()
		_, _ = r.w.Write(sse(r.nextID(), doc))
		_ = http.NewResponseController(r.w).Flush()
	}
}

func (r *reply) nextID() string {
	if r.stream == "" {
		return ""
	}
	r.count++
	return r.stream + "/" + string(rune('0'+r.count))
}

func (r *reply) open() {
	if r.events {
		return
	}
	r.events = true
	r.w.Header().Set("Content-Type", "text/event-stream")
	r.w.WriteHeader(http.StatusOK)
}

// finish answers.
func (r *reply) finish(status int, doc []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events || r.cut {
		r.event(doc)
		return
	}
	if status == 0 {
		status = http.StatusOK
	}
	r.w.Header().Set("Content-Type", "application/json")
	r.w.WriteHeader(status)
	_, _ = r.w.Write(doc)
}

func sse(id string, doc []byte) []byte {
	var b bytes.Buffer
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("event: message\ndata: ")
	b.Write(doc)
	b.WriteString("\n\n")
	return b.Bytes()
}

func decode(raw []byte) Object {
	var o Object
	if json.Unmarshal(raw, &o) != nil || o == nil {
		return Object{}
	}
	return o
}
