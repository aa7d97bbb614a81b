package policies

import "github.com/yellowjack/yellowjack/internal/label"

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
	ID         string            // of this decision, for logs and headers
	Revision   string            // of the policies and data that decided
	Headers    map[string]string // in lower case: towards the provider when allowed, towards the client when not
	Metadata   map[string]string // dynamic_metadata, for the access log; what is no text there is its JSON
	Tools      map[string]string // by the client's name, server tools left out: Offer or Hide, each asked tool answered
	Results    []ResultDecision  // one for each of RequestInput.Results, in the same order
	Context    label.Label       // of all that the model reads: of the request, its results as treated, its features and changed tools
	Pins       []PinFinding      // tools whose description is not the approved one
	BYOK       bool              // the caller's own provider key may be used
}

// ResultDecision is what was decided of one tool result. The zero ResultDecision quarantines nothing and passes nothing:
// its treatment is no word.
type ResultDecision struct {
	Treatment string // Pass, Quarantine or Drop
	Rule      string
	Reason    string
	Tool      string      // its canonical name, "" when the result is not known to be of a tool in the data
	Label     label.Label // of what stands in its place: the content when passed, the clearance when quarantined
	Rules     *ToolRules  // how the tool's results are read; nil when Tool is ""
}

// PinFinding is a tool whose description is not the approved one, and what the data says of that.
type PinFinding struct {
	Tool  string // its canonical name
	State string // PinNew or PinChanged
	Mode  string // PinWarn, PinTaint or PinRefuse
	Hash  string // of the description that the request offers
}

// CallDecision is what was decided of one call. The zero CallDecision denies.
type CallDecision struct {
	Verdict string // Allow, Deny or Confirm
	Tool    string // its canonical name, "" when it is not visible
	Reason  string
	Rule    string
	Rules   *ToolRules // nil when Tool is ""
}

// CallsDecision answers a ToolcallInput, call by call in the same order.
type CallsDecision struct {
	ID       string
	Revision string
	Calls    []CallDecision
}
