package extproc

import (
	"testing"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/price"
	"github.com/yellowjack/yellowjack/internal/route"
)

// TestUsed: what is known of the cost is written down with who says so, and what is not known is said to be.
func TestUsed(t *testing.T) {
	prices, err := price.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		host, model, answered string
		used                  llm.Usage
		price                 string
	}{
		"the provider says":      {"openrouter.ai", "openai/gpt-4o", "", llm.Usage{Input: 1, Cost: 0.5, HasCost: true, Known: true}, audit.PriceProvider},
		"the provider says none": {"api.openai.com", "gpt-4o", "", llm.Usage{Input: 1, HasCost: true, Known: true}, audit.PriceProvider},
		"the table":              {"api.openai.com", "gpt-4o", "", llm.Usage{Input: 1, Known: true}, audit.PriceTable},
		"with a port":            {"api.openai.com:8443", "gpt-4o", "", llm.Usage{Input: 1, Known: true}, audit.PriceTable},
		"the answer's model":     {"api.openai.com", "ours", "gpt-4o", llm.Usage{Input: 1, Known: true}, audit.PriceTable},
		"another host":           {"127.0.0.1:9100", "gpt-4o", "", llm.Usage{Input: 1, Known: true}, audit.PriceUnknown},
		"another model":          {"api.openai.com", "gpt-of-tomorrow", "", llm.Usage{Input: 1, Known: true}, audit.PriceUnknown},
		"a kind without a price": {"api.openai.com", "gpt-4o", "", llm.Usage{Input: 9, CachedWrite: 5, Known: true}, audit.PriceUnknown},
		"not counted":            {"api.openai.com", "gpt-4o", "", llm.Usage{}, ""},
	} {
		x := &exchange{s: &Service{cfg: Config{Prices: prices}}, target: route.Target{Host: c.host, Model: c.model}}
		x.record.AnsweredModel = c.answered
		x.used(c.used)
		switch u := x.record.Usage; {
		case u == nil:
			if c.price != "" {
				t.Errorf("%s: nothing", name)
			}
		case u.Price != c.price || (u.Cost == nil) != (c.price == audit.PriceUnknown) || u.Input != c.used.Input:
			t.Errorf("%s: %+v", name, u)
		}
	}
}
