package bedrock

import (
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

var usageNames = strictjson.NewNames("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", //nolint:gochecknoglobals // a constant in all but syntax
	"cacheWriteInputTokens", "cacheDetails")

// readUsage reads a usage object. It is for accounts, not for decisions: a figure that is no count is passed over. Bedrock
// counts what was read from and written to a cache beside the input.
func readUsage(r *strictjson.Reader) (llm.Usage, error) {
	u := llm.Usage{Known: true}
	if r.Kind() != strictjson.Object {
		_, err := r.Skip()
		return llm.Usage{}, err
	}
	into := map[string]*int64{
		"inputTokens": &u.Input, "outputTokens": &u.Output, "cacheReadInputTokens": &u.CachedRead, "cacheWriteInputTokens": &u.CachedWrite,
	}
	err := r.Object(usageNames, func(m strictjson.Member) error {
		count := into[m.Name]
		if count == nil || r.Kind() != strictjson.Number {
			return nil
		}
		n, err := r.Float()
		if err == nil && n >= 0 && n < 1<<53 {
			*count = int64(n)
		}
		return err
	})
	u.Input += u.CachedRead + u.CachedWrite
	return u, err
}

var ( //nolint:gochecknoglobals // constants in all but syntax
	traceNames  = strictjson.NewNames("guardrail", "promptRouter")
	routerNames = strictjson.NewNames("invokedModelId")
)

// readTrace reads what a trace says of the model that answered; "" when it says nothing.
func readTrace(r *strictjson.Reader) (model string, err error) {
	if r.Kind() != strictjson.Object {
		_, err = r.Skip()
		return "", err
	}
	err = r.Object(traceNames, func(m strictjson.Member) error {
		if m.Name != "promptRouter" || r.Kind() != strictjson.Object {
			return nil
		}
		return r.Object(routerNames, func(m strictjson.Member) error {
			if m.Name != "invokedModelId" || r.Kind() != strictjson.String {
				return nil
			}
			var err error
			model, _, err = r.String()
			return err
		})
	})
	return model, err
}
