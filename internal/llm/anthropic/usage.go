package anthropic

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

var usageNames = strictjson.NewNames("input_tokens", "output_tokens", "cache_creation_input_tokens", //nolint:gochecknoglobals // a constant in all but syntax
	"cache_read_input_tokens", "output_tokens_details", "thinking_tokens", "cost", "server_tool_use", "cache_creation", "service_tier")

// readUsage reads a usage object over what was known before. The API counts what was read from a cache, or written to it,
// beside the input; here, as in every dialect, the input is all of it. It is for accounts, not for decisions: a figure that
// is no count is passed over.
func readUsage(r *strictjson.Reader, u llm.Usage) (llm.Usage, error) {
	fresh := u.Input - u.CachedRead - u.CachedWrite
	u.Known = true
	err := r.Object(usageNames, func(m strictjson.Member) error {
		switch m.Name {
		case "input_tokens":
			return llm.ReadCount(r, &fresh)
		case "output_tokens":
			return llm.ReadCount(r, &u.Output)
		case "cache_creation_input_tokens":
			return llm.ReadCount(r, &u.CachedWrite)
		case "cache_read_input_tokens":
			return llm.ReadCount(r, &u.CachedRead)
		case "output_tokens_details":
			if r.Kind() != strictjson.Object {
				return nil
			}
			return r.Object(usageNames, func(m strictjson.Member) error {
				if m.Name != "thinking_tokens" {
					return nil
				}
				return llm.ReadCount(r, &u.Reasoning)
			})
		case "cost": // OpenRouter
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
	u.Input = fresh + u.CachedRead + u.CachedWrite
	return u, err
}
