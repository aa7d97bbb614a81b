package project

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Kind is what a result is written in.
type Kind uint8

// The kinds of results. Auto finds out; every other one is read as that or not at all.
const (
	Auto Kind = iota
	Text
	JSON
	YAML
	Python // a literal, as str() of a dict or a list writes it
	CSV
	Table // of Markdown, or drawn in ASCII
)

// String is the kind's name.
func (k Kind) String() string {
	return [...]string{"auto", "text", "json", "yaml", "python", "csv", "table"}[min(k, Table)]
}

// ParseKind reads the name of a kind.
func ParseKind(name string) (Kind, bool) {
	for k := Auto; k <= Table; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return Auto, false
}

// errStructure is a content that is not of the kind asked for, or is it in a way that we do not read.
var errStructure = errors.New("project: not of that structure")

// bounds are the limits of one parse; every node of the tree takes from them.
type bounds struct{ nodes, depth int }

func (b *bounds) node() error {
	if b.nodes--; b.nodes < 0 {
		return errStructure
	}
	return nil
}

func (b *bounds) enter() error {
	if b.depth--; b.depth < 0 {
		return errStructure
	}
	return b.node()
}

func (b *bounds) leave() { b.depth++ }

// parse reads the content as a tree. What cannot be read, and what is too large for it, is one text: nothing is ever passed or
// refused for being malformed.
func parse(content []byte, kind Kind, l Limits, known func(string) bool) (Value, Kind) {
	if kind != Text && len(content) <= l.MaxBytes && utf8.Valid(content) {
		trimmed := bytes.TrimSpace(content)
		for _, k := range candidates(trimmed, kind) {
			b := bounds{nodes: l.MaxNodes, depth: l.MaxDepth}
			v, err := parseAs(trimmed, k, &b)
			if err == nil && (kind != Auto || plausible(&v, k, known)) {
				return v, k
			}
		}
	}
	return Value{Kind: String, Text: text(content)}, Text
}

// text is the content as text.
func text(content []byte) string { return string(bytes.ToValidUTF8(content, []byte("\uFFFD"))) }

// candidates are the kinds that a content may be, most telling first.
func candidates(content []byte, kind Kind) []Kind {
	if kind != Auto {
		return []Kind{kind}
	}
	if len(content) == 0 {
		return nil
	}
	switch c := content[0]; {
	case c == '{' || c == '[':
		return []Kind{JSON, Python}
	case c == '"':
		return []Kind{JSON, YAML, CSV}
	case c == '(':
		return []Kind{Python}
	case c == '|' || c == '+':
		return []Kind{Table}
	}
	if bytes.IndexByte(content, '\n') < 0 {
		return []Kind{YAML}
	}
	return []Kind{YAML, Table, CSV}
}

func parseAs(content []byte, kind Kind, b *bounds) (Value, error) {
	switch kind {
	case JSON:
		return parseJSON(content, b)
	case YAML:
		return parseYAML(content, b)
	case Python:
		return parsePython(content, b)
	case CSV:
		return parseCSV(content, b)
	case Table:
		return parseTable(content, b)
	}
	return Value{}, errStructure
}

// plausible tells whether a content of no declared kind is that kind and not prose that happens to read as it: "Note: call me"
// is a mapping too. What it answers changes only what is referred to as a piece.
func plausible(v *Value, kind Kind, known func(string) bool) bool {
	if kind != YAML && kind != CSV {
		return true
	}
	switch v.Kind {
	case String:
		return false // a text that YAML would fold
	case Object:
		for i := range v.Members {
			if known(v.Members[i].Name) {
				return true
			}
		}
		return false
	case List:
		return kind == YAML || len(v.Items) > 0 && plausible(&v.Items[0], kind, known)
	}
	return true
}

func parseJSON(content []byte, b *bounds) (Value, error) {
	r := strictjson.NewReader(content, strictjson.Limits{MaxBytes: len(content) + 1, MaxDepth: b.depth + 1})
	defer r.Close()
	v, err := jsonValue(r, content, b)
	if err == nil {
		err = r.End()
	}
	return v, err
}

func jsonValue(r *strictjson.Reader, doc []byte, b *bounds) (v Value, err error) {
	if err := b.enter(); err != nil {
		return v, err
	}
	defer b.leave()
	switch r.Kind() {
	case strictjson.String:
		v.Kind = String
		v.Text, _, err = r.String()
	case strictjson.Array:
		v.Kind = List
		err = r.Array(func(int) error {
			item, err := jsonValue(r, doc, b)
			v.Items = append(v.Items, item)
			return err
		})
	case strictjson.Object:
		v.Kind = Object
		err = r.Object(nil, func(m strictjson.Member) error {
			value, err := jsonValue(r, doc, b)
			v.Members = append(v.Members, Member{Name: m.Name, Value: value})
			return err
		})
	default:
		kind := r.Kind()
		span, err := r.Skip()
		if err != nil {
			return v, err
		}
		v = jsonScalar(kind, string(span.Of(doc)))
	}
	return v, err
}

func jsonScalar(kind strictjson.Kind, text string) Value {
	switch kind {
	case strictjson.True, strictjson.False:
		return Value{Kind: Bool, Text: text}
	case strictjson.Number:
		return Value{Kind: Number, Text: text}
	}
	return Value{Kind: Null}
}

// unique tells whether no name of an object stands twice.
func unique(members []Member) bool {
	seen := make(map[string]bool, len(members))
	for i := range members {
		if seen[members[i].Name] {
			return false
		}
		seen[members[i].Name] = true
	}
	return true
}
