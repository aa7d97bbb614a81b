package policies

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reader reads one value of a decision document and names where it stands.
type reader struct {
	path string
	term *ast.Term
}

func (r reader) fail(format string, args ...any) error {
	return fmt.Errorf("policies: decision: %s %s", r.path, fmt.Sprintf(format, args...))
}

func (r reader) str(into *string) error {
	s, ok := r.term.Value.(ast.String)
	if !ok {
		return r.fail("is %s, not a string", ast.ValueName(r.term.Value))
	}
	*into = string(s)
	return nil
}

func (r reader) boolean(into *bool) error {
	b, ok := r.term.Value.(ast.Boolean)
	if !ok {
		return r.fail("is %s, not a boolean", ast.ValueName(r.term.Value))
	}
	*into = bool(b)
	return nil
}

func (r reader) integer(into *int) error {
	n, ok := r.term.Value.(ast.Number)
	if ok {
		*into, ok = n.Int()
	}
	if !ok {
		return r.fail("is not an integer")
	}
	return nil
}

// word reads one of a few known words.
func (r reader) word(into *string, known ...string) error {
	if err := r.str(into); err != nil {
		return err
	}
	for _, k := range known {
		if *into == k {
			return nil
		}
	}
	return r.fail("is %q, not one of %s", *into, strings.Join(known, ", "))
}

// each calls f for every element of an array.
func (r reader) each(f func(i int, r reader) error) error {
	a, ok := r.term.Value.(*ast.Array)
	if !ok {
		return r.fail("is %s, not an array", ast.ValueName(r.term.Value))
	}
	for i := range a.Len() {
		if err := f(i, reader{path: r.path, term: a.Elem(i)}); err != nil {
			return err
		}
	}
	return nil
}

// members calls f for every member of an object.
func (r reader) members(f func(key string, r reader) error) error {
	o, ok := r.term.Value.(ast.Object)
	if !ok {
		return r.fail("is %s, not an object", ast.ValueName(r.term.Value))
	}
	return o.Iter(func(k, v *ast.Term) error {
		key, ok := k.Value.(ast.String)
		if !ok {
			return r.fail("has a key that is no string")
		}
		return f(string(key), reader{path: string(key), term: v})
	})
}

// strings reads an object of strings.
func (r reader) strings() (map[string]string, error) {
	out := map[string]string{}
	err := r.members(func(key string, r reader) error {
		var s string
		err := r.str(&s)
		out[key] = s
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
