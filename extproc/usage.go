package extproc

import (
	"net"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/price"
)

// used notes the tokens that an answer used, and what they cost: as the provider says, or else by the table of prices. A price that
// neither knows is said to be unknown, and never guessed. When the provider did not count, nothing is noted.
func (x *exchange) used(u llm.Usage) {
	x.record.Usage = nil
	if !u.Known {
		return
	}
	out := &audit.Usage{Input: u.Input, Output: u.Output, CachedRead: u.CachedRead, CachedWrite: u.CachedWrite, Reasoning: u.Reasoning, Price: audit.PriceUnknown}
	x.record.Usage = out
	if u.HasCost {
		out.Cost, out.Price = &u.Cost, audit.PriceProvider
		return
	}
	host, _, err := net.SplitHostPort(x.target.Host)
	if err != nil {
		host = x.target.Host
	}
	rates, ok := x.s.cfg.Prices.Of(host, x.record.AnsweredModel, x.target.Model)
	if !ok {
		return
	}
	if cost, ok := rates.Cost(price.Tokens{Input: u.Input, Output: u.Output, CachedRead: u.CachedRead, CachedWrite: u.CachedWrite}); ok {
		out.Cost, out.Price = &cost, audit.PriceTable
	}
}
