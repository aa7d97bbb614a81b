package policies

import "github.com/yellowjack/yellowjack/internal/label"

// What data.tools may say of an argument.
const (
	ArgTrusted = "trusted" // trusted, or the person's own words
	ArgAny     = "any"     // a value from anywhere; a reference as the whole of it
	ArgText    = "text"    // anything, references inside of it too
)

// What data.tools may say of a tool's effect.
const (
	Read        = "read"
	Write       = "write"
	Destructive = "destructive"
)

// What data may say of a description that is not the approved one.
const (
	PinWarn   = "warn"
	PinTaint  = "taint"
	PinRefuse = "refuse"
)

// ToolRules is what the data says of one tool, in Go. It is made once for each revision of the data, is shared by all
// decisions of that revision, and never changes. The zero ToolRules is the strictest.
type ToolRules struct {
	Tool            string // canonical
	Trusted         bool   // result: trusted
	Effect          string // Read, Write or Destructive; Write where the data says nothing
	Sensitive       bool
	Confidentiality label.Confidentiality // of its results
	Grant           bool                  // grant: required
	Pin             string                // PinWarn, PinTaint or PinRefuse
	Hashes          []string              // approved descriptions
	Args            map[string]string     // by path or name: ArgTrusted, ArgAny or ArgText

	Format    string               // what its results are written in; empty finds out
	Fields    map[string]FieldRule // by path or name
	Names     []string             // further names of fields that may be shown
	Schema    []byte               // JSON Schema of its results; nil is none
	MaxItems  int                  // 0: the default
	Bits      float64              // what one result may tell; 0: the configuration's
	Questions []QuestionRule
	Rounds    int // of the privileged model's questions; -1: the configuration's

	// Compiled is what Config.Compile made of these rules.
	Compiled any
}

// FieldRule says what a field of a result must be for a model to read it.
type FieldRule struct {
	Type     string
	Min, Max *float64
	Decimals int
	Enum     []string
	Pattern  string
	MaxLen   int
	Bits     float64
}

// QuestionRule is one typed question that is asked about each untrusted result of a tool.
type QuestionRule struct {
	ID       string
	Ask      string
	Type     string // yesno, choice, int, date, count, span, render
	Options  []string
	Min, Max int64 // of dates: days since 1970-01-01
	Pattern  string
	About    string // the field that it is about; empty is the whole result
}
