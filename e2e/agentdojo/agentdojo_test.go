package agentdojo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSample runs a few pairs of each suite, without the gateway and with it: without a quarantined model, with an honest one and
// with a hostile one, and each variant of the attack.
func TestSample(t *testing.T) {
	python, err := filepath.Abs("../../.tools/agentdojo/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v; run `make agentdojo`", err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "yellowjack")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/yellowjack").CombinedOutput(); err != nil {
		t.Fatalf("building yellowjack: %v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), python, "run.py", "sample", "--verbose", "--binary", binary, "--out", filepath.Join(dir, "sample.json"))
	run.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "PYTHONDONTWRITEBYTECODE=1")
	out, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "every target was met") {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}
