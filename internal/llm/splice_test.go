package llm

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestApplyWithoutChangesIsTheSameSlice(t *testing.T) {
	doc := []byte(`{"a":1}`)
	var s Splices
	if out := s.Apply(doc); &out[0] != &doc[0] {
		t.Fatal("copied")
	}
	s.Replace(Span{Start: 5, End: 6}, []byte("22"))
	s.Replace(Span{Start: 1, End: 4}, []byte(`"b"`))
	if out := string(s.Apply(doc)); out != `{"b":22}` || string(doc) != `{"a":1}` {
		t.Fatal(out, string(doc))
	}
}

// Whatever elements leave a list, however it is laid out, a valid list of the others is left.
func TestRemoveKeepsTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gone := rapid.SliceOfN(rapid.Bool(), 0, 6).Draw(t, "gone")
		space := rapid.StringMatching(`[ \t\n]{0,2}`)
		var doc strings.Builder
		var spans []Span
		want := []int{}
		doc.WriteString("[" + space.Draw(t, "space"))
		for i := range gone {
			if i > 0 {
				doc.WriteString("," + space.Draw(t, "space"))
			}
			spans = append(spans, Span{Start: doc.Len(), End: doc.Len() + 1})
			doc.WriteByte(byte('0' + i))
			doc.WriteString(space.Draw(t, "space"))
			if !gone[i] {
				want = append(want, i)
			}
		}
		doc.WriteString("]")
		var s Splices
		s.Remove(spans, func(i int) bool { return gone[i] })
		got := []int{}
		if err := json.Unmarshal(s.Apply([]byte(doc.String())), &got); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q without %v: %v %v", doc.String(), gone, got, err)
		}
	})
}
