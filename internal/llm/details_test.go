package llm

import (
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func TestAppendDetails(t *testing.T) {
	for raw, want := range map[string]string{
		`[]`: "",
		`[{"type":"reasoning.text","text":"a","index":0},{"text":"b"},{"signature":"s"}]`: "abs",
		`[{"signature":"s","text":"ab","type":"reasoning.text"}]`:                         "abs",
		`[{"data":"d","id":"rs_1","format":"openai-responses-v1","index":1,"text":null}]`: "d",
		`[{"summary":"a\nb"}]`:         "a\nb",
		`[{"text":"a","type":"b c"}]`:  "ab c",
		`[{"text":"a","note":"b"}]`:    "anoteb", // said under another name
		`[{"text":"a","index":["b"]}]`: "ab",
		`[{"text":["a",{"b":"c"}]}]`:   "a\nb\nc",
		`["a",1,null]`:                 "a",
		`{"text":"a"}`:                 "text\na", // no list
		`[{"text":"a","id":"` + strings.Repeat("x", maxWord) + `"}]`:   "a",
		`[{"text":"a","id":"` + strings.Repeat("x", maxWord+1) + `"}]`: "a" + strings.Repeat("x", maxWord+1),
	} {
		if got := string(AppendDetails([]byte("-"), []byte(raw))); got != "-"+want {
			t.Errorf("%s: got %q, want %q", raw, got, "-"+want)
		}
	}
}

// FuzzAppendDetails: pieces one behind the other say what they say by themselves, and no text between them is lost.
func FuzzAppendDetails(f *testing.F) {
	f.Add(`[{"type":"reasoning.text","text":"a"}]`, `[{"signature":"s","x":["y"]},"z"]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, doc := range []string{a, b} {
			if !strings.HasPrefix(doc, "[") || !strings.HasSuffix(doc, "]") || strictjson.Check([]byte(doc), strictjson.Limits{}) != nil {
				return
			}
		}
		both := strings.TrimSpace(a[1:len(a)-1]) + "," + strings.TrimSpace(b[1:len(b)-1])
		both = "[" + strings.Trim(both, ",") + "]"
		if strictjson.Check([]byte(both), strictjson.Limits{}) != nil {
			return
		}
		if got, want := string(AppendDetails(nil, []byte(both))), string(AppendDetails(AppendDetails(nil, []byte(a)), []byte(b))); got != want {
			t.Fatalf("%s: got %q, want %q", both, got, want)
		}
	})
}
