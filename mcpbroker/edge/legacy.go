package edge

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

const (
	// maxRounds is how often one call may want input.
	maxRounds = 16
	// maxCall is how long a call goes on when its client has gone, which does not mean that it is cancelled (2025-11-25,
	// "Sending Messages to the Server").
	maxCall = 10 * time.Minute
)

// legacy serves a message of a session, or the initialize that opens one.
func (e *Edge) legacy(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string, m *rpc.Message) {
	if m.Method == protocol.Initialize && m.Kind == rpc.Request {
		e.initialize(w, r, p, set, m)
		return
	}
	c, ok := e.sessionOf(w, r, p, set)
	if !ok {
		return
	}
	if m.Kind != rpc.Request {
		e.note(c, m)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	out := respond(w, e.c.Keepalive)
	defer out.close()
	if doc := e.serve(r.Context(), c, p, set, m, out); doc != nil {
		out.finish(http.StatusOK, doc)
	} else if err := out.open(); err != nil { // cancelled: there is nothing to say
		return
	}
}

// sessionOf finds the session that a request belongs to, or answers why there is none.
func (e *Edge) sessionOf(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string) (*session, bool) {
	ids := r.Header.Values(protocol.HeaderSession)
	if len(ids) != 1 {
		fail(w, http.StatusBadRequest, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "begin with initialize and send its " + protocol.HeaderSession})
		return nil, false
	}
	c, err := e.openSession(p, set, ids[0])
	if err != nil {
		fail(w, http.StatusNotFound, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "there is no such session; begin with initialize"})
		return nil, false
	}
	// The version is that of the session: a client should name it, and one that names another of them is heard all the same
	// (2025-11-25, "Protocol Version Header").
	if v := r.Header.Get(protocol.HeaderVersion); v != "" && !slices.Contains(protocol.LegacyVersions(), v) {
		fail(w, http.StatusBadRequest, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: protocol.HeaderVersion + " is no version that has sessions here"})
		return nil, false
	}
	return c, true
}

// initialize opens a session: it answers with the version, and with what the servers behind can do.
func (e *Edge) initialize(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string, m *rpc.Message) {
	asked, ok := rpc.Text(m.Params, "protocolVersion")
	if caps := rpc.Raw(m.Params, "capabilities"); !ok || len(caps) == 0 || caps[0] != '{' {
		fail(w, http.StatusOK, m.ID, &relay.Error{Code: rpc.CodeInvalidParams, Message: "initialize has a protocolVersion and capabilities"})
		return
	}
	version := protocol.Answer(asked)
	answer, err := e.c.Receiver.Call(r.Context(), &relay.Call{
		Principal: p, Set: set, Method: protocol.Discover, Params: []byte("{}"), Capabilities: rpc.Raw(m.Params, "capabilities"),
		Notify: func(string, []byte) error { return nil },
	})
	if err == nil && answer.Err != nil {
		err = answer.Err
	}
	if err != nil {
		fail(w, http.StatusOK, m.ID, e.asError(err, m.Method))
		return
	}
	result := llm.AppendQuoted([]byte(`{"protocolVersion":`), version)
	capabilities, err := rpc.Change(orEmpty(rpc.Raw(answer.Result, "capabilities"))).Remove("extensions").Bytes()
	if err != nil {
		capabilities = []byte("{}")
	}
	result = append(append(result, `,"capabilities":`...), capabilities...)
	result = llm.AppendQuoted(append(result, `,"serverInfo":{"name":`...), e.c.Name)
	result = append(llm.AppendQuoted(append(result, `,"version":`...), e.c.Version), '}')
	if text := rpc.Raw(answer.Result, "instructions"); text != nil {
		result = append(append(result, `,"instructions":`...), text...)
	}
	id := e.sealSession(p, set, version, m.Params)
	w.Header().Set(protocol.HeaderSession, id)
	out := respond(w, e.c.Keepalive)
	defer out.close()
	out.finish(http.StatusOK, rpc.AppendResult(nil, m.ID, append(result, '}')))
}

func orEmpty(object []byte) []byte {
	if len(object) == 0 || object[0] != '{' {
		return []byte("{}")
	}
	return object
}

// note takes a notification, or an answer to something that we asked.
func (e *Edge) note(c *session, m *rpc.Message) {
	switch {
	case m.Kind == rpc.Response:
		c.answered(m)
	case m.Method == protocol.NotifyCancelled:
		if id := rpc.Raw(m.Params, "requestId"); id != nil {
			c.cancel(id)
		}
	}
}

// serve answers a request of a session; nil is no answer, to one that was cancelled.
func (e *Edge) serve(ctx context.Context, c *session, p *identity.Principal, set string, m *rpc.Message, out *responder) []byte {
	result, refused := e.local(c, m)
	if result == nil && refused == nil {
		lasting, end := detached(ctx)
		defer end()
		ctx, stop := context.WithTimeout(lasting, maxCall)
		defer stop()
		open, done, err := c.begin(ctx, m.ID)
		if err != nil {
			return rpc.AppendError(nil, m.ID, err)
		}
		defer done()
		result, refused = e.relay(open, c, p, set, m, out)
		if ended := revoked(open); ended != nil {
			return rpc.AppendError(nil, m.ID, ended)
		}
		if open.Err() != nil {
			return nil
		}
	}
	if refused != nil {
		return rpc.AppendError(nil, m.ID, refused)
	}
	return rpc.AppendResult(nil, m.ID, result)
}

// local answers what is between the client and us alone.
func (e *Edge) local(c *session, m *rpc.Message) ([]byte, *relay.Error) {
	if !protocol.Has(c.version, m.Method) {
		return nil, &relay.Error{Code: rpc.CodeNoMethod, Message: "there is no such method"}
	}
	switch m.Method {
	case protocol.Initialize:
		return nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "initialize cannot be in a batch"}
	case protocol.Ping:
		return []byte("{}"), nil
	case protocol.SetLogLevel:
		level, _ := rpc.Text(m.Params, "level")
		return []byte("{}"), c.setLevel(level)
	case protocol.Subscribe, protocol.Unsubscribe:
		uri, ok := rpc.Text(m.Params, "uri")
		if !ok || uri == "" {
			return nil, &relay.Error{Code: rpc.CodeInvalidParams, Message: "uri is missing"}
		}
		return []byte("{}"), c.subscribe(uri, m.Method == protocol.Subscribe)
	}
	return nil, nil
}

// relay makes the call, and asks the client for whatever a server wants in between.
func (e *Edge) relay(ctx context.Context, c *session, p *identity.Principal, set string, m *rpc.Message, out *responder) ([]byte, *relay.Error) {
	call := &relay.Call{
		Principal: p, Set: set, Method: m.Method, Params: orEmpty(m.Params), Capabilities: orEmpty(c.caps), ClientInfo: c.info, LogLevel: c.logLevel(),
		Notify: func(method string, params []byte) error {
			if level, _ := rpc.Text(params, "level"); method == protocol.NotifyMessage && !protocol.Loud(level, c.logLevel()) {
				return nil
			}
			return out.send(rpc.AppendNotification(nil, method, params))
		},
	}
	for range maxRounds {
		answer, err := e.c.Receiver.Call(ctx, call)
		switch {
		case err != nil:
			return nil, e.asError(err, m.Method)
		case answer.Err != nil:
			return nil, answer.Err
		case len(answer.Result) == 0 || answer.Result[0] != '{':
			return nil, &relay.Error{Code: rpc.CodeInternal, Message: "the server gave no result"}
		case !answer.NeedInput:
			return answer.Result, nil
		}
		inputs, refused := e.gather(ctx, c, answer.Result, out)
		if refused != nil {
			return nil, refused
		}
		next := *call
		next.Inputs, next.State = inputs, answer.State
		call = &next
	}
	return nil, &relay.Error{Code: rpc.CodeInternal, Message: fmt.Sprintf("the server wanted input more than %d times", maxRounds)}
}

// gather asks the client for all inputs of a round, at the same time.
func (e *Edge) gather(ctx context.Context, c *session, result []byte, out *responder) ([]byte, *relay.Error) {
	all, err := inputsOf(result)
	if err != nil {
		return nil, e.asError(err, "input")
	}
	for _, in := range all {
		if !can(c.caps, in) {
			return nil, lacking(in)
		}
	}
	values := make([][]byte, len(all))
	failed := make([]*relay.Error, len(all))
	var wait sync.WaitGroup
	for i, in := range all {
		wait.Go(func() {
			params, err := forLegacy(in)
			if err == nil {
				values[i], failed[i] = c.ask(ctx, out, e.c.StateTTL, input{key: in.key, method: in.method, params: params})
			}
		})
	}
	wait.Wait()
	inputs := []byte{'{'}
	for i, in := range all {
		if failed[i] != nil || values[i] == nil {
			return nil, orInternal(failed[i])
		}
		if i > 0 {
			inputs = append(inputs, ',')
		}
		inputs = append(append(llm.AppendQuoted(inputs, in.key), ':'), values[i]...)
	}
	return append(inputs, '}'), nil
}

func orInternal(err *relay.Error) *relay.Error {
	if err != nil {
		return err
	}
	return &relay.Error{Code: rpc.CodeInternal, Message: "the client could not be asked"}
}

// forLegacy gives a url elicitation the id that versions before 2026-07-28 want.
func forLegacy(in input) ([]byte, error) {
	if mode, _ := rpc.Text(in.params, "mode"); in.method != protocol.Elicit || mode != "url" || rpc.Raw(in.params, "elicitationId") != nil {
		return in.params, nil
	}
	return rpc.Change(in.params).SetText(rand.Text(), "elicitationId").Bytes()
}

// listen is the stream on which a session's client hears what no request of its own led to.
func (e *Edge) listen(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string) {
	if r.Header.Get(protocol.HeaderSession) == "" {
		w.Header().Set("Allow", "POST")
		fail(w, http.StatusMethodNotAllowed, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "use POST"})
		return
	}
	if !accepts(r, "text/event-stream") {
		fail(w, http.StatusNotAcceptable, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "accept must list text/event-stream"})
		return
	}
	c, ok := e.sessionOf(w, r, p, set)
	if !ok {
		return
	}
	ctx, done := c.listening(r.Context())
	defer done()
	out := respond(w, e.c.Keepalive)
	defer out.close()
	if out.open() != nil {
		return
	}
	for ctx.Err() == nil {
		params, changed := c.filter()
		again, stop := context.WithCancel(ctx)
		release := context.AfterFunc(ctx, stop)
		go func() {
			select {
			case <-changed:
				stop()
			case <-again.Done():
			}
		}()
		_, err := e.c.Receiver.Call(again, &relay.Call{
			Principal: p, Set: set, Method: protocol.Listen, Params: params, Capabilities: orEmpty(c.caps), ClientInfo: c.info, LogLevel: c.logLevel(),
			Notify: func(method string, params []byte) error {
				if method == protocol.NotifyAcknowledged {
					return nil // of the modern era
				}
				return out.send(rpc.AppendNotification(nil, method, params))
			},
		})
		renewed := again.Err() != nil && ctx.Err() == nil
		release()
		stop()
		if !renewed {
			if err != nil && ctx.Err() == nil {
				e.c.Log.Warn("a session's stream ended", "err", err)
			}
			return
		}
	}
}

// terminate ends a session.
func (e *Edge) terminate(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string) {
	if r.Header.Get(protocol.HeaderSession) == "" {
		w.Header().Set("Allow", "POST")
		fail(w, http.StatusMethodNotAllowed, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "use POST"})
		return
	}
	if c, ok := e.sessionOf(w, r, p, set); ok {
		e.sessions.end(c, e.c.SessionTTL)
		w.WriteHeader(http.StatusNoContent)
	}
}

// batch serves a list of messages, which version 2025-03-26 has. The answers come in one list, or one by one on a stream.
func (e *Edge) batch(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string, all []*rpc.Message) {
	c, ok := e.sessionOf(w, r, p, set)
	if !ok {
		return
	}
	if !protocol.Batches(c.version) {
		fail(w, http.StatusBadRequest, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "this version has no batches"})
		return
	}
	out := respond(w, e.c.Keepalive)
	defer out.close()
	docs := make([][]byte, len(all))
	var wait sync.WaitGroup
	asked := false
	for i, m := range all {
		if m.Kind != rpc.Request {
			e.note(c, m)
			continue
		}
		asked = true
		wait.Go(func() { docs[i] = e.serve(r.Context(), c, p, set, m, out) })
	}
	wait.Wait()
	if !asked {
		out.accept()
		return
	}
	out.finishAll(docs)
}
