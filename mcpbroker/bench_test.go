package mcpbroker

import (
	"testing"

	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
)

// BenchmarkCall is a warm call of a tool, less the network on both sides.
func BenchmarkCall(b *testing.B) {
	w := newWorld(b, nil)
	w.tools(w.sara)
	b.ReportAllocs()
	for b.Loop() {
		if a := w.call(w.sara, protocol.CallTool, `{"name":"snowflake__query","arguments":{"sql":"select 1"}}`); a.Err != nil {
			b.Fatal(a.Err)
		}
	}
}
