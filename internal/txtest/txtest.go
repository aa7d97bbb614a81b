// Package txtest plays transcripts: txtar archives under testdata that a person can read, of which some files are what a
// test puts in and the others what has to come out.
//
// Play runs each archive as a subtest of its own. What the test makes of it is compared with the files of the same names,
// in which a line break at the end does not count. A file that is missing is a failure, and so is one that should not be
// there. With -update the archive is rewritten instead: inputs stay where they are and as they are, outputs are replaced
// in place, new ones come last. It is for tests alone.
package txtest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the outputs in testdata") //nolint:gochecknoglobals // a test's flag

// Play runs play on each archive that the pattern matches. It returns the outputs in their order; one without data is
// none, and then the archive may have no file of that name.
func Play(t *testing.T, pattern string, play func(t *testing.T, in *txtar.Archive) []txtar.File) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			before, err := os.ReadFile(file) //nolint:gosec // test data
			if err != nil {
				t.Fatal(err)
			}
			archive := txtar.Parse(before)
			wrong := settle(archive, play(t, txtar.Parse(before)))
			if after := txtar.Format(archive); *update && !bytes.Equal(before, after) {
				if err := os.WriteFile(file, after, 0o644); err != nil { //nolint:gosec // test data
					t.Fatal(err)
				}
				return
			}
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}

// settle puts the outputs into an archive and says where it was wrong.
func settle(archive *txtar.Archive, outputs []txtar.File) (wrong []string) {
	for _, out := range outputs {
		got := withNewline(out.Data)
		at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == out.Name })
		switch {
		case at < 0 && len(got) == 0:
		case at < 0:
			wrong = append(wrong, out.Name+" is not in the transcript; run with -update\n--- got\n"+string(got))
			archive.Files = append(archive.Files, txtar.File{Name: out.Name, Data: got})
		case len(got) == 0:
			if len(archive.Files[at].Data) > 0 {
				wrong = append(wrong, out.Name+" is empty\n--- want\n"+string(archive.Files[at].Data))
			}
			archive.Files = slices.Delete(archive.Files, at, at+1)
		default:
			if want := withNewline(archive.Files[at].Data); !bytes.Equal(got, want) {
				wrong = append(wrong, out.Name+"\n--- want\n"+string(want)+"--- got\n"+string(got))
			}
			archive.Files[at].Data = got
		}
	}
	return wrong
}

func withNewline(data []byte) []byte {
	if len(data) == 0 || data[len(data)-1] == '\n' {
		return data
	}
	return append(bytes.Clone(data), '\n')
}

// Text is a file of an archive; "" when there is none.
func Text(archive *txtar.Archive, name string) string {
	for _, f := range archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// Line is a file of an archive without the line break at its end, for a document of which that is no part.
func Line(archive *txtar.Archive, name string) string {
	return strings.TrimSuffix(Text(archive, name), "\n")
}

// Seeds reads the archives that the pattern matches, for a fuzz test.
func Seeds(f testing.TB, pattern string) []*txtar.Archive {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no transcripts %s: %v", pattern, err)
	}
	out := make([]*txtar.Archive, 0, len(files))
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, archive)
	}
	return out
}
