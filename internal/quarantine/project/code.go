package project

import (
	"math"
	"math/bits"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// A clearance is charged as if it were sent in a prefix code: at each place there is a choice of outcomes, each with a
// probability that depends on the rules and on what was sent before, and never on the content; an outcome costs the logarithm
// of its probability. So the sum of 2^-bits over all clearances that a tool can ever get is at most one, which is what it means
// that a clearance says no more than it costs.

// model is the probabilities of one choice. It learns: what was seen in one element of a list is cheaper in the next.
type model struct {
	weights []uint32
	total   uint32
}

const (
	step      = 8
	maxWeight = 512
)

// newModel makes a model that owns the weights.
func newModel(weights []uint32) model {
	m := model{weights: weights}
	for _, w := range weights {
		m.total += w
	}
	return m
}

// can tells whether an outcome is one at all.
func (m *model) can(i int) bool { return m.weights[i] > 0 }

// cost is what the outcome i costs.
func (m *model) cost(i int) budget.Bits {
	return budget.OneOf(float64(m.total) / float64(m.weights[i]))
}

// saw learns from an outcome that was paid for.
func (m *model) saw(i int) {
	m.weights[i] += step
	m.total += step
	if m.total <= maxWeight {
		return
	}
	m.total = 0
	for i, w := range m.weights {
		m.weights[i] = (w + 1) / 2
		m.total += m.weights[i]
	}
}

// lengthCost is what a list's length costs: how many binary digits it has, and then which of those numbers it is.
func lengthCost(n, most int) budget.Bits {
	cost := budget.OneOf(float64(bits.Len(uint(most)) + 1))
	if digits := bits.Len(uint(n)); digits > 1 {
		cost += budget.Bits(digits-1) * budget.Bit
	}
	return cost
}

// shape is which names an object has.
type shape struct {
	present string // a byte for each known name
	unknown int    // how many others
}

// shapeCost is what a shape costs that is none we saw before: how many of the known names there are, which ones, and how many
// others.
func shapeCost(known, present, unknown int) budget.Bits {
	cost := budget.OneOf(float64(known + 1))
	ways := 0.0
	for i := range present {
		ways += math.Log2(float64(known-i) / float64(i+1))
	}
	cost += budget.From(ways)
	if unknown == 0 {
		return cost + budget.OneOf(8.0/7)
	}
	return cost + 3*budget.Bit + budget.Bits(2*bits.Len(uint(unknown))-1)*budget.Bit
}

// sizes are what a content's length is rounded up to, in bytes; the last is everything above.
const sizes = 7

// size is the class of a length, and the number that stands for it.
func size(n int) (class int, shown int64) {
	for class, shown = 0, 0; class < sizes-1 && int64(n) > shown; class++ {
		shown = 16 << (4 * class)
	}
	return class, shown
}
