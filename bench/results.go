package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// sample is one measurement, in units that a person reads.
type sample struct {
	Requests int     `json:"requests"`
	PerSec   float64 `json:"requests_per_second"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"cpu_ms_per_request"` // the gateway's: Envoy and the service
	Envoy    float64 `json:"of_it_envoy,omitempty"`
	own      []int64 // Yellowjack's own time of each exchange, in µs, from its audit
}

func newSample(o outcome, used time.Duration) sample {
	return sample{
		Requests: o.Requests, PerSec: float64(o.Requests) / o.Elapsed.Seconds(),
		P50: ms(o.percentile(0.5)), P99: ms(o.percentile(0.99)), CPU: ms(used) / float64(max(o.Requests, 1)),
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// String is one line of the run's progress.
func (s sample) String() string {
	return fmt.Sprintf("%7.0f/s  p50 %7.2f ms  p99 %7.2f ms  CPU %6.3f ms, of it Envoy %6.3f", s.PerSec, s.P50, s.P99, s.CPU, s.Envoy)
}

// row is one arm's result for one kind of request: medians over the rounds.
type row struct {
	kind
	Arm string `json:"arm"`
	sample
	ToPlain    float64   `json:"rate_to_plain,omitempty"` // requests a second, against the other arm's in the same round
	ToNoop     float64   `json:"rate_to_noop,omitempty"`
	CPUToPlain float64   `json:"cpu_to_plain,omitempty"`
	CPUToNoop  float64   `json:"cpu_to_noop,omitempty"`
	OwnP50     int64     `json:"own_p50_us,omitempty"`
	OwnP99     int64     `json:"own_p99_us,omitempty"`
	Spread     []float64 `json:"rounds_to_noop,omitempty"` // each round's ratio, so that one can see how steady they are

	rounds []sample
}

type coldResult struct {
	Arm   string  `json:"arm"`
	Ready float64 `json:"ready_seconds"`
	sample
}

// machine is what it was measured on.
type machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Envoy string `json:"envoy"`
	Go    string `json:"go"`
	When  string `json:"date"`
	Load  string `json:"load_average"` // before the run: others' work, which moves all figures and, less, the ratios
}

// results is results.json.
type results struct {
	RatiosToNoop    map[string]float64 `json:"ratios_to_noop"`     // requests a second with one tool at 32 connections
	CPURatiosToNoop map[string]float64 `json:"cpu_ratios_to_noop"` // the same for CPU a request
	OwnP50          map[string]int64   `json:"own_p50_us"`
	Machine         machine            `json:"machine"`
	Rounds          int                `json:"rounds"`
	Length          float64            `json:"seconds_per_measurement"`
	Pace            float64            `json:"stream_pace_ms"`
	Rows            []*row             `json:"rows"`
	Cold            []coldResult       `json:"cold"`
	ToolCalls       []toolCalls        `json:"tool_calls,omitempty"`
	ToolLists       *toolLists         `json:"tool_lists,omitempty"`
	Dialects        *dialectResults    `json:"dialects,omitempty"`
}

// readResults reads what an earlier run left, if there was one.
func readResults(folder string) (*results, error) {
	r := &results{}
	b, err := os.ReadFile(filepath.Join(folder, "results.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	return r, err
}

// with keeps of earlier results what belongs to other groups.
func (r *results) with(earlier *results) *results {
	r.ToolCalls, r.ToolLists, r.Dialects = earlier.ToolCalls, earlier.ToolLists, earlier.Dialects
	return r
}

func newResults(l *lab, o options) *results {
	return &results{
		RatiosToNoop: map[string]float64{}, CPURatiosToNoop: map[string]float64{}, OwnP50: map[string]int64{},
		Rounds: o.rounds, Length: o.length.Seconds(), Pace: ms(o.pace), Machine: thisMachine(l),
	}
}

// thisMachine is what it is measured on, now.
func thisMachine(l *lab) machine {
	m := machine{CPU: "unknown", Cores: runtime.NumCPU(), Go: runtime.Version(), When: time.Now().UTC().Format(time.DateOnly)}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
			}
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(b), " ")
	}
	if out, err := exec.Command(l.envoy, "--version").Output(); err == nil {
		_, said, _ := strings.Cut(string(out), "version:") // hash/version/…; before it stands the program's path
		fields := strings.Split(said, "/")
		m.Envoy = fields[min(1, len(fields)-1)]
	}
	return m
}

func (r *results) find(arm string, k kind) *row {
	for _, x := range r.Rows {
		if x.Arm == arm && x.kind == k {
			return x
		}
	}
	return nil
}

func (r *results) add(arm string, k kind, s sample) {
	x := r.find(arm, k)
	if x == nil {
		x = &row{kind: k, Arm: arm}
		r.Rows = append(r.Rows, x)
	}
	x.rounds = append(x.rounds, s)
}

// summarize makes medians of rounds, and ratios of the same round's measurements.
func (r *results) summarize() {
	for _, x := range r.Rows {
		of := func(f func(sample) float64) float64 { return median(each(x.rounds, f)) }
		x.PerSec, x.P50, x.P99 = of(perSec), of(func(s sample) float64 { return s.P50 }), of(func(s sample) float64 { return s.P99 })
		x.CPU, x.Envoy = of(cpuOf), of(func(s sample) float64 { return s.Envoy })
		var own []int64
		for _, s := range x.rounds {
			x.Requests += s.Requests
			own = append(own, s.own...)
		}
		if slices.Sort(own); len(own) > 0 {
			x.OwnP50, x.OwnP99 = own[len(own)/2], own[len(own)*99/100]
		}
		if base := r.find(armPlain, x.kind); base != nil && x.Arm != armPlain {
			x.ToPlain, x.CPUToPlain = median(ratios(x, base, perSec)), median(ratios(x, base, cpuOf))
		}
		if base := r.find(armNoop, x.kind); base != nil && x.Arm == armYellowjack {
			x.Spread = ratios(x, base, perSec)
			x.ToNoop, x.CPUToNoop = median(x.Spread), median(ratios(x, base, cpuOf))
		}
		if x.Arm == armYellowjack && x.Tools == 1 && x.Connections == 32 {
			r.OwnP50[x.Shape] = x.OwnP50
			if x.ToNoop > 0 {
				r.RatiosToNoop[x.Shape], r.CPURatiosToNoop[x.Shape] = x.ToNoop, x.CPUToNoop
			}
		}
	}
}

func perSec(s sample) float64 { return s.PerSec }
func cpuOf(s sample) float64  { return s.CPU }

func each(samples []sample, f func(sample) float64) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = f(s)
	}
	return out
}

// ratios divides two arms' measurements round by round.
func ratios(x, base *row, f func(sample) float64) []float64 {
	out := make([]float64, 0, len(x.rounds))
	for i := range min(len(x.rounds), len(base.rounds)) {
		if b := f(base.rounds[i]); b > 0 {
			out = append(out, f(x.rounds[i])/b)
		}
	}
	return out
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// auditSize is where an arm's audit ends now.
func auditSize(a *arm) (int64, error) {
	if a.audit == "" {
		return 0, nil
	}
	info, err := os.Stat(a.audit)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// ownTimes reads, from the audit written since the mark, Yellowjack's own time of each exchange.
func ownTimes(a *arm, mark int64) ([]int64, error) {
	if a.audit == "" {
		return nil, nil
	}
	f, err := os.Open(a.audit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(mark, io.SeekStart); err != nil {
		return nil, err
	}
	var out []int64
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil { // also a last line that is being written
			return out, nil
		}
		var record struct {
			Own int64 `json:"own_time_us"`
		}
		if json.Unmarshal(line, &record) == nil && record.Own > 0 {
			out = append(out, record.Own)
		}
	}
}
