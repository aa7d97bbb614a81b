package policies

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/yellowjack/yellowjack/internal/label"
)

// full is an input with something in each of its members.
func full() *RequestInput {
	in := requestInput(3)
	in.Models = []Model{in.Model, {Named: "b", Provider: "p", Name: "c"}}
	in.Features = []Feature{{Name: "plugins:web", Value: "x"}}
	in.UnknownFields, in.BYOK, in.ToolChoice = []string{"surprise"}, "mock", []string{"tool_0"}
	in.Tools[0].Hash = "h"
	in.Results = []Result{{Tool: "tool_0", ID: "a", Attributed: true, Verified: true, Bytes: 7, Label: label.Label{Integrity: label.Trusted, Sources: []string{"r"}}}}
	in.Context = label.Label{Sources: []string{"s"}}
	in.Principal.Actor = "deputy"
	return in
}

// TestKeyIsWhole changes each leaf of an input by itself: the key is another one. A member that somebody adds to the input
// and not to the key fails here.
func TestKeyIsWhole(t *testing.T) {
	ignored := map[string]bool{
		".Results[0].ID":    true, // no policy sees it
		".Results[0].Count": true, // the engine's: counted when they are grouped
		".Tools[0].Pin":     true, // the engine's, of the hash and the data
		".Tools[1].Pin":     true,
		".Tools[2].Pin":     true,
	}
	keyOf := func(in *RequestInput) string { return string(in.key(in.parts())) }
	base := keyOf(full())
	seen := map[string]string{base: "nothing"}
	leaves := 0
	var walk func(path string, at func(*RequestInput) reflect.Value)
	walk = func(path string, at func(*RequestInput) reflect.Value) {
		v := at(full())
		change := func(how string, do func(reflect.Value)) {
			leaves++
			in := full()
			do(at(in))
			k := keyOf(in)
			if ignored[path] {
				return
			}
			if other, ok := seen[k]; ok {
				t.Errorf("%s %s: the same key as %s", path, how, other)
			}
			seen[k] = path + " " + how
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, func(in *RequestInput) reflect.Value { return at(in).Field(i) })
			}
		case reflect.Slice:
			change("without its last", func(v reflect.Value) { v.Set(v.Slice(0, v.Len()-1)) })
			for i := range v.Len() {
				walk(path+"["+string(rune('0'+i))+"]", func(in *RequestInput) reflect.Value { return at(in).Index(i) })
			}
		case reflect.String:
			change("longer", func(v reflect.Value) { v.SetString(v.String() + "\x00") })
		case reflect.Bool:
			change("turned", func(v reflect.Value) { v.SetBool(!v.Bool()) })
		case reflect.Int:
			change("more", func(v reflect.Value) { v.SetInt(v.Int() + 1) })
		case reflect.Uint8:
			change("more", func(v reflect.Value) { v.SetUint(v.Uint() + 1) })
		default:
			t.Fatalf("%s is a %s; teach this test and the key", path, v.Kind())
		}
	}
	walk("", func(in *RequestInput) reflect.Value { return reflect.ValueOf(in).Elem() })
	if leaves < 60 {
		t.Errorf("only %d leaves", leaves)
	}
}

// TestRemembered: an answer that is remembered is the answer, with an id of its own, and what one caller does to it no
// other sees.
func TestRemembered(t *testing.T) {
	e := engine(t, Config{Data: many(3)})
	in := requestInput(3)
	in.Results = []Result{{Tool: "tool_0", Attributed: true, Verified: true, Label: label.Clean()}, {Tool: "x", Label: label.Clean()}}
	first, err := e.Request(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	evaluated := first
	for range 3 {
		again, err := e.Request(t.Context(), in)
		if err != nil || again.ID == first.ID {
			t.Fatalf("%v, id %q after %q", err, again.ID, first.ID)
		}
		again.ID = evaluated.ID
		if !reflect.DeepEqual(again, evaluated) {
			t.Errorf("remembered %+v\nevaluated %+v", again, evaluated)
		}
		for name := range again.Tools {
			again.Tools[name] = "changed"
		}
		again.Results[0].Treatment = "changed"
	}
	if kept := len(e.current.Load().cache.recent); kept != 1 {
		t.Errorf("%d entries", kept)
	}
	in.Principal = principal(1) // of the other group
	other, err := e.Request(t.Context(), in)
	if err != nil || reflect.DeepEqual(other.Tools, first.Tools) {
		t.Errorf("another principal got the first one's tools: %v, %v", other.Tools, err)
	}
}

// TestErrorsAreNotRemembered: a policy that fails for an input is asked again.
func TestErrorsAreNotRemembered(t *testing.T) {
	dir := t.TempDir()
	text := "package yellowjack.request\n\ndecision := {\"allowed\": \"yes\"}\n"
	if err := os.WriteFile(filepath.Join(dir, "own.rego"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e := engine(t, Config{Folder: dir})
	for range 2 {
		if d, err := e.Request(t.Context(), requestInput(1)); err == nil || d.Allowed {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if kept := len(e.current.Load().cache.recent); kept != 0 {
		t.Errorf("%d errors kept", kept)
	}
}

// TestVolatile: policies that look at a clock or at chance are asked every time.
func TestVolatile(t *testing.T) {
	for text, want := range map[string]bool{
		"p if 1 < 2":                                                                         false,
		"p if time.now_ns() > 5":                                                             true,
		"p := x if { x := rand.intn(\"a\", 3) }":                                             true,
		"f(x) := x + time.now_ns()\np if f(1) > 2":                                           true,
		"p if count([y | some i in [1]; y := i + time.now_ns()]) > 0":                        true,
		"f(_, _) := 1\np if f(\"a\", \"b\") > 0 with data.test.f as time.parse_ns":           false,
		"f(_, _) := 1\np if f(\"a\", 3) > 0 with data.test.f as rand.intn":                   true,
		"q if opa.runtime().env.x\np if q":                                                   true,
		"p if { every x in [1] { x < uuid.parse(uuid.rfc4122(\"a\")).version } }":            true,
		"default p := false\np if { not time.now_ns() < 5 }":                                 true,
		"p := {\"at\": time.now_ns()}":                                                       true,
		"p contains x if { some x in [time.now_ns()] }":                                      true,
		"p if http.send({\"method\": \"get\", \"url\": \"http://localhost\"}).status == 200": true,
	} {
		m := ast.MustParseModuleWithOpts("package test\n\n"+text, ast.ParserOptions{RegoVersion: ast.RegoV1})
		c := ast.NewCompiler()
		c.Compile(map[string]*ast.Module{"test.rego": m})
		if c.Failed() {
			t.Fatalf("%s: %v", text, c.Errors)
		}
		if got := newCache(c) == nil; got != want {
			t.Errorf("%s: volatile=%v", text, got)
		}
	}
	e := engine(t, Config{Data: many(1)})
	if e.current.Load().cache == nil {
		t.Error("the shipped policies are volatile")
	}
}

// TestCacheIsBounded: it stays below its bound, and what is asked for often stays in it.
func TestCacheIsBounded(t *testing.T) {
	c := &cache{}
	often := []byte("often")
	c.put(often, ruling{})
	long := make([]byte, 10<<10)
	for i := range 4 * cacheBytes / len(long) {
		long[0], long[1] = byte(i), byte(i>>8)
		c.put(long, ruling{})
		if _, ok := c.get(often); !ok {
			t.Fatalf("forgotten after %d", i)
		}
	}
	if kept := (len(c.recent) + len(c.past)) * len(long); kept > 2*cacheBytes {
		t.Errorf("%d bytes of keys", kept)
	}
	c.put(make([]byte, cacheEntry+1), ruling{})
	if _, ok := c.get(make([]byte, cacheEntry+1)); ok {
		t.Error("an entry too long was kept")
	}
}

// TestVisibleRemembered: what was visible is what is visible, to the same principal in the same context alone, and under the
// same data alone; what one caller does to it no other sees.
func TestVisibleRemembered(t *testing.T) {
	data := many(4)
	data["tools"].(map[string]any)["tool_0"].(map[string]any)["sensitive"] = true
	e := engine(t, Config{Data: data})
	tools := []string{"tool_0", "tool_1", "tool_2"}
	ask := func(p Principal, in label.Label, tools ...string) string {
		t.Helper()
		seen, err := e.Visible(t.Context(), p, in, tools)
		if err != nil {
			t.Fatal(err)
		}
		names := strings.Join(slices.Sorted(maps.Keys(seen)), " ")
		seen["tool_1"] = "changed"
		delete(seen, "tool_2")
		return names
	}
	tainted := label.Label{Sources: []string{"web"}}
	for range 3 {
		for _, c := range []struct {
			who   Principal
			in    label.Label
			tools []string
			want  string
		}{
			{principal(0), label.Clean(), tools, "tool_0 tool_2"},
			{principal(0), tainted, tools, "tool_2"},
			{principal(0), label.Clean(), tools[:2], "tool_0"},
			{principal(0), label.Clean(), nil, ""},
			{principal(1), label.Clean(), tools, "tool_1"},
		} {
			if got := ask(c.who, c.in, c.tools...); got != c.want {
				t.Errorf("%s, %v, %v: %q", c.who.Subject, c.in, c.tools, got)
			}
		}
	}
	if kept := len(e.current.Load().cache.recent); kept != 5 {
		t.Errorf("%d entries", kept)
	}
	e.config.Data = map[string]any{"tools": map[string]any{"tool_1": map[string]any{"allow": []any{"*"}, "effect": "read"}}}
	if err := e.load(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := ask(principal(0), label.Clean(), tools...); got != "tool_1" {
		t.Errorf("under other data: %q", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if seen, err := e.Visible(ended, principal(0), label.Clean(), tools); err == nil || seen != nil {
		t.Errorf("for nobody: %v, %v", seen, err)
	}
}

// TestVisibleKeyIsWhole: no two questions have the same key, nor one of these and a request.
func TestVisibleKeyIsWhole(t *testing.T) {
	seen := map[string]int{string(full().key(full().parts())): -1}
	for i, c := range []struct {
		change func(p *Principal)
		in     label.Label
		tools  []string
	}{
		{tools: []string{"ab", "c"}},
		{tools: []string{"a", "bc"}},
		{tools: []string{"c", "ab"}},
		{tools: []string{"ab"}},
		{in: label.Clean(), tools: []string{"ab", "c"}},
		{in: label.Label{Sources: []string{"ab"}}, tools: []string{"c"}},
		{change: func(p *Principal) { p.Groups = append(p.Groups, "more") }, tools: []string{"ab", "c"}},
		{change: func(p *Principal) { p.Actor = "deputy" }, tools: []string{"ab", "c"}},
		{change: func(p *Principal) { p.Anonymous = true }, tools: []string{"ab", "c"}},
	} {
		p := principal(0)
		if c.change != nil {
			c.change(&p)
		}
		k := string(visibleKey(&p, &c.in, c.tools))
		if other, ok := seen[k]; ok {
			t.Errorf("%d and %d have the same key", i, other)
		}
		seen[k] = i
		if asked := (&RequestInput{Principal: p}).key(requestParts{}); asked[0]%2 != 0 || k[0]%2 != 1 { // a length is written doubled
			t.Errorf("%d begins with %d, as a request may, which begins with %d", i, k[0], asked[0])
		}
	}
}

// TestVisibleOfVolatilePolicies: they are asked every time.
func TestVisibleOfVolatilePolicies(t *testing.T) {
	e := engine(t, Config{Data: many(2)})
	s := *e.current.Load()
	s.cache = nil
	e.current.Store(&s)
	for range 2 {
		if seen, err := e.Visible(t.Context(), principal(0), label.Clean(), []string{"tool_0"}); err != nil || len(seen) != 1 {
			t.Errorf("%v, %v", seen, err)
		}
	}
}
