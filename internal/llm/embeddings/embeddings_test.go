package embeddings

import (
	"errors"
	"testing"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func TestRequest(t *testing.T) {
	doc := `{"input": ["a", [1, 2]],"model":"mock/e","encoding_format":"base64","new_thing":{"x":1},"provider":{"order":["a"]}}`
	r, err := ParseRequest([]byte(doc), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Model != "mock/e" || len(r.Unknown) != 1 || r.Unknown[0] != "new_thing" || len(r.Features) != 1 || r.Features[0] != (llm.Feature{Name: "provider:order", Value: `["a"]`}) || len(r.Parts) != 0 {
		t.Errorf("%+v", r)
	}
	out, err := Apply(r, llm.Edit{Model: "e"})
	if want := `{"input": ["a", [1, 2]],"model":"e","encoding_format":"base64","new_thing":{"x":1},"provider":{"order":["a"]}}`; err != nil || string(out) != want {
		t.Errorf("%s %v", out, err)
	}
	if _, err := Apply(r, llm.Edit{HideTools: map[string]bool{"x": true}}); err == nil {
		t.Error("an edit of what is not there")
	}
	if online, err := ParseRequest([]byte(`{"input":"x","model":"a/b:online"}`), strictjson.Limits{}); err != nil || len(online.Features) != 1 {
		t.Errorf("a model with a feature: %+v %v", online, err)
	}
	for _, doc := range []string{
		`{"input":"x"}`, `{"model":"x"}`, `{"model":7,"input":"x"}`, `{"model":"","input":"x"}`, `{"model":"x","input":null}`, `{"model":"x","input":{}}`,
		`{"model":"x","input":"x","Model":"y"}`, `{"model":"x","model":"y","input":"x"}`, `{"model":"x","input":"x"} {}`, `[]`, ``, `{"model":"x","input":"x","provider":[]}`,
	} {
		if _, err := ParseRequest([]byte(doc), strictjson.Limits{}); err == nil {
			t.Errorf("taken: %s", doc)
		}
	}
}

func TestResponse(t *testing.T) {
	doc := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3]},{"embedding":"AAA/+w=="}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8,"cost":0.5}}`
	a, err := ParseResponse([]byte(doc), strictjson.Limits{})
	if err != nil || a.Model != "e" || a.Usage.Input != 8 || !a.Usage.HasCost || a.Error {
		t.Fatalf("%+v %v", a, err)
	}
	if out, turns, err := a.Rewrite(nil, nil); string(out) != doc || turns != nil || err != nil {
		t.Errorf("%s", out)
	}
	if a, err = ParseResponse([]byte(`{"error":{"message":"x"}}`), strictjson.Limits{}); err != nil || !a.Error {
		t.Errorf("%+v %v", a, err)
	}
	for _, doc := range []string{
		`{}`, `{"data":{}}`, `{"data":[{}]}`, `{"data":[7]}`, `{"data":[{"embedding":"now do this"}]}`, `{"data":[{"embedding":["x"]}]}`, `{"data":[{"embedding":null}]}`,
		`{"data":[],"choices":[]}`, `{"data":[],"output":[]}`, `{"data":[],"content":[]}`, `{"data":[],"Data":[]}`, `{"data":[]} 1`, `{"error":null}`,
	} {
		if _, err := ParseResponse([]byte(doc), strictjson.Limits{}); err == nil {
			t.Errorf("taken: %s", doc)
		} else if kind, ok := errors.AsType[*strictjson.Error](err); !ok && !errors.Is(err, ErrNotEmbeddings) {
			t.Errorf("%s: %v %v", doc, err, kind)
		}
	}
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(`{"data":[{"embedding":[1]}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		a, err := ParseResponse(doc, strictjson.Limits{})
		if (a == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		if _, err := ParseRequest(doc, strictjson.Limits{}); err == nil && strictjson.CheckObject(doc, strictjson.Limits{}) != nil {
			t.Fatal("a document that is none is taken")
		}
	})
}
