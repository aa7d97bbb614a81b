package filter

import (
	"testing"

	"pgregory.net/rapid"
)

func TestChunking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a$_é]|\$re|\$ref_[a-z]{0,5}){0,8}`).Draw(t, "text")
		var f Filter
		var got []byte
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			got, rest = f.Write(got, []byte(rest[:n])), rest[n:]
		}
		if got = f.Close(got); string(got) != All(text) {
			t.Fatalf("%q became %q, not %q", text, got, All(text))
		}
	})
}
