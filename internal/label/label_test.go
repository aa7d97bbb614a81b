package label

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// labels draws labels as the house makes them: sources sorted, each once, at most MaxSources.
func labels() *rapid.Generator[Label] {
	return rapid.Custom(func(t *rapid.T) Label {
		l := Label{
			Integrity:       Integrity(rapid.IntRange(int(Untrusted), int(Trusted)).Draw(t, "integrity")),
			Confidentiality: Confidentiality(rapid.IntRange(int(Secret), int(Public)).Draw(t, "confidentiality")),
		}
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 60), 0, 40, rapid.ID[int]).Draw(t, "sources") {
			l = l.Join(Label{Trusted, Public, []string{fmt.Sprintf("tool%02d", n)}})
		}
		return l
	})
}

// TestLattice: Join is a join.
func TestLattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := labels().Draw(t, "a"), labels().Draw(t, "b"), labels().Draw(t, "c")
		if !a.Join(b).equal(b.Join(a)) {
			t.Errorf("not commutative: %+v %+v", a, b)
		}
		if !a.Join(b).Join(c).equal(a.Join(b.Join(c))) {
			t.Errorf("not associative: %+v %+v %+v", a, b, c)
		}
		if !a.Join(a).equal(a) || !a.Join(Clean()).equal(a) {
			t.Errorf("not idempotent, or clean is not neutral: %+v", a)
		}
		if !a.Join(b).Covers(a) || !a.Join(b).Covers(b) {
			t.Errorf("looser than its parts: %+v %+v", a, b)
		}
		if a.Covers(b) && b.Covers(a) && !a.equal(b) {
			t.Errorf("two labels cover one another: %+v %+v", a, b)
		}
		if a.Covers(b) && b.Covers(c) && !a.Covers(c) {
			t.Errorf("not transitive: %+v %+v %+v", a, b, c)
		}
		if j := a.Join(b); j.Integrity > a.Integrity || j.Confidentiality > b.Confidentiality || !j.Covers(c) && j.equal(c) {
			t.Errorf("it loosened: %+v", j)
		}
	})
}

// TestSources: the sources of a join are those of all, sorted, each once, or Many; nobody's slice is changed.
func TestSources(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := labels().Draw(t, "a"), labels().Draw(t, "b")
		before := slices.Clone(a.Sources)
		j := a.Join(b)
		if !slices.Equal(a.Sources, before) {
			t.Error("a was changed")
		}
		if len(j.Sources) > MaxSources || !slices.IsSorted(j.Sources) || len(slices.Compact(slices.Clone(j.Sources))) != len(j.Sources) {
			t.Errorf("%q", j.Sources)
		}
		if slices.Equal(j.Sources, []string{Many}) {
			return
		}
		for _, s := range slices.Concat(a.Sources, b.Sources) {
			if !slices.Contains(j.Sources, s) {
				t.Errorf("%q lacks %q", j.Sources, s)
			}
		}
	})
}

func TestManySources(t *testing.T) {
	l := Clean()
	for i := range MaxSources {
		l = l.Join(Label{Trusted, Public, []string{fmt.Sprint(i)}})
	}
	if len(l.Sources) != MaxSources {
		t.Errorf("%q", l.Sources)
	}
	l = l.Join(Label{Trusted, Public, []string{"one more"}})
	if !slices.Equal(l.Sources, []string{Many}) || !slices.Equal(l.Join(Label{Sources: []string{"a"}}).Sources, []string{Many}) {
		t.Errorf("%q", l.Sources)
	}
}

// TestZero: what is missing is the worst.
func TestZero(t *testing.T) {
	if (Label{}).Integrity != Untrusted || (Label{}).Confidentiality != Secret || !(Label{}).Join(Clean()).equal(Label{}) {
		t.Error("the zero label is not the worst")
	}
	rapid.Check(t, func(t *rapid.T) {
		l := labels().Draw(t, "l")
		if j := l.Join(Label{}); j.Integrity != Untrusted || j.Confidentiality != Secret {
			t.Errorf("%+v", j)
		}
	})
	if !Clean().Covers(Clean()) || Clean().Covers(Label{}) || !(Label{}).Covers(Clean()) {
		t.Error("what covers what")
	}
}

func TestWords(t *testing.T) {
	for _, i := range []Integrity{Untrusted, Constrained, Trusted} {
		if got, err := ParseIntegrity(i.String()); got != i || err != nil {
			t.Errorf("%v: %v %v", i, got, err)
		}
	}
	for _, c := range []Confidentiality{Secret, Internal, Public} {
		if got, err := ParseConfidentiality(c.String()); got != c || err != nil {
			t.Errorf("%v: %v %v", c, got, err)
		}
	}
	for _, word := range []string{"", "Trusted", "trusted ", "clean"} {
		if got, err := ParseIntegrity(word); got != Untrusted || err == nil {
			t.Errorf("%q: %v %v", word, got, err)
		}
		if got, err := ParseConfidentiality(word); got != Secret || err == nil {
			t.Errorf("%q: %v %v", word, got, err)
		}
	}
	if Integrity(7).String() != "untrusted" || Confidentiality(7).String() != "secret" {
		t.Error("a number that is none is not the worst")
	}
}
