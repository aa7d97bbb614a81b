package project

import (
	"fmt"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// Limits bound what is looked into. A content beyond them is one reference. A limit that is zero takes its default.
type Limits struct {
	MaxBytes      int  // of a content with a structure (default 1 MiB)
	MaxDepth      int  // default 32
	MaxNodes      int  // values of all kinds (default 50,000)
	MaxReferences int  // of one clearance (default 2,048)
	HideSize      bool // leave out how large the content is, which costs 2.9 bits
}

func (l Limits) orDefault() Limits {
	def := func(n *int, otherwise int) {
		if *n <= 0 {
			*n = otherwise
		}
	}
	def(&l.MaxBytes, 1<<20)
	def(&l.MaxDepth, 32)
	def(&l.MaxNodes, 50_000)
	def(&l.MaxReferences, 2048)
	return l
}

// Projector projects the results of one tool. It never changes, and serves any number of goroutines.
type Projector struct {
	rules    Rules
	limits   Limits
	root     *trie
	anywhere map[string]*trie // by one name
	schema   *schema
	dates    *field // those that no rule bounds
}

// Compile makes the projector of a tool's rules.
func Compile(r Rules, l Limits) (*Projector, error) {
	p := &Projector{rules: r, limits: l.orDefault(), root: &trie{}, anywhere: map[string]*trie{}}
	if p.rules.MaxItems <= 0 {
		p.rules.MaxItems = defaultItems
	}
	for path, rule := range r.Fields {
		f, err := compileField(rule)
		if err != nil {
			return nil, fmt.Errorf("%w (field %q)", err, path)
		}
		steps, anywhere, err := splitPath(path)
		if err != nil {
			return nil, err
		}
		at := p.root
		if anywhere {
			if p.anywhere[steps[0]] == nil {
				p.anywhere[steps[0]] = &trie{}
			}
			at, steps = p.anywhere[steps[0]], steps[1:]
		}
		for _, name := range steps {
			at = at.child(name)
		}
		at.field = f
	}
	for _, name := range r.Names {
		if err := checkName(name); err != nil {
			return nil, err
		}
	}
	var err error
	if p.schema, err = compileSchema(r.Schema); err != nil {
		return nil, err
	}
	p.dates = &field{}
	p.dates.years(firstYear, lastYear)
	return p, nil
}

// Project projects a content, for at most capacity. The same content always gives the same skeleton. It never fails: what cannot
// be read, or is too much, is one reference.
func (p *Projector) Project(content []byte, kind Kind, capacity budget.Bits) *Skeleton {
	w := &walk{p: p, left: min(max(capacity, 0), budget.Unlimited)}
	w.out.Size = -1
	if p.rules.Kind != Auto {
		kind = p.rules.Kind
	}
	if cost := budget.OneOf(sizes); !p.limits.HideSize && w.left >= cost {
		_, w.out.Size = size(len(content))
		w.pay(cost)
		if len(content) == 0 {
			w.text = append(w.text, `""`...)
			return w.done(Text)
		}
	}
	before := *w
	root := p.spot()
	if f := root.field; kind == Auto && f != nil {
		switch f.kind {
		case TypeCapture, TypeLines, TypePattern, TypeEnum, TypeRef:
			kind = Text
		}
	}
	v, kind := parse(content, kind, p.limits, root.knows)
	top := w.structure(&v, root, "")
	w.values()
	w.show(top)
	if len(w.out.References) > p.limits.MaxReferences {
		// As if it had no structure, and at that price.
		*w, kind = before, Text
		root = p.spot()
		if cost := root.kinds.cost(int(asReference)) + root.forms.cost(int(asReference)); cost <= w.left {
			w.pay(cost)
		}
		w.refer(Reference{Path: "$", Text: text(content), Kind: String})
	}
	return w.done(kind)
}

// Opaque is the skeleton of a content of which nothing is shown: one reference, and no information.
func Opaque(content []byte) *Skeleton {
	w := &walk{}
	w.out.Size = -1
	w.refer(Reference{Path: "$", Text: text(content), Kind: String})
	return w.done(Text)
}

// spot is the place of the result itself.
func (p *Projector) spot() *spot { return p.newSpot("$", []*trie{p.root}, p.schema, nil) }
