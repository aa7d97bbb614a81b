package policies

import "github.com/yellowjack/yellowjack/internal/label"

// Principal is the verified caller as policies see it. Groups, teams and
// subjects of any issuer but the first carry that issuer's name
// ("group:partner/finance").
type Principal struct {
	Issuer    string   `json:"issuer" jsonschema_description:"Name of the issuer in the configuration."`
	Subject   string   `json:"subject" jsonschema_description:"The token's sub."`
	User      string   `json:"user" jsonschema_description:"Verified e-mail address, empty where it does not count."`
	Client    string   `json:"client" jsonschema_description:"The application (azp or client_id)."`
	Tenant    string   `json:"tenant"`
	Actor     string   `json:"actor" jsonschema_description:"Who acts on behalf of the subject (act)."`
	Groups    []string `json:"groups"`
	Teams     []string `json:"teams"`
	Scopes    []string `json:"scopes"`
	Subjects  []string `json:"subjects" jsonschema_description:"Every string that a grant can name: *, group:finance, user:sara@example.com and so on."`
	Anonymous bool     `json:"anonymous"`
}

// Model is one model: as the client named it, and where that name leads.
type Model struct {
	Named    string `json:"named" jsonschema_description:"As the client wrote it."`
	Provider string `json:"provider" jsonschema_description:"The provider it resolves to."`
	Name     string `json:"name" jsonschema_description:"As that provider names it."`
}

// Feature is something a request asks of the provider beyond a completion:
// a plugin, a search, a preset.
type Feature struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// What is known of an offered tool's description.
const (
	PinNone    = "none"    // it is not compared
	PinNew     = "new"     // nothing was approved yet
	PinSame    = "same"    // it is an approved one
	PinChanged = "changed" // another one was approved
)

// Tool is one tool that the request offers to the model. A server tool is asked of policy as the feature tools:TYPE.
type Tool struct {
	Name   string `json:"name" jsonschema_description:"As the client names it; empty for a server tool without a name."`
	Type   string `json:"type" jsonschema_description:"The dialect's type: function or openrouter:web_search and so on."`
	Server bool   `json:"server" jsonschema_description:"Runs inside the provider; it is granted as the feature tools:TYPE."`
	Hash   string `json:"hash" jsonschema_description:"Of its description and schema; empty when there is none."`
	Pin    string `json:"pin" jsonschema_description:"The engine's: whether that hash is in data.pins: none (not compared), new, same, changed."`
}

// Result is one tool result in the history. Its Label is what is known of the content from before; of content that was
// never seen, label.Clean.
type Result struct {
	Tool       string `json:"tool" jsonschema_description:"The tool whose call it answers; empty when unknown."`
	ID         string `json:"-"`
	Attributed bool   `json:"attributed" jsonschema_description:"Whether its call was found in the history."`
	Verified   bool   `json:"verified" jsonschema_description:"Whether its call is proven to be one that this gateway released for that tool."`
	Bytes      int    `json:"bytes" jsonschema_description:"Its length; of several like results, the longest one's."`
	Count      int    `json:"count" jsonschema_description:"The engine's: how many like results this item stands for."`
	label.Label
}

// RequestInput is what a request's policy sees: who asks, for which models,
// with which tools and tool results. Never the messages.
type RequestInput struct {
	Principal     Principal `json:"principal"`
	Surface       string    `json:"surface" jsonschema_description:"The path that was called."`
	Stream        bool      `json:"stream"`
	Model         Model     `json:"model"`
	Models        []Model   `json:"models" jsonschema_description:"Every model that may answer, the first one included."`
	Features      []Feature `json:"features"`
	UnknownFields []string  `json:"unknown_fields"`
	BYOK          string    `json:"byok" jsonschema_description:"The provider whose own key the caller brings; empty when none."`
	Tools         []Tool    `json:"tools"`
	ToolChoice    []string  `json:"tool_choice" jsonschema_description:"Tools that tool_choice names."`
	Results       []Result  `json:"results" jsonschema_description:"Results of one tool with one label are one item; what is decided of it is decided of all."`
	// Context is the label of everything that the model reads but the results, joined with what the store holds.
	Context label.Label `json:"context" jsonschema_description:"Label of all but the results."`
}

// Call is one tool call that the model made.
type Call struct {
	Choice    int    `json:"choice"`
	Index     int    `json:"index"`
	Tool      string `json:"tool" jsonschema_description:"As the model named it."`
	Arguments []byte `json:"arguments" jsonschema_description:"The call's arguments as a JSON value with exact numbers, references unresolved."`
	Offered   bool   `json:"offered" jsonschema_description:"Whether the request that reached the model offered it."`
	Granted   bool   `json:"granted" jsonschema_description:"Whether a grant of a released call is at hand; none is before a release."`
	// Annotations are what the tool's server says of it (MCP), and Pin what is known of its description; both are the broker's alone.
	Annotations []byte `json:"annotations" jsonschema_description:"What an MCP server says of the tool, such as readOnlyHint: its own word, believed by nobody. Null where a model made the call."`
	Pin         string `json:"pin" jsonschema_description:"Whether the tool's description is an approved one: none (not compared), new, same, changed."`
	// Args says where the arguments come from. A member of Arguments that no Arg covers has the context's label.
	Args []Arg `json:"args" jsonschema_description:"Where the arguments come from, each path once; may be empty where clean is true."`
	// Clean is the engine's: the context and every Arg are trusted, and there is no reference.
	Clean bool `json:"clean" jsonschema_description:"The context and all arguments are trusted, and none holds a reference."`
}

// Arg is where one piece of a call's arguments comes from. In its path an index may stand ("recipients[0].email"), and
// what is ".", "[" or "\" in a name has a "\" before it.
type Arg struct {
	Path string `json:"path" jsonschema_description:"Where it stands, with [] for every index: to, recipients[].email. Empty: the arguments as a whole."`
	Name string `json:"name" jsonschema_description:"The engine's: the path's first name."`
	label.Label
	Person bool `json:"person" jsonschema_description:"A whole typed value that stands in the person's own words."`
	Ref    bool `json:"ref" jsonschema_description:"It holds a reference."`
	Whole  bool `json:"whole" jsonschema_description:"The reference is the whole value, not a piece of a text."`
}

// What calls can be decided for.
const (
	WalkModel  = "model"  // a model made the calls and a client waits for them
	WalkBroker = "broker" // a client makes the calls
)

// ToolcallInput is what a batch of calls is decided on.
type ToolcallInput struct {
	Principal Principal   `json:"principal"`
	Model     Model       `json:"model"`
	Walk      string      `json:"walk" jsonschema_description:"model: a model made the calls; broker: a client makes them. Empty is model."`
	Context   label.Label `json:"context" jsonschema_description:"Label of everything that the model read."`
	Results   []Result    `json:"results" jsonschema_description:"Tool results that the model saw, those of one tool with one label as one item."`
	Calls     []Call      `json:"calls"`
}
