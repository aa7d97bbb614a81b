package edge

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// sealState closes the state of a server that needs input: it opens for the same principal, at the same endpoint, with the same
// request alone, and not for long (2026-07-28, "Server Requirements" of multi round-trip requests).
func (e *Edge) sealState(call *relay.Call, state []byte) string {
	return e.states.Seal(state, e.c.StateTTL, call.Principal.Key(), call.Set, call.Method, digest(call))
}

func (e *Edge) openState(call *relay.Call, text string) ([]byte, error) {
	return e.states.Open(text, call.Principal.Key(), call.Set, call.Method, digest(call))
}

// digest is what a request is about: its params, whatever their order, without _meta, whose progress token changes from one attempt
// to the next.
func digest(call *relay.Call) string {
	params, err := rpc.Change(call.Params).Remove("_meta").Bytes()
	if err == nil {
		if canonical, bad := strictjson.Canonical(params); bad == nil {
			params = canonical
		}
	}
	sum := sha256.Sum256(params)
	return hex.EncodeToString(sum[:])
}

// input is one thing that a server wants of the client.
type input struct {
	key, method string
	params      []byte
}

// inputsOf reads the inputRequests of a result.
func inputsOf(result []byte) ([]input, error) {
	requests := rpc.Raw(result, "inputRequests")
	if requests == nil {
		return nil, nil
	}
	var all []input
	err := rpc.Members(requests, func(key string, value []byte) error {
		method, _ := rpc.Text(value, "method")
		all = append(all, input{key: key, method: method, params: rpc.Raw(value, "params")})
		return nil
	})
	return all, err
}

// missing is the error of a result that wants input which the client has not said it can give.
func missing(result, capabilities []byte) *relay.Error {
	all, err := inputsOf(result)
	if err != nil {
		return &relay.Error{Code: rpc.CodeInternal, Message: "the server's wish for input could not be read"}
	}
	for _, in := range all {
		if !can(capabilities, in) {
			return lacking(in)
		}
	}
	return nil
}

// can tells whether a client can give an input. An elicitation is of a form unless it says url; a client that names neither mode
// can do forms (2026-07-28, "Elicitation", capabilities).
func can(capabilities []byte, in input) bool {
	name := protocol.CapabilityFor(in.method)
	capability := rpc.Raw(capabilities, name)
	if name == "" || len(capability) == 0 || capability[0] != '{' {
		return false
	}
	if in.method != protocol.Elicit {
		return true
	}
	form, url := rpc.Raw(capability, "form") != nil, rpc.Raw(capability, "url") != nil
	if mode, _ := rpc.Text(in.params, "mode"); mode == "url" {
		return url
	}
	return form || !url
}

func lacking(in input) *relay.Error {
	name := protocol.CapabilityFor(in.method)
	if name == "" {
		return &relay.Error{Code: rpc.CodeInternal, Message: "the server wants an input of an unknown kind"}
	}
	inner := `{}`
	if mode, _ := rpc.Text(in.params, "mode"); in.method == protocol.Elicit && mode == "url" {
		inner = `{"url":{}}`
	}
	data := append(llm.AppendQuoted([]byte(`{"requiredCapabilities":{`), name), ':')
	return &relay.Error{Code: rpc.CodeMissingCapability, Message: "this call needs an input that the client cannot give: " + name, Data: append(append(data, inner...), "}}"...)}
}
