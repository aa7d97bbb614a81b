package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLeaksAreFound holds the search itself, without which no gateway's end would tell of a leak.
func TestLeaksAreFound(t *testing.T) {
	for name, spill := range map[string]func(g *gateway){
		"a key in the log":    func(g *gateway) { g.guard.stderr.b.WriteString("key=" + saraKey) },
		"a token on stdout":   func(g *gateway) { g.guard.stdout.b.WriteString(sara(t)) },
		"a panic":             func(g *gateway) { g.guard.stderr.b.WriteString("panic: runtime error") },
		"a key that was read": func(g *gateway) { g.heard.WriteString(everyoneKey) },
		"a key in the audit": func(g *gateway) {
			if err := os.WriteFile(filepath.Join(g.dir, "audit.jsonl"), []byte(financeKey), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		g := &gateway{dir: t.TempDir(), guard: &child{stdout: &output{}, stderr: &output{}}}
		if found := g.leaks(); len(found) != 0 {
			t.Errorf("%s: found %v beforehand", name, found)
		}
		if spill(g); len(g.leaks()) != 1 {
			t.Errorf("%s: found %v", name, g.leaks())
		}
	}
}
