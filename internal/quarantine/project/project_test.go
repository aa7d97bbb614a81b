package project

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

var update = flag.Bool("update", false, "rewrite testdata")

// rulesOf reads rules as a test writes them; a schema is a string there.
func rulesOf(t testing.TB, doc []byte) Rules {
	t.Helper()
	var r struct {
		Rules
		Schema string
	}
	if err := json.Unmarshal(doc, &r); err != nil {
		t.Fatal(err)
	}
	r.Rules.Schema = []byte(r.Schema)
	return r.Rules
}

func compile(t testing.TB, r Rules, l Limits) *Projector {
	t.Helper()
	p, err := Compile(r, l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// short names references by their number.
func short(i int) string { return "$ref_" + strconv.Itoa(i) }

func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) < 10 {
		t.Fatal("no transcripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string][]byte{}
			for _, f := range a.Files {
				in[f.Name] = f.Data
			}
			capacity := budget.Unlimited
			if c := strings.TrimSpace(string(in["capacity"])); c != "" {
				n, _ := strconv.Atoi(c)
				capacity = budget.From(float64(n))
			}
			content := bytes.TrimSuffix(in["content"], []byte("\n"))
			s := compile(t, rulesOf(t, in["rules"]), Limits{}).Project(content, Auto, capacity)
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, s.Clearance("", short, nil, ""), "", " "); err != nil {
				t.Fatalf("no JSON: %v", err)
			}
			var said strings.Builder
			fmt.Fprintf(&said, "%s, %.3f bits\n", s.Kind, s.Bits.Float())
			for i, r := range s.References {
				fmt.Fprintf(&said, "%s %s %q\n", short(i), r.Path, r.Text)
			}
			want := map[string]string{"clearance": pretty.String() + "\n", "said": said.String()}
			if *update {
				kept := a.Files[:0]
				for _, f := range a.Files {
					if want[f.Name] == "" {
						kept = append(kept, f)
					}
				}
				a.Files = append(kept, txtar.File{Name: "clearance", Data: []byte(want["clearance"])}, txtar.File{Name: "said", Data: []byte(want["said"])})
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			for name, text := range want {
				if string(in[name]) != text {
					t.Errorf("%s is\n%s\nwant\n%s", name, text, in[name])
				}
			}
		})
	}
}
