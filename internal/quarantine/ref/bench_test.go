package ref

import (
	"strconv"
	"testing"

	"github.com/yellowjack/yellowjack/internal/quarantine/project"
)

func BenchmarkAdd(b *testing.B) {
	references := make([]project.Reference, 100)
	for i := range references {
		references[i] = project.Reference{At: "/items/" + strconv.Itoa(i) + "/title", Text: "a title", Kind: project.String}
	}
	issuer := Minter{keys(b)}.For(alice, first)
	content := Content("t", nil)
	b.ReportAllocs()
	for b.Loop() {
		NewTable(issuer, nil).Add(content, "t", dirty, references)
	}
}
