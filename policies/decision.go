package policies

// What a decision may say of a tool.
const (
	Offer = "offer"
	Hide  = "hide"
)

// What a decision may say of a tool result.
const (
	Pass       = "pass"
	Quarantine = "quarantine"
	Drop       = "drop"
)

// What a decision may say of a tool call.
const (
	Allow   = "allow"
	Deny    = "deny"
	Confirm = "confirm"
)

// Decision answers a RequestInput. The zero Decision denies.
type Decision struct {
	Allowed    bool
	HTTPStatus int    // of a refusal; 403 where the policy names none
	Code       string // stable machine code of a refusal
	Reason     string // what was refused, by which rule
	Rule       string
	ID         string // of this decision, for logs and headers
	Revision   string // of the policies and data that decided
	Headers    map[string]string
	Metadata   map[string]any    // dynamic_metadata
	Tools      map[string]string // by the client's name (a server tool: its type): Offer or Hide, each asked tool answered
	Results    []string          // by index: Pass, Quarantine or Drop
	BYOK       bool              // the caller's own provider key may be used
}

// CallDecision is what was decided of one call. The zero CallDecision denies.
type CallDecision struct {
	Verdict string // Allow, Deny or Confirm
	Tool    string // its canonical name, "" when it is not visible
	Reason  string
	Rule    string
}

// CallsDecision answers a ToolcallInput, call by call in the same order.
type CallsDecision struct {
	ID       string
	Revision string
	Calls    []CallDecision
}
