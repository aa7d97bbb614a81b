package telemetry

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is every metric as it is registered. docs/telemetry.md lists them; a test holds the two together.
type metrics struct {
	exchanges, refusals, calls, tools *prometheus.CounterVec
	results, pins, bits, questions    *prometheus.CounterVec
	overloaded, audit                 prometheus.Counter
	inFlight, heldCalls               prometheus.Gauge
	policy, build                     *prometheus.GaugeVec
	own, firstByte, asking            *prometheus.HistogramVec
	tokens, duration, token           *prometheus.HistogramVec
	cost, unpriced                    *prometheus.CounterVec
}

func (d *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		d.exchanges, d.refusals, d.calls, d.tools, d.results, d.bits, d.questions, d.asking, d.pins, d.overloaded, d.audit, d.inFlight, d.heldCalls, d.policy, d.build,
		d.own, d.firstByte, d.tokens, d.duration, d.token, d.cost, d.unpriced,
	}
}

// Buckets. The gen_ai ones are those that the OpenTelemetry conventions advise.
var (
	ownBuckets     = [...]float64{25e-6, 50e-6, 100e-6, 150e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 10e-3, 100e-3, 1}
	tokenBuckets   = [...]float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	secondsBuckets = [...]float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	firstBuckets   = [...]float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
)

func definitions() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	info := func(name, help string, constant prometheus.Labels, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: constant}, labels)
	}
	// Every histogram is native as well, for scrapers that ask for it.
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, labels)
	}
	genAI := func(more ...string) []string { return append([]string{"gen_ai_provider_name"}, more...) }
	return &metrics{
		exchanges: counter("yellowjack_exchanges_total", "Exchanges that ended, by what was decided.",
			"decision", "surface", "provider", "status"),
		refusals: counter("yellowjack_refusals_total", "Refusals, by machine code.", "code"),
		calls:    counter("yellowjack_tool_calls_total", "Tool calls that models made, by verdict.", "verdict"),
		tools:    counter("yellowjack_tools_total", "Tools that clients brought, by whether the model was offered them.", "offer"),
		results:  counter("yellowjack_results_total", "Tool results in requests, by what became of them.", "treatment", "status"),
		pins:     counter("yellowjack_tool_pins_total", "Offered tools whose description is not the approved one.", "state", "mode"),
		bits:     counter("yellowjack_quarantine_bits_total", "Bits of information that untrusted content was charged.", "tool"),
		questions: counter("yellowjack_quarantine_questions_total", "Questions about untrusted content, by what came of them.",
			"outcome", "cached"),
		asking:     histogram("yellowjack_quarantine_model_seconds", "Time that a quarantined model took for a result's questions.", secondsBuckets[:]),
		overloaded: counter("yellowjack_overloaded_total", "Exchanges refused because too many were open.").WithLabelValues(),
		audit:      counter("yellowjack_audit_failures_total", "Audit lines not taken and writes of lines that failed.").WithLabelValues(),
		inFlight:   gauge("yellowjack_exchanges_in_flight", "Exchanges that are open."),
		heldCalls:  gauge("yellowjack_held_calls", "Tool calls that are held back until they are decided."),
		policy:     info("yellowjack_policy_info", "The policy revision that decides; always 1.", nil, "revision"),
		build: info("yellowjack_build_info", "The version of this binary; always 1.",
			prometheus.Labels{"go_version": runtime.Version()}, "version"),
		own:       histogram("yellowjack_own_seconds", "Our own time for one half of an exchange.", ownBuckets[:], "half"),
		firstByte: histogram("yellowjack_upstream_first_byte_seconds", "Time until a provider's response headers.", firstBuckets[:], "provider"),
		tokens: histogram("gen_ai_client_token_usage", "Tokens of one exchange, as the provider counts them.", tokenBuckets[:],
			genAI("gen_ai_token_type", "gen_ai_request_model")...),
		cost:     counter("yellowjack_cost_usd_total", "What answers cost, in US dollars, by who says so.", genAI("gen_ai_request_model", "price")...),
		unpriced: counter("yellowjack_cost_unknown_total", "Answers whose cost is not known.", genAI("gen_ai_request_model")...),
		duration: histogram("gen_ai_server_request_duration_seconds", "Time until the end of an answer.", secondsBuckets[:], genAI("gen_ai_request_model")...),
		token: histogram("gen_ai_server_time_to_first_token_seconds", "Time until the first piece of a streamed answer.", firstBuckets[:],
			genAI("gen_ai_request_model")...),
	}
}
