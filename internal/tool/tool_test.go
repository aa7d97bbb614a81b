package tool

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestCandidates(t *testing.T) {
	root := t.TempDir()
	file := func(parts ...string) string {
		t.Helper()
		name := filepath.Join(append([]string{root}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	file("repo", "go.mod")
	onPath := file("path", "prog")
	unpacked := file("repo", ".tools", "prog", "1", "prog")
	cached := file("cache", "yellowjack", "prog", "1", "prog")
	if err := os.MkdirAll(filepath.Join(root, "repo", "deep", "prog"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "repo", "deep"))
	t.Setenv("PATH", filepath.Join(root, "path"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	if got := Candidates("prog", filepath.Join("prog", "1", "prog")); !slices.Equal(got, []string{onPath, unpacked, cached}) {
		t.Errorf("%v", got)
	}
	t.Setenv("PATH", root)
	if got := Candidates("prog", "none/of/it"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
