package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// reference reads a document with jsontext alone: one value, and nothing after it.
func reference(doc []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(doc))
	if _, err := dec.ReadValue(); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return ErrTrailing
	}
	return nil
}

var tricky = []string{
	`{"a":1,"\u0061":2}`, `{"a":{"a":1},"b":{"a":1}}`, `[1,]`, `[,1]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" : 1 , "b":[ ] }`, `[1 2]`, `[]]`, `{"a":1]`,
	`01`, `-`, `-0`, `1.`, `1.e5`, `1e`, `1e+`, `1E-7`, `.5`, `+1`, `-a`, `00`, `0x1`, `1_0`, `tru`, `trueq`, `nul`, `null null`, `"`, `"\`, `"\u`, `"\u12"`, `"\u12g4"`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\u0041"`, `"\ud83dx"`, `"\ud83d\ud83d"`, "\"\t\"", "\"\x7f\"", "\"é\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
	"\"aaaaaaa\xffaaaaaaaa\"", `"aaaaaaaa"`, `"aaaaaaaaaaaaaaaa\"a"`, "\"aaaaaaaaaaaa\x1faaa\"", "\xef\xbb\xbf{}", "\x00", "", " ", "[", "{", `{"a":1}}`, "[1\v]", "/**/1",
	`"\b\f\n\r\t\/\\\"\u00e9\u20ac\ud83d\ude00 and \u0000 é€😀"`, `"\uD83D\uDE00\uFFFF"`, `"` + strings.Repeat("\x1f", 9) + `"`, `"` + strings.Repeat("\x80", 9) + `"`,
}

// FuzzTokenizer holds our tokenizer to jsontext: each takes what the other takes, and what is refused is refused for the
// same reason, whether it is skipped or walked.
func FuzzTokenizer(f *testing.F) {
	for _, s := range tricky {
		f.Add([]byte(s))
	}
	f.Add(benchDoc(1 << 10))
	f.Fuzz(agree)
}

func agree(t *testing.T, doc []byte) {
	want := reference(doc)
	if literal := bytes.TrimSpace(doc); want == nil && literal[0] == '"' {
		mine, err := AppendUnquote([]byte("x"), literal)
		if theirs, _ := jsontext.AppendUnquote([]byte("x"), literal); err != nil || !bytes.Equal(mine, theirs) {
			t.Errorf("%q is the text %q, for jsontext %q; %v", clipped(doc), mine, theirs, err)
		}
	}
	for name, read := range map[string]func() error{
		"skipped": func() error { return Check(doc, Limits{MaxDepth: 20000}) },
		"walked":  func() error { return walkAll(t, doc) },
	} {
		err := read()
		if errors.Is(err, ErrDepth) {
			continue
		}
		if (err == nil) != (want == nil) {
			t.Fatalf("%s: %q is %v, for jsontext %v", name, clipped(doc), err, want)
		}
		if err == nil || errors.Is(want, ErrTrailing) {
			continue
		}
		var mine, theirs *Error
		if !errors.As(err, &mine) || !errors.As(asError(want, len(doc)), &theirs) || kindOf(mine) != kindOf(theirs) {
			t.Errorf("%s: %q is %v, for jsontext %v", name, clipped(doc), err, want)
		}
	}
}

// kindOf is the rule that an error is about. Whether a document ends too early or is wrong before that, jsontext itself says
// one way reading values and another reading tokens.
func kindOf(e *Error) string {
	if errors.Is(e, ErrTruncated) {
		return ErrSyntax.Error()
	}
	return e.kind.Error()
}

func clipped(doc []byte) []byte { return doc[:min(len(doc), 200)] }

// TestTokenizer breaks a good document at each of its bytes, in every way that fits into one byte.
func TestTokenizer(t *testing.T) {
	doc := []byte(`{"a":[1,-2.5e+7,"x\u00e9\ud83d\ude00\n ` + "é€😀" + `",true,null,{}],"bcdefghijklmnop" : {"a": false , "c":"0123456789abcdef"}}`)
	agree(t, doc)
	for _, s := range tricky {
		agree(t, []byte(s))
	}
	for _, deep := range []int{9999, maxOpen, maxOpen + 1} {
		agree(t, []byte(strings.Repeat("[", deep)))
		agree(t, []byte(strings.Repeat("[", deep)+strings.Repeat("]", deep)))
	}
	for i := range doc {
		for c := range 256 {
			broken := bytes.Clone(doc)
			broken[i] = byte(c)
			agree(t, broken)
		}
		agree(t, doc[:i])
		agree(t, append(bytes.Clone(doc[:i]), doc[i+1:]...))
	}
}

// TestManyNames: an object of many names is still told from one that has a name twice, wherever the two stand.
func TestManyNames(t *testing.T) {
	for _, n := range []int{2, fewNames, fewNames + 1, 500} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"n%d":{"n1":%d},`, i, i)
		}
		good := "{" + b.String() + `"z":1}`
		agree(t, []byte(good))
		for _, again := range []string{"n0", fmt.Sprintf("n%d", n-1), `\u006e0`} {
			bad := "{" + b.String() + `"` + again + `":1}`
			if err := Check([]byte(bad), Limits{}); !errors.Is(err, ErrDuplicate) {
				t.Errorf("%d names and %s again: %v", n, again, err)
			}
		}
	}
}
