package edge

import (
	"net/http"
	"strconv"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// modern serves a message of the stateless era: everything that it needs stands in it.
func (e *Edge) modern(w http.ResponseWriter, r *http.Request, p *identity.Principal, set string, m *rpc.Message, version string) {
	switch m.Kind {
	case rpc.Response:
		fail(w, http.StatusBadRequest, nil, &relay.Error{Code: rpc.CodeInvalidRequest, Message: "a client of this version sends no responses"})
		return
	case rpc.Notification: // this version has none over HTTP; one that is sent anyway changes nothing
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if refused := e.validate(r, p, set, m, version); refused != nil {
		fail(w, statusOf(refused), m.ID, refused)
		return
	}
	call, refused := e.callOf(p, set, m)
	if refused != nil {
		fail(w, statusOf(refused), m.ID, refused)
		return
	}
	out := respond(w, e.c.Keepalive)
	defer out.close()
	call.Notify = func(method string, params []byte) error {
		if method == protocol.NotifyMessage {
			if level, _ := rpc.Text(params, "level"); !protocol.Loud(level, call.LogLevel) {
				return nil
			}
		}
		if m.Method == protocol.Listen {
			var err error
			if params, err = subscribed(params, m.ID); err != nil {
				return err
			}
		}
		return out.send(rpc.AppendNotification(nil, method, params))
	}
	answer, err := e.c.Receiver.Call(r.Context(), call)
	result, refused := e.settle(m, call, answer, err)
	if ended := revoked(r.Context()); ended != nil {
		refused = ended
	}
	if refused != nil {
		out.finish(statusOf(refused), rpc.AppendError(nil, m.ID, refused))
		return
	}
	if m.Method == protocol.Listen { // we end it ("Cancellation": a server says so of such a stream alone)
		if params, err := subscribed(append(append([]byte(`{"requestId":`), m.ID...), '}'), m.ID); err == nil {
			_ = out.send(rpc.AppendNotification(nil, protocol.NotifyCancelled, params)) // who is gone hears nothing
		}
	}
	out.finish(http.StatusOK, rpc.AppendResult(nil, m.ID, result))
}

// validate holds a request to what the version asks of its headers and its _meta ("Request Metadata", "_meta").
func (e *Edge) validate(r *http.Request, p *identity.Principal, set string, m *rpc.Message, version string) *relay.Error {
	if err := protocol.Check(r.Header, version, m.Method, m.Params); version != "" && err != nil {
		return &relay.Error{Code: rpc.CodeHeaderMismatch, Message: err.Error()}
	}
	switch {
	case version == "":
		return &relay.Error{Code: rpc.CodeInvalidParams, HTTPStatus: http.StatusBadRequest, Message: "params._meta must have " + protocol.MetaVersion}
	case !protocol.Modern(version):
		return unsupported(version)
	case !protocol.Has(version, m.Method):
		return &relay.Error{Code: rpc.CodeNoMethod, Message: "there is no such method"}
	}
	if caps := rpc.Raw(m.Params, "_meta", protocol.MetaCapabilities); len(caps) == 0 || caps[0] != '{' {
		return &relay.Error{Code: rpc.CodeInvalidParams, HTTPStatus: http.StatusBadRequest, Message: "params._meta must have " + protocol.MetaCapabilities}
	}
	if level := rpc.Raw(m.Params, "_meta", protocol.MetaLogLevel); level != nil {
		if word, _ := rpc.Text(m.Params, "_meta", protocol.MetaLogLevel); !protocol.KnownLevel(word) {
			return &relay.Error{Code: rpc.CodeInvalidParams, HTTPStatus: http.StatusBadRequest, Message: protocol.MetaLogLevel + " is no level"}
		}
	}
	if m.Method != protocol.CallTool || e.c.Params == nil {
		return nil
	}
	tool, _ := rpc.Text(m.Params, "name")
	params, err := e.c.Params(r.Context(), p, set, tool)
	if err != nil {
		return e.asError(err, m.Method)
	}
	arguments := rpc.Raw(m.Params, "arguments")
	for _, param := range params {
		if err := param.Check(r.Header, arguments); err != nil {
			return &relay.Error{Code: rpc.CodeHeaderMismatch, Message: err.Error()}
		}
	}
	return nil
}

// unsupported names the versions that are spoken ("Protocol Version Negotiation").
func unsupported(asked string) *relay.Error {
	data := []byte(`{"supported":[`)
	for i, v := range protocol.Versions() {
		if i > 0 {
			data = append(data, ',')
		}
		data = strconv.AppendQuote(data, v)
	}
	data = llm.AppendQuoted(append(data, `],"requested":`...), asked)
	return &relay.Error{Code: rpc.CodeUnsupportedVersion, Message: "Unsupported protocol version", Data: append(data, '}')}
}

// callOf makes the call: what belongs to the protocol leaves the params, and a state that was given out is opened.
func (e *Edge) callOf(p *identity.Principal, set string, m *rpc.Message) (*relay.Call, *relay.Error) {
	call := &relay.Call{Principal: p, Set: set, Method: m.Method, Params: []byte("{}")}
	call.Capabilities = rpc.Raw(m.Params, "_meta", protocol.MetaCapabilities)
	call.ClientInfo = rpc.Raw(m.Params, "_meta", protocol.MetaClientInfo)
	call.LogLevel, _ = rpc.Text(m.Params, "_meta", protocol.MetaLogLevel)

	meta, err := rpc.Change(rpc.Raw(m.Params, "_meta")).
		Remove(protocol.MetaVersion, protocol.MetaCapabilities, protocol.MetaClientInfo, protocol.MetaLogLevel).Bytes()
	if err != nil {
		return nil, e.asError(err, m.Method)
	}
	edit := rpc.Change(m.Params).Set(meta, "_meta")
	if protocol.MayNeedInput(m.Method) {
		edit.Remove("inputResponses", "requestState")
		call.Inputs = rpc.Raw(m.Params, "inputResponses")
		if call.Inputs != nil && call.Inputs[0] != '{' {
			return nil, &relay.Error{Code: rpc.CodeInvalidParams, Message: "inputResponses must be an object"}
		}
	}
	if call.Params, err = edit.Bytes(); err != nil {
		return nil, e.asError(err, m.Method)
	}
	if raw := rpc.Raw(m.Params, "requestState"); raw != nil && protocol.MayNeedInput(m.Method) {
		text, _ := rpc.Text(m.Params, "requestState")
		if call.State, err = e.openState(call, text); err != nil {
			return nil, &relay.Error{Code: rpc.CodeInvalidParams, Message: "requestState is not valid here, or no longer"}
		}
	}
	return call, nil
}

// subscribed marks a notification with the subscription that it is for.
func subscribed(params []byte, id rpc.ID) ([]byte, error) {
	if params == nil {
		params = []byte("{}")
	}
	if rpc.Raw(params, "_meta") == nil {
		return rpc.Change(params).Set(append(append([]byte(`{"`+protocol.MetaSubscription+`":`), id...), '}'), "_meta").Bytes()
	}
	return rpc.Change(params).Set(id, "_meta", protocol.MetaSubscription).Bytes()
}

// settle turns what a call led to into the result of the modern era.
func (e *Edge) settle(m *rpc.Message, call *relay.Call, a relay.Answer, err error) ([]byte, *relay.Error) {
	switch {
	case err != nil:
		return nil, e.asError(err, call.Method)
	case a.Err != nil:
		return nil, modernError(a.Err)
	case len(a.Result) == 0 || a.Result[0] != '{':
		return nil, &relay.Error{Code: rpc.CodeInternal, Message: "the server gave no result"}
	}
	result := a.Result
	if a.NeedInput {
		if !protocol.MayNeedInput(call.Method) {
			return nil, &relay.Error{Code: rpc.CodeInternal, Message: "the server wants input where none can be given"}
		}
		if refused := missing(result, call.Capabilities); refused != nil {
			return nil, refused
		}
		result, err = rpc.Change(result).SetText(e.sealState(call, a.State), "requestState").SetText(protocol.ResultInput, "resultType").Bytes()
	} else if rpc.Raw(result, "resultType") == nil {
		result, err = rpc.Change(result).SetText(protocol.ResultComplete, "resultType").Bytes()
	}
	if err == nil && !a.NeedInput && protocol.Cacheable(call.Method) {
		result, err = cacheable(result)
	}
	if err == nil && call.Method == protocol.Listen {
		result, err = subscribed(result, m.ID)
	}
	if err != nil {
		return nil, e.asError(err, call.Method)
	}
	return result, nil
}

// cacheable says how long a result may be kept, where its server did not, and for whom ("Caching"): what one principal may read need
// not be another's, whatever the server says.
func cacheable(result []byte) ([]byte, error) {
	edit := rpc.Change(result)
	if rpc.Raw(result, "ttlMs") == nil {
		edit.Set([]byte("0"), "ttlMs")
	}
	if scope, _ := rpc.Text(result, "cacheScope"); scope != protocol.ScopePrivate {
		edit.SetText(protocol.ScopePrivate, "cacheScope")
	}
	return edit.Bytes()
}

// modernError is an error as this version has it: what has no code of its own any more gets the one that took its place ("Resource Not
// Found").
func modernError(e *relay.Error) *relay.Error {
	if e.Code != rpc.CodeNoResource {
		return e
	}
	changed := *e
	changed.Code = rpc.CodeInvalidParams
	return &changed
}

// statusOf is the HTTP status of an error in the modern era: what is wrong with the request itself is a 400, a method that does not
// exist a 404; what went wrong while it was done is a result like any other.
func statusOf(err *relay.Error) int {
	switch {
	case err.HTTPStatus != 0:
		return err.HTTPStatus
	case err.Code == rpc.CodeNoMethod:
		return http.StatusNotFound
	case err.Code == rpc.CodeParse, err.Code == rpc.CodeInvalidRequest, err.Code == rpc.CodeHeaderMismatch,
		err.Code == rpc.CodeMissingCapability, err.Code == rpc.CodeUnsupportedVersion:
		return http.StatusBadRequest
	}
	return http.StatusOK
}
