package provenance

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Use is a reference in the arguments of a call, and what is known of the value behind it.
type Use struct {
	Path  string // "to", "recipients[0].email"; what is ".", "[" or "\" in a name has a "\" before it
	Label label.Label
	Whole bool // it is all of the text
}

// ArgOrigin says where one piece of a call's arguments comes from.
type ArgOrigin struct {
	Path   string
	Label  label.Label
	Person bool // a whole typed value that the person wrote
	Ref    bool // it holds a reference
	Whole  bool // which is all of it
}

// maxArguments bounds the pieces that are told apart; of more, nothing good is said.
const maxArguments = 1024

// errTooMany ends a walk over arguments that have too many pieces.
var errTooMany = errors.New("provenance: too many arguments")

// Arguments tells of each piece of a call's arguments where it comes from. context is the label of everything that the model read.
// Nil is that all of them have the context's label and none is a reference.
func (h *History) Arguments(arguments []byte, context label.Label, uses []Use) []ArgOrigin {
	if context.Integrity == label.Trusted && len(uses) == 0 {
		return nil
	}
	w := argWalk{doc: arguments, uses: map[string][]Use{}, context: context, person: h.personOf(), h: h}
	for _, u := range uses {
		w.uses[u.Path] = append(w.uses[u.Path], u)
	}
	r := strictjson.NewReader(arguments, strictjson.Limits{MaxBytes: max(len(arguments), 1)})
	defer r.Close()
	if err := w.value(r, ""); err != nil {
		all := ArgOrigin{Label: context}
		for _, u := range uses {
			all.Label, all.Ref = all.Label.Join(u.Label), true
		}
		return []ArgOrigin{all}
	}
	return w.out
}

type argWalk struct {
	h       *History
	doc     []byte
	uses    map[string][]Use
	context label.Label
	person  *words
	out     []ArgOrigin
}

func (w *argWalk) value(r *strictjson.Reader, path string) error {
	switch r.Kind() {
	case strictjson.Object:
		return r.Object(nil, func(m strictjson.Member) error {
			inner := escape(m.Name)
			if path != "" {
				inner = path + "." + inner
			}
			return w.value(r, inner)
		})
	case strictjson.Array:
		return r.Array(func(i int) error { return w.value(r, path+"["+strconv.Itoa(i)+"]") })
	case strictjson.String:
		s, _, err := r.String()
		if err != nil {
			return err
		}
		return w.add(path, w.person.said(s) && !w.named(s))
	case strictjson.Number:
		span, err := r.Skip()
		if err != nil {
			return err
		}
		text := string(span.Of(w.doc))
		return w.add(path, w.person.saidNumber(text) && !w.named(text))
	}
	if _, err := r.Skip(); err != nil {
		return err
	}
	return w.add(path, false)
}

// maxShown is how much untrusted text that the model read is searched for values.
const maxShown = 4 << 20

// Shown tells of untrusted content that goes up as it is. A value that stands in it is not the person's alone any more: nobody can tell
// whether the model has it from the person or from there.
func (h *History) Shown(text []byte) {
	if len(h.shown)+len(text) > maxShown {
		h.overShown = true
		return
	}
	h.plain = nil
	h.shown = append(append(h.shown, bytes.ToLower(text)...), '\n')
}

// named tells whether untrusted content that the model read names a value. In which form it does is the content's choice, so that
// letters and digits alone are compared.
func (w *argWalk) named(value string) bool {
	if w.h.overShown {
		return true
	}
	if len(w.h.shown) == 0 {
		return false
	}
	if w.h.plain == nil {
		w.h.plain = lettersOf(w.h.shown)
	}
	return bytes.Contains(w.h.plain, lettersOf([]byte(strings.ToLower(value))))
}

// lettersOf are the letters and digits of a text.
func lettersOf(text []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, text)
}

func (w *argWalk) add(path string, person bool) error {
	if len(w.out) >= maxArguments {
		return errTooMany
	}
	o := ArgOrigin{Path: path, Label: w.context, Person: person}
	if uses := w.uses[path]; len(uses) > 0 {
		o.Ref, o.Whole, o.Person = true, len(uses) == 1 && uses[0].Whole, false
		for _, u := range uses {
			o.Label = o.Label.Join(u.Label)
		}
	}
	w.out = append(w.out, o)
	return nil
}

// escape is a name as it stands in a path.
func escape(name string) string {
	if !strings.ContainsAny(name, `.[\`) {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, `.`, `\.`, `[`, `\[`).Replace(name)
}
