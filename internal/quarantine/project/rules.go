package project

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// Rules say what of one tool's results a model may read.
type Rules struct {
	// Kind is what the results are written in; Auto finds out.
	Kind Kind
	// Fields are the typed fields. A key is a path from the top ("$" is the result itself, "issues[].title", "[].id", "prices.*"),
	// or one name, which is known wherever it stands ("title"; "tags[]" are the elements of the list of that name). The more
	// exact one counts. A dot that belongs to a name is written "\.".
	Fields map[string]Field
	// Names are further names that may be shown; their values are projected as untyped ones are.
	Names []string
	// Schema is the tool's pinned output schema, in JSON Schema. What of it we do not know is as if it were not there.
	Schema []byte
	// MaxItems bounds the lists that keep their length, and the unknown names of one object (default 256).
	MaxItems int
}

// Type is what a field's value has to be for a model to read it.
type Type string

// The types of fields.
const (
	TypeAny      Type = "any"      // as if there were no rule, but the name is known
	TypeBool     Type = "bool"     // true or false
	TypeInt      Type = "int"      // a whole number from Min to Max
	TypeNumber   Type = "number"   // a number from Min to Max, with at most Decimals decimals
	TypeDate     Type = "date"     // a day; of a date and time, the day alone
	TypeDateTime Type = "datetime" // a day and a time
	TypeTime     Type = "time"     // a time of day
	TypeEnum     Type = "enum"     // one of Enum
	TypePattern  Type = "pattern"  // a text that Pattern matches as a whole, at most MaxLen characters
	TypeCapture  Type = "capture"  // a text that Pattern matches as a whole; its named groups become the members of an object
	TypeLines    Type = "lines"    // a text whose lines become a list
	TypeRef      Type = "ref"      // a reference, whatever it is; it costs nothing
	TypeDrop     Type = "drop"     // left out, as if it were not there
)

// Field is the rule of a field. A scalar type on a list is that of its elements.
type Field struct {
	Type     Type
	Min, Max *float64 // of an int or a number; of a date the first and the last year (default 2000 and 2049)
	Decimals int      // of a number (default 2)
	Enum     []string
	Pattern  string  // RE2
	MaxLen   int     // default 32, at most 64
	Bits     float64 // what a value costs at least; it is never charged less than it can say
}

// The defaults and bounds of rules.
const (
	defaultItems    = 256
	defaultDecimals = 2
	maxDecimals     = 9
	defaultLen      = 32
	maxLen          = 64
	maxPattern      = 1024
	firstYear       = 2000
	lastYear        = 2049
)

// field is a Field made ready.
type field struct {
	kind     Type
	least    int64 // of a number, in units of its last decimal
	most     int64
	bounded  bool
	decimals int
	firstDay int64 // since 1970
	days     int64
	enum     map[string]bool
	pattern  *regexp.Regexp
	maxLen   int
	cost     budget.Bits // of one value of a type whose values all cost the same
	floor    budget.Bits
}

func compileField(f Field) (*field, error) {
	out := &field{kind: f.Type, floor: budget.From(f.Bits)}
	switch f.Type {
	case TypeAny, TypeRef, TypeDrop, TypeLines, TypeTime:
	case TypeBool:
		out.cost = budget.Bit
	case TypeInt, TypeNumber:
		return out, out.numeric(f)
	case TypeDate, TypeDateTime:
		return out, out.dated(f)
	case TypeEnum:
		if len(f.Enum) == 0 {
			return nil, fmt.Errorf("project: an enum has no options")
		}
		out.enum = map[string]bool{}
		for _, word := range f.Enum {
			if looksLikeReference(word) || !utf8.ValidString(word) {
				return nil, fmt.Errorf("project: an enum's option looks like a reference, or is no text")
			}
			out.enum[word] = true
		}
		out.cost = budget.OneOf(float64(len(out.enum)))
	case TypePattern, TypeCapture:
		return out, out.patterned(f)
	default:
		return nil, fmt.Errorf("project: unknown type %q", f.Type)
	}
	return out, nil
}

func (f *field) numeric(rule Field) error {
	if f.kind == TypeNumber {
		if f.decimals = rule.Decimals; f.decimals == 0 {
			f.decimals = defaultDecimals
		}
		if f.decimals < 0 || f.decimals > maxDecimals {
			return fmt.Errorf("project: %d decimals", f.decimals)
		}
	}
	if rule.Min == nil || rule.Max == nil {
		return nil // numbers of any size cost by their digits
	}
	var okMin, okMax bool
	f.least, okMin = scaled(*rule.Min, f.decimals)
	f.most, okMax = scaled(*rule.Max, f.decimals)
	if !okMin || !okMax || f.most < f.least {
		return fmt.Errorf("project: no range from %v to %v", *rule.Min, *rule.Max)
	}
	f.bounded = true
	f.cost = budget.OneOf(float64(f.most) - float64(f.least) + 1)
	return nil
}

func (f *field) dated(rule Field) error {
	first, last := firstYear, lastYear
	if rule.Min != nil {
		first = int(*rule.Min)
	}
	if rule.Max != nil {
		last = int(*rule.Max)
	}
	if first < 1 || last > 9999 || last < first {
		return fmt.Errorf("project: no years from %d to %d", first, last)
	}
	f.years(first, last)
	return nil
}

func (f *field) years(first, last int) {
	f.firstDay = day(first, time.January, 1)
	f.days = day(last, time.December, 31) - f.firstDay + 1
}

func (f *field) patterned(rule Field) error {
	if len(rule.Pattern) > maxPattern {
		return fmt.Errorf("project: a pattern is longer than %d bytes", maxPattern)
	}
	pattern, err := regexp.Compile(`\A(?:` + rule.Pattern + `)\z`)
	if err != nil {
		return fmt.Errorf("project: a pattern: %w", err)
	}
	f.pattern = pattern
	if f.kind == TypeCapture {
		seen := map[string]bool{"": true}
		for _, name := range pattern.SubexpNames()[1:] {
			if name != "" && seen[name] {
				return fmt.Errorf("project: a pattern has the group %q twice", name)
			}
			seen[name] = true
		}
		if len(seen) == 1 {
			return fmt.Errorf("project: a capture's pattern has no named group")
		}
		return nil
	}
	if f.maxLen = rule.MaxLen; f.maxLen == 0 {
		f.maxLen = defaultLen
	}
	if f.maxLen < 0 || f.maxLen > maxLen {
		return fmt.Errorf("project: a pattern's max_len is above %d", maxLen)
	}
	f.cost, err = languageSize(rule.Pattern, f.maxLen)
	return err
}

// trie holds the rules by path. The name "*" is every name that is not known, "[]" the elements of a list.
type trie struct {
	field    *field
	children map[string]*trie
}

func (t *trie) child(name string) *trie {
	if t.children == nil {
		t.children = map[string]*trie{}
	}
	if t.children[name] == nil {
		t.children[name] = &trie{}
	}
	return t.children[name]
}

// element is how a trie and a path name the elements of a list.
const element = "[]"

// splitPath reads a path of Rules.Fields. anywhere says that it is one name, known wherever it stands.
func splitPath(path string) (steps []string, anywhere bool, err error) {
	rest, anchored := path, false
	if after, ok := strings.CutPrefix(rest, "$"); ok && !looksLikeReference(path) {
		rest, anchored = strings.TrimPrefix(after, "."), true
		if rest == "" {
			return nil, false, nil
		}
	}
	names := 0
	for rest != "" {
		if strings.HasPrefix(rest, element) {
			steps, rest, anchored = append(steps, element), rest[len(element):], anchored || names == 0
			rest = strings.TrimPrefix(rest, ".")
			continue
		}
		var b strings.Builder
		i := 0
		for ; i < len(rest) && rest[i] != '.' && !strings.HasPrefix(rest[i:], element); i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			b.WriteByte(rest[i])
		}
		name := b.String()
		rest = strings.TrimPrefix(rest[i:], ".")
		if err := checkName(name); err != nil {
			return nil, false, err
		}
		steps = append(steps, name)
		names++
	}
	if len(steps) == 0 {
		return nil, false, fmt.Errorf("project: an empty path")
	}
	return steps, !anchored && names == 1 && steps[0] != "*", nil
}

// checkName refuses names that a clearance must not show.
func checkName(name string) error {
	if name == "" || len(name) > 128 || !utf8.ValidString(name) || looksLikeReference(name) {
		return fmt.Errorf("project: %q cannot be a field's name", name)
	}
	return nil
}

// looksLikeReference tells a text that a reader could take for a reference.
func looksLikeReference(text string) bool { return strings.Contains(text, "$ref") }
