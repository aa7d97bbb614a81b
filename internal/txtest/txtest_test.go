package txtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestSettle(t *testing.T) {
	const in = "about\n-- in --\nx\n-- out --\n1\n-- gone --\nold\n"
	for _, c := range []struct {
		name    string
		outputs []txtar.File
		wrong   int
		want    string
	}{
		{"right", []txtar.File{{Name: "out", Data: []byte("1")}}, 0, in},
		{"another", []txtar.File{{Name: "out", Data: []byte("2\n")}}, 1, "about\n-- in --\nx\n-- out --\n2\n-- gone --\nold\n"},
		{"missing", []txtar.File{{Name: "new", Data: []byte("3")}, {Name: "none"}}, 1, in + "-- new --\n3\n"},
		{"too many", []txtar.File{{Name: "gone"}}, 1, "about\n-- in --\nx\n-- out --\n1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			archive := txtar.Parse([]byte(in))
			if wrong := settle(archive, c.outputs); len(wrong) != c.wrong {
				t.Errorf("wrong: %q", wrong)
			}
			if got := string(txtar.Format(archive)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestPlayUpdates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.txtar")
	if err := os.WriteFile(file, []byte("-- in --\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := *update
	defer func() { *update = old }()
	for _, *update = range []bool{true, false} {
		Play(t, file, func(_ *testing.T, in *txtar.Archive) []txtar.File {
			return []txtar.File{{Name: "out", Data: []byte(Line(in, "in") + Text(in, "in"))}}
		})
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "-- in --\nx\n-- out --\nxx\n" { //nolint:gosec // test data
		t.Fatalf("%s %v", got, err)
	}
	if len(Seeds(t, file)) != 1 {
		t.Fatal("no seeds")
	}
}
