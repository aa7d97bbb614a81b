package policies

import (
	"slices"
	"strings"
	"testing"
)

func TestServerPins(t *testing.T) {
	good, bad := strings.Repeat("a", 64), strings.Repeat("b", 64)
	e := engine(t, Config{Data: map[string]any{
		"tools": map[string]any{
			"s__a": map[string]any{"allow": []any{"*"}}, "s__b": map[string]any{"allow": []any{"*"}, "pin": "warn"},
			"s__c": map[string]any{"allow": []any{"*"}, "aliases": map[string]any{"agent": []any{"other"}}},
		},
		"pins": map[string]any{"mode": "refuse", "authors": []any{"author"}, "tools": map[string]any{"s__a": []any{good}, "s__b": []any{good}}},
	}})
	tools := []Tool{{Name: "s__a", Hash: good}, {Name: "s__a", Hash: bad}, {Name: "s__b", Hash: bad}, {Name: "other", Hash: bad}, {Name: "unknown", Hash: bad}, {Name: "s__a"}}
	got := e.Pins("agent", tools)
	want := []PinFinding{
		{"s__a", PinSame, "", good},
		{"s__a", PinChanged, PinRefuse, bad},
		{"s__b", PinChanged, PinWarn, bad},
		{"s__c", PinNew, PinRefuse, bad},
		{"unknown", PinNone, "", bad},
		{"s__a", PinNone, "", ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got = e.Pins("author", tools[1:2]); got[0].Mode != "" {
		t.Errorf("an author's own: %+v", got)
	}
	e.Close()
	if got = e.Pins("agent", tools[:1]); got[0].Mode != PinRefuse {
		t.Errorf("with no policies in force: %+v", got)
	}
}

// TestAnnotations: policies read what a server says of its tool.
func TestAnnotations(t *testing.T) {
	in := toolcallInput(1)
	in.Calls[0].Annotations, in.Calls[0].Pin = []byte(`{"readOnlyHint":true,"n":12345678901234567890}`), PinChanged
	v, err := in.value(in.names())
	if err != nil {
		t.Fatal(err)
	}
	if text := v.String(); !strings.Contains(text, `"annotations": {"n": 12345678901234567890, "readOnlyHint": true}`) || !strings.Contains(text, `"pin": "changed"`) {
		t.Errorf("%s", text)
	}
	in.Calls[0].Annotations = []byte(`{"a":1,"a":2}`)
	if _, err := in.value(in.names()); err == nil {
		t.Error("annotations that two readers read differently")
	}
}
