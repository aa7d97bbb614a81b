package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

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

// TestTranscripts: rules and a content in, the clearance and what it says of the content out.
func TestTranscripts(t *testing.T) {
	txtest.Play(t, "testdata/*.txtar", func(t *testing.T, archive *txtar.Archive) []txtar.File {
		in := map[string][]byte{}
		for _, f := range archive.Files {
			in[f.Name] = f.Data
		}
		capacity := budget.Unlimited
		if c := strings.TrimSpace(string(in["capacity"])); c != "" {
			n, err := strconv.Atoi(c)
			if err != nil {
				t.Fatal(err)
			}
			capacity = budget.From(float64(n))
		}
		content := bytes.TrimSuffix(in["content"], []byte("\n"))
		s := compile(t, rulesOf(t, in["rules"]), Limits{}).Project(content, Auto, capacity)
		var clearance, said bytes.Buffer
		if err := json.Indent(&clearance, s.Clearance("", short, nil, ""), "", " "); err != nil {
			t.Fatalf("no JSON: %v", err)
		}
		fmt.Fprintf(&said, "%s, %.3f bits\n", s.Kind, s.Bits.Float())
		for i, r := range s.References {
			fmt.Fprintf(&said, "%s %s %q\n", short(i), r.Path, r.Text)
		}
		return []txtar.File{{Name: "clearance", Data: clearance.Bytes()}, {Name: "said", Data: said.Bytes()}}
	})
}
