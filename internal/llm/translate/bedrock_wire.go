package translate

import "github.com/yellowjack/yellowjack/internal/llm"

// The documents of Bedrock's Converse.

type bedrockRequest struct {
	Messages  []bedrockMessage `json:"messages"`
	System    []bedrockBlock   `json:"system,omitzero"`
	Inference bedrockInference `json:"inferenceConfig,omitzero"`
	Tools     *bedrockTools    `json:"toolConfig,omitzero"`
	Output    *bedrockOutput   `json:"outputConfig,omitzero"`
}

type bedrockInference struct {
	MaxTokens   raw      `json:"maxTokens,omitzero"`
	Temperature raw      `json:"temperature,omitzero"`
	TopP        raw      `json:"topP,omitzero"`
	Stop        []string `json:"stopSequences,omitzero"`
}

type bedrockMessage struct {
	Role    string         `json:"role"`
	Content []bedrockBlock `json:"content"`
}

// bedrockBlock has one of its members.
type bedrockBlock struct {
	Text      optional[string]  `json:"text,omitzero"`
	Image     *bedrockMedia     `json:"image,omitzero"`
	Document  *bedrockMedia     `json:"document,omitzero"`
	Use       *bedrockUse       `json:"toolUse,omitzero"`
	Result    *bedrockResult    `json:"toolResult,omitzero"`
	Reasoning *bedrockReasoning `json:"reasoningContent,omitzero"`
	Cache     *bedrockCache     `json:"cachePoint,omitzero"`
	Other     map[string]raw    `json:",embed"`
}

type bedrockCache struct {
	Type string `json:"type"`
	TTL  string `json:"ttl,omitzero"`
}

type bedrockMedia struct {
	Format string        `json:"format"`
	Name   string        `json:"name,omitzero"`
	Source bedrockSource `json:"source"`
}

type bedrockSource struct {
	Bytes string `json:"bytes"`
}

type bedrockUse struct {
	ID    string `json:"toolUseId"`
	Name  string `json:"name"`
	Input raw    `json:"input"`
	Type  string `json:"type,omitzero"`
}

type bedrockResult struct {
	ID      string         `json:"toolUseId"`
	Content []bedrockBlock `json:"content"`
	Status  string         `json:"status,omitzero"`
}

type bedrockReasoning struct {
	Text     *bedrockThought `json:"reasoningText,omitzero"`
	Redacted string          `json:"redactedContent,omitzero"`
}

type bedrockThought struct {
	Text      string `json:"text"`
	Signature string `json:"signature,omitzero"`
}

type bedrockTools struct {
	Tools  []bedrockTool  `json:"tools"`
	Choice *bedrockChoice `json:"toolChoice,omitzero"`
}

type bedrockTool struct {
	Spec  *bedrockSpec  `json:"toolSpec,omitzero"`
	Cache *bedrockCache `json:"cachePoint,omitzero"`
}

type bedrockSpec struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Schema      bedrockSchema  `json:"inputSchema"`
	Strict      optional[bool] `json:"strict,omitzero"`
}

type bedrockSchema struct {
	JSON raw `json:"json"`
}

type bedrockChoice struct {
	Auto *struct{}  `json:"auto,omitzero"`
	Any  *struct{}  `json:"any,omitzero"`
	Tool *chatNamed `json:"tool,omitzero"`
}

type bedrockOutput struct {
	Format bedrockFormat `json:"textFormat"`
}

type bedrockFormat struct {
	Type      string `json:"type"`
	Structure struct {
		Schema bedrockStructure `json:"jsonSchema"`
	} `json:"structure"`
}

type bedrockStructure struct {
	Schema      string `json:"schema"`
	Name        string `json:"name,omitzero"`
	Description string `json:"description,omitzero"`
}

type bedrockAnswer struct {
	Output struct {
		Message *bedrockMessage `json:"message"`
	} `json:"output"`
	Stop    string        `json:"stopReason"`
	Usage   *bedrockUsage `json:"usage"`
	Message string        `json:"message"`
	Type    string        `json:"__type"`
}

type bedrockUsage struct {
	Input   int64 `json:"inputTokens"`
	Output  int64 `json:"outputTokens"`
	Read    int64 `json:"cacheReadInputTokens"`
	Written int64 `json:"cacheWriteInputTokens"`
}

func (u *bedrockUsage) usageOf() llm.Usage {
	if u == nil {
		return llm.Usage{}
	}
	return llm.Usage{Input: u.Input + u.Read + u.Written, Output: u.Output, CachedRead: u.Read, CachedWrite: u.Written, Known: true}
}
