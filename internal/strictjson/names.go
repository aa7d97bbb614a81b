package strictjson

import (
	"unicode"
	"unicode/utf8"
)

// Names is the set of member names that a reader knows in one object. It interns them, and it refuses names that a
// lenient reader would take for one of them.
type Names struct {
	exact   map[string]string
	folded  map[string]bool
	longest int
}

// NewNames makes the set once, for many documents.
func NewNames(names ...string) *Names {
	n := &Names{exact: make(map[string]string, len(names)), folded: make(map[string]bool, len(names))}
	for _, name := range names {
		n.exact[name] = name
		n.folded[string(fold(nil, []byte(name)))] = true
		n.longest = max(n.longest, len(name))
	}
	return n
}

// Has tells whether name is one of the set.
func (n *Names) Has(name string) bool {
	_, ok := n.exact[name]
	return ok
}

// find decodes a validated name literal.
func (n *Names) find(raw []byte) (string, error) {
	bare := raw[1 : len(raw)-1]
	if n == nil {
		return unquote(raw)
	}
	if name, ok := n.exact[string(bare)]; ok {
		return name, nil // a literal with an escape never equals a known name
	}
	name, err := unquote(raw)
	if err != nil {
		return "", err
	}
	if known, ok := n.exact[name]; ok {
		return known, nil
	}
	// A letter folds to at most three times its bytes, so a longer name cannot be a variant.
	if len(name) <= 3*n.longest {
		var room [96]byte
		if n.folded[string(fold(room[:0], []byte(name)))] {
			return "", ErrCase
		}
	}
	return name, nil
}

// fold maps each letter to the least of those that equal it under Unicode's simple case folding, as encoding/json does:
// the Kelvin sign and the long s are among the letters that equal an ASCII one.
func fold(dst, name []byte) []byte {
	for i := 0; i < len(name); {
		c := name[i]
		if c < utf8.RuneSelf {
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(name[i:])
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				r = next
				break
			}
			r = next
		}
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return dst
}
