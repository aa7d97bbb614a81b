package ref

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// ErrPlace is a reference where it may not stand.
var ErrPlace = errors.New("ref: a reference may not stand there")

// Place says how a reference may be resolved. The zero Place is not at all.
type Place uint8

// The places of a reference; they may be joined.
const (
	AsValue     Place = 1 << iota // as the whole of an argument that is no list or object; those come as their text
	InText                        // as a piece of a text
	AsStructure                   // as the whole of an argument that is a list or an object
)

// Use is a reference in the arguments of a call.
type Use struct {
	// Path is where it stands: "to", "recipients[0].email"; empty is the arguments as a whole. What is ".", "[" or "\" in a name has
	// a "\" before it.
	Path  string
	Name  Name
	Label label.Label
	Tool  string // of the result that it is a part of
	From  string // where in that
	Kind  project.ValueKind
	Whole bool // it is all of the text
}

// Permit says how a reference may be resolved where it is used. It is asked for each use.
type Permit func(u Use, e Entry) Place

// The bounds of the arguments of a call.
const (
	maxUses     = 256
	maxResolved = 8 << 20
	maxDepth    = 64
)

// Uses lists the references in the arguments of a call. One that is not known is ErrUnknown, and one in a name is ErrPlace. The
// table asks the store for those that it does not know, at most once.
func (t *Table) Uses(ctx context.Context, args []byte) ([]Use, error) {
	uses, err := find(args)
	if err != nil || len(uses) == 0 {
		return nil, err
	}
	names := make([]Name, len(uses))
	for i, u := range uses {
		names[i] = u.Name
	}
	if err := t.Load(ctx, names...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	for i := range uses {
		e, ok := t.Get(uses[i].Name)
		if !ok {
			return nil, ErrUnknown
		}
		uses[i].fill(e)
	}
	return uses, nil
}

func (u *Use) fill(e Entry) { u.Label, u.Tool, u.From, u.Kind = e.Label, e.Tool, e.Path, e.Kind }

// Resolve puts the values of all references into the arguments, of those that Uses has listed before. Everything else of them
// stays as it is, byte for byte. Without a permit nothing may stand anywhere.
func (t *Table) Resolve(args []byte, permit Permit) ([]byte, error) {
	out := make([]byte, 0, len(args)+256)
	last := 0
	err := walk(args, func(path string, span strictjson.Span, text string, found []Found) error {
		out = append(out, args[last:span.Start]...)
		last = span.End
		var err error
		out, err = t.replace(out, path, text, found, permit)
		if err == nil && len(out) > maxResolved {
			err = fmt.Errorf("%w: the arguments become too large", ErrPlace)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return append(out, args[last:]...), nil
}

// replace appends the JSON of a text in which references stand.
func (t *Table) replace(dst []byte, path, text string, found []Found, permit Permit) ([]byte, error) {
	var b strings.Builder
	last := 0
	for _, f := range found {
		e, ok := t.Get(f.Name)
		if !ok {
			return dst, ErrUnknown
		}
		u := Use{Path: path, Name: f.Name, Whole: len(found) == 1 && f.End-f.Start == len(text)}
		u.fill(e)
		place := Place(0)
		if permit != nil {
			place = permit(u, e)
		}
		structure := e.Kind == project.List || e.Kind == project.Object
		switch {
		case u.Whole && structure && place&AsStructure != 0, u.Whole && !structure && e.Kind != project.String && place&AsValue != 0:
			return append(dst, e.Value...), nil
		case u.Whole && place&(AsValue|InText) != 0, place&InText != 0:
		default:
			return dst, fmt.Errorf("%w: %s", ErrPlace, printable(path))
		}
		if b.Len()+len(e.Value) > maxResolved {
			return dst, fmt.Errorf("%w: the arguments become too large", ErrPlace)
		}
		b.WriteString(text[last:f.Start])
		b.WriteString(e.Value)
		last = f.End
	}
	b.WriteString(text[last:])
	return project.AppendString(dst, b.String()), nil
}

// printable makes a path fit for an error; the model wrote it.
func printable(path string) string {
	if len(path) > 120 {
		path = path[:120] + "…"
	}
	return strconv.QuoteToASCII(path)
}

// find lists the references in arguments, with nothing but their places.
func find(args []byte) (uses []Use, err error) {
	err = walk(args, func(path string, _ strictjson.Span, text string, found []Found) error {
		for _, f := range found {
			if len(uses) == maxUses {
				return fmt.Errorf("%w: there are more than %d", ErrPlace, maxUses)
			}
			uses = append(uses, Use{Path: path, Name: f.Name, Whole: len(found) == 1 && f.End-f.Start == len(text)})
		}
		return nil
	})
	return uses, err
}

// visit is called for each text of the arguments in which references stand.
type visit func(path string, span strictjson.Span, text string, found []Found) error

// walk visits the texts of a JSON document in order.
func walk(doc []byte, v visit) error {
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxResolved, MaxDepth: maxDepth})
	defer r.Close()
	if err := walkValue(r, "", v); err != nil {
		return fmt.Errorf("ref: arguments: %w", err)
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("ref: arguments: %w", err)
	}
	return nil
}

func walkValue(r *strictjson.Reader, path string, v visit) error {
	switch r.Kind() {
	case strictjson.String:
		text, span, err := r.String()
		if err != nil {
			return err
		}
		if found := Scan([]byte(text)); len(found) > 0 {
			return v(path, span, text, found)
		}
		return nil
	case strictjson.Array:
		return r.Array(func(i int) error { return walkValue(r, path+"["+strconv.Itoa(i)+"]", v) })
	case strictjson.Object:
		return r.Object(nil, func(m strictjson.Member) error {
			if len(Scan([]byte(m.Name))) > 0 {
				return fmt.Errorf("%w: in a name", ErrPlace)
			}
			step := escapeName(m.Name)
			if path != "" {
				step = path + "." + step
			}
			return walkValue(r, step, v)
		})
	}
	_, err := r.Skip()
	return err
}

// Rules are a Permit in policy's words, for one tool.
type Rules struct {
	// Args says of arguments, by path without indexes ("to", "recipients[].email") or by their first name, what may stand there:
	// "text" is anything, "any" is a whole value, and anything else only what is trusted. So are those that it does not name.
	Args map[string]string
	// Allow are exceptions for controlling arguments.
	Allow []Allow
}

// Allow lets a reference fill a controlling argument: when it comes from this place of this tool's results, is a plain text or
// number, and is one of the values.
type Allow struct {
	Arg        string
	Tool, From string
	Values     []string
}

// Permit answers for a use.
func (r Rules) Permit(u Use, e Entry) Place {
	path := generic(u.Path)
	first, _, _ := strings.Cut(strings.ReplaceAll(path, element, ""), ".")
	word, ok := r.Args[path]
	if !ok {
		word = r.Args[first]
	}
	switch {
	case word == "text":
		return AsValue | InText | AsStructure
	case word == "any":
		return AsValue | AsStructure
	case e.Label.Integrity == label.Trusted:
		return AsValue | InText
	}
	for _, a := range r.Allow {
		plain := e.Kind == project.String || e.Kind == project.Number
		if a.Arg == path && a.Tool != "" && a.Tool == e.Tool && a.From == e.Path && plain && slices.Contains(a.Values, e.Value) {
			return AsValue
		}
	}
	return 0
}

const element = "[]"

// generic leaves the indexes of a path out.
func generic(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		b.WriteByte(path[i])
		switch path[i] {
		case '\\':
			if i++; i < len(path) {
				b.WriteByte(path[i])
			}
		case '[':
			for i+1 < len(path) && path[i+1] != ']' {
				i++
			}
		}
	}
	return b.String()
}

// escapeName writes a name as a step of a path.
func escapeName(name string) string {
	if !strings.ContainsAny(name, `.[\`) {
		return name
	}
	return strings.NewReplacer(`.`, `\.`, `[`, `\[`, `\`, `\\`).Replace(name)
}
