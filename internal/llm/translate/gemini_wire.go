package translate

import "github.com/yellowjack/yellowjack/internal/llm"

// The documents of Gemini's generateContent.

type geminiRequest struct {
	Contents   []geminiContent   `json:"contents"`
	System     *geminiContent    `json:"systemInstruction,omitzero"`
	Tools      []geminiTools     `json:"tools,omitzero"`
	ToolConfig *geminiToolConfig `json:"toolConfig,omitzero"`
	Config     geminiConfig      `json:"generationConfig,omitzero"`
}

type geminiContent struct {
	Role  string       `json:"role,omitzero"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text      optional[string] `json:"text,omitzero"`
	Thought   bool             `json:"thought,omitzero"`
	Signature string           `json:"thoughtSignature,omitzero"`
	Inline    *geminiInline    `json:"inlineData,omitzero"`
	Call      *geminiCall      `json:"functionCall,omitzero"`
	Response  *geminiResult    `json:"functionResponse,omitzero"`
	Other     map[string]raw   `json:",embed"`
}

type geminiInline struct {
	MIME string `json:"mimeType"`
	Data string `json:"data"`
}

type geminiCall struct {
	ID   string `json:"id,omitzero"`
	Name string `json:"name"`
	Args raw    `json:"args,omitzero"`
}

type geminiResult struct {
	ID       string            `json:"id,omitzero"`
	Name     string            `json:"name"`
	Response map[string]string `json:"response"`
	Parts    []geminiPart      `json:"parts,omitzero"`
}

type geminiTools struct {
	Functions []geminiFunction `json:"functionDeclarations"`
}

type geminiFunction struct {
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
	Parameters  raw    `json:"parametersJsonSchema,omitzero"`
}

type geminiToolConfig struct {
	Calling geminiCalling `json:"functionCallingConfig"`
}

type geminiCalling struct {
	Mode    string   `json:"mode"`
	Allowed []string `json:"allowedFunctionNames,omitzero"`
}

type geminiConfig struct {
	MaxTokens   raw             `json:"maxOutputTokens,omitzero"`
	Temperature raw             `json:"temperature,omitzero"`
	TopP        raw             `json:"topP,omitzero"`
	TopK        raw             `json:"topK,omitzero"`
	Frequency   raw             `json:"frequencyPenalty,omitzero"`
	Presence    raw             `json:"presencePenalty,omitzero"`
	Seed        raw             `json:"seed,omitzero"`
	Stop        []string        `json:"stopSequences,omitzero"`
	MIME        string          `json:"responseMimeType,omitzero"`
	Schema      raw             `json:"responseJsonSchema,omitzero"`
	Thinking    *geminiThinking `json:"thinkingConfig,omitzero"`
}

type geminiThinking struct {
	Include bool   `json:"includeThoughts,omitzero"`
	Budget  raw    `json:"thinkingBudget,omitzero"`
	Level   string `json:"thinkingLevel,omitzero"`
}

// geminiAnswer is an answer, or an event of a stream.
type geminiAnswer struct {
	ID         string            `json:"responseId"`
	Model      string            `json:"modelVersion"`
	Candidates []geminiCandidate `json:"candidates"`
	Feedback   struct {
		Blocked string `json:"blockReason"`
	} `json:"promptFeedback"`
	Usage *geminiUsage `json:"usageMetadata"`
	Error raw          `json:"error"`
}

type geminiCandidate struct {
	Index   int           `json:"index"`
	Content geminiContent `json:"content"`
	Reason  string        `json:"finishReason"`
}

type geminiUsage struct {
	Prompt     int64 `json:"promptTokenCount"`
	Candidates int64 `json:"candidatesTokenCount"`
	Cached     int64 `json:"cachedContentTokenCount"`
	Thoughts   int64 `json:"thoughtsTokenCount"`
	ToolUse    int64 `json:"toolUsePromptTokenCount"`
}

func (u *geminiUsage) usageOf() llm.Usage {
	return llm.Usage{Input: u.Prompt + u.ToolUse, Output: u.Candidates + u.Thoughts, CachedRead: u.Cached, Reasoning: u.Thoughts, Known: true}
}
