package project

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// BenchmarkProject is the projection of what tools return.
func BenchmarkProject(b *testing.B) {
	rules := Rules{Fields: map[string]Field{
		"id": {Type: TypeInt, Min: ptr(0), Max: ptr(99999)}, "state": {Type: TypeEnum, Enum: []string{"open", "closed"}},
		"created": {Type: TypeDateTime}, "title": {Type: TypeRef}, "body": {Type: TypeRef},
	}}
	p := compile(b, rules, Limits{})
	item := func(i int) string {
		return fmt.Sprintf(`{"id":%d,"state":"open","created":"2026-03-01T10:00:00Z","title":"Title %d","body":%q,"extra":[1,2]}`, i, i, strings.Repeat("text ", 60))
	}
	var items, lines []string
	for i := range 150 {
		items = append(items, item(i))
		lines = append(lines, fmt.Sprintf("- id: %d\n  state: open\n  created: 2026-03-01 10:00:00\n  title: Title\n  body: %s", i, strings.Repeat("text ", 60)))
	}
	for name, content := range map[string]string{
		"one JSON": item(1),
		"64K JSON": "[" + strings.Join(items, ",") + "]",
		"64K YAML": strings.Join(lines, "\n"),
		"64K text": strings.Repeat("Some prose, and more: ", 3000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				s := p.Project([]byte(content), Auto, budget.From(64))
				s.Clearance("t", short, nil, "")
			}
		})
	}
}
