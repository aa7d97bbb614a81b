package translate

// Hints are the fields of a client's dialect that are left out where the other side has no place for them, and why nobody misses
// them. What is not among them is expressed, or refused.
func Hints(dialect string) map[string]string {
	return map[string]map[string]string{Chat: chatHints, Anthropic: anthropicHints, Responses: responsesHints}[dialect]
}

const (
	forAccounts  = "it tells the provider's accounts who asks, and changes no answer"
	forCaches    = "it says what a cache should keep, and changes no answer"
	aboutTheWire = "it says how the answer is sent, which is this package's own doing"
	onlyDetail   = "it weighs an image's cost against its detail, by a scale of one provider's own"
	foreign      = "what a model of another provider thought, which no other model can read"
	byPromise    = "it promises arguments that keep to the schema; who runs the tool has to look at them in any case"
	unsigned     = "what a model thought and did not sign is for people: no model reads it again"
)

var chatHints = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"safety_identifier": forAccounts, "session_id": forAccounts, "metadata": forAccounts, "service_tier": forAccounts,
	"user": forAccounts, "usage": forAccounts,
	"prompt_cache_key": forCaches, "prompt_cache_options": forCaches, "prompt_cache_retention": forCaches,
	"stream_options": aboutTheWire, "include_reasoning": aboutTheWire, "reasoning_format": aboutTheWire,
	"messages.content.image_url.detail": onlyDetail,
	"messages.reasoning_details":        foreign, "tools.function.strict": byPromise,
	"messages.reasoning": unsigned, "messages.reasoning_content": unsigned,
	"messages.tool_calls.index": aboutTheWire, "messages.annotations": "a provider's notes on its own answer, which it does not read again",
}

var anthropicHints = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"metadata": forAccounts, "service_tier": forAccounts, "cache_control": forCaches,
	"thinking.display":        aboutTheWire,
	"messages.content.caller": "the one caller that a client's own calls have is the model", "messages.content.thinking": unsigned,
	"messages.content.citations":         "a provider's notes on its own answer, which it does not read again",
	"messages.content.redacted_thinking": foreign, "tools.strict": byPromise,
	"tools.eager_input_streaming": aboutTheWire,
}

var responsesHints = map[string]string{ //nolint:gochecknoglobals // a constant in all but syntax
	"user": forAccounts, "safety_identifier": forAccounts, "session_id": forAccounts, "metadata": forAccounts, "service_tier": forAccounts,
	"prompt_cache_key": forCaches, "prompt_cache_options": forCaches, "prompt_cache_retention": forCaches,
	"input.encrypted_content": foreign,
	"stream_options":          aboutTheWire, "include": "what a model thought always comes with its signature; all else that could be included is refused",
	"input.id": "the id of an item, by which nothing is found here", "input.status": "what a client sends back is complete", "input.phase": aboutTheWire,
	"input.content.annotations": "a provider's notes on its own answer, which it does not read again", "input.content.logprobs": "the same",
	"input.content.detail": onlyDetail, "reasoning.summary": aboutTheWire,
}
