package scim

import (
	"reflect"
	"slices"
	"strings"
)

// operation is one of a PATCH (RFC 7644, section 3.5.2).
type operation struct {
	op    string // add, replace, remove
	path  *target
	value any
}

// target is what an operation is about: an attribute, some of its values, or a part of them.
type target struct {
	attribute string
	filter    *comparison // nil: all values
	sub       string      // "" is the value itself
}

// maxOperations bounds a PATCH.
const maxOperations = 1000

// operations reads a PATCH.
func operations(m map[string]any) ([]operation, error) {
	list, ok := m["Operations"].([]any)
	if !ok || len(list) == 0 || len(list) > maxOperations {
		return nil, bad("invalidSyntax", "Operations is no list, empty, or too long")
	}
	var out []operation
	for _, one := range list {
		o, _ := one.(map[string]any)
		word, _ := o["op"].(string)
		op := operation{op: strings.ToLower(word), value: o["value"]}
		if op.op != "add" && op.op != "replace" && op.op != "remove" {
			return nil, bad("invalidSyntax", "op is none of add, replace and remove")
		}
		if path, there := o["path"]; there && path != nil {
			text, ok := path.(string)
			if !ok {
				return nil, bad("invalidPath", "path is no text")
			}
			var err error
			if op.path, err = pathOf(text); err != nil {
				return nil, err
			}
		}
		if op.path == nil {
			if op.op == "remove" {
				return nil, bad("noTarget", "remove has no path")
			}
			if _, ok := op.value.(map[string]any); !ok {
				return nil, bad("invalidValue", "without a path the value is an object")
			}
		}
		out = append(out, op)
	}
	return out, nil
}

// apply makes all changes to a document.
func apply(doc map[string]any, ops []operation) error {
	for _, o := range ops {
		if o.path != nil {
			if err := applyAt(doc, o.op, o.path, o.value); err != nil {
				return err
			}
			continue
		}
		for name, value := range o.value.(map[string]any) {
			at, err := pathOf(name)
			if err != nil {
				return err
			}
			if err := applyAt(doc, o.op, at, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func applyAt(doc map[string]any, op string, at *target, value any) error {
	switch {
	case at.filter != nil:
		return applyFiltered(doc, op, at, value)
	case at.sub != "":
		return applySub(doc, op, at, value)
	case op == "remove":
		return removeValues(doc, at.attribute, value)
	}
	old, isList := doc[at.attribute].([]any)
	added, areMany := value.([]any)
	if op == "add" && (isList || areMany) {
		if !areMany {
			added = []any{value}
		}
		for _, one := range added {
			if !slices.ContainsFunc(old, func(had any) bool { return alike(had, one) }) {
				old = append(old, one)
			}
		}
		doc[at.attribute] = old
		return nil
	}
	if had, ok := doc[at.attribute].(map[string]any); ok { // parts of a whole (section 3.5.2.1, 3.5.2.3)
		if parts, ok := value.(map[string]any); ok {
			for name, part := range parts {
				had[name] = part
			}
			return nil
		}
	}
	doc[at.attribute] = value
	return nil
}

// alike tells whether two values of a list are the same: members by what they are, others as they stand.
func alike(a, b any) bool {
	x, ok := a.(map[string]any)
	y, also := b.(map[string]any)
	if ok && also && len(x) == 1 && x["value"] != nil {
		return x["value"] == y["value"]
	}
	return reflect.DeepEqual(a, b)
}

// removeValues takes an attribute away, or those of its values that are named beside the path, as some providers do.
func removeValues(doc map[string]any, name string, value any) error {
	gone, named := value.([]any)
	if one, single := value.(map[string]any); single {
		gone, named = []any{one}, true
	}
	old, isList := doc[name].([]any)
	if !named || !isList {
		delete(doc, name)
		return nil
	}
	doc[name] = slices.DeleteFunc(old, func(had any) bool {
		return slices.ContainsFunc(gone, func(one any) bool {
			m, _ := had.(map[string]any)
			o, _ := one.(map[string]any)
			return m["value"] != nil && m["value"] == o["value"]
		})
	})
	return nil
}

func applySub(doc map[string]any, op string, at *target, value any) error {
	if list, ok := doc[at.attribute].([]any); ok { // of each value
		for _, one := range list {
			if m, ok := one.(map[string]any); ok {
				set(m, op, at.sub, value)
			}
		}
		return nil
	}
	m, ok := doc[at.attribute].(map[string]any)
	if !ok {
		if doc[at.attribute] != nil {
			return bad("invalidPath", "this attribute has no parts")
		}
		if op == "remove" {
			return nil
		}
		m = map[string]any{}
		doc[at.attribute] = m
	}
	set(m, op, at.sub, value)
	return nil
}

func set(m map[string]any, op, name string, value any) {
	if op == "remove" {
		delete(m, name)
		return
	}
	m[name] = value
}

func applyFiltered(doc map[string]any, op string, at *target, value any) error {
	list, _ := doc[at.attribute].([]any)
	found := false
	var left []any
	for _, one := range list {
		m, _ := one.(map[string]any)
		if m == nil || !at.filter.holds(m) {
			left = append(left, one)
			continue
		}
		found = true
		switch parts, whole := value.(map[string]any); {
		case op == "remove" && at.sub == "":
			continue
		case at.sub != "":
			set(m, op, at.sub, value)
		case whole:
			for name, part := range parts {
				m[name] = part
			}
		default:
			return bad("invalidValue", "the value of a list is an object")
		}
		left = append(left, one)
	}
	switch {
	case found:
	case op == "remove":
		return nil // it is not there
	case at.sub == "":
		return bad("noTarget", "no value is meant by the path")
	default: // a provider sets a mail address of a type that there is none of yet
		left = append(left, map[string]any{at.filter.attribute: at.filter.value, at.sub: value})
	}
	if left == nil {
		left = []any{}
	}
	doc[at.attribute] = left
	return nil
}
