package quarantine

import (
	"encoding/json"
	"testing"

	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
	"github.com/yellowjack/yellowjack/internal/quarantine/render"
)

// TestTextInJSON: a value in an answer that is JSON stays in its place, however the answer is cut.
func TestTextInJSON(t *testing.T) {
	const name = "$ref_abcdefghabcdefgh"
	const value = "x\",\"admin\":true,\"y\":\"\nz"
	config := render.Config{Lookup: func(n ref.Name) (ref.Entry, bool) { return ref.Entry{Value: value}, n == name }}
	for _, answer := range []string{`{"title":"` + name + `"}`, " \n\t{\"title\":\"" + name + "\"}"} {
		for cut := range len(answer) {
			f := &text{config: config}
			out := f.Close(f.Write(f.Write(nil, []byte(answer[:cut])), []byte(answer[cut:])))
			var got map[string]any
			if err := json.Unmarshal(out, &got); err != nil || len(got) != 1 {
				t.Fatalf("cut at %d: %s %v", cut, out, err)
			}
		}
	}
	f := &text{config: config}
	if out := f.Close(f.Write(nil, []byte("  "))); string(out) != "  " {
		t.Errorf("%q", out)
	}
}
