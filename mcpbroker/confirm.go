package mcpbroker

import (
	"fmt"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine/render"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

const (
	// confirmKey names our own input request.
	confirmKey = "yellowjack_confirm"
	// shownArguments is how much of a call's arguments a person is shown. A call with more cannot be confirmed: what is not shown
	// could be what matters.
	shownArguments = 4000
)

// canConfirm tells whether a client can show its person a form: it has elicitation, and of its modes not that of urls alone.
func canConfirm(capabilities []byte) bool {
	capability := rpc.Raw(capabilities, protocol.CapabilityFor(protocol.Elicit))
	if len(capability) == 0 || capability[0] != '{' {
		return false
	}
	return rpc.Raw(capability, "form") != nil || rpc.Raw(capability, "url") == nil
}

// confirmation is the question whether a call may be made. The arguments may be a third party's words: they are shown as text that
// does nothing.
func confirmation(t *target, reason string) []byte {
	arguments := render.Harmless(string(t.arguments), render.Options{})
	message := fmt.Sprintf("May %s be called with these arguments?\n\n%s", t.full, arguments)
	if reason != "" {
		message += "\n\nYou are asked because: " + reason
	}
	out := []byte(`{"resultType":"input_required","inputRequests":{"` + confirmKey + `":{"method":"` + protocol.Elicit + `","params":{"mode":"form","message":`)
	out = llm.AppendQuoted(out, message)
	return append(out, `,"requestedSchema":{"type":"object","properties":{"confirm":{"type":"boolean","title":"Make this call","default":false}},"required":["confirm"]}}}}}`...)
}

// confirmable tells whether all of a call's arguments can be shown.
func confirmable(t *target) bool {
	return len(t.arguments) <= shownArguments && utf8.Valid(t.arguments)
}

// consented tells whether the person said yes: by the form, and in it.
func consented(inputs []byte) bool {
	action, _ := rpc.Text(inputs, confirmKey, "action")
	return action == "accept" && string(rpc.Raw(inputs, confirmKey, "content", "confirm")) == "true"
}

// denial is how a client reads that a call was refused: as a tool's error, which its model sees; of anything but a tool, as an error
// of the protocol.
func denial(t *target, reason string) relay.Answer {
	if t.method != protocol.CallTool {
		return refused(rpc.CodeInvalidParams, reason)
	}
	out := llm.AppendQuoted([]byte(`{"content":[{"type":"text","text":`), "The call was refused: "+reason)
	return relay.Answer{Result: append(out, `}],"isError":true}`...)}
}
