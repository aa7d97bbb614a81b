package envoy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/envoy"
)

// fakeEnvoy writes a script that says it is this version.
func fakeEnvoy(t *testing.T, path, version string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho; echo \"envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/" + version + "/Clean/RELEASE/BoringSSL\"\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { // it shall run
		t.Fatal(err)
	}
	return path
}

// TestFind walks the places in their order. It changes the environment and the working directory, so it is not parallel.
func TestFind(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	repository, path := filepath.Join(home, "repository"), filepath.Join(home, "path")
	deep := filepath.Join(repository, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repository, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path+":/usr/bin:/bin")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv(envoy.BinaryVariable, "")
	t.Chdir(deep)

	find := func(binary, want string) {
		t.Helper()
		got, err := envoy.Find(t.Context(), binary)
		if err != nil || got != want {
			t.Errorf("Find(%q) = %q, %v; want %q", binary, got, err, want)
		}
	}
	refused := func(binary, want string) {
		t.Helper()
		if got, err := envoy.Find(t.Context(), binary); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Find(%q) = %q, %v; want an error with %q", binary, got, err, want)
		}
	}
	refused("", "make envoy")

	inCache := fakeEnvoy(t, filepath.Join(home, "cache", "yellowjack", "envoy", envoy.PinnedVersion, "envoy"), envoy.PinnedVersion)
	find("", inCache)
	inRepository := fakeEnvoy(t, filepath.Join(repository, ".tools", "envoy", envoy.PinnedVersion, "envoy"), envoy.PinnedVersion)
	find("", inRepository)
	onPath := fakeEnvoy(t, filepath.Join(path, "envoy"), "1.39.1")
	find("", onPath)
	fakeEnvoy(t, onPath, "1.39.0") // too old: passed over, not an error
	find("", inRepository)

	old := fakeEnvoy(t, filepath.Join(home, "old"), "1.38.3")
	refused(old, "older than 1.39.1 fails open")
	t.Setenv(envoy.BinaryVariable, old)
	refused("", "1.38.3") // named, so nothing else is looked at
	find(inCache, inCache)
	refused(filepath.Join(home, "absent"), "absent")
	refused(fakeEnvoy(t, filepath.Join(home, "mute"), "unknown"), "which version")
	find(fakeEnvoy(t, filepath.Join(home, "new"), "2.0.0"), filepath.Join(home, "new"))
}

// TestPinnedVersion: the script unpacks the version that Find looks for.
func TestPinnedVersion(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../scripts/envoy.sh")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), "\nversion="+envoy.PinnedVersion+"\n") {
		t.Errorf("scripts/envoy.sh does not pin %s", envoy.PinnedVersion)
	}
}
