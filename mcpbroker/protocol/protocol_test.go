package protocol

import (
	"errors"
	"net/http"
	"testing"
)

func TestVersions(t *testing.T) {
	for _, v := range Versions() {
		if !Known(v) || Modern(v) != (v == V20260728) || Batches(v) != (v == V20250326) {
			t.Error(v)
		}
		if !Modern(v) && Answer(v) != v {
			t.Errorf("initialize with %s is answered by %s", v, Answer(v))
		}
	}
	for _, v := range []string{"", "1900-01-01", V20260728, "2024-11-05"} {
		if Answer(v) != V20251125 {
			t.Errorf("initialize with %q is answered by %s", v, Answer(v))
		}
	}
}

func TestMethods(t *testing.T) {
	for _, c := range []struct {
		version, method string
		has             bool
	}{
		{V20260728, CallTool, true},
		{V20250326, CallTool, true},
		{V20260728, Initialize, false},
		{V20251125, Initialize, true},
		{V20260728, Ping, false},
		{V20260728, Discover, true},
		{V20251125, Discover, false},
		{V20260728, Subscribe, false},
		{V20250618, GetTask, false},
		{V20251125, GetTask, true},
		{V20260728, GetTask, true},
		{V20260728, TaskResult, false},
		{V20260728, "tools/Call", false},
		{V20260728, "", false},
		{V20260728, Elicit, false},
	} {
		if Has(c.version, c.method) != c.has {
			t.Errorf("%s %s: %v", c.version, c.method, !c.has)
		}
	}
	for method := range methods {
		if MayNeedInput(method) && !Has(V20260728, method) {
			t.Error(method)
		}
	}
	if !Loud("error", "info") || Loud("debug", "info") || Loud("error", "") || Loud("nonsense", "debug") {
		t.Error("levels are compared wrongly")
	}
}

// TestEncode has the table of the specification ("Value Encoding").
func TestEncode(t *testing.T) {
	for value, header := range map[string]string{
		"us-west1": "us-west1", "Hello, 世界": "=?base64?SGVsbG8sIOS4lueVjA==?=", " padded ": "=?base64?IHBhZGRlZCA=?=",
		"line1\nline2": "=?base64?bGluZTEKbGluZTI=?=", "=?base64?literal?=": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "": "", "=?base64?": "=?base64?",
	} {
		if got := Encode(value); got != header {
			t.Errorf("%q: %q", value, got)
		}
		if got, err := Decode(header); err != nil || got != value {
			t.Errorf("%q: %q %v", header, got, err)
		}
	}
	for _, bad := range []string{"a\nb", "ä", "=?base64?x?=", "=?base64?/w==?=", "=?base64?YQ?=", "a\x00"} {
		if got, err := Decode(bad); !errors.Is(err, ErrHeader) {
			t.Errorf("%q: %q %v", bad, got, err)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("=?base64?YQ==?=")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := Decode(Encode(value))
		if err != nil && !errors.Is(err, ErrHeader) || err == nil && got != value {
			t.Fatalf("%q became %q %v", value, got, err)
		}
	})
}

func TestCheck(t *testing.T) {
	headers := func(kv ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			h.Add(kv[i], kv[i+1])
		}
		return h
	}
	call := []byte(`{"name":"get","arguments":{}}`)
	for name, c := range map[string]struct {
		h      http.Header
		method string
		params []byte
		ok     bool
	}{
		"as it should be":  {headers("mcp-protocol-version", V20260728, "mcp-method", CallTool, "mcp-name", "get"), CallTool, call, true},
		"encoded":          {headers("mcp-protocol-version", V20260728, "mcp-method", CallTool, "mcp-name", "=?base64?Z2V0?="), CallTool, call, true},
		"no name wanted":   {headers("mcp-protocol-version", V20260728, "mcp-method", ListTools), ListTools, nil, true},
		"no version":       {headers("mcp-method", CallTool, "mcp-name", "get"), CallTool, call, false},
		"another version":  {headers("mcp-protocol-version", V20251125, "mcp-method", CallTool, "mcp-name", "get"), CallTool, call, false},
		"no method":        {headers("mcp-protocol-version", V20260728, "mcp-name", "get"), CallTool, call, false},
		"method's case":    {headers("mcp-protocol-version", V20260728, "mcp-method", "Tools/call", "mcp-name", "get"), CallTool, call, false},
		"no name":          {headers("mcp-protocol-version", V20260728, "mcp-method", CallTool), CallTool, call, false},
		"another name":     {headers("mcp-protocol-version", V20260728, "mcp-method", CallTool, "mcp-name", "put"), CallTool, call, false},
		"two names":        {headers("mcp-protocol-version", V20260728, "mcp-method", CallTool, "mcp-name", "get", "mcp-name", "put"), CallTool, call, false},
		"name in no ASCII": {headers("mcp-protocol-version", V20260728, "mcp-method", CallTool, "mcp-name", "gét"), CallTool, []byte(`{"name":"gét"}`), false},
		"uri":              {headers("mcp-protocol-version", V20260728, "mcp-method", ReadResource, "mcp-name", "file:///x"), ReadResource, []byte(`{"uri":"file:///x"}`), true},
	} {
		if err := Check(c.h, V20260728, c.method, c.params); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParams(t *testing.T) {
	good := []byte(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"deep":{"type":"object","properties":{"n":{"x-mcp-header":"N","type":"integer"}}},"q":{"type":"string","default":{"x-mcp-header":"no"}}}}`)
	params, err := Params(good)
	if err != nil || len(params) != 2 || params[1].Path[1] != "n" {
		t.Fatal(params, err)
	}
	for name, schema := range map[string]string{
		"empty":         `{"properties":{"a":{"type":"string","x-mcp-header":""}}}`,
		"no token":      `{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}`,
		"line break":    `{"properties":{"a":{"type":"string","x-mcp-header":"a\r\nX: y"}}}`,
		"no string":     `{"properties":{"a":{"type":"string","x-mcp-header":1}}}`,
		"twice":         `{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}`,
		"number":        `{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}`,
		"object":        `{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}`,
		"no type":       `{"properties":{"a":{"x-mcp-header":"A"}}}`,
		"two types":     `{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}`,
		"in items":      `{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}`,
		"in oneOf":      `{"oneOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}`,
		"behind if":     `{"then":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}`,
		"in a $def":     `{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}`,
		"at the root":   `{"type":"string","x-mcp-header":"A"}`,
		"in items list": `{"properties":{"a":{"prefixItems":[{"type":"string","x-mcp-header":"A"}]}}}`,
	} {
		if p, err := Params([]byte(schema)); err == nil {
			t.Errorf("%s: %v", name, p)
		}
	}
	// A property may have any name, one of a keyword too.
	if p, err := Params([]byte(`{"properties":{"x-mcp-header":{"type":"string"},"enum":{"type":"string","x-mcp-header":"E"}}}`)); err != nil || len(p) != 1 {
		t.Error(p, err)
	}
}

func TestMirror(t *testing.T) {
	for _, c := range []struct {
		kind, arguments, header string
		there, ok               bool
	}{
		{"string", `{"a":"x"}`, "x", true, true},
		{"string", `{"a":"ü"}`, "=?base64?w7w=?=", true, true},
		{"string", `{"a":null}`, "", false, true},
		{"string", `{}`, "", false, true},
		{"string", `{"a":1}`, "", false, false},
		{"integer", `{"a":42}`, "42", true, true},
		{"integer", `{"a":42.0}`, "42", true, true},
		{"integer", `{"a":-7}`, "-7", true, true},
		{"integer", `{"a":9007199254740992}`, "", false, false},
		{"integer", `{"a":1e999999999}`, "", false, false},
		{"integer", `{"a":1.5}`, "", false, false},
		{"integer", `{"a":"42"}`, "", false, false},
		{"boolean", `{"a":true}`, "true", true, true},
		{"boolean", `{"a":"true"}`, "", false, false},
	} {
		p := Param{Header: "A", Path: []string{"a"}, Kind: c.kind}
		got, there, err := p.Mirror([]byte(c.arguments))
		if got != c.header || there != c.there || (err == nil) != c.ok {
			t.Errorf("%s %s: %q %v %v", c.kind, c.arguments, got, there, err)
		}
		if !c.ok {
			continue
		}
		h := http.Header{}
		if there {
			h.Set("Mcp-Param-A", got)
		}
		if err := p.Check(h, []byte(c.arguments)); err != nil {
			t.Errorf("%s: %v", c.arguments, err)
		}
		h.Set("Mcp-Param-A", "other")
		if p.Check(h, []byte(c.arguments)) == nil {
			t.Errorf("%s: another header is taken", c.arguments)
		}
		if there && p.Check(http.Header{}, []byte(c.arguments)) == nil {
			t.Errorf("%s: no header is taken", c.arguments)
		}
	}
	p := Param{Header: "A", Path: []string{"a"}, Kind: "integer"}
	if err := p.Check(http.Header{"Mcp-Param-A": {"42.0"}}, []byte(`{"a":42}`)); err != nil {
		t.Error(err)
	}
}
