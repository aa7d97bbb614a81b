package project

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// schema is what we know of a value by a JSON Schema. It may be cyclic; a walk follows it as deep as the value goes.
type schema struct {
	field  *field
	props  map[string]*schema
	items  *schema
	extra  *schema // of names that are not among props
	list   bool
	object bool
}

// The bounds of a schema.
const (
	maxSchema      = 1 << 20
	maxSchemaNodes = 50_000
	maxSchemaDepth = 48
)

// schemaReader turns a JSON Schema into what we know by it.
type schemaReader struct {
	root Value
	done map[*Value]*schema
}

func compileSchema(doc []byte) (*schema, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	if len(doc) > maxSchema {
		return nil, fmt.Errorf("project: the output schema is larger than %d bytes", maxSchema)
	}
	if err := strictjson.CheckObject(doc, strictjson.Limits{MaxDepth: maxSchemaDepth}); err != nil {
		return nil, fmt.Errorf("project: the output schema: %w", err)
	}
	root, err := parseJSON(doc, &bounds{nodes: maxSchemaNodes, depth: maxSchemaDepth})
	if err != nil {
		return nil, fmt.Errorf("project: the output schema: %w", err)
	}
	r := &schemaReader{root: root, done: map[*Value]*schema{}}
	return r.read(&r.root), nil
}

// get is a member's value, or nil.
func (v *Value) get(name string) *Value {
	if v == nil {
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Name == name {
			return &v.Members[i].Value
		}
	}
	return nil
}

func (v *Value) string() string {
	if v == nil || v.Kind != String {
		return ""
	}
	return v.Text
}

func (v *Value) float() *float64 {
	if v == nil || v.Kind != Number {
		return nil
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	if err != nil {
		return nil
	}
	return &f
}

// read makes what we know by one schema; nil is nothing.
func (r *schemaReader) read(v *Value) *schema {
	v = r.plain(v)
	if v == nil || v.Kind != Object {
		return nil
	}
	if s, ok := r.done[v]; ok {
		return s
	}
	s := &schema{}
	r.done[v] = s // before its parts, which may lead back to it
	kind := v.get("type").string()
	if t := v.get("type"); t != nil && t.Kind == List {
		kind = only(t.Items)
	}
	switch {
	case kind == "object" || kind == "" && v.get("properties") != nil:
		s.object = true
		if props := v.get("properties"); props != nil {
			s.props = map[string]*schema{}
			for i := range props.Members {
				if checkName(props.Members[i].Name) != nil {
					continue
				}
				of := r.read(&props.Members[i].Value)
				if of == nil {
					of = &schema{}
				}
				s.props[props.Members[i].Name] = of
			}
		}
		s.extra = r.read(v.get("additionalProperties"))
	case kind == "array" || kind == "" && v.get("items") != nil:
		s.list = true
		s.items = r.read(v.get("items"))
	default:
		s.field = schemaField(v, kind)
	}
	return s
}

// plain follows references inside the document and leaves out null, which anything may be.
func (r *schemaReader) plain(v *Value) *Value {
	for range 16 {
		if v == nil {
			return nil
		}
		if to := v.get("$ref").string(); to != "" {
			v = r.at(to)
			continue
		}
		options := v.get("anyOf")
		if options == nil {
			options = v.get("oneOf")
		}
		if options == nil {
			options = v.get("allOf")
		}
		if options == nil || options.Kind != List {
			return v
		}
		var left *Value
		for i := range options.Items {
			if options.Items[i].get("type").string() == "null" {
				continue
			}
			if left != nil {
				return nil // several: we know nothing
			}
			left = &options.Items[i]
		}
		v = left
	}
	return nil
}

// at finds what a local reference points to.
func (r *schemaReader) at(pointer string) *Value {
	rest, ok := strings.CutPrefix(pointer, "#")
	if !ok {
		return nil
	}
	v := &r.root
	for step := range strings.SplitSeq(strings.TrimPrefix(rest, "/"), "/") {
		if step == "" {
			continue
		}
		if v = v.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(step)); v == nil {
			return nil
		}
	}
	return v
}

// only is the one type of several that is not null.
func only(types []Value) string {
	kind := ""
	for i := range types {
		switch name := types[i].string(); {
		case name == "null":
		case kind != "":
			return "many"
		default:
			kind = name
		}
	}
	return kind
}

// schemaField is the rule that a scalar's schema makes; a text with no bound is a reference.
func schemaField(v *Value, kind string) *field {
	f := Field{Type: TypeRef}
	enum := v.get("enum")
	if c := v.get("const"); c != nil {
		enum = &Value{Kind: List, Items: []Value{*c}}
	}
	switch {
	case enum != nil && enum.Kind == List && len(enum.Items) > 0:
		f.Type = TypeEnum
		for i := range enum.Items {
			if option := &enum.Items[i]; option.Kind != Null {
				f.Enum = append(f.Enum, option.text())
			}
		}
	case kind == "boolean":
		f.Type = TypeBool
	case kind == "integer":
		f.Type, f.Min, f.Max = TypeInt, v.get("minimum").float(), v.get("maximum").float()
	case kind == "number":
		f.Type, f.Min, f.Max = TypeNumber, v.get("minimum").float(), v.get("maximum").float()
	case kind == "string":
		switch format := v.get("format").string(); {
		case format == "date":
			f.Type = TypeDate
		case format == "date-time":
			f.Type = TypeDateTime
		case format == "time":
			f.Type = TypeTime
		case v.get("pattern").string() != "":
			f.Type, f.Pattern = TypePattern, v.get("pattern").string()
			if longest := v.get("maxLength").float(); longest != nil && *longest >= 1 && *longest <= maxLen {
				f.MaxLen = int(*longest)
			}
		}
	default:
		return nil // anything: projected as what it is
	}
	made, err := compileField(f)
	if err != nil {
		made, _ = compileField(Field{Type: TypeRef}) // a rule that we cannot read lets nothing through
	}
	return made
}
