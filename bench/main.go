// Command bench measures what the guard costs. It runs plain Envoy, Envoy with an ext_proc service that does nothing (bench/noop),
// and Yellowjack with everything on, side by side in one run, and reports ratios: absolute figures depend on the machine,
// ratios in one run much less.
//
// For each kind of request all arms are started, and stand idle while another is measured. A round measures each arm once,
// one after the other, the next round in another order; what a slow moment of the machine does to one arm it soon does
// to the others. The ratio reported is the median of the rounds' ratios. The load is closed-loop: so many connections, each
// with one request at a time, from a client written to be cheap (load.go) to an upstream that has its answers ready
// (bench/provider); both share the machine with what is measured, which moves all ratios towards 1. CPU a request is that of
// the gateway's processes alone, Envoy and the service together, from /proc.
//
// Yellowjack verifies JWTs of 128 principals, decides by the shipped policies, hides two of ten tools, replaces the
// credential, reads every answer, decides its tool call with its arguments, and writes its audit. The cold arm sends each
// of thousands of principals' first request to a gateway that was just started.
//
// The broker is measured by itself (tools.go): a warm tools/call through it, in times of the same request through Envoy alone to the
// same server, and a list of a thousand tools.
//
// The dialects are measured by themselves (dialects.go): what is asked and answered is the same in each, passed on as it is and
// translated, in times of chat completions.
//
// It writes RESULTS.md and results.json; figures of groups that it was not asked to measure stay as they were. With -soak it loads Yellowjack alone and reports how its memory grew.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	arms, shapes []string
	tools, conns []int
	rounds       int
	length, warm time.Duration
	cold         int
	soak         time.Duration
	binary, out  string
	workers      int
	pace         time.Duration
	groups       []string
}

// The groups of what is measured.
const (
	groupGuard    = "guard"
	groupBroker   = "broker"
	groupDialects = "dialects"
)

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	arms := f.String("arms", "plain,noop,yellowjack", "`arms` to measure")
	shapes := f.String("shapes", "2k,64k,stream", "`shapes` of requests")
	tools := f.String("tools", "1,10", "`numbers` of tools offered")
	conns := f.String("connections", "32", "`numbers` of connections")
	f.IntVar(&o.rounds, "rounds", 5, "rounds")
	f.DurationVar(&o.length, "length", 4*time.Second, "how long one measurement takes")
	f.DurationVar(&o.warm, "warm", time.Second, "how long each arm is warmed up for each kind of request")
	f.IntVar(&o.cold, "cold", 2000, "principals of the cold arm; 0 leaves it out")
	f.DurationVar(&o.soak, "soak", 0, "load Yellowjack alone for so long and watch its memory, instead")
	f.StringVar(&o.binary, "binary", "bin/yellowjack", "Yellowjack's binary")
	f.StringVar(&o.out, "out", "bench", "`folder` for RESULTS.md and results.json")
	f.IntVar(&o.workers, "workers", 2, "Envoy's worker threads, in every arm")
	f.DurationVar(&o.pace, "pace", 250*time.Microsecond, "between the events of a stream; short enough to keep every arm busy")
	groups := f.String("groups", "guard,broker,dialects", "`groups` to measure")
	short := f.Bool("short", false, "a minute instead of many: shows that it works, measures badly")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *short {
		o.rounds, o.length, o.warm, o.cold = 2, time.Second, 300*time.Millisecond, 300
	}
	o.arms, o.shapes, o.groups = strings.Split(*arms, ","), strings.Split(*shapes, ","), strings.Split(*groups, ",")
	for list, into := range map[*string]*[]int{tools: &o.tools, conns: &o.conns} {
		for s := range strings.SplitSeq(*list, ",") {
			var n int
			if _, err := fmt.Sscan(s, &n); err != nil || n < 1 {
				return o, fmt.Errorf("%q is no number of at least 1", s)
			}
			*into = append(*into, n)
		}
	}
	for _, a := range o.arms {
		if a != armPlain && a != armNoop && a != armYellowjack {
			return o, fmt.Errorf("there is no arm %q", a)
		}
	}
	for _, g := range o.groups {
		if g != groupGuard && g != groupBroker && g != groupDialects {
			return o, fmt.Errorf("there is no group %q", g)
		}
	}
	for _, s := range o.shapes {
		if s != shape2k && s != shape64k && s != shapeStream {
			return o, fmt.Errorf("there is no shape %q", s)
		}
	}
	if o.rounds < 1 || f.NArg() > 0 {
		return o, fmt.Errorf("at least one round, and no arguments")
	}
	return o, nil
}

// bench does what the options say.
func bench(ctx context.Context, o options) (err error) {
	l, err := newLab(ctx, o.binary, o.workers, o.pace)
	if l != nil {
		defer func() {
			l.close(err != nil)
			if err != nil {
				fmt.Fprintln(os.Stderr, "bench: logs are in", l.dir)
			}
		}()
	}
	if err != nil {
		return err
	}
	defer l.idp.Close()
	who, err := tokens(l.idp, principals, "user")
	if err != nil {
		return err
	}
	if o.soak > 0 {
		return soak(ctx, l, o, who)
	}
	r, err := readResults(o.out)
	if err != nil {
		return err
	}
	if r.Rounds == 0 {
		r = newResults(l, o)
	}
	for _, group := range o.groups {
		switch group {
		case groupGuard:
			err = measureGuard(ctx, l, o, who, r)
		case groupBroker:
			err = measureTools(ctx, l, o, who, r)
		case groupDialects:
			err = measureDialects(ctx, l, o, who, r)
		}
		if err != nil {
			return err
		}
	}
	r.table(os.Stdout)
	return r.write(o.out)
}

// measureGuard measures the arms.
func measureGuard(ctx context.Context, l *lab, o options, who []string, r *results) error {
	*r = *newResults(l, o).with(r)
	if o.cold > 0 {
		if err := cold(ctx, l, o, r); err != nil {
			return err
		}
	}
	if err := measure(ctx, l, o, who, r); err != nil {
		return err
	}
	r.summarize()
	return nil
}

// kind is one kind of request in one degree of load.
type kind struct {
	Shape       string `json:"shape"`
	Tools       int    `json:"tools"`
	Connections int    `json:"connections"`
}

// kinds lists what is measured.
func (o options) kinds() []kind {
	var all []kind
	for _, c := range o.conns {
		for _, s := range o.shapes {
			for _, t := range o.tools {
				all = append(all, kind{Shape: s, Tools: t, Connections: c})
			}
		}
	}
	return all
}

// cold starts each arm by itself and sends it requests of principals that it has never seen, each once. The first request
// of all is reported by itself.
func cold(ctx context.Context, l *lab, o options, r *results) error {
	for _, name := range o.arms {
		if name == armPlain {
			continue
		}
		strangers, err := tokens(l.idp, o.cold+1, "cold-"+name)
		if err != nil {
			return err
		}
		reqs, err := first("gateway", strangers)
		if err != nil {
			return err
		}
		a, err := l.begin(ctx, name, reqs[0])
		if err != nil {
			return err
		}
		before, err := cpu(a.pids)
		if err != nil {
			return err
		}
		out, err := load{addr: a.addr, requests: reqs[1:], conns: 32, once: true}.run()
		if err != nil {
			return err
		}
		after, err := cpu(a.pids)
		if err != nil {
			return err
		}
		if out.Errors > 0 {
			return a.procs[len(a.procs)-1].failed(fmt.Errorf("%d of %d requests failed: %s", out.Errors, o.cold, out.FirstFail))
		}
		r.Cold = append(r.Cold, coldResult{Arm: name, Ready: a.ready.Seconds(), sample: newSample(out, after-before)})
		fmt.Printf("cold %-10s ready after %v, %d strangers: p50 %v p99 %v\n", name, a.ready.Round(time.Millisecond), o.cold, out.percentile(0.5), out.percentile(0.99))
		for _, p := range a.procs {
			p.stop()
		}
	}
	return nil
}

// measure starts the arms anew for each kind of request, so that none carries what another left, and goes round.
func measure(ctx context.Context, l *lab, o options, who []string, r *results) error {
	for _, k := range o.kinds() {
		if err := measureKind(ctx, l, o, who, k, r); err != nil {
			return err
		}
	}
	return nil
}

func measureKind(ctx context.Context, l *lab, o options, who []string, k kind, r *results) error {
	var arms []*arm
	defer func() {
		for _, a := range arms {
			for _, p := range a.procs {
				p.stop()
			}
		}
	}()
	probe, err := first("gateway", who[:1])
	if err != nil {
		return err
	}
	var ask asker
	for _, name := range o.arms {
		a, err := l.begin(ctx, name, probe[0])
		if err != nil {
			return err
		}
		arms = append(arms, a)
		if name == armYellowjack {
			ask = through(a.addr)
		}
	}
	// The same requests for each arm: the conversations that were held through Yellowjack.
	reqs, err := requests("gateway", k.Shape, k.Tools, who, 0, ask)
	if err != nil {
		return err
	}
	// Round -1 warms up and is not kept.
	for round := -1; round < o.rounds; round++ {
		for i := range arms {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			a := arms[(i+max(round, 0))%len(arms)]
			length := o.length
			if round < 0 {
				length = o.warm
			}
			s, err := one(a, k, reqs, length)
			if err != nil {
				return err
			}
			if round < 0 {
				continue
			}
			r.add(a.name, k, s)
			fmt.Printf("round %d  %-6s %2d tools %2d conns  %-10s %s\n", round+1, k.Shape, k.Tools, k.Connections, a.name, s)
		}
	}
	return nil
}

// one is one measurement.
func one(a *arm, k kind, reqs [][]byte, length time.Duration) (sample, error) {
	mark, err := auditSize(a)
	if err != nil {
		return sample{}, err
	}
	envoys := a.envoys()
	before, err := cpu(a.pids)
	if err != nil {
		return sample{}, err
	}
	beforeEnvoy, err := cpu(envoys)
	if err != nil {
		return sample{}, err
	}
	out, err := load{addr: a.addr, requests: reqs, conns: k.Connections, length: length}.run()
	if err != nil {
		return sample{}, err
	}
	after, err := cpu(a.pids)
	if err != nil {
		return sample{}, err
	}
	afterEnvoy, err := cpu(envoys)
	if err != nil {
		return sample{}, err
	}
	if out.Errors > 0 || out.Requests == 0 {
		return sample{}, a.procs[len(a.procs)-1].failed(fmt.Errorf("%s, %+v: %d requests, %d failed: %s", a.name, k, out.Requests, out.Errors, out.FirstFail))
	}
	s := newSample(out, after-before)
	s.Envoy = ms(afterEnvoy-beforeEnvoy) / float64(out.Requests)
	s.own, err = ownTimes(a, mark)
	return s, err
}
