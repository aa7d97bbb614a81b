package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/yellowjack/yellowjack/internal/label"
)

// maxArgs is how many pieces of a call's arguments are told apart; more are one piece that nothing good is said of.
const maxArgs = 256

// term parses the arguments, once and with exact numbers, and says where they come from.
func (c *Call) term(context label.Label) (*ast.Term, error) {
	args, err := parseJSON(c.Arguments)
	if err != nil {
		return nil, fmt.Errorf("policies: arguments of call %d: %w", c.Index, err)
	}
	annotations := nullTerm
	if c.Annotations != nil {
		if annotations, err = parseJSON(c.Annotations); err != nil {
			return nil, fmt.Errorf("policies: annotations of call %d: %w", c.Index, err)
		}
	}
	clean := c.clean(context)
	origins := c.Args
	if !clean {
		origins = c.origins(args, context)
	}
	return object(
		pair{kAnnotations, annotations},
		pair{kArgs, list(origins, (*Arg).term)},
		pair{kArguments, args},
		pair{kChoice, number(c.Choice)},
		pair{kClean, boolean(clean)},
		pair{kGranted, boolean(c.Granted)},
		pair{kIndex, number(c.Index)},
		pair{kOffered, boolean(c.Offered)},
		pair{kPin, str(cmp.Or(c.Pin, PinNone))},
		pair{kTool, str(c.Tool)},
	), nil
}

// clean tells whether nothing of the call can stem from a third party.
func (c *Call) clean(context label.Label) bool {
	return context.Integrity == label.Trusted &&
		!slices.ContainsFunc(c.Args, func(a Arg) bool { return a.Integrity != label.Trusted || a.Ref })
}

func (a *Arg) term() *ast.Term {
	path := a.path()
	return object(
		pair{kConfidentiality, confidentiality(a.Confidentiality)},
		pair{kIntegrity, integrity(a.Integrity)},
		pair{kName, str(firstName(path))},
		pair{kPath, str(path)},
		pair{kPerson, boolean(a.Person)},
		pair{kRef, boolean(a.Ref)},
		pair{kSources, strs(a.Sources)},
		pair{kWhole, boolean(a.Whole)},
	)
}

// path is the path with no numbers in it, for rules are about all elements of a list.
func (a *Arg) path() string {
	if strings.IndexByte(a.Path, '[') < 0 {
		return a.Path
	}
	out := make([]byte, 0, len(a.Path))
	for i := 0; i < len(a.Path); i++ {
		out = append(out, a.Path[i])
		switch a.Path[i] {
		case '\\':
			if i++; i < len(a.Path) {
				out = append(out, a.Path[i])
			}
		case '[':
			for i+1 < len(a.Path) && a.Path[i+1] >= '0' && a.Path[i+1] <= '9' {
				i++
			}
		}
	}
	return string(out)
}

// firstName is the path's first name, as it is escaped there.
func firstName(path string) string {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			i++
		case '.', '[':
			return path[:i]
		}
	}
	return path
}

// escaped is a name as it stands in a path.
func escaped(name string) string {
	if !strings.ContainsAny(name, `.[\`) {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, ".", `\.`, "[", `\[`).Replace(name)
}

// origins is what is said of the arguments, each path and origin once, and for every value that nothing is said of, that
// it is the model's: it has the context's label.
func (c *Call) origins(args *ast.Term, context label.Label) []Arg {
	all := make([]Arg, 0, len(c.Args)+4)
	said := make(map[string]bool, len(c.Args))
	for _, a := range c.Args {
		said[a.Path] = true
		a.Path = a.path()
		all = append(all, a)
	}
	unsaid := map[string]bool{}
	walkLeaves("", "", args.Value, said, func(path string) {
		if !unsaid[path] {
			unsaid[path] = true
			all = append(all, Arg{Path: path, Label: context})
		}
	})
	slices.SortFunc(all, compareArgs)
	all = slices.CompactFunc(all, func(a, b Arg) bool { return compareArgs(a, b) == 0 })
	if len(all) <= maxArgs {
		return all
	}
	one := Arg{Label: context}
	for _, a := range all {
		one.Label, one.Ref = one.Join(a.Label), one.Ref || a.Ref
	}
	return []Arg{one}
}

// walkLeaves calls leaf for every value that holds no other, unless it or what holds it is said already, by the number of
// an element (at) or for all of them (path).
func walkLeaves(path, at string, value ast.Value, said map[string]bool, leaf func(path string)) {
	if said[path] || said[at] {
		return
	}
	switch v := value.(type) {
	case ast.Object:
		if v.Len() > 0 {
			v.Foreach(func(k, member *ast.Term) {
				name, _ := k.Value.(ast.String)
				below := escaped(string(name))
				if path != "" {
					below = "." + below
				}
				walkLeaves(path+below, at+below, member.Value, said, leaf)
			})
			return
		}
		if path == "" {
			return // no arguments at all
		}
	case *ast.Array:
		if v.Len() > 0 {
			for i := range v.Len() {
				walkLeaves(path+"[]", at+"["+strconv.Itoa(i)+"]", v.Elem(i).Value, said, leaf)
			}
			return
		}
	}
	leaf(path)
}

func compareArgs(a, b Arg) int {
	return cmp.Or(
		strings.Compare(a.Path, b.Path),
		cmp.Compare(a.Integrity, b.Integrity),
		cmp.Compare(a.Confidentiality, b.Confidentiality),
		slices.Compare(a.Sources, b.Sources),
		compareBool(a.Person, b.Person),
		compareBool(a.Ref, b.Ref),
		compareBool(a.Whole, b.Whole),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
