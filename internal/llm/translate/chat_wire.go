package translate

// The documents of OpenAI's chat completions, with what OpenRouter adds to them.

type chatRequest struct {
	Model    string         `json:"model"`
	Messages []chatMessage  `json:"messages"`
	Stream   optional[bool] `json:"stream,omitzero"`

	Tools    []chatTool     `json:"tools,omitzero"`
	Choice   raw            `json:"tool_choice,omitzero"`
	Parallel optional[bool] `json:"parallel_tool_calls,omitzero"`

	MaxTokens           raw            `json:"max_tokens,omitzero"`
	MaxCompletionTokens raw            `json:"max_completion_tokens,omitzero"`
	Temperature         raw            `json:"temperature,omitzero"`
	TopP                raw            `json:"top_p,omitzero"`
	TopK                raw            `json:"top_k,omitzero"`
	Frequency           raw            `json:"frequency_penalty,omitzero"`
	Presence            raw            `json:"presence_penalty,omitzero"`
	Repetition          raw            `json:"repetition_penalty,omitzero"`
	Seed                raw            `json:"seed,omitzero"`
	N                   raw            `json:"n,omitzero"`
	Stop                either[string] `json:"stop,omitzero"`
	Format              *chatFormat    `json:"response_format,omitzero"`
	Effort              string         `json:"reasoning_effort,omitzero"`
	Reasoning           *chatReasoning `json:"reasoning,omitzero"`
	Store               raw            `json:"store,omitzero"`
	Logprobs            raw            `json:"logprobs,omitzero"`
	TopLogprobs         raw            `json:"top_logprobs,omitzero"`
	Modalities          []string       `json:"modalities,omitzero"`
	Verbosity           string         `json:"verbosity,omitzero"`
	Functions           raw            `json:"functions,omitzero"`
	FunctionCall        raw            `json:"function_call,omitzero"`
	StreamOptions       *chatOptions   `json:"stream_options,omitzero"`
	User                string         `json:"user,omitzero"`

	chatHinted
}

// chatHinted are top-level fields that are hints.
type chatHinted struct {
	SafetyID  raw `json:"safety_identifier,omitzero"`
	Session   raw `json:"session_id,omitzero"`
	Metadata  raw `json:"metadata,omitzero"`
	Tier      raw `json:"service_tier,omitzero"`
	Usage     raw `json:"usage,omitzero"`
	CacheKey  raw `json:"prompt_cache_key,omitzero"`
	CacheOpts raw `json:"prompt_cache_options,omitzero"`
	CacheKeep raw `json:"prompt_cache_retention,omitzero"`
	Include   raw `json:"include_reasoning,omitzero"`
	ThoughtIn raw `json:"reasoning_format,omitzero"`
}

type chatOptions struct {
	Usage       bool `json:"include_usage,omitzero"`
	Obfuscation raw  `json:"include_obfuscation,omitzero"`
}

type chatReasoning struct {
	Effort    string         `json:"effort,omitzero"`
	MaxTokens raw            `json:"max_tokens,omitzero"`
	Enabled   optional[bool] `json:"enabled,omitzero"`
	Exclude   raw            `json:"exclude,omitzero"`
}

type chatFormat struct {
	Type   string      `json:"type"`
	Schema *chatSchema `json:"json_schema,omitzero"`
}

type chatSchema struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Schema      raw            `json:"schema,omitzero"`
	Strict      optional[bool] `json:"strict,omitzero"`
}

type chatTool struct {
	Type     string        `json:"type"`
	Function *chatFunction `json:"function,omitzero"`
	Custom   raw           `json:"custom,omitzero"`
	Cache    raw           `json:"cache_control,omitzero"`
}

type chatFunction struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Parameters  raw            `json:"parameters,omitzero"`
	Strict      optional[bool] `json:"strict,omitzero"`
	Cache       raw            `json:"cache_control,omitzero"`
}

type chatMessage struct {
	Role         string           `json:"role"`
	Content      either[chatPart] `json:"content,omitzero"`
	Name         string           `json:"name,omitzero"`
	Refusal      optional[string] `json:"refusal,omitzero"`
	Calls        []chatCall       `json:"tool_calls,omitzero"`
	CallID       optional[string] `json:"tool_call_id,omitzero"`
	FunctionCall raw              `json:"function_call,omitzero"`
	Audio        raw              `json:"audio,omitzero"`
	Images       raw              `json:"images,omitzero"`
	Annotations  raw              `json:"annotations,omitzero"`
	Reasoning    raw              `json:"reasoning,omitzero"`
	ReasoningAs  raw              `json:"reasoning_content,omitzero"`
	Details      []chatDetail     `json:"reasoning_details,omitzero"`
	Cache        raw              `json:"cache_control,omitzero"`
	Prefix       raw              `json:"prefix,omitzero"`
	Partial      raw              `json:"partial,omitzero"`
}

// chatDetail is how OpenRouter writes a thought with its signature.
type chatDetail struct {
	Type      string           `json:"type"`
	Text      optional[string] `json:"text,omitzero"`
	Summary   optional[string] `json:"summary,omitzero"`
	Data      optional[string] `json:"data,omitzero"`
	Signature optional[string] `json:"signature,omitzero"`
	ID        optional[string] `json:"id,omitzero"`
	Format    optional[string] `json:"format,omitzero"`
	Index     optional[int]    `json:"index,omitzero"`
}

type chatPart struct {
	Type     string           `json:"type"`
	Text     optional[string] `json:"text,omitzero"`
	Refusal  optional[string] `json:"refusal,omitzero"`
	Image    *chatImage       `json:"image_url,omitzero"`
	File     *chatFile        `json:"file,omitzero"`
	Audio    raw              `json:"input_audio,omitzero"`
	Video    raw              `json:"video_url,omitzero"`
	Thinking raw              `json:"thinking,omitzero"`
	Sign     raw              `json:"signature,omitzero"`
	Cache    raw              `json:"cache_control,omitzero"`
}

type chatImage struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitzero"`
}

type chatFile struct {
	Name string `json:"filename,omitzero"`
	Data string `json:"file_data,omitzero"`
	ID   string `json:"file_id,omitzero"`
	URL  string `json:"file_url,omitzero"`
}

type chatCall struct {
	Index    optional[int]    `json:"index,omitzero"`
	ID       optional[string] `json:"id,omitzero"`
	Type     string           `json:"type,omitzero"`
	Function *chatInvocation  `json:"function,omitzero"`
	Custom   raw              `json:"custom,omitzero"`
	Extra    raw              `json:"extra_content,omitzero"`
	Cache    raw              `json:"cache_control,omitzero"`
}

type chatInvocation struct {
	Name      string           `json:"name,omitzero"`
	Arguments optional[string] `json:"arguments,omitzero"`
	Input     raw              `json:"input,omitzero"`
	Signature raw              `json:"thought_signature,omitzero"`
}

// chatAnswer is a chat.completion, or a chunk of one.
type chatAnswer struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitzero"`
	Error   raw          `json:"error,omitzero"`
}

type chatChoice struct {
	Index   int              `json:"index"`
	Message *chatSaid        `json:"message,omitzero"`
	Delta   *chatSaid        `json:"delta,omitzero"`
	Finish  optional[string] `json:"finish_reason"`
	Error   raw              `json:"error,omitzero"`
}

// chatSaid is a message of an answer, or a piece of one.
type chatSaid struct {
	Role        string           `json:"role,omitzero"`
	Content     raw              `json:"content,omitzero"`
	Refusal     raw              `json:"refusal,omitzero"`
	Calls       []chatCall       `json:"tool_calls,omitzero"`
	Function    raw              `json:"function_call,omitzero"`
	Reasoning   optional[string] `json:"reasoning,omitzero"`
	ReasoningAs optional[string] `json:"reasoning_content,omitzero"`
	Details     []chatDetail     `json:"reasoning_details,omitzero"`
	Images      raw              `json:"images,omitzero"`
	Audio       raw              `json:"audio,omitzero"`
}

type chatUsage struct {
	Prompt     int64             `json:"prompt_tokens"`
	Completion int64             `json:"completion_tokens"`
	Total      int64             `json:"total_tokens"`
	In         *chatInUsage      `json:"prompt_tokens_details,omitzero"`
	Out        *chatOutUsage     `json:"completion_tokens_details,omitzero"`
	Cost       optional[float64] `json:"cost,omitzero"`
}

type chatInUsage struct {
	Cached  int64 `json:"cached_tokens"`
	Written int64 `json:"cache_write_tokens,omitzero"`
}

type chatOutUsage struct {
	Reasoning int64 `json:"reasoning_tokens"`
}
