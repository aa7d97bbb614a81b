package project

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// A clearance's information is at most what is charged: over all clearances that a tool can get, the sum of 2^-bits is at most one.
// These tests add it up over many contents; each cost that is left out or too low makes the sum too large.

// kraft adds up 2^-bits over the different clearances of many contents.
func kraft(p *Projector, capacity budget.Bits, contents func(yield func(string) bool)) (sum float64, n int) {
	seen := map[string]bool{}
	for content := range contents {
		s := p.Project([]byte(content), JSON, capacity)
		c := string(s.Clearance("", func(int) string { return "$" }, nil, ""))
		if seen[c] {
			continue
		}
		seen[c] = true
		sum += math.Exp2(-s.Bits.Float())
	}
	return sum, len(seen)
}

var informationRules = map[string]Rules{
	"none":  {MaxItems: 4},
	"names": {MaxItems: 4, Names: []string{"a", "b"}},
	"typed": {MaxItems: 4, Fields: map[string]Field{
		"a": {Type: TypeBool}, "b": {Type: TypeEnum, Enum: []string{"x", "y", "z"}}, "c": {Type: TypeInt, Min: ptr(0), Max: ptr(9)},
		"$[]": {Type: TypeBool},
	}},
	"schema": {MaxItems: 4, Schema: []byte(`{"properties":{"a":{"type":"boolean"},"b":{"type":"array","items":{"type":"boolean"}},"c":{}}}`)},
	"lines":  {MaxItems: 4, Fields: map[string]Field{"a": {Type: TypeLines}, "b": {Type: TypeCapture, Pattern: `(?P<k>.)-(?P<l>.)?`}, "k": {Type: TypeInt}}},
	"dates":  {MaxItems: 4, Fields: map[string]Field{"a": {Type: TypeDate, Min: ptr(2024), Max: ptr(2024)}, "b": {Type: TypeTime}}},
}

func ptr(f float64) *float64 { return &f }

// small are contents, all of the simplest and many of the others.
func small(yield func(string) bool) {
	atoms := []string{"null", "true", "false", `""`, `"x"`, `"y"`, `"long"`, `"1-2"`, `"1-"`, `"q\nr"`, "0", "1", "2", "7", "-1", "0.5", "12", `"3"`, `"2024-01-01"`, `"2024-05-06"`, `"11:00"`, `"2024-05-06T11:00:00Z"`}
	level := append([]string{}, atoms...)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 3 {
		for _, v := range level {
			if !yield(v) {
				return
			}
		}
		pick := func() string { return level[random.IntN(len(level))] }
		var next []string
		if round == 0 {
			next = append(next, "[]", "{}")
			for _, v := range atoms {
				next = append(next, "["+v+"]")
				for _, k := range []string{"a", "b", "c", "u"} {
					next = append(next, fmt.Sprintf(`{%q:%s}`, k, v))
				}
				for _, u := range atoms {
					next = append(next, "["+v+","+u+"]", fmt.Sprintf(`{"a":%s,"b":%s}`, v, u), fmt.Sprintf(`{"a":%s,"u":%s}`, v, u))
				}
			}
		}
		for range 600 {
			var parts []string
			object := random.IntN(2) == 0
			for i := range random.IntN(6) {
				part := pick()
				if object {
					part = fmt.Sprintf("%q:%s", []string{"a", "b", "c", "u", "v", "w"}[i], part)
				}
				parts = append(parts, part)
			}
			random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			if object {
				next = append(next, "{"+strings.Join(parts, ",")+"}")
			} else {
				next = append(next, "["+strings.Join(parts, ",")+"]")
			}
		}
		level = append(level, next...)
	}
}

func TestInformation(t *testing.T) {
	for name, rules := range informationRules {
		for _, bits := range []float64{0, 6, 14, math.Inf(1)} {
			p := compile(t, rules, Limits{HideSize: true})
			sum, n := kraft(p, budget.From(bits), small)
			t.Logf("%s, %v bits: %.4f over %d clearances", name, bits, sum, n)
			if sum > 1 {
				t.Errorf("%s, %v bits: the sum is %v over %d clearances", name, bits, sum, n)
			}
			if bits == 0 && n != 1 {
				t.Errorf("%s: %d clearances that cost nothing", name, n)
			}
		}
	}
}

// The costs of single things, each over everything there is of its kind.
func TestInformationOfParts(t *testing.T) {
	within := func(what string, sum float64) {
		if t.Logf("%s: %.4f", what, sum); sum > 1 {
			t.Errorf("%s: the sum is %v", what, sum)
		}
	}
	sum := 0.0
	for n := range 101 {
		sum += math.Exp2(-lengthCost(n, 100).Float())
	}
	within("length", sum)
	sum = 0
	for unknown := range 5000 {
		for present := range 7 {
			ways := 1.0
			for i := range present {
				ways *= float64(6-i) / float64(i+1)
			}
			sum += ways * math.Exp2(-shapeCost(6, present, unknown).Float())
		}
	}
	within("shape", sum)
	sum = 0
	for n := range 100_000 {
		sum += numberCost(t, fmt.Sprint(n)) + numberCost(t, fmt.Sprint(-n-1))
		for _, f := range []int{1, 2, 3} {
			if n < 3000 && n%10 != 0 {
				sum += numberCost(t, fmt.Sprintf("%d.%0*d", n/1000, f, n%1000))
			}
		}
	}
	within("number", sum)
	for _, f := range []*field{mustField(t, Field{Type: TypeTime}), mustField(t, Field{Type: TypeDateTime, Min: ptr(2024), Max: ptr(2024)})} {
		p := compile(t, Rules{}, Limits{})
		s := p.newSpot("$", []*trie{{field: f}}, nil, nil)
		sum = 0
		for hour := range 24 {
			for minute := range 60 {
				m := moment{timed: true, hour: hour, minute: minute, dated: f.kind == TypeDateTime, year: 2024, month: 12, date: 1 + hour}
				for _, z := range []zone{noZone, utc, offset} {
					each := 0.0
					for _, second := range []int{0, 1} {
						m.zone, m.second, m.quarters = z, second, 0
						if z == offset {
							m.quarters = -22
						}
						c := typed(&Value{Kind: String, Text: m.String()}, s, f)
						if c.form != asPlain {
							t.Fatal(m.String())
						}
						each += math.Exp2(-c.cost.Float()) * float64(1+58*second)
					}
					if z == offset {
						each *= 2 * maxQuarters // none of them is UTC
					}
					sum += each * float64(max(f.days, 1)) // every day costs the same
				}
			}
		}
		within(string(f.kind), sum)
	}
}

func mustField(t *testing.T, f Field) *field {
	t.Helper()
	out, err := compileField(f)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func numberCost(t *testing.T, text string) float64 {
	d, ok := readDecimal(text)
	if !ok {
		t.Fatal(text)
	}
	if d.fraction != "" && !strings.HasSuffix(text, d.fraction) {
		return 0 // the same number as one with fewer digits
	}
	var c choice
	s := (&Projector{}).newSpot("$", nil, nil, nil)
	if !c.number(d, s, maxFraction) {
		t.Fatal(text)
	}
	return math.Exp2(-c.cost.Float())
}

func TestLanguageSize(t *testing.T) {
	for _, c := range []struct {
		pattern string
		most    int
		texts   float64
	}{
		{"[0-9]{4}", 32, 10000},
		{"[0-9]{1,2}", 32, 110},
		{"a|bc|bd", 32, 3},
		{"(?i)ab", 32, 4},
		{"(?i)k", 32, 3}, // the Kelvin sign too
		{"a*", 3, 4},
		{"(a|b)+", 3, 14},
		{"(a?)*", 3, 4},
		{"^x$", 3, 1},
		{"abc", 2, 0},
		{"(ab)*c?", 4, 5}, // "", ab, abab, c, abc
		{"", 3, 1},
	} {
		got, err := languageSize(c.pattern, c.most)
		if err != nil || got != budget.OneOf(c.texts) {
			t.Errorf("%q up to %d: %v bits, %v; want %v", c.pattern, c.most, got.Float(), err, budget.OneOf(c.texts).Float())
		}
	}
	if got, _ := languageSize(".{64}", 64); got < 1000*budget.Bit {
		t.Errorf("64 of anything cost %v bits", got.Float())
	}
	if got, _ := languageSize(`\pL{64}\pL*`, 300); got < 1000*budget.Bit {
		t.Errorf("what cannot be counted costs %v bits", got.Float())
	}
}
