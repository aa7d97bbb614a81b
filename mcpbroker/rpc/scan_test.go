package rpc

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// strict is the member of a name as the strict reader finds it.
func strict(object []byte, name string) (value []byte) {
	_ = Members(object, func(n string, v []byte) error {
		if n == name && value == nil {
			value = v
		}
		return nil
	})
	return value
}

// FuzzScan: in what the strict reader takes, what is looked up is what the strict reader finds, whatever the whitespace and the
// escapes; what it does not take does no harm.
func FuzzScan(f *testing.F) {
	for _, doc := range []string{
		`{"a":1,"b":{"c":"x\"}","d":[{"e":"]"},2]},"\u0061b":null}`,
		" {\n\"a\" :\t\"\\\\\" , \"_meta\": { } , \"n\" : -1.5e7 } ",
		`{}`, `{"a":true,"":[],"\\":{"a":{}}}`, `{"a":"\ud83d\ude00","b":"\u00e9"}`,
		`{"a":1`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":"`, `{"a":"\`, `[1]`, `{"a":[}`, `{,}`, `{"a" 1}`, `{"a":1 "b":2}`, `"\u12"`, ``,
	} {
		f.Add([]byte(doc), "a", "b")
	}
	f.Fuzz(func(t *testing.T, doc []byte, name, other string) {
		changed, err := Change(doc).Remove(name).Set([]byte("7"), other).Bytes()
		_, _ = Text(doc, name, other)
		_, _ = String(doc)
		if strictjson.CheckObject(doc, limits) != nil {
			return
		}
		count := 0
		_ = Members(doc, func(n string, v []byte) error {
			count++
			if got := Raw(doc, n); !bytes.Equal(got, v) {
				t.Errorf("%q: %s, and by the strict reader %s", n, got, v)
			}
			if got, want := Raw(v, other), strict(v, other); !bytes.Equal(got, want) {
				t.Errorf("%q in %q: %s, and by the strict reader %s", other, n, got, want)
			}
			r := strictjson.NewReader(v, limits)
			defer r.Close()
			want, _, bad := r.String()
			if got, ok := String(v); ok != (bad == nil) || ok && got != want {
				t.Errorf("%s decodes to %q, and by the strict reader to %q, %v", v, got, want, bad)
			}
			return nil
		})
		if got, want := Raw(doc, name), strict(doc, name); !bytes.Equal(got, want) || empty(doc) != (count == 0) {
			t.Errorf("%q: %s, and by the strict reader %s", name, got, want)
		}
		if name == other || !utf8.ValidString(other) {
			return
		}
		if err == nil {
			err = strictjson.CheckObject(changed, limits)
		}
		if err != nil || strict(changed, name) != nil || string(strict(changed, other)) != "7" {
			t.Errorf("%s without %q and with %q is %s, %v", doc, name, other, changed, err)
		}
	})
}

func BenchmarkRaw(b *testing.B) {
	doc := []byte(`{"name":"tool_0","arguments":{"account":1,"of":"tool_0"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if Raw(doc, "_meta", "io.modelcontextprotocol/clientInfo") == nil {
			b.Fatal("it is not there")
		}
	}
}
