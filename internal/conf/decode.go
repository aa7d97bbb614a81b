package conf

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxNodes and maxNesting bound what YAML aliases can expand to.
const (
	maxNodes   = 200_000
	maxNesting = 64
)

// maxErrors is how many errors are told; a file with more is not a configuration with mistakes but something else.
const maxErrors = 200

// decoder walks YAML nodes and a Go value together and collects everything that is wrong.
type decoder struct {
	file  string
	dir   string
	errs  Errors
	warn  Errors
	lines map[string]int
	nodes int
	more  int // errors beyond maxErrors
}

// path is the keys that lead to a value; list positions are written [0].
type path []string

func (p path) with(key string) path { return append(slices.Clip(p), key) }
func (p path) item(i int) path      { return p.with("[" + strconv.Itoa(i) + "]") }

func (p path) String() string {
	if len(p) > 16 {
		p = append(slices.Clone(p[:8]), "…")
	}
	return strings.ReplaceAll(strings.Join(p, "."), ".[", "[")
}

// id is how a path is found again by Config.Line: brackets do not matter there.
func (p path) id() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	}
	return strings.Join(parts, "\x00")
}

func (d *decoder) fail(line int, p path, what, do string) {
	if len(d.errs) >= maxErrors {
		d.more++
		return
	}
	d.errs = append(d.errs, &Error{File: d.file, Line: line, Key: p.String(), What: what, Do: do})
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	bytesType    = reflect.TypeFor[Bytes]()
	secretType   = reflect.TypeFor[Secret]()
	notBuiltType = reflect.TypeFor[NotBuilt]()
	anyMapType   = reflect.TypeFor[map[string]any]()
)

// value decodes n into v. The tag is that of the field v is.
func (d *decoder) value(n *yaml.Node, p path, v reflect.Value, tag reflect.StructTag, depth int) {
	d.nodes++
	if d.nodes > maxNodes || depth > maxNesting {
		if d.nodes <= maxNodes+1 {
			d.fail(n.Line, p, "is nested too deeply or too large", "write it more plainly")
			d.nodes = maxNodes + 1
		}
		return
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if dv, ok := v.Addr().Interface().(defaulter); ok {
		dv.defaults()
	}
	switch v.Type() {
	case secretType:
		d.secret(n, p, v.Addr().Interface().(*Secret))
		return
	case notBuiltType:
		d.notBuilt(n, p, tag)
		return
	case sandboxType:
		d.sandbox(n, p, v, depth)
		return
	case anyMapType:
		if d.isEmpty(n) {
			return
		}
		if n.Kind != yaml.MappingNode {
			d.wrong(n, p, "a mapping")
			return
		}
		v.Set(reflect.ValueOf(d.anyMap(n, p, depth)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !d.isEmpty(n) {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(n, p, v.Elem(), tag, depth+1)
		}
	case reflect.Struct:
		d.structure(n, p, v, depth)
	case reflect.Map:
		d.mapping(n, p, v, depth)
	case reflect.Slice:
		d.list(n, p, v, tag, depth)
	default:
		d.scalar(n, p, v, tag)
	}
}

// structure decodes a mapping whose keys are known.
func (d *decoder) structure(n *yaml.Node, p path, v reflect.Value, depth int) {
	seen := map[string]bool{}
	if !d.isEmpty(n) {
		if n.Kind != yaml.MappingNode {
			d.wrong(n, p, "a mapping")
			return
		}
		d.members(n, p, func(key, val *yaml.Node) {
			f, ok := fieldByKey(v.Type(), key.Value)
			if !ok {
				d.unknown(key, p, keysOf(v.Type()))
				return
			}
			seen[key.Value] = true
			d.value(val, p.with(key.Value), v.FieldByIndex(f.Index), f.Tag, depth+1)
		})
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		key := f.Tag.Get("yaml")
		if f.Tag.Get("required") != "" && !seen[key] {
			line := max(n.Line, 1)
			d.fail(line, p.with(key), "is missing", "add it")
			continue
		}
		// What is absent still has defaults, and defaults still have paths to resolve.
		if !seen[key] && f.IsExported() && key != "-" {
			d.absent(v.FieldByIndex(f.Index), f.Tag, p.with(key))
		}
	}
}

// absent gives a value that the file does not mention its defaults and makes its path absolute.
func (d *decoder) absent(v reflect.Value, tag reflect.StructTag, p path) {
	switch {
	case v.Kind() == reflect.String && tag.Get("path") != "":
		v.SetString(d.abs(v.String()))
	case v.Kind() == reflect.Struct && v.Type() != secretType && v.Type() != notBuiltType:
		for _, f := range reflect.VisibleFields(v.Type()) {
			d.absent(v.FieldByIndex(f.Index), f.Tag, p.with(f.Tag.Get("yaml")))
		}
	}
}

// mapping decodes a mapping whose keys are the user's own names.
func (d *decoder) mapping(n *yaml.Node, p path, v reflect.Value, depth int) {
	if d.isEmpty(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, p, "a mapping")
		return
	}
	m := reflect.MakeMap(v.Type())
	d.members(n, p, func(key, val *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(val, p.with(key.Value), e, "", depth+1)
		m.SetMapIndex(reflect.ValueOf(key.Value), e)
	})
	v.Set(m)
}

func (d *decoder) list(n *yaml.Node, p path, v reflect.Value, tag reflect.StructTag, depth int) {
	if d.isEmpty(n) {
		v.SetZero()
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, p, "a list")
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		ip := p.item(i)
		d.lines[ip.id()] = item.Line
		d.value(item, ip, s.Index(i), tag, depth+1)
	}
	v.Set(s)
}

// members calls f for each key once, notes its line, and refuses what is no plain key or a repeated one.
func (d *decoder) members(n *yaml.Node, p path, f func(key, val *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			d.fail(key.Line, p, "merge keys (<<) are not read here", "write the keys out")
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null":
			d.fail(key.Line, p, "has a key that is no plain name", "write a name")
		case first[key.Value] > 0:
			d.fail(key.Line, p.with(key.Value), fmt.Sprintf("is given twice, first in line %d", first[key.Value]), "keep one")
		default:
			first[key.Value] = key.Line
			d.lines[p.with(key.Value).id()] = key.Line
			f(key, val)
		}
	}
}

func (d *decoder) isEmpty(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func (d *decoder) wrong(n *yaml.Node, p path, want string) {
	d.fail(n.Line, p, "is "+nodeKind(n), "give "+want)
}

// nodeKind names what is there without quoting it.
func nodeKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!str":
		return "a text"
	}
	return "a " + strings.TrimLeft(n.ShortTag(), "!")
}

// abs resolves a path against the configuration's folder; empty and "-" mean something else and stay.
func (d *decoder) abs(name string) string {
	if name == "" || name == "-" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.dir, name)
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(t) {
		if k := f.Tag.Get("yaml"); k == key && k != "-" && k != "" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(t) {
		if k := f.Tag.Get("yaml"); k != "-" && k != "" {
			keys = append(keys, k)
		}
	}
	return keys
}
