package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/internal/llm/translate"
)

// What passing a dialect on and translating it are held to, in times of chat completions that are passed on.
const (
	passTarget      = 0.95 // requests a second, at least
	translateTarget = 0.7  // the same
	firstTarget     = 1.2  // time to a stream's first byte, at most, in times of the same client's untranslated stream
)

// dialectResults are the figures of the dialects.
type dialectResults struct {
	Machine   machine    `json:"machine"`
	Rounds    int        `json:"rounds"`
	Length    float64    `json:"seconds_per_measurement"`
	Crossings []crossing `json:"crossings"`
}

// crossing is a client's dialect with a provider's: the same, or one that is translated.
type crossing struct {
	Client   string `json:"client"`
	Provider string `json:"provider"`
	Stream   bool   `json:"stream"`
	Events   int    `json:"events,omitempty"` // of the provider's stream
	sample
	Rate       float64   `json:"rate_to_chat"`               // requests a second; the median of the rounds' ratios, as are the next
	CPUTimes   float64   `json:"cpu_to_chat"`                // CPU a request
	First      float64   `json:"first_byte_ms,omitempty"`    // p50 at one connection
	FirstTimes float64   `json:"first_byte_times,omitempty"` // in times of the same client's untranslated stream
	Spread     []float64 `json:"rounds_to_chat"`

	requests [][]byte
	rounds   []sample
	firsts   []float64
}

func (c *crossing) translated() bool { return c.Client != c.Provider }

func (c *crossing) String() string {
	how := "whole"
	if c.Stream {
		how = "stream"
	}
	return fmt.Sprintf("%-16s → %-16s %-6s", c.Client, c.Provider, how)
}

// crossings are all that there are: each dialect to itself, chat first, and each pair that is translated.
func crossings() []crossing {
	pairs := [][2]string{}
	for _, d := range []string{translate.Chat, translate.Responses, translate.Anthropic, translate.Gemini, translate.Bedrock} {
		pairs = append(pairs, [2]string{d, d})
	}
	var out []crossing
	for _, stream := range []bool{false, true} {
		for _, p := range slices.Concat(pairs, translate.Pairs()) {
			out = append(out, crossing{Client: p[0], Provider: p[1], Stream: stream})
		}
	}
	return out
}

// events counts those of a dialect's stream as the upstream sends it.
func events(upstream, dialect string) (int, error) {
	resp, err := http.Post("http://"+upstream+strings.TrimPrefix(path(dialect, "up", true), "/up"), "application/json", strings.NewReader(`{"stream":true}`))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return bytes.Count(b, []byte("data: ")) + bytes.Count(b, []byte(":event-type")), err
}

// beginDialects starts Yellowjack before an upstream that speaks every dialect, with a provider for each.
func (l *lab) beginDialects(ctx context.Context, upstream, token string) (*arm, error) {
	a := &arm{name: armYellowjack}
	theirs, names := "", []string{}
	for _, c := range crossings() {
		if c.translated() || c.Stream {
			continue
		}
		base := "http://" + upstream
		if c.Client == translate.Chat || c.Client == translate.Responses {
			base += "/v1"
		}
		theirs += fmt.Sprintf("  %s: {dialect: %s, base_url: %q, models: [bench]}\n", c.Client, c.Client, base)
		names = append(names, c.Client)
	}
	if err := l.beginYellowjack(a, theirs, names...); err != nil {
		return nil, err
	}
	if err := l.family(a); err != nil {
		return nil, err
	}
	probe, err := say(translate.Chat, translate.Chat, 0, turn{}, false)
	if err != nil {
		return nil, err
	}
	return a, l.await(ctx, a, request("gateway", token, probe))
}

// pieces is in how many pieces a measurement is made, each a round of its own: there are so many crossings that in a long round what is
// compared would lie far apart.
const pieces = 4

// measureDialects measures each crossing once a round, the next round in another order, all through one gateway.
func measureDialects(ctx context.Context, l *lab, o options, who []string, r *results) error {
	up, upstream, err := l.start("dialects", true, filepath.Join(l.dir, "provider"), "-dialects", "-pace", o.pace.String())
	if err != nil {
		return err
	}
	defer up.stop()
	a, err := l.beginDialects(ctx, upstream, who[0])
	if a != nil {
		defer func() {
			for _, p := range a.procs {
				p.stop()
			}
		}()
	}
	if err != nil {
		return err
	}
	all := crossings()
	half := len(all) / 2 // the second half are the first's streams
	for i := range half {
		c := &all[i]
		if c.requests, all[half+i].requests, err = conversations(a.addr, c.Client, c.Provider, who); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		if all[half+i].Events, err = events(upstream, c.Provider); err != nil {
			return err
		}
	}
	o.rounds, o.length = o.rounds*pieces, o.length/pieces
	// Round -1 warms up and is not kept.
	for round := -1; round < o.rounds; round++ {
		for i := range all {
			c := &all[(i+max(round, 0)*7)%len(all)]
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := c.measure(a, o, round < 0); err != nil {
				return fmt.Errorf("%s: %w", c, err)
			}
			if round >= 0 {
				fmt.Printf("round %d  %s %s\n", round+1, c, c.rounds[round])
			}
		}
	}
	r.Dialects = summarizeDialects(all)
	r.Dialects.Machine, r.Dialects.Rounds, r.Dialects.Length = thisMachine(l), o.rounds, o.length.Seconds()
	return nil
}

// measure is one measurement; a stream's first byte is waited for at one connection, where nothing else is in its way.
func (c *crossing) measure(a *arm, o options, warm bool) error {
	length := o.length
	if warm {
		length = o.warm
	}
	s, err := one(a, kind{Shape: c.String(), Tools: 1, Connections: o.conns[0]}, c.requests, length)
	if err != nil || warm {
		return err
	}
	c.rounds = append(c.rounds, s)
	if !c.Stream {
		return nil
	}
	out, err := load{addr: a.addr, requests: c.requests, conns: 1, length: length}.run()
	if err == nil && (out.Errors > 0 || out.Requests == 0) {
		err = errors.New(out.FirstFail)
	}
	c.firsts = append(c.firsts, ms(percentile(out.first, 0.5)))
	return err
}

// summarizeDialects makes medians of rounds, and ratios of the same round's measurements.
func summarizeDialects(all []crossing) *dialectResults {
	r := &dialectResults{Crossings: all}
	base := func(client string, stream bool) *crossing {
		i := slices.IndexFunc(all, func(c crossing) bool { return c.Client == client && !c.translated() && c.Stream == stream })
		return &all[i]
	}
	for i := range all {
		c := &all[i]
		of := func(f func(sample) float64) float64 { return median(each(c.rounds, f)) }
		c.PerSec, c.CPU, c.Envoy = of(perSec), of(cpuOf), of(func(s sample) float64 { return s.Envoy })
		c.P50, c.P99 = of(func(s sample) float64 { return s.P50 }), of(func(s sample) float64 { return s.P99 })
		for _, s := range c.rounds {
			c.Requests += s.Requests
		}
		chat := base(translate.Chat, c.Stream)
		c.Spread = ratios(&row{rounds: c.rounds}, &row{rounds: chat.rounds}, perSec)
		c.Rate = median(c.Spread)
		c.CPUTimes = median(ratios(&row{rounds: c.rounds}, &row{rounds: chat.rounds}, cpuOf))
		if c.Stream {
			c.First = median(c.firsts)
			own := base(c.Client, true)
			var times []float64
			for n := range min(len(c.firsts), len(own.firsts)) {
				times = append(times, c.firsts[n]/own.firsts[n])
			}
			c.FirstTimes = median(times)
		}
	}
	return r
}
