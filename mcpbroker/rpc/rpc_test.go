package rpc

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		doc    string
		kind   Kind
		id     string
		params string
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, Request, `1`, ``},
		{` {"id":"a\u0062","params":{"n":12345678901234567890},"method":"x","jsonrpc":"2.0"} `, Request, `"a\u0062"`, `{"n":12345678901234567890}`},
		{`{"jsonrpc":"2.0","id":-7,"method":"x","params":{}}`, Request, `-7`, `{}`},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, Notification, ``, ``},
		{`{"jsonrpc":"2.0","id":1,"result":{"$schema":"x"}}`, Response, `1`, ``},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":[1]}}`, Response, `1`, ``},
		{`{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}`, Response, ``, ``},
	} {
		m, err := Parse([]byte(c.doc), strictjson.Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.doc, err)
			continue
		}
		if m.Kind != c.kind || string(m.ID) != c.id || string(m.Params) != c.params || string(m.Doc) != strings.TrimSpace(c.doc) {
			t.Errorf("%s: %+v", c.doc, m)
		}
	}
	m, _ := Parse([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":[1]}}`), strictjson.Limits{})
	if m.Err.Code != CodeNoMethod || m.Err.Message != "no" || string(m.Err.Data) != "[1]" {
		t.Errorf("%+v", m.Err)
	}
}

func TestParseRefuses(t *testing.T) {
	for doc, code := range map[string]int{
		``: CodeParse, `{`: CodeParse, `{"jsonrpc":"2.0","id":1,"method":"x"} x`: CodeParse,
		`{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}`:       CodeParse,
		`{"jsonrpc":"2.0","id":1,"Method":"x"}`:              CodeParse,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}": CodeParse,
		`[]`: CodeInvalidRequest, `"x"`: CodeInvalidRequest,
		`[{"jsonrpc":"2.0","id":1,"method":"x"}]`:                                CodeInvalidRequest,
		`{"id":1,"method":"x"}`:                                                  CodeInvalidRequest,
		`{"jsonrpc":"1.0","id":1,"method":"x"}`:                                  CodeInvalidRequest,
		`{"jsonrpc":2.0,"id":1,"method":"x"}`:                                    CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":null,"method":"x"}`:                               CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1.5,"method":"x"}`:                                CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1e3,"method":"x"}`:                                CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":[1],"method":"x"}`:                                CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 600) + `","method":"x"}`: CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":7}`:                                    CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":""}`:                                   CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}`:                     CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"x","result":{}}`:                      CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}`:   CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"result":[]}`:                                   CodeInvalidRequest,
		`{"jsonrpc":"2.0","result":{}}`:                                          CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1}`:                                               CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}`:             CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}`:             CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"error":"x"}`:                                   CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"x","extra":1}`:                        CodeInvalidRequest,
	} {
		m, err := Parse([]byte(doc), strictjson.Limits{})
		var e *ParseError
		if !errors.As(err, &e) || e.Code != code || m != nil {
			t.Errorf("%s: %+v %v", doc, m, err)
		}
	}
	_, err := Parse([]byte(`{"jsonrpc":"2.0","id":"a","method":7}`), strictjson.Limits{})
	var e *ParseError
	if errors.As(err, &e); string(e.ID) != `"a"` {
		t.Errorf("the id of a refused request is %q", e.ID)
	}
}

func TestParseBatch(t *testing.T) {
	all, batch, err := ParseBatch([]byte(` [ {"jsonrpc":"2.0","id":1,"method":"x"} , {"jsonrpc":"2.0","method":"y"}]`), strictjson.Limits{})
	if err != nil || !batch || len(all) != 2 || string(all[0].Doc) != `{"jsonrpc":"2.0","id":1,"method":"x"}` || all[1].Kind != Notification {
		t.Fatal(all, batch, err)
	}
	if all, batch, err = ParseBatch([]byte(`{"jsonrpc":"2.0","id":1,"method":"x"}`), strictjson.Limits{}); err != nil || batch || len(all) != 1 {
		t.Fatal(all, batch, err)
	}
	for _, doc := range []string{
		`[]`, `[1]`, `[{"jsonrpc":"2.0","id":1,"method":"x"},{}]`, `[[{"jsonrpc":"2.0","id":1,"method":"x"}]]`, `[{"jsonrpc":"2.0","id":1,"method":"x"}`,
		"[" + strings.Repeat(`{"jsonrpc":"2.0","method":"x"},`, MaxBatch) + `{"jsonrpc":"2.0","method":"x"}]`,
	} {
		if all, _, err := ParseBatch([]byte(doc), strictjson.Limits{}); err == nil || all != nil {
			t.Errorf("%.60s: %v", doc, all)
		}
	}
}

func TestID(t *testing.T) {
	if !ID(`"a\u0062"`).Equal(ID(`"ab"`)) || ID(`"1"`).Equal(ID(`1`)) || !ID(`1`).Equal(ID(`1`)) || ID(`1`).Equal(nil) {
		t.Error("ids are compared wrongly")
	}
	if ID(`"a\u0062"`).Key() != ID(`"ab"`).Key() || ID(`"1"`).Key() == ID(`1`).Key() {
		t.Error("ids are keyed wrongly")
	}
}

func TestAppend(t *testing.T) {
	for _, doc := range [][]byte{
		AppendRequest(nil, ID("7"), `a"b`, []byte(`{"x":1}`)), AppendNotification(nil, "n", nil), AppendResult(nil, ID(`"q"`), []byte(`{}`)),
		AppendError(nil, nil, &relay.Error{Code: CodeParse, Message: "<b>\n"}), AppendError(nil, ID("1"), &relay.Error{Code: 1, Data: []byte("[]")}),
	} {
		if _, err := Parse(doc, strictjson.Limits{}); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestObject(t *testing.T) {
	const doc = `{ "name": "x", "arguments":{"a":12345678901234567890,"$schema":"s"} , "_meta":{"v/k":1.0} }`
	if s, ok := Text([]byte(doc), "name"); !ok || s != "x" {
		t.Error(s, ok)
	}
	if raw := Raw([]byte(doc), "arguments", "a"); string(raw) != "12345678901234567890" {
		t.Errorf("%s", raw)
	}
	for _, path := range [][]string{{"none"}, {"name", "x"}, {"arguments", "a", "b"}} {
		if raw := Raw([]byte(doc), path...); raw != nil {
			t.Errorf("%v: %s", path, raw)
		}
	}
	for want, edit := range map[string]*Edit{
		doc: Change([]byte(doc)),
		`{ "name": "y\"z", "arguments":{"a":12345678901234567890,"$schema":"s"} , "_meta":{"v/k":1.0} }`:             Change([]byte(doc)).SetText(`y"z`, "name"),
		`{ "name": "x", "arguments":{"a":1,"$schema":"s"} , "_meta":{"v/k":1.0} }`:                                   Change([]byte(doc)).Set([]byte("1"), "arguments", "a"),
		`{ "name": "x", "arguments":{"a":12345678901234567890,"$schema":"s"} , "_meta":{"v/k":1.0,"p":2} }`:          Change([]byte(doc)).Set([]byte("2"), "_meta", "p"),
		`{ "name": "x", "arguments":{"a":12345678901234567890,"$schema":"s"} , "_meta":{"v/k":1.0} ,"id":"i","k":3}`: Change([]byte(doc)).SetText("i", "id").Set([]byte("3"), "k"),
		`{ "arguments":{"a":12345678901234567890,"$schema":"s"} }`:                                                   Change([]byte(doc)).Remove("name", "_meta", "none"),
	} {
		got, err := edit.Bytes()
		if err != nil || string(got) != want {
			t.Errorf("got  %s %v\nwant %s", got, err, want)
		}
	}
	if got, err := Change([]byte("{}")).Set([]byte("1"), "a").Bytes(); err != nil || string(got) != `{"a":1}` {
		t.Errorf("%s %v", got, err)
	}
	if got, err := Change([]byte(`{"a":1}`)).Remove("a").Set([]byte("2"), "b").Bytes(); err != nil || string(got) != `{"b":2}` {
		t.Errorf("%s %v", got, err)
	}
	if _, err := Change([]byte(`{}`)).Set([]byte("2"), "a", "b").Bytes(); err == nil {
		t.Error("a member was put into nothing")
	}
}

// FuzzParse: a document is a message or an error with a code, and what was read is written again to the same message.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":[1,{"b":null}]}}`))
	f.Add([]byte(`[{"jsonrpc":"2.0","id":"1","error":{"code":1,"message":"m","data":{}}}]`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		all, _, err := ParseBatch(doc, strictjson.Limits{})
		if err != nil {
			var e *ParseError
			if !errors.As(err, &e) || e.Code == 0 || all != nil {
				t.Fatal(err)
			}
			return
		}
		for _, m := range all {
			var again []byte
			switch {
			case m.Kind == Request:
				again = AppendRequest(nil, m.ID, m.Method, m.Params)
			case m.Kind == Notification:
				again = AppendNotification(nil, m.Method, m.Params)
			case m.Err != nil:
				again = AppendError(nil, m.ID, m.Err)
			default:
				again = AppendResult(nil, m.ID, m.Result)
			}
			second, err := Parse(again, strictjson.Limits{})
			if err != nil {
				t.Fatalf("%s: %v", again, err)
			}
			if second.Kind != m.Kind || second.Method != m.Method || !bytes.Equal(second.Params, m.Params) || !bytes.Equal(second.Result, m.Result) || !bytes.Equal(second.ID, m.ID) {
				t.Fatalf("%s\n%s", m.Doc, again)
			}
		}
	})
}
