package conf

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

func (d *decoder) scalar(n *yaml.Node, p path, v reflect.Value, tag reflect.StructTag) {
	switch {
	case v.Type() == durationType:
		d.duration(n, p, v)
	case v.Type() == bytesType:
		b, ok := Bytes(0), false
		if n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!int" || n.ShortTag() == "!!str") {
			b, ok = parseBytes(n.Value)
		}
		if !ok {
			d.fail(n.Line, p, "is no size", "write a number of bytes, or one with KiB, MiB or GiB such as 8MiB")
			return
		}
		v.SetInt(int64(b))
		d.inRange(n, p, int64(b), tag, func(i int64) string { return Bytes(i).String() })
	case v.Kind() == reflect.String:
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
			d.wrong(n, p, "a text (in quotes if it looks like something else)")
			return
		}
		d.text(n, p, v, tag)
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(n.Value))
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || err != nil {
			d.wrong(n, p, "true or false")
			return
		}
		v.SetBool(b)
	case v.Kind() == reflect.Int:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil {
			d.wrong(n, p, "a whole number")
			return
		}
		v.SetInt(i)
		d.inRange(n, p, i, tag, func(i int64) string { return strconv.FormatInt(i, 10) })
	default:
		panic("conf: no decoder for " + v.Type().String()) // a mistake in the types, found by any test
	}
}

func (d *decoder) text(n *yaml.Node, p path, v reflect.Value, tag reflect.StructTag) {
	s := n.Value
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		do := "write it in one line"
		if tag.Get("path") != "" {
			do = "give the path of a file, not what is in it"
		}
		d.fail(n.Line, p, "has a control character", do)
		return
	}
	if enum := tag.Get("enum"); enum != "" && !contains(strings.Split(enum, ","), s) {
		d.fail(n.Line, p, "is none of the known values", "give one of "+strings.ReplaceAll(enum, ",", ", "))
		return
	}
	if tag.Get("required") != "" && strings.TrimSpace(s) == "" {
		d.fail(n.Line, p, "is empty", "give it a value")
		return
	}
	if tag.Get("path") != "" {
		s = d.abs(s)
	}
	v.SetString(s)
}

func (d *decoder) duration(n *yaml.Node, p path, v reflect.Value) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		d.fail(n.Line, p, "is no duration", "write a number with its unit, such as 8s, 250ms or 5m")
		return
	}
	t, err := time.ParseDuration(n.Value)
	switch {
	case err != nil:
		d.fail(n.Line, p, "is no duration", "write a number with its unit, such as 8s, 250ms or 5m")
	case t <= 0:
		d.fail(n.Line, p, "is not positive", "give a duration above zero")
	case t > 24*time.Hour:
		d.fail(n.Line, p, "is longer than a day", "give a shorter one")
	default:
		v.SetInt(int64(t))
	}
}

func (d *decoder) inRange(n *yaml.Node, p path, i int64, tag reflect.StructTag, show func(int64) string) {
	lo, _ := strconv.ParseInt(tag.Get("min"), 10, 64)
	hi, err := strconv.ParseInt(tag.Get("max"), 10, 64)
	if err != nil {
		hi = math.MaxInt64
	}
	if i < lo || i > hi {
		d.fail(n.Line, p, "is out of range", fmt.Sprintf("give %s to %s", show(lo), show(hi)))
	}
}

// secret decodes {file: …} or {env: …}. Nothing that stands here is quoted, not even a key: `{sk-…}` is YAML too.
func (d *decoder) secret(n *yaml.Node, p path, s *Secret) {
	const do = "write {file: path} or {env: NAME}"
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null":
		d.fail(n.Line, p, "is a secret written into the configuration", do+", and have the secret replaced: it stood in a file that is not kept like one")
		return
	case n.Kind != yaml.MappingNode:
		d.wrong(n, p, "{file: path} or {env: NAME}")
		return
	}
	before := len(d.errs)
	d.members(n, p, func(key, val *yaml.Node) {
		if key.Value != "file" && key.Value != "env" {
			d.fail(key.Line, p, "has a key that is neither file nor env (not shown here)", do)
			return
		}
		for val.Kind == yaml.AliasNode {
			val = val.Alias
		}
		if val.Kind != yaml.ScalarNode || val.ShortTag() != "!!str" || val.Value == "" {
			d.wrong(val, p.with(key.Value), "a text")
			return
		}
		if key.Value == "file" {
			s.File = d.abs(val.Value)
		} else {
			s.Env = val.Value
		}
	})
	if len(d.errs) == before && (s.File == "") == (s.Env == "") {
		d.fail(n.Line, p, "wants exactly one of file and env", do)
	}
}

func (d *decoder) notBuilt(n *yaml.Node, p path, tag reflect.StructTag) {
	ok, has := tag.Lookup("ok")
	if has && n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" && n.Value == ok {
		return
	}
	do := "remove it"
	if has {
		do = fmt.Sprintf("remove it or write %q", ok)
		if ok == "false" || ok == "memory" {
			do = "remove it or write " + ok
		}
	}
	d.fail(n.Line, p, "is not built yet", do)
}

// anyMap turns a mapping into plain values as JSON has them, for data that Rego reads.
func (d *decoder) anyMap(n *yaml.Node, p path, depth int) map[string]any {
	m := make(map[string]any, len(n.Content)/2)
	d.members(n, p, func(key, val *yaml.Node) {
		m[key.Value] = d.any(val, p.with(key.Value), depth+1)
	})
	return m
}

func (d *decoder) any(n *yaml.Node, p path, depth int) any {
	d.nodes++
	if d.nodes > maxNodes || depth > maxNesting {
		if d.nodes <= maxNodes+1 {
			d.fail(n.Line, p, "is nested too deeply or too large", "write it more plainly")
			d.nodes = maxNodes + 1
		}
		return nil
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		return d.anyMap(n, p, depth)
	case yaml.SequenceNode:
		s := make([]any, len(n.Content))
		for i, item := range n.Content {
			ip := p.item(i)
			d.lines[ip.id()] = item.Line
			s[i] = d.any(item, ip, depth+1)
		}
		return s
	}
	var v any
	if err := n.Decode(&v); err != nil {
		d.fail(n.Line, p, "cannot be read", "write it more plainly")
		return nil
	}
	switch x := v.(type) {
	case nil, string, bool:
		return x
	case int:
		return int64(x)
	case int64:
		return x
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			d.fail(n.Line, p, "is no finite number", "give a number")
		}
		return x
	case time.Time: // YAML reads 2026-01-01 as a date; JSON and Rego have texts
		return n.Value
	}
	d.fail(n.Line, p, "is a kind of value that JSON does not have", "write a text, a number, true or false")
	return nil
}
