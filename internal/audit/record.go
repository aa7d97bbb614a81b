// Package audit writes one JSON line for each exchange: who asked for what, what was decided and why, which key paid
// and what was used. No content and no secret is in a Record; a key appears by its id.
//
// Write encodes the record in the caller, so the record may be changed afterwards, and hands the line to one writer
// goroutine through a bounded queue. The writer gathers what arrived within a few milliseconds into one write, which
// keeps both the system calls and the wake-ups few. No line is lost silently: when the queue is full Write waits for a
// moment and then fails, and while the file cannot be written every Write fails and the lines already taken are kept
// and tried again. Whoever calls Write decides what a failure means; the walk ends the exchange. Close writes what is
// left and says if it could not.
package audit

import "time"

// Sink takes records. Write must not keep the record.
type Sink interface {
	Write(r *Record) error
}

// Record is one exchange.
type Record struct {
	Time       time.Time `json:"time"`
	Exchange   string    `json:"exchange_id,omitempty"`
	DecisionID string    `json:"decision_id"`
	Decision   string    `json:"decision"` // allow, refuse, answer, upstream_error, cut
	Code       string    `json:"code,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Rule       string    `json:"rule,omitempty"`
	Label      string    `json:"label,omitempty"` // of all that the model reads: integrity/confidentiality

	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	User    string `json:"user,omitempty"`
	Client  string `json:"client,omitempty"`

	// An exchange of the internal listener is a model call of ours: on whose exchange's behalf, and what for.
	Internal bool   `json:"internal,omitempty"`
	Parent   string `json:"parent_exchange,omitempty"`
	Purpose  string `json:"purpose,omitempty"`

	// A call of the tool walk: what an MCP client asked, and of which server. What it was about stands in Calls.
	Method string `json:"mcp_method,omitempty"`
	Server string `json:"mcp_server,omitempty"`

	Path           string `json:"path,omitempty"`
	Status         int    `json:"status,omitempty"`
	UpstreamStatus int    `json:"upstream_status,omitempty"`
	Stream         bool   `json:"stream"`
	BytesIn        int    `json:"bytes_in,omitempty"`

	Provider      string `json:"provider,omitempty"`
	Model         string `json:"model,omitempty"`
	NamedModel    string `json:"named_model,omitempty"`
	AnsweredModel string `json:"answered_model,omitempty"`
	Surface       string `json:"-"` // what the path asks for, a word of the walk's own; "" where it is not served
	ModelLabel    string `json:"-"` // the model's name for metrics, of bounded number
	Credential    string `json:"credential,omitempty"`

	ToolsOffered []string `json:"tools_offered,omitempty"`
	ToolsHidden  []string `json:"tools_hidden,omitempty"`
	ToolsSeen    []Seen   `json:"tools_seen,omitempty"` // descriptions that this process had not seen before
	Pins         []Pin    `json:"pins,omitempty"`       // tools whose description is not the approved one
	Calls        []Call   `json:"calls,omitempty"`

	Results []Result `json:"results,omitempty"`

	Usage *Usage `json:"usage,omitempty"`

	PolicyRevision string `json:"policy_revision,omitempty"`
	OwnMicros      int64  `json:"own_time_us"`
	DurationMS     int64  `json:"duration_ms"`
}

// Call is one tool call that the model made, and what became of it. Its arguments are content and are not here.
type Call struct {
	Tool    string `json:"tool"`
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
	Rule    string `json:"rule,omitempty"`

	// Which decision of which policies it was; of a call that was refused unasked, none.
	DecisionID     string `json:"decision_id,omitempty"`
	PolicyRevision string `json:"policy_revision,omitempty"`
}

// Seen is what a tool said of itself: the hash of its description and of the schema of its arguments.
type Seen struct {
	Tool string `json:"tool"`
	Hash string `json:"hash"`
}

// Pin is a tool whose description is not the approved one, and what policy makes of that.
type Pin struct {
	Tool  string `json:"tool"`
	State string `json:"state"` // new, changed
	Mode  string `json:"mode"`  // warn, taint, refuse
	Hash  string `json:"hash"`
}

// Result is what became of one tool result in the history, or of something that is treated as one. What is trusted and public, and
// passes, is left out.
type Result struct {
	Tool      string  `json:"tool,omitempty"` // whose call it is proven to answer
	Treatment string  `json:"treatment"`      // pass, quarantine, drop
	Rule      string  `json:"rule,omitempty"`
	Origin    string  `json:"origin,omitempty"` // why it is believed, or is not
	Label     string  `json:"label"`            // of what the model reads: integrity/confidentiality
	Status    string  `json:"status,omitempty"` // why less is shown
	Bytes     int     `json:"bytes"`
	Bits      float64 `json:"bits"`       // of information, charged now
	Shown     float64 `json:"shown_bits"` // that what is shown is worth
	Questions int     `json:"questions,omitempty"`
	Unknown   int     `json:"unknown,omitempty"` // questions without an answer
	ModelMS   int64   `json:"model_ms,omitempty"`
	Cached    bool    `json:"cached,omitempty"` // no model was asked
}

// Usage is what the provider says was used; a record has none when it did not say, since an unknown use is not a use of zero.
type Usage struct {
	Input       int64    `json:"input_tokens"`
	Output      int64    `json:"output_tokens"`
	CachedRead  int64    `json:"cached_tokens,omitempty"`
	CachedWrite int64    `json:"cache_write_tokens,omitempty"`
	Reasoning   int64    `json:"reasoning_tokens,omitempty"`
	Cost        *float64 `json:"cost,omitempty"` // US dollars; nil when it is not known
	Price       string   `json:"price"`          // who says so
}

// Who says what an answer cost.
const (
	PriceProvider = "provider" // the provider itself
	PriceTable    = "table"    // the table of prices
	PriceUnknown  = "unknown"
)
