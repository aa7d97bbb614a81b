package project

import (
	"slices"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// form is what a value is shown as.
type form int

const (
	asReference form = iota
	asPlain          // as the field's type
	asQuoted         // as the field's type, a number written as a text
	asNull
	asEmpty // the empty text
	asBool
	asNumber
	asMoment
	asList
	asObject
	forms
)

// spot is a place of the tree with list positions left out: what the rules know of it, and what was learned there in this
// result.
type spot struct {
	p      *Projector
	path   string // known names only; "*" is any other
	tries  []*trie
	schema *schema
	field  *field // nil: untyped

	rank                     budget.Bits // what a value costs about, by the rules alone
	kinds                    model       // list, object or neither
	forms                    model       // of what is neither
	same                     model       // of shapes
	last                     *shape
	sign, whole, fraction    model
	parts, seconds, timeZone model

	room [2*int(forms) + 26]uint32 // of the models' weights
	used int

	known    []string // names that may be shown, sorted
	isKnown  map[string]int
	dropped  map[string]bool
	children map[string]*spot
	other    *spot
	item     *spot
}

// newSpot makes a place; inherited is the rule of a list that holds for its elements.
func (p *Projector) newSpot(path string, tries []*trie, s *schema, inherited *field) *spot {
	at := &spot{p: p, path: path, tries: tries, schema: s}
	for _, t := range tries {
		if t.field != nil && at.field == nil {
			at.field = t.field
		}
	}
	if at.field == nil && inherited != nil {
		at.field = inherited
	}
	if at.field == nil && s != nil {
		at.field = s.field
	}
	if at.field != nil && at.field.kind == TypeAny {
		at.field = nil
	}
	at.kinds, at.forms = at.firstKinds(), at.firstForms()
	at.rank = at.field.about()
	at.same = at.model(14, 2)
	at.sign = at.model(14, 2)
	at.whole = at.model(2, 2, 2, 2, 2, 2, 2, 2, 2)
	at.fraction = at.model(16, 4, 8, 2, 2)
	if at.field == nil {
		at.parts = at.model(14, 14, 4)
	} else {
		at.parts = at.model(30, 2, 0)
	}
	at.seconds = at.model(12, 4)
	at.timeZone = at.model(7, 7, 2)
	return at
}

// model makes a model, the weights of which are kept in the place itself.
func (s *spot) model(weights ...uint32) model {
	from := s.used
	s.used += copy(s.room[from:], weights)
	return newModel(s.room[from:s.used:s.used])
}

// firstKinds are the probabilities of a list, an object or neither before anything was seen here.
func (s *spot) firstKinds() model {
	var w [forms]uint32
	w[asReference], w[asList], w[asObject] = 12, 2, 2
	switch {
	case s.field == nil && s.expects(asObject), s.field != nil && s.field.kind == TypeCapture:
		w[asReference], w[asList], w[asObject] = 2, 1, 29
	case s.field == nil && s.expects(asList), s.field != nil && s.field.kind == TypeLines:
		w[asReference], w[asList], w[asObject] = 2, 29, 1
	case s.field != nil:
		w[asReference], w[asList], w[asObject] = 63, 1, 0
	}
	return s.model(w[:]...)
}

// firstForms are the probabilities of what is neither.
func (s *spot) firstForms() model {
	var w [forms]uint32
	w[asReference], w[asNull] = 1, 1
	switch {
	case s.field == nil && (s.expects(asObject) || s.expects(asList)):
		w[asReference] = 3
	case s.field == nil:
		w[asReference], w[asEmpty], w[asBool], w[asNumber], w[asMoment] = 8, 1, 2, 2, 2
	case s.field.kind == TypeCapture || s.field.kind == TypeLines:
		w[asReference] = 3
	case s.field.kind == TypeInt || s.field.kind == TypeNumber:
		w[asPlain], w[asQuoted] = 28, 2
	default:
		w[asPlain] = 30
	}
	return s.model(w[:]...)
}

// about is what a value of a rule costs, roughly; a value with no rule costs more than a truth value and less than a date.
func (f *field) about() budget.Bits {
	switch {
	case f == nil:
		return 12 * budget.Bit
	case f.days > 0:
		return budget.OneOf(float64(f.days))
	case (f.kind == TypeInt || f.kind == TypeNumber) && !f.bounded || f.kind == TypeTime:
		return 11 * budget.Bit
	}
	return max(f.cost, f.floor)
}

// expects tells whether the rules say that here is an object, or a list.
func (s *spot) expects(f form) bool {
	if s.schema != nil && (s.schema.object || s.schema.list) {
		return s.schema.object == (f == asObject)
	}
	for _, t := range s.tries {
		for name := range t.children {
			if (name == element) == (f == asList) {
				return true
			}
		}
	}
	return false
}

// names finds the names that may be shown here, once.
func (s *spot) names() {
	if s.isKnown != nil {
		return
	}
	s.isKnown, s.dropped = map[string]int{}, map[string]bool{}
	known := map[string]bool{}
	for _, t := range s.tries {
		for name := range t.children {
			if name != element && name != "*" {
				known[name] = true
			}
		}
	}
	switch {
	case s.field != nil && s.field.kind == TypeCapture:
		for _, name := range s.field.pattern.SubexpNames() {
			if name != "" {
				known[name] = true
			}
		}
	case s.schema != nil && s.schema.props != nil:
		for name := range s.schema.props {
			known[name] = true
		}
	default:
		for name := range s.p.anywhere {
			known[name] = true
		}
		for _, name := range s.p.rules.Names {
			known[name] = true
		}
	}
	for name := range known {
		if f := s.child(name).field; f != nil && f.kind == TypeDrop {
			s.dropped[name] = true
			continue
		}
		s.known = append(s.known, name)
	}
	slices.Sort(s.known)
	for i, name := range s.known {
		s.isKnown[name] = i
	}
}

// least is what a value of the rule's type costs here at least. It is what it costs, where all cost the same.
func (s *spot) least() budget.Bits {
	f := s.field
	if f == nil || !s.forms.can(int(asPlain)) {
		return 0
	}
	least := max(f.cost, f.floor)
	if f.days > 0 {
		least = max(least, budget.OneOf(float64(f.days)))
	}
	return least + min(s.forms.cost(int(asPlain)), 2*budget.Bit)
}

// isUnknown tells a name that may not be shown, nor is left out.
func (s *spot) isUnknown(name string) bool {
	_, known := s.isKnown[name]
	return !known && !s.dropped[name]
}

// child is the place of a known name.
func (s *spot) child(name string) *spot {
	if c := s.children[name]; c != nil {
		return c
	}
	var tries []*trie
	for _, t := range s.tries {
		if c := t.children[name]; c != nil {
			tries = append(tries, c)
		}
	}
	if t := s.p.anywhere[name]; t != nil {
		tries = append(tries, t)
	}
	var of *schema
	if s.schema != nil {
		of = s.schema.props[name]
	}
	if s.children == nil {
		s.children = map[string]*spot{}
	}
	c := s.p.newSpot(s.path+"."+name, tries, of, nil)
	s.children[name] = c
	return c
}

// unknown is the place of all names that may not be shown.
func (s *spot) unknown() *spot {
	if s.other == nil {
		var tries []*trie
		for _, t := range s.tries {
			if c := t.children["*"]; c != nil {
				tries = append(tries, c)
			}
		}
		var of *schema
		if s.schema != nil {
			of = s.schema.extra
		}
		s.other = s.p.newSpot(s.path+".*", tries, of, nil)
	}
	return s.other
}

// element is the place of a list's elements.
func (s *spot) element() *spot {
	if s.item == nil {
		var tries []*trie
		for _, t := range s.tries {
			if c := t.children[element]; c != nil {
				tries = append(tries, c)
			}
		}
		var of *schema
		if s.schema != nil {
			of = s.schema.items
		}
		inherited := s.field
		if inherited != nil && inherited.kind == TypeLines {
			inherited = nil
		}
		s.item = s.p.newSpot(s.path+element, tries, of, inherited)
	}
	return s.item
}

// knows tells whether a name may be shown here, or in the elements of a list here.
func (s *spot) knows(name string) bool {
	for _, at := range []*spot{s, s.element()} {
		at.names()
		if _, ok := at.isKnown[name]; ok || at.dropped[name] {
			return true
		}
	}
	return false
}
