package openairesponses

import "github.com/yellowjack/yellowjack/internal/strictjson"

// class says what a top-level field of a request may do, and so who is asked about it.
type class byte

const (
	// inert fields shape the text that the model writes, or the provider's accounts. They pass byte for byte.
	inert class = iota
	// prose fields are as inert as that, and carry text of the application's that the model reads.
	prose
	// structural fields are read: the input, the tools and their companions, the model.
	structural
	// asked fields select models, run tools or bring context where no proxy can see, or make the provider keep the
	// conversation. Each is a feature that policy must grant by name.
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

// fields is the table of the top-level fields. A name that is not in it is reported as unknown, and refused
// unless policy lists it.
var fields = map[string]field{ //nolint:gochecknoglobals // a constant in all but syntax
	"model":               {structural, aString},
	"models":              {structural, aList}, // OpenRouter
	"input":               {structural, aString + aList},
	"instructions":        {structural, aString + aList},
	"tools":               {structural, aList},
	"tool_choice":         {structural, aString + anObject},
	"parallel_tool_calls": {structural, aBool},
	"max_tool_calls":      {structural, aNumber},
	"stream":              {structural, aBool},

	// How the text is sampled, how long it is, and what comes with it.
	"temperature":       {inert, aNumber},
	"top_p":             {inert, aNumber},
	"top_k":             {inert, aNumber},
	"frequency_penalty": {inert, aNumber},
	"presence_penalty":  {inert, aNumber},
	"seed":              {inert, aNumber},
	"max_output_tokens": {inert, aNumber},
	"top_logprobs":      {inert, aNumber},
	"text":              {prose, anObject}, // a format's schema has descriptions
	"reasoning":         {inert, anObject},
	"modalities":        {inert, aList},
	"image_config":      {inert, anObject},
	"include":           {inert, aList}, // what the answer says besides
	"stream_options":    {inert, anObject},

	// The provider's accounts and caches. A cache key chooses no content: the prefix must match besides.
	"user":                   {inert, aString},
	"safety_identifier":      {inert, aString},
	"session_id":             {inert, aString},
	"service_tier":           {inert, aString},
	"prompt_cache_key":       {inert, aString},
	"prompt_cache_options":   {inert, anObject},
	"prompt_cache_retention": {inert, aString},
	// Labels on a stored response; only scalars, since gateways such as LiteLLM take instructions in nested ones.
	"metadata": {inert, anObject},

	// Context that no proxy sees.
	"previous_response_id": {asked, aString},
	"conversation":         {asked, aString + anObject},
	"prompt":               {asked, anObject}, // "prompt:ID"
	"context_management":   {asked, aList},    // puts a compaction in the place of messages
	"truncation":           {asked, aString},  // auto takes items out of the middle of the context
	"transforms":           {asked, aList},    // OpenRouter's form of it

	// What chooses models or hosts, or the prompt: OpenRouter's, and OpenAI's second model that judges the text.
	"route":           {asked, aString},
	"provider":        {asked, anObject}, // one feature per member
	"preset":          {asked, aString},  // "preset:NAME"
	"moderation":      {asked, anObject},
	"access_programs": {asked, anObject},

	// What runs tools or fetches content.
	"plugins":           {asked, aList},    // OpenRouter; one feature per plugin
	"search_parameters": {asked, anObject}, // xAI

	// What the provider keeps. A background response is fetched later, past every gate.
	"store":      {asked, aBool},
	"background": {asked, aBool},
}

// companions are the fields that leave with the last tool.
var companions = []string{"tool_choice", "parallel_tool_calls", "max_tool_calls"} //nolint:gochecknoglobals // a constant in all but syntax

// The names known at each place of a request. What is not among them is reported as unknown ("input.NAME").
var ( //nolint:gochecknoglobals // constants in all but syntax
	requestNames = namesOf(fields)
	itemNames    = namesOf(members)
	partNames    = strictjson.NewNames("type", "text", "refusal", "annotations", "logprobs", "detail", "image_url", "file_id",
		"file_url", "file_data", "filename", "input_audio", "prompt_cache_breakpoint", "stdout", "stderr", "outcome", "created_by",
		"content", "output", "call_id")
	audioNames  = strictjson.NewNames("data", "format")
	promptNames = strictjson.NewNames("id", "variables", "version")
	idNames     = strictjson.NewNames("id")
	toolNames   = strictjson.NewNames("type", "name", "description", "parameters", "strict", "format", "tools", "defer_loading",
		"allowed_callers", "output_schema", "async", "environment", "execution", "server_label", "server_url", "connector_id",
		"tunnel_id", "model", "cache_control", "function", "custom")
	choiceNames      = strictjson.NewNames("type", "name", "mode", "tools", "server_label", "function", "custom", "namespace")
	environmentNames = strictjson.NewNames("type", "container_id", "skills")

	// words are the values that cost nothing to read.
	words = strictjson.NewNames("user", "assistant", "system", "developer", "message", "function_call", "function_call_output",
		"reasoning", "function", "custom", "input_text", "output_text", "summary_text", "reasoning_text", "input_image", "input_file")
)

func namesOf[V any](table map[string]V) *strictjson.Names {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	return strictjson.NewNames(names...)
}
