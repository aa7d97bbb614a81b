package conf

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

var docRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*?) \\| (.*?) \\| ")

// TestReference holds docs/configuration.md and the types together: every key is in both, what is required says so,
// and each default of the configuration itself is the documented one.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ kind, def string }
	rows := map[string]row{}
	text := string(b)
	if before, data, ok := strings.Cut(text, "\n### Policy data\n"); ok { // its own keys, which package policies checks
		_, after, _ := strings.Cut(data, "\n### ")
		text = before + "\n### " + after
	}
	for _, m := range docRow.FindAllStringSubmatch(text, -1) {
		if _, ok := rows[m[1]]; ok {
			t.Errorf("%s is documented twice", m[1])
		}
		rows[m[1]] = row{m[2], strings.TrimSpace(m[3])}
	}
	for _, k := range keysBelow(reflect.TypeFor[Config](), "") {
		r, ok := rows[k.key]
		if !ok {
			t.Errorf("%s is not documented", k.key)
			continue
		}
		delete(rows, k.key)
		if k.notBuilt != (r.kind == "not built yet") {
			t.Errorf("%s: documented as %q", k.key, r.kind)
		}
		if k.required != strings.HasPrefix(r.def, "required") {
			t.Errorf("%s: required is %v, documented as %q", k.key, k.required, r.def)
		}
		if want, ok := defaultOf(k.key); ok && r.def != want {
			t.Errorf("%s: the default is %s, documented as %s", k.key, want, r.def)
		}
		if k.limits != "" && r.kind != k.limits {
			t.Errorf("%s: takes %q, documented as %q", k.key, k.limits, r.kind)
		}
	}
	for k := range rows {
		t.Errorf("%s is documented and does not exist", k)
	}
}

type docKey struct {
	key                string
	required, notBuilt bool
	limits             string
}

// keysBelow lists the keys of a type as the reference writes them.
func keysBelow(t reflect.Type, prefix string) []docKey {
	var out []docKey
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("yaml")
		if tag == "" || tag == "-" {
			continue
		}
		key, ft := prefix+tag, f.Type
		for {
			if ft.Kind() == reflect.Pointer {
				ft = ft.Elem()
			} else if ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct {
				ft, key = ft.Elem(), key+"[]"
			} else if ft.Kind() == reflect.Map && ft.Elem().Kind() == reflect.Struct {
				ft, key = ft.Elem(), key+".<name>"
			} else {
				break
			}
		}
		if ft.Kind() == reflect.Struct && ft != secretType && ft != notBuiltType {
			out = append(out, keysBelow(ft, key+".")...)
			continue
		}
		k := docKey{key: key, required: f.Tag.Get("required") != "", notBuilt: ft == notBuiltType}
		if lo, hi := f.Tag.Get("min"), f.Tag.Get("max"); hi != "" {
			if ft == bytesType {
				l, _ := parseBytes(lo)
				h, _ := parseBytes(hi)
				lo, hi = l.String(), h.String()
			}
			k.limits = lo + " to " + hi
		}
		out = append(out, k)
	}
	return out
}

// defaultOf is the default of a plain key as the reference writes it.
func defaultOf(key string) (string, bool) {
	var c Config
	c.defaults()
	var p Provider
	p.defaults()
	var i Issuer
	i.defaults()
	v := reflect.ValueOf(c)
	if rest, ok := strings.CutPrefix(key, "providers.<name>."); ok {
		v, key = reflect.ValueOf(p), rest
	} else if rest, ok := strings.CutPrefix(key, "identity.issuers[]."); ok {
		v, key = reflect.ValueOf(i), rest
	}
	for part := range strings.SplitSeq(key, ".") {
		if v.Kind() != reflect.Struct {
			return "", false
		}
		f, ok := fieldByKey(v.Type(), part)
		if !ok {
			return "", false
		}
		v = v.FieldByIndex(f.Index)
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		s := x.String()
		for _, cut := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(s, cut) {
				s = s[:len(s)-2]
			}
		}
		return "`" + s + "`", true
	case string:
		return "`" + x + "`", x != ""
	case []string:
		return "`[" + strings.Join(x, ", ") + "]`", len(x) > 0
	case int, bool, Bytes:
		return fmt.Sprintf("`%v`", x), true
	}
	return "", false
}
