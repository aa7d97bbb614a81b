package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Agents' conversations end and others begin, while what is known of the old ones is kept for a while. Of a day's worth of them
// nothing can be said in minutes; so a soak keeps them for keepSoaked, and a stage of it, with conversations of its own, takes as long.
const keepSoaked = 30 * time.Second

// soaking is how many principals hold conversations in one stage.
const soaking = 16

// soak loads Yellowjack with all shapes at once for a long time and reports the resident memory of its processes: at the
// end of the first fifth, when pools and caches are filled, and at the end of all. Each is the median of samples around
// it, as a garbage collector's heap goes up and down.
func soak(ctx context.Context, l *lab, o options, who []string) error {
	l.more = fmt.Sprintf("quarantine: {keep: %v}\n", keepSoaked)
	probe, err := first("gateway", who[:1])
	if err != nil {
		return err
	}
	a, err := l.begin(ctx, armYellowjack, probe[0])
	if err != nil {
		return err
	}
	outcomes := make([]outcome, len(o.shapes))
	errs := make([]error, len(o.shapes))
	var wg sync.WaitGroup
	ask, until := through(a.addr), time.Now().Add(o.soak)
	for i, s := range o.shapes {
		wg.Go(func() {
			for n := 0; time.Now().Before(until) && errs[i] == nil && outcomes[i].Errors == 0; n++ {
				at := n * soaking % len(who)
				var reqs [][]byte
				if reqs, errs[i] = requests("gateway", s, 10, who[at:at+soaking], n*soaking*held[s], ask); errs[i] != nil {
					return
				}
				var out outcome
				out, errs[i] = load{addr: a.addr, requests: reqs, conns: max(1, 32/len(o.shapes)), length: min(keepSoaked, time.Until(until))}.run()
				outcomes[i].Requests += out.Requests
				outcomes[i].Errors, outcomes[i].FirstFail = out.Errors, out.FirstFail
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()

	seen := map[int][]int64{}
	every := max(o.soak/240, 250*time.Millisecond)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	start := time.Now()
	for running := true; running; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			running = false
		case <-ticker.C:
			for _, pid := range a.pids {
				bytes, err := resident(pid)
				if err != nil {
					return err
				}
				seen[pid] = append(seen[pid], bytes)
			}
			if n := len(seen[a.pids[0]]); n%24 == 0 {
				fmt.Printf("%8v ", time.Since(start).Round(time.Second))
				for _, pid := range a.pids {
					fmt.Printf("  %s %.1f MiB", comm(pid), mib(seen[pid][n-1]))
				}
				fmt.Println()
			}
		}
	}
	total := 0
	for i, out := range outcomes {
		if errs[i] != nil {
			return errs[i]
		}
		if out.Errors > 0 {
			return a.procs[0].failed(fmt.Errorf("%d requests failed: %s", out.Errors, out.FirstFail))
		}
		total += out.Requests
	}
	fmt.Printf("\n%d requests in %v, no failure.\n\n| process | after a fifth | at the end | growth |\n|---|---|---|---|\n", total, o.soak)
	for _, pid := range a.pids {
		all := seen[pid]
		n := len(all) / 5
		if n == 0 {
			return fmt.Errorf("too short: %d samples", len(all))
		}
		early, late := middle(all[n:2*n]), middle(all[len(all)-n:])
		fmt.Printf("| %s | %.1f MiB | %.1f MiB | %+.1f %% |\n", comm(pid), mib(early), mib(late), 100*(float64(late)/float64(early)-1))
	}
	return nil
}

func mib(b int64) float64 { return float64(b) / (1 << 20) }

func middle(all []int64) int64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
