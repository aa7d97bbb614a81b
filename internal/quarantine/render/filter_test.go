package render

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"pgregory.net/rapid"
)

var listed = Options{Hosts: []string{"docs.example.com"}}

func TestHarmless(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"Plain prose, with commas; and 2 * 3 = 6 (really) – naïve? Yes! 50% & more.", "Plain prose, with commas; and 2 * 3 = 6 (really) – naïve? Yes! 50% & more."},
		{"snake_case a_b@c.org John's C:\\path R&D 10:30 and/or 1/2", "snake_case a_b@c.org John's C:\\path R&D 10:30 and/or 1/2"},
		{"- one\n- two\n\n1. three\n\n\n\n\nfour", "- one\n- two\n\n1. three\n\nfour"},
		{"# title\n  ## two\n- # in a list\n1. # too\n#1", "\\# title\n  \\## two\n- \\# in a list\n1. \\# too\n\\#1"},
		{"a\n===\nb\n---\nc\n- \nd\n-", "a\n\\===\nb\n\\---\nc\n\\- \nd\n\\-"},
		{"```sh\nrm\n```\n~~~\n~~gone~~", "\\`\\`\\`sh\nrm\n\\`\\`\\`\n\\~\\~\\~\n\\~\\~gone\\~\\~"},
		{"|a|b|\n|-|-|", "\\|a\\|b\\|\n\\|-\\|-\\|"},
		{"> quoted", "\\> quoted"},
		{"**bold** _it_ __init__ *", "\\*\\*bold\\*\\* \\_it\\_ \\_\\_init\\_\\_ \\*"},
		{"[text](https://evil.com/?q=1)", "[text] (https:// evil.com/?q=1)"},
		{"![x](https://evil.com/a.png)", "![x] (https:// evil.com/a.png)"},
		{"![x](https://docs.example.com/a_b.png)", "![x](https://docs.example.com/a_b.png)"},
		{"[x](javascript:alert(1)) [y][z]\n[z]: http://evil.com", "[x] (javascript:alert(1)) [y] [z]\n[z] : http:// evil.com"},
		{"see https://docs.example.com/a_b_c?x=1&y=2, or https://docs.example.com. Docs.Example.com", "see https://docs.example.com/a_b_c?x=1&y=2, or https://docs.example.com. Docs.Example.com"},
		{"https://docs.example.com@evil.com/ https://docs.example.com.evil.com https://docs.example.com:80 https://docs.example.com\\@evil.com", "https:// docs.example.com@evil.com/ https:// docs.example.com.evil.com https:// docs.example.com:80 https:// docs.example.com\\\\@evil.com"},
		{"HTTPS://Docs.example.com www.evil.com //evil.com ftp://docs.example.com", "HTTPS:// Docs.example.com www. evil.com // evil.com ftp:// docs.example.com"},
		{"<script>alert(1)</script> a < b <!-- x --> <https://evil.com>", "< script>alert(1)< /script> a < b < !-- x --> < https:// evil.com>"},
		{"the end <", "the end < "},
		{"&lt; &#x41; &nosemi AT&T", "& lt; & #x41; &nosemi AT&T"},
		{"\\`code` \\\\ end\\", "\\\\\\`code\\` \\\\\\ end\\\\"},
		{"in\u200bvis\u202eible\U000e0041 so\u00adft\ufe0f \x1b[31mred\x07", "invisible soft [31mred"},
		{"<\u200bscript> [a]\u2060(https:\u200b//evil.com)", "< script> [a] (https:// evil.com)"},
		{"a\r\nb\rc\u2028d\u00a0e\u3164", "a\nb\nc\nd e"},
		{"Z\u0301\u0302\u0303\u0304\u0305\u0306", "Z\u0301\u0302\u0303\u0304"},
		{"bad \xff\xfe utf-8 \xe2\x82", "bad \ufffd\ufffd utf-8 \ufffd\ufffd"},
	} {
		if got := Harmless(c.in, listed); got != c.want {
			t.Errorf("%q\n is %q\nwant %q", c.in, got, c.want)
		}
	}
	if got := Harmless("a\nb|c", Options{Line: true}); got != `a b\|c` {
		t.Errorf("%q", got)
	}
	if got := Harmless(strings.Repeat("x", 100), Options{Max: 10}); got != "xxxxxxxxxx"+shortened {
		t.Errorf("%q", got)
	}
}

// pieces are what hostile text is made of.
var pieces = []string{
	"[", "]", "(", ")", "<", ">", "!", "`", "```", "~~~", "*", "**", "_", "#", "# ", "\n", "\n\n", " ", "  ", "    ", "|", "-", "---", "===", "|-|-|", ":", ":-", "\\", "&", "&lt;", "&#60;",
	"https://", "http://", "//", "evil.com", "docs.example.com", "www.", "/path", "@", "a", "b1", "1. ", "- ", "+ ", "> ", "[x]: ", "<img src=x>", "</p>", "<!--", "javascript:", "\u200b", "\U000e0042",
	"\t", "é", "\xff", "\r", "\r\n", "'", "\"", "~", "=", "mailto:", "ftp://", "[a](", "![a](", "https://docs.example.com/x",
}

func hostile(random *rand.Rand) string {
	var b strings.Builder
	for range random.IntN(14) {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return b.String()
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.NewLinkify(), extension.TaskList))

// acts says what a reader of Markdown would do about a text that is more than to show it.
func acts(doc string) (what string) {
	source := []byte(doc)
	_ = ast.Walk(markdown.Parser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		target := ""
		switch n := n.(type) {
		case *ast.Document, *ast.Paragraph, *ast.Text, *ast.String, *ast.List, *ast.ListItem, *ast.TextBlock, *ast.CodeBlock, *ast.ThematicBreak:
			return ast.WalkContinue, nil
		case *ast.Link:
			target = string(n.Destination)
		case *ast.Image:
			target = string(n.Destination)
		case *ast.AutoLink:
			target = string(n.URL(source))
			if n.AutoLinkType == ast.AutoLinkEmail {
				return ast.WalkContinue, nil
			}
		case *east.TaskCheckBox:
			return ast.WalkContinue, nil
		}
		if rest, ok := strings.CutPrefix(strings.ToLower(target), "http"); ok {
			rest = strings.TrimPrefix(rest, "s")
			if after, ok := strings.CutPrefix(rest, "://docs.example.com"); ok && (after == "" || strings.ContainsRune("/?#.", rune(after[0]))) && !strings.HasPrefix(after, ".e") {
				return ast.WalkContinue, nil
			}
		}
		what = fmt.Sprintf("%s %q", n.Kind(), target)
		return ast.WalkStop, nil
	})
	return what
}

// check fails when a harmless text does anything.
func check(t testing.TB, in, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Fatalf("%q became %q", in, out)
	}
	for _, r := range out {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Fatalf("%q became %q, with %U", in, out, r)
		}
	}
	for _, around := range []string{"%s", "The title is %s.\n\nMore.", "- %s", "before\n%s", "**%s**"} {
		doc := fmt.Sprintf(around, out)
		what := acts(doc)
		if around == "**%s**" && strings.HasPrefix(what, "Emphasis") {
			continue
		}
		if what != "" {
			t.Fatalf("%q became %q, and in %q there is a %s", in, out, around, what)
		}
	}
	low := strings.ToLower(out)
	for i, c := range low {
		if c == '<' && i+1 < len(low) && (low[i+1] == '/' || low[i+1] == '!' || low[i+1] == '?' || 'a' <= low[i+1] && low[i+1] <= 'z') {
			t.Fatalf("%q became %q, with a tag", in, out)
		}
	}
}

// TestNothingActs asks a reader of Markdown about all the constructs that hostile pieces can make together.
func TestNothingActs(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		in := hostile(random)
		check(t, in, Harmless(in, listed))
	}
}

// TestOracle: the reader of Markdown finds the constructs, so that finding none means something.
func TestOracle(t *testing.T) {
	for _, doc := range []string{"# a", "a\n=", "`a`", "```\na\n```", "*a*", "[a](http://b)", "![a](b)", "<http://b>", "http://b.com", "www.b.com", "<i>", "<div>\n", "> a", "|a|\n|-|\n", "~~a~~", "[a]\n\n[a]: b", "http://docs.example.com.evil.com"} {
		if acts(doc) == "" {
			t.Errorf("%q does nothing", doc)
		}
	}
	for _, doc := range []string{"a", "- a\n- b", "a@b.com", "https://docs.example.com/a", "[a](https://docs.example.com)"} {
		if what := acts(doc); what != "" {
			t.Errorf("%q is %s", doc, what)
		}
	}
}

// TestPieces: any pieces give the same, and little is kept back.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(rt, "in"), "")
		o := listed
		o.Line, o.Max = rapid.Bool().Draw(rt, "line"), rapid.SampledFrom([]int{0, 5, 40}).Draw(rt, "max")
		want := Harmless(in, o)
		f := NewFilter(o)
		var got []byte
		for rest := []byte(in); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "n")
			got = f.Write(got, rest[:n])
			rest = rest[n:]
			if len(f.held) > 400 {
				rt.Fatalf("%d bytes are kept back", len(f.held))
			}
		}
		if got = f.Close(got); string(got) != want {
			rt.Fatalf("%q is %q, want %q", in, got, want)
		}
	})
}

// TestLinear: no text takes long.
func TestLinear(t *testing.T) {
	for _, piece := range pieces {
		in := strings.Repeat(piece, 1<<16/len(piece))
		start := time.Now()
		Harmless(in, Options{Hosts: listed.Hosts, Max: 1 << 20})
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%q takes %v", piece, took)
		}
	}
}

func FuzzHarmless(f *testing.F) {
	f.Add("[x](https://evil.com) `a` # b", 3)
	random := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		f.Add(hostile(random), 1)
	}
	f.Fuzz(func(t *testing.T, in string, n int) {
		out := Harmless(in, listed)
		check(t, in, out)
		filter := NewFilter(listed)
		var got []byte
		step := max(n%7, 1)
		for i := 0; i < len(in); i += step {
			got = filter.Write(got, []byte(in[i:min(i+step, len(in))]))
		}
		if got = filter.Close(got); string(got) != out {
			t.Fatalf("%q in pieces of %d is %q, want %q", in, step, got, out)
		}
	})
}
