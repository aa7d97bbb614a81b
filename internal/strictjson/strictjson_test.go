package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRefused(t *testing.T) {
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	for _, c := range []struct {
		name, doc string
		want      error
		path      string
	}{
		{"empty", "", ErrTruncated, ""},
		{"spaces", "  ", ErrTruncated, ""},
		{"cut", `{"a":[1`, ErrTruncated, "/a"},
		{"syntax", `{"a":tru}`, ErrSyntax, "/a"},
		{"comma", `{"a":1,}`, ErrSyntax, ""},
		{"trailing value", `{} {}`, ErrTrailing, ""},
		{"trailing bytes", `{}x`, ErrTrailing, ""},
		{"NUL after", "{}\x00", ErrTrailing, ""},
		{"byte order mark", "\xef\xbb\xbf{}", ErrSyntax, ""},
		{"duplicate", `{"a":{"b":1,"b":2}}`, ErrDuplicate, "/a/b"},
		{"duplicate by escape", `{"ab":1,"\u0061b":2}`, ErrDuplicate, "/ab"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", ErrUTF8, "/a"},
		{"invalid UTF-8 in a name", "{\"\xc3\":1}", ErrUTF8, ""},
		{"overlong", "{\"a\":\"\xc0\xaf\"}", ErrUTF8, "/a"},
		{"lone surrogate", `{"a":"\ud800"}`, ErrUTF8, "/a"},
		{"raw newline", "{\"a\":\"\n\"}", ErrSyntax, "/a"},
		{"number", `{"a":01}`, ErrSyntax, ""},
		{"NaN", `{"a":NaN}`, ErrSyntax, "/a"},
		{"deep", deep, ErrDepth, ""},
		{"size", `"` + strings.Repeat("x", 2000) + `"`, ErrSize, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check([]byte(c.doc), Limits{MaxBytes: 1000})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Path != c.path {
				t.Fatalf("path %q of %v, want %q", e.Path, err, c.path)
			}
		})
	}
}

func TestErrorsNeverQuoteValues(t *testing.T) {
	for _, doc := range []string{`{"a":"sk-secret\q"}`, `{"a":"sk-secret`, `{"a":sk-secret}`, `["sk-secret",]`, `"sk-secret" x`} {
		err := Check([]byte(doc), Limits{})
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "'x'") {
			t.Errorf("%s: %v", doc, err)
		}
	}
	err := Check([]byte("{\"a\\u0007\\nb\":{\"x\":tru}}"), Limits{})
	if err == nil || strings.ContainsAny(err.Error(), "\a\n") {
		t.Errorf("unprintable path: %q", err)
	}
}

func TestDepth(t *testing.T) {
	nest := func(n int) string { return strings.Repeat(`{"a":[`, n) + strings.Repeat(`]}`, n) }
	walk := func(doc string, max int) error {
		r := NewReader([]byte(doc), Limits{MaxDepth: max})
		defer r.Close()
		var into func() error
		into = func() error {
			switch r.Kind() {
			case Object:
				return r.Object(nil, func(Member) error { return into() })
			case Array:
				return r.Array(func(int) error { return into() })
			}
			_, err := r.Skip()
			return err
		}
		if err := into(); err != nil {
			return err
		}
		return r.End()
	}
	skip := func(doc string, max int) error { return Check([]byte(doc), Limits{MaxDepth: max}) }
	half := func(doc string, max int) error {
		r := NewReader([]byte(doc), Limits{MaxDepth: max})
		defer r.Close()
		if err := r.Object(nil, func(Member) error { _, err := r.Skip(); return err }); err != nil {
			return err
		}
		return r.End()
	}
	for name, read := range map[string]func(string, int) error{"walk": walk, "skip": skip, "half": half} {
		t.Run(name, func(t *testing.T) {
			if err := read(nest(4), 8); err != nil {
				t.Errorf("8 of 8 levels: %v", err)
			}
			if err := read(nest(4), 7); !errors.Is(err, ErrDepth) {
				t.Errorf("8 of 7 levels: %v", err)
			}
			// Brackets in strings and many shallow siblings are no depth.
			if err := read(`{"a":"[[[[\"[[[[{{\\","b":[[],[],[],{},{},{"c":"\\\""}]}`, 3); err != nil {
				t.Errorf("shallow: %v", err)
			}
		})
	}
	if err := skip(strings.Repeat("[", 1<<20), 64); err == nil {
		t.Error("a million levels passed")
	}
}

func TestNames(t *testing.T) {
	known := NewNames("model", "tool_calls", "k", "messages")
	read := func(doc string) ([]string, error) {
		r := NewReader([]byte(doc), Limits{})
		defer r.Close()
		var got []string
		err := r.Object(known, func(m Member) error { got = append(got, m.Name); return nil })
		if err == nil {
			err = r.End()
		}
		return got, err
	}
	got, err := read(`{"model":1,"tool\u005fcalls":{"Model":[1,2]},"other":null,"toolcalls":3}`)
	if err != nil || strings.Join(got, ",") != "model,tool_calls,other,toolcalls" {
		t.Fatalf("%v %v", got, err)
	}
	for _, doc := range []string{
		`{"Model":1}`, `{"MODEL":1}`, `{"Tool_Calls":1}`, `{"K":1}`, "{\"\u212a\":1}", `{"\u212a":1}`,
		"{\"mes\u017fage\u017f\":1}", `{"\u004dodel":1}`,
	} {
		if _, err := read(doc); !errors.Is(err, ErrCase) {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestReaderTypes(t *testing.T) {
	doc := []byte(` {"s":"a\nb","t":true,"f":false,"i":-7,"x":1.5,"n":null,"a":[1,{"b":2},"c"],"skip":{"z":[1,2]},"e":1e2} `)
	r := NewReader(doc, Limits{})
	defer r.Close()
	var seen []string
	err := r.Object(nil, func(m Member) error {
		var v any
		var err error
		switch m.Name {
		case "s":
			var s Span
			v, s, err = r.String()
			if string(s.Of(doc)) != `"a\nb"` {
				t.Errorf("span %q", s.Of(doc))
			}
		case "t", "f":
			v, err = r.Bool()
		case "i":
			v, err = r.Int()
		case "x", "e":
			v, err = r.Float()
		case "n":
			v, err = r.Null()
		case "a":
			var spans []string
			err = r.Array(func(i int) error {
				s, err := r.Skip()
				spans = append(spans, string(s.Of(doc)))
				return err
			})
			v = spans
		}
		seen = append(seen, fmt.Sprint(m.Name, "=", v))
		return err
	})
	if err == nil {
		err = r.End()
	}
	want := "s=a\nb|t=true|f=false|i=-7|x=1.5|n=true|a=[1 {\"b\":2} c]|skip=<nil>|e=100"
	want = strings.ReplaceAll(want, "} c]", "} \"c\"]")
	if got := strings.Join(seen, "|"); err != nil || got != want {
		t.Fatalf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestWrongTypes(t *testing.T) {
	for name, read := range map[string]func(*Reader) error{
		"object": func(r *Reader) error { return r.Object(nil, nil) },
		"array":  func(r *Reader) error { return r.Array(nil) },
		"string": func(r *Reader) error { _, _, err := r.String(); return err },
		"bool":   func(r *Reader) error { _, err := r.Bool(); return err },
		"float":  func(r *Reader) error { _, err := r.Float(); return err },
	} {
		r := NewReader([]byte(`null`), Limits{})
		if err := read(r); !errors.Is(err, ErrType) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := r.Skip(); !errors.Is(err, ErrType) {
			t.Errorf("%s: the error did not stick: %v", name, err)
		}
		r.Close()
	}
	for _, doc := range []string{"1.0", "1e3", "99999999999999999999"} {
		r := NewReader([]byte(doc), Limits{})
		if _, err := r.Int(); !errors.Is(err, ErrType) {
			t.Errorf("%s as an integer: %v", doc, err)
		}
		r.Close()
	}
}

func TestErrorPointsToTheValue(t *testing.T) {
	for doc, want := range map[string]string{`{"a":["x",{"b":[]},3]}`: "/a/2", `{"a":[null]}`: "/a/0", `{"a":["x"],"b":1}`: "/b"} {
		r := NewReader([]byte(doc), Limits{})
		err := r.Object(nil, func(Member) error {
			return r.Array(func(int) error {
				if r.Kind() == Object {
					return nil
				}
				_, _, err := r.String()
				return err
			})
		})
		var e *Error
		if !errors.As(err, &e) || e.Path != want {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
		r.Close()
	}
}

func TestCallbackReadsTooMuch(t *testing.T) {
	r := NewReader([]byte(`{"a":1,"b":2}`), Limits{})
	defer r.Close()
	err := r.Object(nil, func(Member) error {
		for range 2 {
			if _, err := r.Skip(); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, errMisuse) {
		t.Fatal(err)
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{ "b" : 1.50, "a" : [ 1E3 , -0 , 0.1 ] }`: `{"a":[1000,0,0.1],"b":1.5}`,
		`9007199254740993`:                         `9007199254740993`,
		`9007199254740992`:                         `9007199254740992`,
		`9007199254740992.0`:                       `9007199254740992`,
		`0.1000000000000000055`:                    `0.1000000000000000055`,
		`1e400`:                                    `1e400`,
		`1e-400`:                                   `1e-400`,
		`1e99999999999999`:                         `1e99999999999999`,
		`0e99`:                                     `0`,
		`1e21`:                                     `1e+21`,
		`"\u0041\/\u00e9\u000a"`:                   `"A/é\n"`,
		`{"\ud83d\ude00":1,"\ufb33":2,"a":3}`:      "{\"a\":3,\"\U0001F600\":1,\"\ufb33\":2}",
		`"12e4\"3.0"`:                              `"12e4\"3.0"`,
	} {
		got, err := Canonical([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
	if _, err := Canonical([]byte(`{"a":1,"a":1}`)); !errors.Is(err, ErrDuplicate) {
		t.Error(err)
	}
}

func TestDecode(t *testing.T) {
	type answer struct {
		Verdict string         `json:"verdict"`
		Deep    map[string]int `json:"deep"`
	}
	var a answer
	if err := Decode([]byte(`{"verdict":"deny","deep":{"x":1}}`), Limits{}, &a); err != nil || a.Verdict != "deny" || a.Deep["x"] != 1 {
		t.Fatal(a, err)
	}
	for doc, want := range map[string]error{
		`{"Verdict":"allow"}`: ErrUnknown, `{"verdict":1}`: ErrType, `{"verdict":"a","verdict":"b"}`: ErrDuplicate,
		`{"verdict":"a"} 1`: ErrTrailing, `{"more":1}`: ErrUnknown,
	} {
		if err := Decode([]byte(doc), Limits{}, &a); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", doc, err, want)
		}
	}
}

// value draws any JSON value.
func value(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if depth == 0 && kind > 3 {
			kind = 3
		}
		switch kind {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Float64().Draw(t, "number")
		case 3:
			return rapid.String().Draw(t, "text")
		case 4:
			return rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "array")
		}
		return rapid.MapOfN(rapid.String(), value(depth-1), 0, 3).Draw(t, "object")
	})
}

func TestCanonicalIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value(3).Draw(t, "value")
		plain, err := json.Marshal(v)
		if err != nil {
			t.Skip()
		}
		indented, _ := json.MarshalIndent(v, " ", "\t")
		a, err := Canonical(plain)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Canonical(indented)
		if err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%s\n%s\n%v", a, b, err)
		}
		again, err := Canonical(a)
		if err != nil || !bytes.Equal(a, again) {
			t.Fatalf("%s\n%s\n%v", a, again, err)
		}
	})
}
