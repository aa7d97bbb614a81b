package quarantine_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/quarantine"
	"github.com/yellowjack/yellowjack/internal/quarantine/dual"
)

// uncached are 200 results that nobody has seen, each with a question.
func uncached(seed int) []object {
	out := []object{user("Work on them.")}
	for i := range 200 {
		out = append(out, object{"role": "tool", "tool_call_id": fmt.Sprint(i), "content": fmt.Sprintf(`{"n":%d,"x":"%s"}`, seed*1000+i, strings.Repeat("what somebody wrote ", 400))})
	}
	return out
}

// TestUncached: 200 results at once keep to the calls of models and the memory that there may be, and all are answered.
func TestUncached(t *testing.T) {
	var running, most atomic.Int64
	m := &model{reply: func(string) string {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		return completion(`{"a1":true}`)
	}}
	w := newWorld(t, func(c *quarantine.Config) {
		c.Conversation, c.PrincipalHour = 1e6, 1e6
		asking(t, m, func(d *dual.Config) { d.Concurrency, d.PerPrincipal = 16, 8 })(c)
		c.Plan = false
	})
	w.rule(t, "", quarantine.Tool{Questions: []quarantine.Question{{Question: dual.Question{Ask: "Is it urgent?", Type: dual.YesNo}}}})
	doc := body(uncached(1), nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := w.try(t, sara, doc)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if n := most.Load(); n > 8 || n < 2 {
		t.Errorf("%d calls at once", n)
	}
	if n := strings.Count(s.upstream, `\"answer\":\"yes\"`); n != 200 {
		t.Errorf("%d answers: %.2000s", n, s.upstream)
	}
	if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 256 {
		t.Errorf("%d MB for %d KB", mb, len(doc)>>10)
	}
}

// BenchmarkUncached is the request half of 200 results of 8 KB that nobody has seen, without a model.
func BenchmarkUncached(b *testing.B) {
	w := newWorld(b, func(c *quarantine.Config) { c.Conversation, c.PrincipalHour = 1e9, 1e9 })
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if _, err := w.try(b, sara, body(uncached(n), nil)); err != nil {
			b.Fatal(err)
		}
	}
}
