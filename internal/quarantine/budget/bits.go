package budget

import "math"

// Bits is an amount of information in thousandths of a bit. Amounts are whole numbers, so that they add up alike on every
// machine, and each is rounded up.
type Bits int64

// Bit is one bit.
const Bit Bits = 1000

// Unlimited is more than anything costs. It is far enough from the largest number that amounts beyond it can still be added.
const Unlimited Bits = math.MaxInt64 / 1024

// From makes the amount of a number of bits, rounded up. What is no number, or too much, is Unlimited; what is negative is
// nothing.
func From(bits float64) Bits {
	switch {
	case math.IsNaN(bits) || bits >= float64(Unlimited)/float64(Bit):
		return Unlimited
	case bits <= 0:
		return 0
	}
	// A logarithm may be off in its last digits, and differently on another machine; a whole number of thousandths must not
	// become one more for that.
	return Bits(math.Ceil(float64(bits*float64(Bit)) - 1e-6))
}

// OneOf is what it costs to say which of n equally cheap things it is.
func OneOf(n float64) Bits {
	if n <= 1 {
		return 0
	}
	return From(math.Log2(n))
}

// Float is the amount in bits.
func (b Bits) Float() float64 { return float64(b) / float64(Bit) }
