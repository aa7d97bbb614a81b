package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// mostPercent is how much garbage there may be, in percent of what lives, while little does: most of an exchange's memory is
	// garbage at its end, and collections cost. (Fewer Ps than cores were measured too: they cost a tenth of the throughput.)
	mostPercent = 400
	// leastPercent is Go's own default.
	leastPercent = 100
	// mostGarbage is how much garbage there should be where that says otherwise: a store in memory may hold hundreds of MiB, and
	// five times that is no memory that anybody expects to lose.
	mostGarbage = 256 << 20
	// retune is the time between two looks at what lives.
	retune = 5 * time.Second
)

// tune keeps collections few, and garbage bounded, until the context ends. GOGC, when set, wins.
func tune(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	ticker := time.NewTicker(retune)
	defer ticker.Stop()
	for now := 0; ; {
		metrics.Read(live)
		// Setting it stops the world for a moment.
		if p := percent(live[0].Value.Uint64()); p-now > 10 || now-p > 10 {
			now = p
			debug.SetGCPercent(p)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// percent is GOGC for a heap with so many bytes alive.
func percent(live uint64) int {
	return int(min(max(100*mostGarbage/max(live, 1), leastPercent), mostPercent))
}
