package translate

import "github.com/yellowjack/yellowjack/internal/llm"

// The documents of OpenAI's Responses.

type responsesRequest struct {
	Model        string                `json:"model"`
	Input        either[responsesItem] `json:"input"`
	Instructions either[responsesItem] `json:"instructions,omitzero"`
	Stream       optional[bool]        `json:"stream,omitzero"`

	Tools    []responsesTool `json:"tools,omitzero"`
	Choice   raw             `json:"tool_choice,omitzero"`
	Parallel optional[bool]  `json:"parallel_tool_calls,omitzero"`

	MaxTokens   raw                 `json:"max_output_tokens,omitzero"`
	Temperature raw                 `json:"temperature,omitzero"`
	TopP        raw                 `json:"top_p,omitzero"`
	TopK        raw                 `json:"top_k,omitzero"`
	Frequency   raw                 `json:"frequency_penalty,omitzero"`
	Presence    raw                 `json:"presence_penalty,omitzero"`
	Seed        raw                 `json:"seed,omitzero"`
	Text        *responsesText      `json:"text,omitzero"`
	Reasoning   *responsesReasoning `json:"reasoning,omitzero"`
	Store       raw                 `json:"store,omitzero"`
	Background  raw                 `json:"background,omitzero"`
	Truncation  string              `json:"truncation,omitzero"`
	Include     []string            `json:"include,omitzero"`
	TopLogprobs raw                 `json:"top_logprobs,omitzero"`
	Previous    raw                 `json:"previous_response_id,omitzero"`
	Prompt      raw                 `json:"prompt,omitzero"`
	Talk        raw                 `json:"conversation,omitzero"`
	User        string              `json:"user,omitzero"`

	SafetyID  raw `json:"safety_identifier,omitzero"`
	Session   raw `json:"session_id,omitzero"`
	Metadata  raw `json:"metadata,omitzero"`
	Tier      raw `json:"service_tier,omitzero"`
	CacheKey  raw `json:"prompt_cache_key,omitzero"`
	CacheOpts raw `json:"prompt_cache_options,omitzero"`
	CacheKeep raw `json:"prompt_cache_retention,omitzero"`
	Options   raw `json:"stream_options,omitzero"`
}

type responsesText struct {
	Format    *responsesFormat `json:"format,omitzero"`
	Verbosity string           `json:"verbosity,omitzero"`
}

type responsesFormat struct {
	Type        string         `json:"type"`
	Name        string         `json:"name,omitzero"`
	Description string         `json:"description,omitzero"`
	Schema      raw            `json:"schema,omitzero"`
	Strict      optional[bool] `json:"strict,omitzero"`
}

type responsesReasoning struct {
	Effort          string         `json:"effort,omitzero"`
	Summary         raw            `json:"summary,omitzero"`
	GenerateSummary raw            `json:"generate_summary,omitzero"`
	MaxTokens       raw            `json:"max_tokens,omitzero"`
	Enabled         optional[bool] `json:"enabled,omitzero"`
}

type responsesTool struct {
	Type        string         `json:"type"`
	Name        string         `json:"name,omitzero"`
	Description string         `json:"description,omitzero"`
	Parameters  raw            `json:"parameters,omitzero"`
	Strict      optional[bool] `json:"strict,omitzero"`
	Cache       raw            `json:"cache_control,omitzero"`
}

// responsesItem is an item of the input or of the output.
type responsesItem struct {
	Type      string                `json:"type,omitzero"`
	ID        optional[string]      `json:"id,omitzero"`
	Status    raw                   `json:"status,omitzero"`
	Phase     raw                   `json:"phase,omitzero"`
	Role      string                `json:"role,omitzero"`
	Content   either[responsesPart] `json:"content,omitzero"`
	CallID    string                `json:"call_id,omitzero"`
	Name      string                `json:"name,omitzero"`
	Arguments optional[string]      `json:"arguments,omitzero"`
	Output    either[responsesPart] `json:"output,omitzero"`
	Summary   []responsesPart       `json:"summary,omitzero"`
	Encrypted optional[string]      `json:"encrypted_content,omitzero"`
	Cache     raw                   `json:"cache_control,omitzero"`
}

type responsesPart struct {
	Type        string           `json:"type"`
	Text        optional[string] `json:"text,omitzero"`
	Refusal     optional[string] `json:"refusal,omitzero"`
	Annotations raw              `json:"annotations,omitzero"`
	Logprobs    raw              `json:"logprobs,omitzero"`
	Image       string           `json:"image_url,omitzero"`
	Detail      string           `json:"detail,omitzero"`
	FileName    string           `json:"filename,omitzero"`
	FileData    string           `json:"file_data,omitzero"`
	FileURL     string           `json:"file_url,omitzero"`
	FileID      string           `json:"file_id,omitzero"`
	Audio       raw              `json:"input_audio,omitzero"`
	Cached      raw              `json:"prompt_cache_breakpoint,omitzero"`
}

// responsesAnswer is a response. What it repeats of the request has the value that says nothing.
type responsesAnswer struct {
	ID           string            `json:"id"`
	Object       string            `json:"object"`
	CreatedAt    int64             `json:"created_at"`
	Status       string            `json:"status"`
	Error        raw               `json:"error"`
	Incomplete   raw               `json:"incomplete_details"`
	Instructions raw               `json:"instructions"`
	Metadata     raw               `json:"metadata"`
	Model        string            `json:"model"`
	Output       []responsesOutput `json:"output"`
	Parallel     bool              `json:"parallel_tool_calls"`
	Temperature  raw               `json:"temperature"`
	Choice       string            `json:"tool_choice"`
	Tools        raw               `json:"tools"`
	TopP         raw               `json:"top_p"`
	Store        bool              `json:"store"`
	Usage        *responsesUsage   `json:"usage"`
}

// responsesOutput is an item of the output; which members it has depends on its type.
type responsesOutput struct {
	ID        string           `json:"id"`
	Type      string           `json:"type"`
	Status    string           `json:"status,omitzero"`
	Role      string           `json:"role,omitzero"`
	Content   []responsesPart  `json:"content,omitzero"`
	CallID    string           `json:"call_id,omitzero"`
	Name      string           `json:"name,omitzero"`
	Arguments optional[string] `json:"arguments,omitzero"`
	Summary   []responsesPart  `json:"summary,omitzero"`
	Encrypted string           `json:"encrypted_content,omitzero"`
}

type responsesUsage struct {
	Input  int64 `json:"input_tokens"`
	Output int64 `json:"output_tokens"`
	Total  int64 `json:"total_tokens"`
	In     struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	Out struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	Cost optional[float64] `json:"cost,omitzero"`
}

func responsesUsageOf(u llm.Usage) *responsesUsage {
	if !u.Known {
		return nil
	}
	out := &responsesUsage{Input: u.Input, Output: u.Output, Total: u.Input + u.Output}
	out.In.Cached, out.Out.Reasoning = u.CachedRead, u.Reasoning
	if u.HasCost {
		out.Cost = some(u.Cost)
	}
	return out
}
