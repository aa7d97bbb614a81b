package openaichat

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

var ( //nolint:gochecknoglobals // constants in all but syntax
	usageNames = strictjson.NewNames("prompt_tokens", "completion_tokens", "total_tokens",
		"prompt_tokens_details", "completion_tokens_details", "cost", "cost_details", "is_byok")
	usageDetailNames = strictjson.NewNames("cached_tokens", "cache_write_tokens", "reasoning_tokens",
		"audio_tokens", "video_tokens", "image_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")
)

// ReadUsage reads a usage object, as all of OpenAI's older APIs write it. It is for accounts, not for decisions: a figure that is no count is passed over.
func ReadUsage(r *strictjson.Reader) (llm.Usage, error) {
	u := llm.Usage{Known: true}
	details := func() error {
		if r.Kind() != strictjson.Object {
			return nil
		}
		return r.Object(usageDetailNames, func(m strictjson.Member) error {
			switch m.Name {
			case "cached_tokens":
				return llm.ReadCount(r, &u.CachedRead)
			case "cache_write_tokens":
				return llm.ReadCount(r, &u.CachedWrite)
			case "reasoning_tokens":
				return llm.ReadCount(r, &u.Reasoning)
			}
			return nil
		})
	}
	err := r.Object(usageNames, func(m strictjson.Member) error {
		switch m.Name {
		case "prompt_tokens":
			return llm.ReadCount(r, &u.Input)
		case "completion_tokens":
			return llm.ReadCount(r, &u.Output)
		case "prompt_tokens_details", "completion_tokens_details":
			return details()
		case "cost":
			if r.Kind() != strictjson.Number {
				return nil
			}
			var err error
			u.Cost, err = r.Float()
			u.HasCost = err == nil
			return err
		}
		return nil
	})
	return u, err
}
