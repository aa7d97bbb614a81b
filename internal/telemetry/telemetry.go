// Package telemetry is where Yellowjack is seen: Prometheus metrics and the HTTP server for them and for the probes.
//
// Metrics are made with a Registerer that is passed in. Every label has a bounded set of values: surfaces, decisions,
// statuses by class and verdicts by construction; providers and models because only configured ones are named and any
// other is "other"; refusal codes and tools because only the first hundred, or two hundred, distinct ones are told apart (a
// policy may invent codes, and a client tools). What an exchange needs on its way is resolved beforehand, so that counting costs well under a microsecond.
//
// Names are yellowjack_* for our own work. The gen_ai_* ones are those of the OpenTelemetry conventions for generative
// AI, written as Prometheus writes them (dots become underscores, seconds become a suffix).
package telemetry

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/yellowjack/yellowjack/internal/audit"
)

// Other is the label of what the configuration does not name.
const Other = "other"

// Config says where metrics go and which names may be labels.
type Config struct {
	Registerer prometheus.Registerer
	Providers  []string // configured providers; any other is counted as "other"
	Version    string   // of this binary
}

// NewRegistry is a registry with the metrics of the process and of the Go runtime.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Metrics counts exchanges. Its methods may be called at the same time.
type Metrics struct {
	exchanges  *prometheus.CounterVec
	inFlight   prometheus.Gauge
	overloaded prometheus.Counter
	refusals   *prometheus.CounterVec
	codes      *bounded
	allowed    prometheus.Counter
	denied     prometheus.Counter
	offered    prometheus.Counter
	hidden     prometheus.Counter
	heldCalls  prometheus.Gauge
	results    *prometheus.CounterVec
	pins       *prometheus.CounterVec
	bits       *prometheus.CounterVec
	tools      *bounded // of bits
	questions  *prometheus.CounterVec
	asking     prometheus.Observer
	own        [2]prometheus.Observer
	audit      prometheus.Counter
	policy     *prometheus.GaugeVec
	policyMu   sync.Mutex
	providers  map[string]*provider
}

// provider is the children of one provider.
type provider struct {
	name      string
	firstByte prometheus.Observer
	tokens    *prometheus.HistogramVec // left: type, model
	duration  prometheus.ObserverVec   // left: model
	token     prometheus.ObserverVec   // left: model
	cost      *prometheus.CounterVec   // left: model, price
	unpriced  *prometheus.CounterVec   // left: model
}

// New makes and registers the metrics.
func New(cfg Config) (*Metrics, error) {
	if cfg.Registerer == nil {
		return nil, errors.New("telemetry: no registerer")
	}
	d := definitions()
	for _, c := range d.all() {
		if err := cfg.Registerer.Register(c); err != nil {
			return nil, err
		}
	}
	d.build.WithLabelValues(cfg.Version).Set(1)
	calls := d.calls
	m := &Metrics{
		exchanges: d.exchanges, inFlight: d.inFlight, overloaded: d.overloaded, refusals: d.refusals, codes: newBounded(100),
		allowed: calls.WithLabelValues("allow"), denied: calls.WithLabelValues("deny"),
		offered: d.tools.WithLabelValues("offered"), hidden: d.tools.WithLabelValues("hidden"),
		results: d.results, pins: d.pins,
		bits: d.bits, tools: newBounded(maxTools), questions: d.questions, asking: d.asking.WithLabelValues(),
		heldCalls: d.heldCalls, audit: d.audit, policy: d.policy,
		own:       [2]prometheus.Observer{d.own.WithLabelValues("request"), d.own.WithLabelValues("response")},
		providers: map[string]*provider{},
	}
	for _, name := range append([]string{Other}, cfg.Providers...) {
		l := prometheus.Labels{"gen_ai_provider_name": name}
		m.providers[name] = &provider{
			name: name, firstByte: d.firstByte.WithLabelValues(name),
			tokens:   d.tokens.MustCurryWith(l).(*prometheus.HistogramVec),
			duration: d.duration.MustCurryWith(l), token: d.token.MustCurryWith(l), cost: d.cost.MustCurryWith(l), unpriced: d.unpriced.MustCurryWith(l),
		}
	}
	return m, nil
}

// Begin counts an exchange in; End counts it out.
func (m *Metrics) Begin() { m.inFlight.Inc() }

// End counts a finished exchange: what its record says, our own time in the request and the response half, and how
// long it took in all.
func (m *Metrics) End(r *audit.Record, own [2]time.Duration, took time.Duration) {
	m.inFlight.Dec()
	p, name := m.provider(r.Provider)
	m.exchanges.WithLabelValues(decision(r.Decision), or(r.Surface, Other), name, class(r.Status)).Inc()
	m.offered.Add(float64(len(r.ToolsOffered)))
	m.hidden.Add(float64(len(r.ToolsHidden)))
	for half, d := range own {
		if d > 0 {
			m.own[half].Observe(d.Seconds())
		}
	}
	if r.UpstreamStatus == 0 {
		return // no provider was asked
	}
	model := modelLabel(r.ModelLabel)
	p.duration.WithLabelValues(model).Observe(took.Seconds())
	if u := r.Usage; u != nil {
		p.tokens.WithLabelValues("input", model).Observe(float64(u.Input))
		p.tokens.WithLabelValues("output", model).Observe(float64(u.Output))
		if u.Cost != nil {
			p.cost.WithLabelValues(model, u.Price).Add(max(*u.Cost, 0))
		} else {
			p.unpriced.WithLabelValues(model).Inc()
		}
	}
}

// Refused counts a refusal by its code.
func (m *Metrics) Refused(code string) { m.refusals.WithLabelValues(m.codes.label(code)).Inc() }

// Overloaded counts an exchange that found no room.
func (m *Metrics) Overloaded() { m.overloaded.Inc() }

// ToolCall counts a tool call that the model made.
func (m *Metrics) ToolCall(allowed bool) {
	if allowed {
		m.allowed.Inc()
		return
	}
	m.denied.Inc()
}

// maxTools is how many tools are told apart. A broker has hundreds, and a client may bring any.
const maxTools = 200

// Treatment is what became of a tool result.
type Treatment struct {
	Tool          string // whose call it is proven to answer; "" when none is
	How, Status   string // pass, quarantine or drop; withheld or exhausted when less of it is shown
	Bits          float64
	Asked, Failed int           // questions, and how many of them have no answer
	Cached        bool          // the answers were there
	Model         time.Duration // how long a model took for them
}

// Treated counts a tool result, what it was charged, and what was asked about it.
func (m *Metrics) Treated(t Treatment) {
	if t.Status == "" {
		t.Status = "shown"
	}
	m.results.WithLabelValues(t.How, t.Status).Inc()
	if t.Bits > 0 {
		m.bits.WithLabelValues(m.tools.label(or(t.Tool, "unknown"))).Add(t.Bits)
	}
	if t.Asked > 0 {
		cached, failed := strconv.FormatBool(t.Cached), min(t.Failed, t.Asked)
		m.questions.WithLabelValues("answered", cached).Add(float64(t.Asked - failed))
		m.questions.WithLabelValues("failed", cached).Add(float64(failed))
	}
	if t.Model > 0 {
		m.asking.Observe(t.Model.Seconds())
	}
}

// Pin counts an offered tool whose description is not the approved one: new or changed, and warn, taint or refuse.
func (m *Metrics) Pin(state, mode string) { m.pins.WithLabelValues(state, mode).Inc() }

// Held changes the number of tool calls that are held back at present.
func (m *Metrics) Held(change int) { m.heldCalls.Add(float64(change)) }

// FirstByte notes how long a provider took until its response's headers.
func (m *Metrics) FirstByte(name string, seconds float64) {
	p, _ := m.provider(name)
	p.firstByte.Observe(seconds)
}

// FirstToken notes how long a provider took until the first piece of a streamed answer.
func (m *Metrics) FirstToken(name, model string, seconds float64) {
	p, _ := m.provider(name)
	p.token.WithLabelValues(modelLabel(model)).Observe(seconds)
}

// AuditFailed counts an audit line that was not taken, or a write of lines that failed.
func (m *Metrics) AuditFailed(error) { m.audit.Inc() }

// Policy says which revision of the policy decides from now on.
func (m *Metrics) Policy(revision string) {
	m.policyMu.Lock() // a reload, not an exchange
	defer m.policyMu.Unlock()
	m.policy.Reset()
	m.policy.WithLabelValues(revision).Set(1)
}

// provider is the children of a provider and its label; "" is the label where an exchange never came to one.
func (m *Metrics) provider(name string) (*provider, string) {
	if p, ok := m.providers[name]; ok {
		return p, name
	}
	if name == "" {
		return m.providers[Other], ""
	}
	return m.providers[Other], Other
}

func modelLabel(s string) string {
	if s == "" {
		return Other
	}
	return s
}

func decision(s string) string {
	switch s {
	case "allow", "refuse", "answer", "upstream_error", "cut":
		return s
	}
	return Other
}

func or(word, none string) string {
	if word == "" {
		return none
	}
	return word
}

func class(status int) string {
	switch status / 100 {
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	case 5:
		return "5xx"
	}
	return "none"
}
