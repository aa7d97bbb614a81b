package gemini

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

var usageNames = namesOf("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "cachedContentTokenCount", //nolint:gochecknoglobals // a constant in all but syntax
	"thoughtsTokenCount", "toolUsePromptTokenCount", "responseTokenCount", "promptTokensDetails", "candidatesTokensDetails",
	"cacheTokensDetails", "toolUsePromptTokensDetails", "trafficType", "serviceTier")

// readUsage reads what an answer cost. It is for accounts, not for decisions: a figure that is no count is passed over.
// What the model thought is not among the candidates' tokens; what the provider's tools brought in is not among the
// prompt's.
func readUsage(r *strictjson.Reader) (llm.Usage, error) {
	u := llm.Usage{Known: true}
	var tools int64
	err := object(r, usageNames, func(name string, _ strictjson.Member) error {
		switch name {
		case "promptTokenCount":
			return llm.ReadCount(r, &u.Input)
		case "candidatesTokenCount":
			return llm.ReadCount(r, &u.Output)
		case "cachedContentTokenCount":
			return llm.ReadCount(r, &u.CachedRead)
		case "thoughtsTokenCount":
			return llm.ReadCount(r, &u.Reasoning)
		case "toolUsePromptTokenCount":
			return llm.ReadCount(r, &tools)
		}
		return nil
	})
	u.Input += tools
	u.Output += u.Reasoning
	return u, err
}
