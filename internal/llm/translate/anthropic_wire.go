package translate

import "github.com/yellowjack/yellowjack/internal/llm"

// The documents of Anthropic's Messages.

type anthropicRequest struct {
	Model     string                 `json:"model"`
	MaxTokens raw                    `json:"max_tokens,omitzero"`
	System    either[anthropicBlock] `json:"system,omitzero"`
	Messages  []anthropicMessage     `json:"messages"`
	Stream    optional[bool]         `json:"stream,omitzero"`
	Tools     []anthropicTool        `json:"tools,omitzero"`
	Choice    *anthropicChoice       `json:"tool_choice,omitzero"`
	Temp      raw                    `json:"temperature,omitzero"`
	TopP      raw                    `json:"top_p,omitzero"`
	TopK      raw                    `json:"top_k,omitzero"`
	Stop      []string               `json:"stop_sequences,omitzero"`
	Thinking  *anthropicThinking     `json:"thinking,omitzero"`
	Config    *anthropicConfig       `json:"output_config,omitzero"`
	Format    *anthropicFormatWire   `json:"output_format,omitzero"`
	Metadata  *anthropicMetadata     `json:"metadata,omitzero"`
	Cache     raw                    `json:"cache_control,omitzero"`
	Tier      raw                    `json:"service_tier,omitzero"`
}

type anthropicMetadata struct {
	User string `json:"user_id,omitzero"`
}

type anthropicThinking struct {
	Type    string `json:"type"`
	Budget  raw    `json:"budget_tokens,omitzero"`
	Display raw    `json:"display,omitzero"`
}

type anthropicConfig struct {
	Effort string               `json:"effort,omitzero"`
	Format *anthropicFormatWire `json:"format,omitzero"`
}

type anthropicFormatWire struct {
	Type   string `json:"type"`
	Schema raw    `json:"schema,omitzero"`
}

type anthropicChoice struct {
	Type   string         `json:"type"`
	Name   string         `json:"name,omitzero"`
	Serial optional[bool] `json:"disable_parallel_tool_use,omitzero"`
}

type anthropicTool struct {
	Type        string         `json:"type,omitzero"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Schema      raw            `json:"input_schema,omitzero"`
	Strict      optional[bool] `json:"strict,omitzero"`
	Cache       raw            `json:"cache_control,omitzero"`
	Eager       raw            `json:"eager_input_streaming,omitzero"`
	Defer       raw            `json:"defer_loading,omitzero"`
	Callers     raw            `json:"allowed_callers,omitzero"`
	Examples    raw            `json:"input_examples,omitzero"`
}

type anthropicMessage struct {
	Role    string                 `json:"role"`
	Content either[anthropicBlock] `json:"content"`
}

type anthropicBlock struct {
	Type      string                 `json:"type"`
	Text      optional[string]       `json:"text,omitzero"`
	Citations raw                    `json:"citations,omitzero"`
	Source    *anthropicSource       `json:"source,omitzero"`
	Title     string                 `json:"title,omitzero"`
	Context   string                 `json:"context,omitzero"`
	ID        string                 `json:"id,omitzero"`
	Name      string                 `json:"name,omitzero"`
	Input     raw                    `json:"input,omitzero"`
	UseID     optional[string]       `json:"tool_use_id,omitzero"`
	Content   either[anthropicBlock] `json:"content,omitzero"`
	Failed    optional[bool]         `json:"is_error,omitzero"`
	Thinking  optional[string]       `json:"thinking,omitzero"`
	Signature optional[string]       `json:"signature,omitzero"`
	Data      optional[string]       `json:"data,omitzero"`
	Caller    raw                    `json:"caller,omitzero"`
	Cache     raw                    `json:"cache_control,omitzero"`
}

type anthropicSource struct {
	Type  string           `json:"type"`
	Media string           `json:"media_type,omitzero"`
	Data  optional[string] `json:"data,omitzero"`
	URL   string           `json:"url,omitzero"`
}

// anthropicAnswer is a message, or what one begins with.
type anthropicAnswer struct {
	ID       string           `json:"id"`
	Type     string           `json:"type"`
	Role     string           `json:"role"`
	Model    string           `json:"model"`
	Content  []anthropicBlock `json:"content"`
	Stop     optional[string] `json:"stop_reason"`
	Sequence optional[string] `json:"stop_sequence"`
	Usage    *anthropicUsage  `json:"usage,omitzero"`
	Error    raw              `json:"error,omitzero"`
}

type anthropicUsage struct {
	Input   optional[int64]   `json:"input_tokens,omitzero"`
	Written optional[int64]   `json:"cache_creation_input_tokens,omitzero"`
	Read    optional[int64]   `json:"cache_read_input_tokens,omitzero"`
	Output  optional[int64]   `json:"output_tokens,omitzero"`
	Details *anthropicDetails `json:"output_tokens_details,omitzero"`
	Cost    optional[float64] `json:"cost,omitzero"`
}

type anthropicDetails struct {
	Thinking int64 `json:"thinking_tokens"`
}

// over is the usage that this says, over what was known before. What was read from or written to a cache counts beside the input.
func (u *anthropicUsage) over(before llm.Usage) llm.Usage {
	if u == nil {
		return before
	}
	fresh := before.Input - before.CachedRead - before.CachedWrite
	out := before
	out.Known = true
	for _, f := range []struct {
		from optional[int64]
		to   *int64
	}{{u.Input, &fresh}, {u.Written, &out.CachedWrite}, {u.Read, &out.CachedRead}, {u.Output, &out.Output}} {
		if f.from.set {
			*f.to = f.from.value
		}
	}
	if u.Details != nil {
		out.Reasoning = u.Details.Thinking
	}
	if u.Cost.set {
		out.Cost, out.HasCost = u.Cost.value, true
	}
	out.Input = fresh + out.CachedRead + out.CachedWrite
	return out
}

func anthropicUsageOf(u llm.Usage) *anthropicUsage {
	out := &anthropicUsage{
		Input: some(u.Input - u.CachedRead - u.CachedWrite), Written: some(u.CachedWrite), Read: some(u.CachedRead), Output: some(u.Output),
	}
	if u.HasCost {
		out.Cost = some(u.Cost)
	}
	return out
}
