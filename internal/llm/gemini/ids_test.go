package gemini

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestIDsLeave: whatever ids a client sends back, in whatever order, when those leave that the provider did not give, each
// result still answers the call that it answered.
func TestIDsLeave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var contents []string
		id := 0
		for range rapid.IntRange(1, 3).Draw(t, "turns") {
			var calls, results []string
			for range rapid.IntRange(1, 4).Draw(t, "calls") {
				id++
				name := rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "name")
				calls = append(calls, fmt.Sprintf(`{"functionCall":{"id":"%d","name":%q}}`, id, name))
				results = append(results, rapid.SampledFrom([]string{
					fmt.Sprintf(`{"functionResponse":{"id":"%d","name":%q,"response":{}}}`, id, name),
					fmt.Sprintf(`{"functionResponse":{"response":{},"id":"%d"}}`, id),
					fmt.Sprintf(`{"functionResponse":{"name":%q,"response":{}}}`, name),
				}).Draw(t, "result"))
			}
			results = rapid.Permutation(results).Draw(t, "order")
			contents = append(contents, `{"role":"model","parts":[`+strings.Join(calls, ",")+`]},{"parts":[`+strings.Join(results, ",")+`]}`)
		}
		doc := `{"contents":[` + strings.Join(contents, ",") + `]}`
		r, err := ParseRequest(thePath, []byte(doc), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		e := Edit{CallIDs: map[int]string{}, ResultIDs: map[int]string{}}
		for i := range r.Calls {
			e.CallIDs[i] = ""
		}
		for i := range r.Results {
			if r.Results[i].IDSpan.Len() > 0 {
				e.ResultIDs[i] = ""
			}
		}
		out, err := Apply(r, e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRequest(thePath, out, strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Results {
			was, is := r.Layout.(*layout).results[i].call, again.Layout.(*layout).results[i].call
			if was != is {
				t.Fatalf("result %d answers %d, and answered %d\n%s\n%s", i, is, was, doc, out)
			}
		}
	})
}
