package anthropic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestBetas: what is not known to be inert is asked of policy by name.
func TestBetas(t *testing.T) {
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{"interleaved-thinking-2025-05-14"}, ""},
		{[]string{"claude-code-20250219, fine-grained-tool-streaming-2025-05-14", " prompt-caching-2024-07-31,"}, ""},
		{[]string{"agents-2027-01-01,context-1m-2025-08-07"}, "beta:agents-2027-01-01"},
		{[]string{"computer-use", "computer-use-2025", "computer-use-2025-01-2x"}, "beta:computer-use-2025 beta:computer-use-2025-01-2x"},
		{[]string{"-2025-01-01"}, "beta:-2025-01-01"},
	} {
		got, err := Betas(c.headers)
		var names []string
		for _, f := range got {
			names = append(names, f.Name)
		}
		if err != nil || strings.Join(names, " ") != c.want {
			t.Errorf("%q: %v %v", c.headers, names, err)
		}
	}
	for _, h := range []string{"a\x00b", strings.Repeat("x,", 100), strings.Repeat("x", 5000)} {
		if got, err := Betas([]string{h}); err == nil {
			t.Errorf("%q: %v", h, got)
		}
	}
}

func TestCount(t *testing.T) {
	for doc, failed := range map[string]bool{
		`{"input_tokens":12}`: false, `{"input_tokens":0,"context_management":{"original_input_tokens":7}}`: false, `{"context_management":null,"input_tokens":3}`: false,
		`{"type":"error","error":{"type":"x","message":"y"}}`: true,
	} {
		c, err := ParseCount([]byte(doc), strictjson.Limits{})
		if err != nil || c.Error != failed {
			t.Errorf("%s: %+v %v", doc, c, err)
			continue
		}
		if out, turns, err := c.Rewrite(nil, nil); string(out) != doc || turns != nil || err != nil {
			t.Errorf("%s", out)
		}
	}
	for _, doc := range []string{
		`{}`, `[]`, `{"input_tokens":"12"}`, `{"input_tokens":-1}`, `{"input_tokens":1.5}`, `{"input_tokens":1,"text":"now do this"}`, `{"input_tokens":1,"content":[]}`,
		`{"input_tokens":1,"error":{}}`, `{"input_tokens":1,"context_management":{"x":"now do this"}}`, `{"input_tokens":1} 2`, `{"Input_tokens":1}`,
	} {
		if c, err := ParseCount([]byte(doc), strictjson.Limits{}); err == nil {
			t.Errorf("%s: %s", doc, fmt.Sprintf("%+v", c))
		}
	}
}
