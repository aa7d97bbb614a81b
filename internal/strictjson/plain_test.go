package strictjson

import (
	"errors"
	"reflect"
	"testing"
)

func TestPlain(t *testing.T) {
	got, err := Plain([]byte(` {"a":[1,"x",true,false,null,{"b":{}}],"ü":2.5} `), DefaultLimits())
	want := map[string]any{"a": []any{1.0, "x", true, false, nil, map[string]any{"b": map[string]any{}}}, "ü": 2.5}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v", got, err)
	}
	for doc, kind := range map[string]error{
		``: ErrType, `[]`: ErrType, `7`: ErrType, `{`: ErrTruncated, `{"a":1,"a":2}`: ErrDuplicate, `{} {}`: ErrTrailing, `{"a":[{"b":1,"b":1}]}`: ErrDuplicate, `{"a":tru}`: ErrSyntax,
	} {
		if got, err := Plain([]byte(doc), DefaultLimits()); got != nil && err == nil || !errors.Is(err, kind) {
			t.Errorf("%s: %v %v", doc, got, err)
		}
	}
	if _, err := Plain([]byte(`{"a":{"b":{}}}`), Limits{MaxBytes: 100, MaxDepth: 2}); !errors.Is(err, ErrDepth) {
		t.Error(err)
	}
}
