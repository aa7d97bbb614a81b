package main

import (
	"fmt"
	"io"
	"strconv"
)

// table writes the dialects' figures beside what they are held to.
func (r *dialectResults) table(w io.Writer) {
	if r == nil || len(r.Crossings) == 0 {
		return
	}
	fmt.Fprintf(w, "\nThe dialects, on %s, load average before it %s, %d rounds of %g seconds: a conversation of about 3 KB in its second turn, with the\n"+
		"same words in each dialect, and one tool. Rates are in times of chat completions that are passed on; the time to a stream's\nfirst byte, at one "+
		"connection, in times of the same client's stream that is not translated. A stream's events are as many as its dialect has for the same words.\n", r.Machine.When, r.Machine.Load, r.Rounds, r.Length)
	fmt.Fprintln(w, "\n| client | provider | answer | events | requests/s | p50 ms | CPU ms/request | of it Envoy | rate / chat | target | CPU / chat | first byte ms | times | target |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for i := range r.Crossings {
		c := &r.Crossings[i]
		answer, target, times, most, events := "whole", passTarget, "", "", ""
		if c.translated() {
			target = translateTarget
		}
		if c.Stream {
			answer, times, events = "stream", ratio(c.FirstTimes), strconv.Itoa(c.Events)
			if c.translated() {
				times, most = times+missed(c.FirstTimes > firstTarget), fmt.Sprintf("≤ %.2f", firstTarget)
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.0f | %.2f | %.3f | %.3f | %.2f%s | ≥ %.2f | %.2f | %s | %s | %s |\n", c.Client, c.Provider, answer, events, c.PerSec,
			c.P50, c.CPU, c.Envoy, c.Rate, missed(c.Rate < target), target, c.CPUTimes, ratio(c.First), times, most)
	}
}
