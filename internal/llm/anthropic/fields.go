package anthropic

import "github.com/yellowjack/yellowjack/internal/strictjson"

// class says what a top-level field of a request may do, and so who is asked about it.
type class byte

const (
	// inert fields shape the text that the model writes, or the provider's accounts. They pass byte for byte.
	inert class = iota
	// prose fields are as inert as that, and carry text of the application's that the model reads.
	prose
	// structural fields are read.
	structural
	// asked fields select models or hosts, run tools, or change the context where no proxy can see. Each is a feature
	// that policy must grant by name.
	asked
)

// The kinds of value that a field takes, besides null, which every field takes as if it were not there.
const (
	aNumber  = "0"
	aString  = `"`
	aBool    = "tf"
	aList    = "["
	anObject = "{"
)

type field struct {
	class class
	kinds string
}

// fields is the table of the top-level fields. A name that is not in it is reported as unknown, and refused unless policy
// lists it.
var fields = map[string]field{ //nolint:gochecknoglobals // a constant in all but syntax
	"model":       {structural, aString},
	"messages":    {structural, aList},
	"system":      {structural, aString + aList},
	"tools":       {structural, aList},
	"tool_choice": {structural, anObject},
	"stream":      {structural, aBool},

	// How the text is sampled, how long it is, and what comes with it.
	"max_tokens":     {inert, aNumber},
	"temperature":    {inert, aNumber},
	"top_k":          {inert, aNumber},
	"top_p":          {inert, aNumber},
	"stop_sequences": {inert, aList},
	"thinking":       {inert, anObject},
	"output_config":  {prose, anObject}, // a schema with descriptions in it
	"output_format":  {prose, anObject},

	// The provider's accounts and caches. A cache chooses no content: the prefix must match besides.
	"cache_control":         {inert, anObject},
	"service_tier":          {inert, aString},
	"speed":                 {inert, aString},
	"fallback_credit_token": {inert, aString + anObject},
	"metadata":              {inert, anObject}, // only scalars, as gateways take instructions in nested values

	// What chooses models or hosts.
	"fallbacks":     {asked, aString + aList},
	"inference_geo": {asked, aString},

	// What runs tools, or keeps something at the provider.
	"mcp_servers": {asked, aList},              // one feature per host
	"container":   {asked, aString + anObject}, // a sandbox that is kept, and one feature per skill
	"diagnostics": {asked, anObject},           // of an earlier message, which the provider has kept

	// What takes things out of the middle of the context, or writes them anew.
	"context_management": {asked, anObject}, // one feature per edit
	"compaction":         {asked, anObject},
}

// The places in which a block may stand.
type place byte

const (
	inUser place = 1 << iota
	inAssistant
	inSystem
	inResult   // the content of a client tool's result
	inDocument // the content of a document that is given in blocks
	inText     // a list that takes blocks of text alone
)

// what says what a member of a block is.
type what byte

const (
	nothing   what = iota // says nothing that the model reads
	words                 // a text
	anything              // any value that has text in it
	thoughts              // what a model thought, signed
	signature             // of that
	callID                // of a call, or that a result answers
	toolName              // that a call is of
	server                // the MCP server whose tool it is
	input                 // of a call, an object
	content               // of a result
	blocks                // a list of blocks
	source                // of an image or a document
	file                  // the id of a stored one
)

// A blockKind is one kind of block.
type blockKind struct {
	name    string
	in      place
	call    bool // a call …
	result  bool // … or a result
	server  bool // … of a tool that runs inside the provider
	media   bool // no text, where its source is none
	members map[string]what
	few     []namedWhat // the same: so few are found faster one by one
}

type namedWhat struct {
	name string
	is   what
}

// what tells what a member is; false when it is none of the kind's.
func (k *blockKind) what(member string) (what, bool) {
	for _, m := range k.few {
		if m.name == member {
			return m.is, true
		}
	}
	return nothing, false
}

var ( //nolint:gochecknoglobals // constants in all but syntax
	callMembers   = map[string]what{"id": callID, "name": toolName, "input": input, "caller": nothing}
	resultMembers = map[string]what{"tool_use_id": callID, "content": content, "caller": nothing}
	serverResult  = blockKind{in: inAssistant, result: true, server: true, members: resultMembers}
)

// blockKinds is the table of blocks; each may have type and cache_control besides. What changes the tools in the middle
// of a conversation (tool_addition, tool_removal, mcp_tool_listing) is none of them.
var blockKinds = named(map[string]blockKind{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": {
		in:      inUser | inAssistant | inSystem | inResult | inDocument | inText,
		members: map[string]what{"text": words, "citations": anything},
	},
	"image": {
		in: inUser | inResult | inDocument, media: true,
		members: map[string]what{"source": source, "transformations": nothing},
	},
	"document": {
		in: inUser | inResult, media: true,
		members: map[string]what{"source": source, "title": words, "context": words, "citations": nothing},
	},
	"search_result": {
		in:      inUser | inResult,
		members: map[string]what{"source": words, "title": words, "content": blocks, "citations": nothing},
	},
	"container_upload":  {in: inUser | inAssistant, media: true, members: map[string]what{"file_id": file}},
	"tool_reference":    {in: inResult, members: map[string]what{"tool_name": toolName}},
	"thinking":          {in: inAssistant, members: map[string]what{"thinking": thoughts, "signature": signature}},
	"redacted_thinking": {in: inAssistant, members: map[string]what{"data": thoughts}},
	"compaction": {
		in:      inAssistant,
		members: map[string]what{"content": words, "encrypted_content": words, "signature": nothing},
	},
	"fallback": {in: inAssistant, members: map[string]what{"from": nothing, "to": nothing, "trigger": nothing}},

	"tool_use": {in: inAssistant, call: true, members: callMembers},
	"tool_result": {
		in: inUser, result: true,
		members: map[string]what{"tool_use_id": callID, "content": content, "is_error": nothing},
	},

	"server_tool_use": {in: inAssistant, call: true, server: true, members: callMembers},
	"mcp_tool_use": {
		in: inAssistant, call: true, server: true,
		members: map[string]what{"id": callID, "name": toolName, "input": input, "server_name": server},
	},
	"mcp_tool_result": {
		in: inAssistant, result: true, server: true,
		members: map[string]what{"tool_use_id": callID, "content": content, "is_error": nothing},
	},
	"web_search_tool_result":                 serverResult,
	"web_fetch_tool_result":                  serverResult,
	"code_execution_tool_result":             serverResult,
	"bash_code_execution_tool_result":        serverResult,
	"text_editor_code_execution_tool_result": serverResult,
	"tool_search_tool_result":                serverResult,
	"advisor_tool_result":                    serverResult,
})

func named(table map[string]blockKind) map[string]*blockKind {
	out := make(map[string]*blockKind, len(table))
	for name, kind := range table {
		kind.name = name
		for member, is := range kind.members {
			kind.few = append(kind.few, namedWhat{member, is})
		}
		out[name] = &kind
	}
	return out
}

// unknownKind is the kind of a block that is none of them: it has no place, and no members that are looked at.
var unknownKind = &blockKind{} //nolint:gochecknoglobals // a constant in all but syntax

// serverNames are the names of the tools that a server_tool_use may be of: the provider's own words.
var serverNames = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	"web_search": true, "web_fetch": true, "code_execution": true, "bash_code_execution": true,
	"text_editor_code_execution": true, "tool_search_tool_regex": true, "tool_search_tool_bm25": true, "advisor": true,
}

// The names known at each place of a request.
var ( //nolint:gochecknoglobals // constants in all but syntax
	requestNames = namesOf(fields)
	messageNames = strictjson.NewNames("role", "content", "clear_at", "output_config")
	blockNames   = blockNamesOf(blockKinds)
	sourceNames  = strictjson.NewNames("type", "media_type", "data", "url", "file_id", "content")
	toolNames    = strictjson.NewNames("type", "name", "description", "input_schema", "cache_control", "strict",
		"defer_loading", "eager_input_streaming", "allowed_callers", "input_examples", "display_width_px", "display_height_px",
		"display_number", "enable_zoom", "max_characters", "mcp_server_name", "model")
	choiceNames    = strictjson.NewNames("type", "name", "disable_parallel_tool_use")
	serverURLNames = strictjson.NewNames("type", "name", "url", "authorization_token", "tool_configuration")
	containerNames = strictjson.NewNames("id", "skills")
	skillNames     = strictjson.NewNames("type", "skill_id", "version")
	editNames      = strictjson.NewNames("edits", "type")
	fallbackNames  = strictjson.NewNames("model")

	// kindNames are the values that cost nothing to read.
	kindNames = strictjson.NewNames("user", "assistant", "system", "text", "tool_use", "tool_result", "image", "thinking")
)

func namesOf(table map[string]field) *strictjson.Names {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	return strictjson.NewNames(names...)
}

func blockNamesOf(table map[string]*blockKind) *strictjson.Names {
	seen := map[string]bool{"type": true, "cache_control": true}
	for _, kind := range table {
		for name := range kind.members {
			seen[name] = true
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	return strictjson.NewNames(names...)
}
