package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// FuzzCheck: whatever passes here is valid for encoding/json too, means the same after Canonical, and every span lies in
// the document; whatever encoding/json takes and we do not has a duplicate, bad UTF-8, depth or size to it.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"a":[1,2,{"b":"c"}]}`, `{"a":1,"a":2}`, "\"\xff\"", `"\ud800"`, `[[[[1]]]]`, `1e400`, ` {} `, `{}x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := Check(doc, Limits{MaxDepth: 20})
		if err == nil != (walkAll(t, doc) == nil) {
			t.Fatalf("skipping and walking disagree: %v", err)
		}
		if err == nil {
			if !json.Valid(doc) {
				t.Fatal("encoding/json does not take it")
			}
			if _, err := Canonical(doc); err != nil {
				t.Fatal(err)
			}
			return
		}
		stricter := errors.Is(err, ErrDuplicate) || errors.Is(err, ErrUTF8) || errors.Is(err, ErrDepth) || errors.Is(err, ErrSize)
		if json.Valid(doc) && !stricter {
			t.Fatalf("encoding/json takes it: %v", err)
		}
	})
}

func walkAll(t *testing.T, doc []byte) error {
	r := NewReader(doc, Limits{MaxDepth: 20})
	defer r.Close()
	var into func() error
	into = func() error {
		switch r.Kind() {
		case Object:
			return r.Object(nil, func(m Member) error {
				if b := m.NameSpan.Of(doc); b[0] != '"' || b[len(b)-1] != '"' {
					t.Fatalf("name span %q", b)
				}
				return into()
			})
		case Array:
			return r.Array(func(int) error { return into() })
		case String:
			s, span, err := r.String()
			if err == nil {
				var other string
				if json.Unmarshal(span.Of(doc), &other) != nil || other != s {
					t.Fatalf("%q is not %q", s, other)
				}
			}
			return err
		}
		span, err := r.Skip()
		if err == nil && !json.Valid(span.Of(doc)) {
			t.Fatalf("span %q", span.Of(doc))
		}
		return err
	}
	if err := into(); err != nil {
		return err
	}
	return r.End()
}

func benchDoc(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"gpt-5","messages":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"role":"user","content":"%s"}`, strings.Repeat(`A line of text with a \"quote\" in it, and a break.\n`, 20))
	}
	b.WriteString(`],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}]}`)
	return b.Bytes()
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []int{2 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			doc := benchDoc(size)
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Check(doc, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
