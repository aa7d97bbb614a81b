package project

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// A walk has two parts, so that a small capacity goes a long way. The first codes the structure: what is a list or an object, how
// long, with which names; it is cheap, and gives each piece a reference of its own. The second codes the values, the cheapest
// kinds first.

// walk is one projection in progress.
type walk struct {
	p      *Projector
	left   budget.Bits
	spent  budget.Bits
	leaves []*node
	out    Skeleton
	text   []byte // since the last reference
}

// node is a value, and what of it is shown.
type node struct {
	value   *Value
	spot    *spot
	at      string
	form    form   // asReference until it is paid for
	literal []byte // of a value that is shown
	kids    []*node
}

// choice is what a value would be shown as.
type choice struct {
	form    form
	cost    budget.Bits // beside that of the form
	literal []byte      // of a scalar
	value   *Value      // of a list or an object
	shape   *shape
	learn   []taken // what the cost was made of
}

// taken is one outcome of a model.
type taken struct {
	model   *model
	outcome int
}

func (c *choice) take(m *model, outcome int) {
	c.cost += m.cost(outcome)
	c.learn = append(c.learn, taken{m, outcome})
}

// buy pays for a choice, or else for the outcome that it is none. What the latter costs, and the least that the former does, is known
// before the value is looked at: if not even that is left, nothing is paid, and nothing is said.
func (w *walk) buy(c *choice, m *model, least budget.Bits) bool {
	otherwise := m.cost(int(asReference))
	if w.left < max(otherwise, least) {
		return false
	}
	if c.form != asReference && m.can(int(c.form)) {
		if cost := m.cost(int(c.form)) + c.cost; cost <= w.left {
			w.pay(cost)
			m.saw(int(c.form))
			for _, t := range c.learn {
				t.model.saw(t.outcome)
			}
			return true
		}
	}
	w.pay(otherwise)
	m.saw(int(asReference))
	return false
}

func (w *walk) pay(cost budget.Bits) {
	w.left -= cost
	w.spent += cost
}

// structure codes whether the value is a list, an object, or neither.
func (w *walk) structure(v *Value, s *spot, at string) *node {
	n := &node{value: v, spot: s, at: at}
	if s.field != nil {
		switch s.field.kind {
		case TypeRef:
			return n
		case TypeDrop:
			n.form, n.literal = asNull, []byte("null")
			return n
		}
	}
	c := w.container(v, s)
	if !w.buy(&c, &s.kinds, 0) {
		w.leaves = append(w.leaves, n)
		return n
	}
	n.form, n.value = c.form, c.value
	if c.form == asList {
		for i := range c.value.Items {
			n.kids = append(n.kids, w.structure(&c.value.Items[i], s.element(), at+"/"+strconv.Itoa(i)))
		}
		return n
	}
	s.last = c.shape
	w.object(n, c.value)
	return n
}

// object takes the known names in their own order, so that the content's order says nothing, and then the others.
func (w *walk) object(n *node, v *Value) {
	byName := make(map[string]*Value, len(v.Members))
	for i := range v.Members {
		byName[v.Members[i].Name] = &v.Members[i].Value
	}
	for _, name := range n.spot.known {
		if value := byName[name]; value != nil {
			n.kids = append(n.kids, w.structure(value, n.spot.child(name), n.at+"/"+pointer(name)))
		}
	}
	for i := range v.Members {
		if m := &v.Members[i]; n.spot.isUnknown(m.Name) {
			n.kids = append(n.kids, w.structure(&m.Value, n.spot.unknown(), n.at+"/"+pointer(m.Name)))
		}
	}
}

// values codes what is no list and no object, the cheapest kinds first.
func (w *walk) values() {
	slices.SortStableFunc(w.leaves, func(a, b *node) int { return cmp.Compare(a.spot.rank, b.spot.rank) })
	for _, n := range w.leaves {
		before := w.spent
		if c := scalar(n.value, n.spot); w.buy(&c, &n.spot.forms, n.spot.least()) {
			n.form, n.literal = c.form, c.literal
			w.out.Values = append(w.out.Values, Typed{Path: n.spot.path, JSON: string(c.literal), Bits: w.spent - before})
		}
	}
}

// show writes the fields of the clearance.
func (w *walk) show(n *node) {
	switch n.form {
	case asReference:
		w.refer(Reference{At: n.at, Path: n.spot.path, Text: n.value.text(), Kind: n.value.Kind})
	case asList:
		w.text = append(w.text, '[')
		for i, kid := range n.kids {
			if i > 0 {
				w.text = append(w.text, ',')
			}
			w.show(kid)
		}
		w.text = append(w.text, ']')
	case asObject:
		w.showObject(n)
	default:
		w.text = append(w.text, n.literal...)
	}
}

func (w *walk) showObject(n *node) {
	w.text = append(w.text, '{')
	i := 0
	next := func() *node {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		i++
		return n.kids[i-1]
	}
	has := make(map[string]bool, len(n.value.Members))
	for m := range n.value.Members {
		has[n.value.Members[m].Name] = true
	}
	for _, name := range n.spot.known {
		if has[name] {
			kid := next()
			w.text = append(AppendString(w.text, name), ':')
			w.show(kid)
		}
	}
	for m := range n.value.Members {
		if name := n.value.Members[m].Name; n.spot.isUnknown(name) {
			kid := next()
			w.refer(Reference{At: kid.at + "~k", Path: kid.spot.path, Text: name, Kind: String, Name: true})
			w.text = append(w.text, ':')
			w.show(kid)
		}
	}
	w.text = append(w.text, '}')
}

// pointer writes a name as a JSON pointer does.
func pointer(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (w *walk) refer(r Reference) {
	w.out.parts = append(w.out.parts, string(w.text))
	w.text = w.text[:0]
	w.out.References = append(w.out.References, r)
}

// container is the choice for what is a list or an object.
func (w *walk) container(v *Value, s *spot) choice {
	if f := s.field; f != nil && v.Kind == String {
		switch f.kind {
		case TypeLines:
			v = lines(v.Text)
		case TypeCapture:
			v = capture(v.Text, f, s)
		}
	}
	switch {
	case v.Kind == List && len(v.Items) <= w.p.rules.MaxItems:
		return choice{form: asList, cost: lengthCost(len(v.Items), w.p.rules.MaxItems), value: v}
	case v.Kind == Object:
		return w.members(v, s)
	}
	return choice{}
}

// lines makes a list of a text's lines.
func lines(text string) *Value {
	out := &Value{Kind: List}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out.Items = append(out.Items, Value{Kind: String, Text: line})
		}
	}
	return out
}

// capture makes an object of a pattern's named groups. A group whose own rule wants a number is one if it reads so.
func capture(text string, f *field, s *spot) *Value {
	at := f.pattern.FindStringSubmatchIndex(text)
	if at == nil {
		return &Value{Kind: String, Text: text}
	}
	out := &Value{Kind: Object}
	for i, name := range f.pattern.SubexpNames() {
		if name == "" || at[2*i] < 0 {
			continue
		}
		value := Value{Kind: String, Text: text[at[2*i]:at[2*i+1]]}
		if of := s.child(name).field; of != nil && (of.kind == TypeInt || of.kind == TypeNumber || of.kind == TypeBool) {
			value = cellValue(value.Text)
		}
		out.Members = append(out.Members, Member{Name: name, Value: value})
	}
	return out
}

func (w *walk) members(v *Value, s *spot) choice {
	s.names()
	present, here, unknown := make([]byte, len(s.known)), 0, 0
	for i := range v.Members {
		if at, ok := s.isKnown[v.Members[i].Name]; ok {
			present[at] = 1
			here++
		} else if s.isUnknown(v.Members[i].Name) {
			unknown++
		}
	}
	if unknown > w.p.rules.MaxItems {
		return choice{}
	}
	c := choice{form: asObject, value: v, shape: &shape{string(present), unknown}}
	if s.last != nil {
		if *s.last == *c.shape {
			c.take(&s.same, 0)
			return c
		}
		c.take(&s.same, 1)
	}
	c.cost += shapeCost(len(s.known), here, unknown)
	return c
}
