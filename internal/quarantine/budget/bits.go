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

// Answer is what an answer costs that is one of n, or unknown.
func Answer(n float64) Bits { return OneOf(n + 1) }

// The answers that the quarantined model can give, by the type of the question.

// YesNo is what yes, no or unknown costs.
func YesNo() Bits { return Answer(2) }

// Choice is what one of n options costs; which of n references it is costs the same.
func Choice(n int) Bits { return Answer(float64(n)) }

// Integer is what a whole number from least to most costs; a count is one from 0.
func Integer(least, most int64) Bits {
	if most < least {
		return Unlimited
	}
	return Answer(float64(most) - float64(least) + 1)
}

// Date is what a day of so many years costs.
func Date(years int) Bits { return Answer(math.Ceil(float64(years) * 365.25)) }

// Span is what a span costs that was found in the content and is shown as a reference: found or not.
func Span() Bits { return Answer(1) }
