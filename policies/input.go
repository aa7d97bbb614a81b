package policies

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

// Tool is one tool that the request offers to the model.
type Tool struct {
	Name   string `json:"name" jsonschema_description:"As the client names it; empty for a server tool without a name."`
	Type   string `json:"type" jsonschema_description:"The dialect's type: function or openrouter:web_search and so on."`
	Server bool   `json:"server" jsonschema_description:"Runs inside the provider."`
}

// key is the name under which a tool is asked for and answered: a server tool
// is what its type says it is, whatever the client calls it.
func (t Tool) key() string {
	if t.Server || t.Name == "" {
		return t.Type
	}
	return t.Name
}

// Result is one tool result in the history.
type Result struct {
	Tool       string `json:"tool" jsonschema_description:"The tool whose call it answers; empty when unknown."`
	ID         string `json:"id"`
	Attributed bool   `json:"attributed" jsonschema_description:"Whether its call was found in the history."`
	Bytes      int    `json:"bytes"`
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
	Results       []Result  `json:"results"`
}

// Call is one tool call that the model made.
type Call struct {
	Choice    int    `json:"choice"`
	Index     int    `json:"index"`
	Tool      string `json:"tool" jsonschema_description:"As the model named it."`
	Arguments []byte `json:"arguments" jsonschema_description:"The call's arguments as a JSON value with exact numbers."`
	Offered   bool   `json:"offered" jsonschema_description:"Whether the request that reached the model offered it."`
}

// ToolcallInput is what a batch of calls is decided on.
type ToolcallInput struct {
	Principal Principal `json:"principal"`
	Model     Model     `json:"model"`
	Results   []Result  `json:"results" jsonschema_description:"Tool results in the history that the model saw."`
	Calls     []Call    `json:"calls"`
}
