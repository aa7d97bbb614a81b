package quarantine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
)

// The property that all of this is for: whatever a result looks like, and whatever a client does to its history, no 16 bytes in a
// row of what a third party wrote reach the model, but for typed values.

// window is how many bytes in a row are too many.
const window = 16

// least is how long a piece must be for containment to find it wherever it stands (see provenance).
const least = 63

// secret is a text of a third party's that occurs nowhere else.
func secret(rt *rapid.T, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "canary %d", n)
	for i := range 9 {
		fmt.Fprintf(&b, " %c%02d-%05d", 'a'+i, n, rapid.IntRange(0, 99_999).Draw(rt, "word"))
	}
	return b.String()
}

// shapes are forms of a result around texts.
var shapes = []func(a, b string) string{
	func(a, b string) string { return a + "\n" + b },
	func(a, b string) string { return `{"number":12,"state":"open","title":"` + a + `","body":"` + b + `"}` },
	func(a, b string) string { return `{"` + a + `":{"state":"` + b + `","number":"` + a + `"}}` },
	func(a, b string) string { return `[{"number":1,"` + b + `":true},["` + a + `"],"closed",null]` },
	func(a, b string) string {
		return "number: 7\nstate: open\ntitle: " + a + "\nitems:\n  - " + b + "\n  - x\n"
	},
	func(a, b string) string { return "number,state,title\n1,open," + a + "\n2,closed," + b + "\n" },
	func(a, b string) string {
		return "| number | title |\n|---|---|\n| 1 | " + a + " |\n| " + b + " | 2 |\n"
	},
	func(a, b string) string {
		return `{"yellowjack":"clearance","fields":{"title":"` + a + `"},"answers":[{"question":"` + b + `","answer":"yes"}]}`
	},
	func(a, b string) string { return `{'number': 1, 'title': '` + a + `', 'x': ["` + b + `"]}` },
	func(a, b string) string { return `"{\"title\":\"` + a + `\"} ` + b + `"` },
	func(a, b string) string { return "{\"title\":\"" + a + "\"" + b }, // broken
	func(a, b string) string { return "- " + a + ": open\n- " + b + ": 3\n" },
}

// world of one run: the conversation as an honest client has it, and every secret in it.
type run struct {
	*world
	messages []object
	secrets  []string
}

// converse plays a few honest turns.
func (r *run) converse(t testing.TB, rt *rapid.T) {
	for i := range rapid.IntRange(1, 3).Draw(rt, "turns") {
		s := r.send(t, sara, r.messages)
		r.check(rt, s.upstream, nil)
		var calls []call
		seen := names.FindAllString(s.upstream, -1)
		for k := range rapid.IntRange(1, 2).Draw(rt, "calls") {
			args := "{}"
			if len(seen) > 0 && rapid.Bool().Draw(rt, "passes on") {
				args = `{"body":"See ` + rapid.SampledFrom(seen).Draw(rt, "reference") + `"}`
			}
			calls = append(calls, call{fmt.Sprintf("call_%d_%d", i, k), rapid.SampledFrom([]string{"get_issue", "mail"}).Draw(rt, "tool"), args})
		}
		text := rapid.SampledFrom([]string{"", "Let me see."}).Draw(rt, "text")
		if len(seen) > 0 && rapid.Bool().Draw(rt, "shows") {
			text = "It says " + seen[0] + "."
		}
		m := s.says(t, text, calls...)
		r.messages = append(r.messages, m)
		for k := range calls {
			a, b := secret(rt, len(r.secrets)), secret(rt, len(r.secrets)+1)
			r.secrets = append(r.secrets, a, b)
			r.messages = append(r.messages, result(m, k, rapid.SampledFrom(shapes).Draw(rt, "shape")(a, b)))
		}
		if rapid.Bool().Draw(rt, "ends") {
			s = r.send(t, sara, r.messages)
			r.check(rt, s.upstream, nil)
			text := "Done."
			if seen := names.FindAllString(s.upstream, -1); len(seen) > 0 && rapid.Bool().Draw(rt, "quotes") {
				text = "Done: " + seen[len(seen)-1]
			}
			r.messages = append(r.messages, s.says(t, text), user("Go on."))
		}
	}
	// Everything was seen once: what nobody has seen yet is whose it is said to be.
	s := r.send(t, sara, r.messages)
	r.check(rt, s.upstream, nil)
	s.says(t, "Seen.")
}

// check fails when a piece of a secret is in what goes upstream.
func (r *run) check(rt *rapid.T, upstream string, exempt func(secret string) bool) {
	read := map[string]bool{}
	for _, text := range readable(upstream) {
		text = strings.ReplaceAll(text, "_", " ") // as a name has it
		for i := 0; i+window <= len(text); i++ {
			read[text[i:i+window]] = true
		}
	}
	for _, s := range r.secrets {
		if exempt != nil && exempt(s) {
			continue
		}
		for i := 0; i+window <= len(s); i++ {
			if read[s[i:i+window]] {
				rt.Fatalf("%q is in %s", s[i:i+window], upstream)
			}
		}
	}
}

// readable are all texts that can be read in a document, those within texts too.
func readable(doc string) []string {
	out := []string{doc}
	var v any
	if json.Unmarshal([]byte(doc), &v) != nil {
		return out
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if v != doc {
				out = append(out, readable(v)...)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case object:
			for k, e := range v {
				out = append(out, k)
				walk(e)
			}
		}
	}
	walk(v)
	return out
}

// clone is a deep copy.
func clone(messages []object) []object {
	b, err := json.Marshal(messages)
	if err != nil {
		panic(err)
	}
	var out []object
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

// tamper is what a client may do to its history.
func tamper(rt *rapid.T, in []object, secrets []string) []object {
	out := clone(in)
	pick := func() int { return rapid.IntRange(0, len(out)-1).Draw(rt, "message") }
	for range rapid.IntRange(1, 5).Draw(rt, "changes") {
		if len(out) == 0 {
			break
		}
		i := pick()
		m := out[i]
		stolen := rapid.SampledFrom(secrets).Draw(rt, "secret")
		switch rapid.IntRange(0, 13).Draw(rt, "change") {
		case 0:
			out = slices.Delete(out, i, i+1)
		case 1:
			out = slices.Insert(out, pick(), maps.Clone(m))
		case 2:
			k := pick()
			out[i], out[k] = out[k], out[i]
		case 3:
			if m["tool_calls"] == nil && m["content"] != nil {
				delete(m, "tool_call_id")
				m["role"] = rapid.SampledFrom([]string{"user", "assistant", "system", "developer", "tool", "function"}).Draw(rt, "role")
				if m["role"] == "function" {
					m["name"] = "get_issue"
				}
			}
		case 4:
			if text, ok := m["content"].(string); ok && len(text) > 0 {
				m["content"] = text[rapid.IntRange(0, len(text)/2).Draw(rt, "from"):]
			}
		case 5:
			if calls, ok := m["tool_calls"].([]any); ok {
				calls[0].(object)["id"] = rapid.SampledFrom([]string{"call_1", stolen, ""}).Draw(rt, "id")
			}
		case 6:
			if calls, ok := m["tool_calls"].([]any); ok {
				calls[0].(object)["function"].(object)["name"] = strings.ReplaceAll(stolen, " ", "_")
			}
		case 7:
			if calls, ok := m["tool_calls"].([]any); ok {
				calls[0].(object)["function"].(object)["arguments"] = `{"body":"` + stolen + `"}`
			}
		case 8:
			out = slices.Insert(out, i, user("They wrote: "+stolen+"."))
		case 9:
			out = slices.Insert(out, i, object{"role": "assistant", "content": "It says " + stolen, "reasoning": stolen})
		case 10:
			if text, ok := m["content"].(string); ok {
				m["content"] = []any{object{"type": "text", "text": text}, object{"type": "text", "text": "x"}}
			}
		case 11:
			if m["role"] == "tool" {
				m["tool_call_id"] = stolen
			}
		case 12:
			out = append(out, foreign("call_x", "comment", `{"body":"`+stolen+`"}`), object{"role": "tool", "tool_call_id": "call_x", "content": stolen})
		case 13:
			if m["role"] != "function" {
				m["name"] = strings.ReplaceAll(stolen, " ", "_")
			}
		}
	}
	return out
}

// own tells of a secret that it stands where what a client writes is the person's, the application's, or an example of theirs: in
// front of all tool traffic of a history that nothing ties to an earlier one, or in less than containment can find.
func own(honest, messages []object) func(string) bool {
	whole := map[any]bool{} // a result as it was is known wherever it stands
	for _, m := range clone(honest) {
		if m["role"] == "tool" {
			whole[m["content"]] = true
		}
	}
	b, _ := json.Marshal(messages)
	tied := strings.Contains(string(b), `"yj_`)
	first := len(messages)
	for i, m := range messages {
		if m["tool_calls"] != nil || m["role"] == "tool" || m["role"] == "function" {
			first = min(first, i)
		}
	}
	return func(secret string) bool {
		for i, m := range messages {
			if m["role"] == "tool" || m["role"] == "function" {
				continue
			}
			content, _ := m["content"].(string)
			for _, member := range []string{"content", "name", "reasoning"} {
				if member != "name" && whole[content] && first < len(messages) {
					continue // a name in front of all tool traffic is whose it is said to be, whatever stands beside it
				}
				text, err := json.Marshal(m[member])
				if err != nil {
					continue
				}
				for k := 0; k+window <= len(secret); k++ {
					// A name has no blanks, and so another text.
					if strings.Contains(strings.ReplaceAll(string(text), "_", " "), secret[k:k+window]) && (i < first && (!tied || member == "name") || len(text) < least+40 || i < first && len(text) < 2*least) {
						return true
					}
				}
			}
		}
		return false
	}
}

func leakProperty(t testing.TB) func(rt *rapid.T) {
	return func(rt *rapid.T) {
		r := &run{world: newWorld(t, nil), messages: []object{user("Work on the issue.")}}
		r.converse(t, rt)
		for range 4 {
			messages := tamper(rt, r.messages, r.secrets)
			if len(messages) == 0 {
				continue
			}
			doc := body(messages, nil)
			parsed, err := parse(doc)
			if err != nil {
				continue // it is refused
			}
			s, err := r.half(t.Context(), sara, parsed)
			if err != nil {
				rt.Fatalf("%v: %s", err, doc)
			}
			r.check(rt, s.upstream, own(r.messages, messages))
			// What another principal sends of it says no more.
			if parsed, err = parse(doc); err == nil {
				if s, err = r.half(t.Context(), mona, parsed); err != nil {
					rt.Fatal(err)
				}
				for _, n := range names.FindAllString(s.upstream, -1) {
					if _, err := r.send(t, sara, []object{user("x")}).answer(t.Context(), map[string]string{"body": "text"}, "", call{"c", "comment", `{"body":"` + n + `"}`}); err == nil {
						rt.Fatalf("%s is hers and his", n)
					}
				}
			}
		}
	}
}

// TestNoContent is the property at random.
func TestNoContent(t *testing.T) { rapid.Check(t, leakProperty(t)) }

// FuzzNoContent is the same, driven by coverage.
func FuzzNoContent(f *testing.F) { f.Fuzz(rapid.MakeFuzz(leakProperty(f))) }

// TestCorpus: every shape of result of the corpus, as any client may send it, with the words in it being a third party's.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("../llm/testdata/results/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	w := newWorld(t, nil)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(b).Files {
			if f.Name != "in-openaichat.json" {
				continue
			}
			r, err := parse(f.Data)
			if err != nil {
				continue // refused
			}
			var texts []string
			for i := range r.Results {
				for _, p := range r.ResultParts(i) {
					texts = append(texts, string(r.Text(p)))
				}
			}
			s, err := w.half(t.Context(), sara, r)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			for _, text := range texts {
				if len(text) >= window && strings.Contains(strings.Join(readable(s.upstream), "\n"), text) {
					t.Errorf("%s: %q is in %s", filepath.Base(file), text, s.upstream)
				}
			}
			if r, err = parse(f.Data); err == nil {
				if again, err := w.half(t.Context(), sara, r); err != nil || again.upstream != s.upstream && len(texts) > 0 {
					t.Errorf("%s: other bytes the second time: %v\n%s\n%s", filepath.Base(file), err, s.upstream, again.upstream)
				}
			}
		}
	}
}
