package openaichat

import "github.com/yellowjack/yellowjack/internal/strictjson"

// class says what a top-level field of a request may do, and so who is asked about it.
type class byte

const (
	// inert fields shape the text that the model writes, or the provider's accounts. They pass byte for byte.
	inert class = iota
	// prose fields are as inert as that, and carry text of the application's that the model reads.
	prose
	// structural fields are read: the messages, the tools and their companions, the model.
	structural
	// asked fields select models, run tools or fetch content where no proxy can see, or make the provider keep the
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
	"models":              {structural, aList},
	"messages":            {structural, aList},
	"tools":               {structural, aList},
	"tool_choice":         {structural, aString + anObject},
	"parallel_tool_calls": {structural, aBool},
	"functions":           {structural, aList},
	"function_call":       {structural, aString + anObject},
	"stream":              {structural, aBool},
	"n":                   {structural, aNumber},

	// How the text is sampled, how long it is, and what comes with it.
	"temperature":           {inert, aNumber},
	"top_p":                 {inert, aNumber},
	"top_k":                 {inert, aNumber},
	"top_a":                 {inert, aNumber},
	"min_p":                 {inert, aNumber},
	"frequency_penalty":     {inert, aNumber},
	"presence_penalty":      {inert, aNumber},
	"repetition_penalty":    {inert, aNumber},
	"seed":                  {inert, aNumber},
	"random_seed":           {inert, aNumber}, // Mistral
	"max_tokens":            {inert, aNumber},
	"max_completion_tokens": {inert, aNumber},
	"stop":                  {inert, aString + aList},
	"logit_bias":            {inert, anObject},
	"logprobs":              {inert, aBool},
	"top_logprobs":          {inert, aNumber},
	"response_format":       {prose, anObject},
	"structured_outputs":    {inert, aBool},
	"prediction":            {prose, anObject},
	"verbosity":             {inert, aString},
	"reasoning":             {inert, anObject},
	"reasoning_effort":      {inert, aString},
	"reasoning_format":      {inert, aString}, // Groq
	"include_reasoning":     {inert, aBool},
	"thinking":              {inert, anObject}, // DeepSeek, Moonshot
	"enable_thinking":       {inert, aBool},    // Qwen
	"modalities":            {inert, aList},
	"audio":                 {inert, anObject},
	"image_config":          {inert, anObject},
	"safe_prompt":           {inert, aBool}, // Mistral
	"stream_options":        {inert, anObject},

	// The provider's accounts and caches. A cache key chooses no content: the prefix must match besides.
	"user":                   {inert, aString},
	"safety_identifier":      {inert, aString},
	"session_id":             {inert, aString},
	"service_tier":           {inert, aString},
	"usage":                  {inert, anObject + aBool},
	"cache_control":          {inert, anObject},
	"prompt_cache_key":       {inert, aString},
	"prompt_cache_options":   {inert, anObject},
	"prompt_cache_retention": {inert, aString},
	// Labels on a stored completion; only scalars, since gateways such as LiteLLM take instructions in nested ones.
	"metadata": {inert, anObject},

	// What chooses models or hosts, or the prompt: OpenRouter's, and OpenAI's second model that judges the text.
	"route":      {asked, aString},
	"provider":   {asked, anObject}, // one feature per member
	"preset":     {asked, aString},  // "preset:NAME"
	"transforms": {asked, aList},    // takes messages out of the middle of the context
	"moderation": {asked, anObject},

	// What runs tools or fetches content.
	"plugins":                {asked, aList}, // one feature per plugin
	"stop_server_tools_when": {asked, aList},
	"web_search_options":     {asked, anObject}, // OpenAI, OpenRouter
	"search_parameters":      {asked, anObject}, // xAI
	"search_settings":        {asked, anObject}, // Groq
	"compound_custom":        {asked, anObject}, // Groq
	"enable_search":          {asked, aBool},    // Qwen
	"search_mode":            {asked, aString},  // Perplexity, and the two below
	"search_domain_filter":   {asked, aList},
	"search_recency_filter":  {asked, aString},
	"data_sources":           {asked, aList}, // Azure

	// The provider keeps the conversation beyond the exchange; asked only when it is true.
	"store": {asked, aBool},
}

// The names known at each place of a request. What is not among them is reported as unknown ("messages.NAME").
var ( //nolint:gochecknoglobals // constants in all but syntax
	requestNames = namesOf(fields)
	messageNames = strictjson.NewNames("role", "content", "name", "tool_calls", "function_call", "tool_call_id",
		"refusal", "audio", "annotations", "reasoning", "reasoning_content", "reasoning_details", "images", "cache_control",
		"prefix", "partial")
	partNames = strictjson.NewNames("type", "text", "image_url", "input_audio", "file", "video_url", "refusal",
		"thinking", "signature", "cache_control")
	historyCallNames = strictjson.NewNames("id", "type", "function", "custom", "index", "extra_content", "cache_control")
	historyFuncNames = strictjson.NewNames("name", "arguments", "input", "thought_signature")
	toolNames        = strictjson.NewNames("type", "function", "custom", "cache_control")
	toolFuncNames    = strictjson.NewNames("name", "description", "parameters", "strict", "format", "cache_control")
	choiceToolNames  = strictjson.NewNames("type", "function", "custom", "allowed_tools", "mode", "tools", "name")
	pluginNames      = strictjson.NewNames("id")
	mediaNames       = strictjson.NewNames("url", "detail", "data", "format", "file_data", "file_id", "file_url", "filename")

	// words are the values that cost nothing to read.
	words = strictjson.NewNames("user", "assistant", "tool", "system", "developer", "function", "custom", "text", "image_url")
)

func namesOf(table map[string]field) *strictjson.Names {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	return strictjson.NewNames(names...)
}

// partKinds are the parts that a message's content may have. A tool_result among them, as other dialects have it, would
// be a result in a user's turn: it is no part of this one, and refused.
var partKinds = map[string]bool{ //nolint:gochecknoglobals // a constant in all but syntax
	"text": true, "image_url": true, "input_audio": true, "file": true, "video_url": true, "refusal": true, "thinking": true,
}
