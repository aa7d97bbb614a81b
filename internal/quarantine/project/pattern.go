package project

import (
	"math"
	"regexp/syntax"
	"unicode"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// languageSize is the information of a text that a pattern matches as a whole: the logarithm of how many texts of at most most
// characters there are. It counts the ways to match, so a pattern that matches a text in two ways is charged for two, never for
// too few. What cannot be counted costs more than anyone has.
func languageSize(pattern string, most int) (budget.Bits, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, n := range ways(re.Simplify(), most) {
		total += n
	}
	return budget.OneOf(total), nil
}

// ways tells for each length up to most in how many ways re matches a text of that length.
func ways(re *syntax.Regexp, most int) []float64 {
	out := make([]float64, most+1)
	switch re.Op {
	case syntax.OpNoMatch:
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		out[0] = 1
	case syntax.OpLiteral:
		if len(re.Rune) > most {
			break
		}
		n := 1.0
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				n *= float64(variants(r))
			}
		}
		out[len(re.Rune)] = n
	case syntax.OpCharClass:
		n := 0.0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			n += float64(re.Rune[i+1]-re.Rune[i]) + 1
		}
		one(out, n)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		one(out, unicode.MaxRune+1)
	case syntax.OpCapture:
		return ways(re.Sub[0], most)
	case syntax.OpConcat:
		out[0] = 1
		for _, sub := range re.Sub {
			out = convolve(out, ways(sub, most))
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			add(out, ways(sub, most))
		}
	case syntax.OpQuest:
		out[0] = 1
		add(out, ways(re.Sub[0], most))
	case syntax.OpStar:
		return repeat(ways(re.Sub[0], most))
	case syntax.OpPlus:
		sub := ways(re.Sub[0], most)
		return convolve(sub, repeat(sub))
	default: // Simplify leaves no counted repetition
		for i := range out {
			out[i] = math.Inf(1)
		}
	}
	return out
}

func one(out []float64, n float64) {
	if len(out) > 1 {
		out[1] = n
	}
}

func variants(r rune) int {
	n := 1
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		n++
	}
	return n
}

func add(to, from []float64) {
	for i := range to {
		to[i] += from[i]
	}
}

func convolve(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i, x := range a {
		if x == 0 {
			continue
		}
		for j, y := range b[:len(b)-i] {
			if y != 0 {
				out[i+j] += float64(x * y)
			}
		}
	}
	return out
}

// repeat is any number of times; a time that matches nothing adds no text.
func repeat(sub []float64) []float64 {
	out := make([]float64, len(sub))
	out[0] = 1
	for n := 1; n < len(sub); n++ {
		for k := 1; k <= n; k++ {
			if sub[k] != 0 && out[n-k] != 0 {
				out[n] += float64(sub[k] * out[n-k])
			}
		}
	}
	return out
}
