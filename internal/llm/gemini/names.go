package gemini

import (
	"strings"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// names are the fields that are known in one message of the protocol, in both of their spellings.
type names struct {
	set    *strictjson.Names
	fields map[string]field // by spelling
}

// field is one field, whichever way it is spelled.
type field struct {
	name string // in camel case
	bit  uint64
}

// namesOf makes the set of at most 64 fields, which are given in camel case.
func namesOf(fields ...string) *names {
	n := &names{fields: map[string]field{}}
	var all []string
	for i, name := range fields {
		f := field{name: name, bit: 1 << i}
		for _, spelling := range []string{name, snake(name)} {
			if _, there := n.fields[spelling]; !there {
				n.fields[spelling] = f
				all = append(all, spelling)
			}
		}
	}
	n.set = strictjson.NewNames(all...)
	return n
}

// snake is the spelling of a field in the protocol's definition.
func snake(camel string) string {
	var b strings.Builder
	for i := range len(camel) {
		c := camel[i]
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// camel is the spelling in JSON of a field that is in no table.
func camel(name string) string {
	var b strings.Builder
	upper := false
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_' && i > 0 && i+1 < len(name) && 'a' <= name[i+1] && name[i+1] <= 'z':
			upper = true
			continue
		case upper:
			c -= 'a' - 'A'
		}
		upper = false
		b.WriteByte(c)
	}
	return b.String()
}

const bothSpellings = "is given in both of its spellings"

// object reads one message of the protocol: f gets each field's name in camel case, "" of one that is not known.
func object(r *strictjson.Reader, n *names, f func(name string, m strictjson.Member) error) error {
	var seen uint64
	return r.Object(n.set, func(m strictjson.Member) error {
		is := n.fields[m.Name]
		if seen&is.bit != 0 {
			return r.Fail(strictjson.ErrDuplicate, bothSpellings)
		}
		seen |= is.bit
		return f(is.name, m)
	})
}
