package mcpbroker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Why something of a server is not listed.
const (
	leftDown      = "down"      // the server cannot be asked, or not in time
	leftInvalid   = "invalid"   // its list is not what the protocol says
	leftDuplicate = "duplicate" // it gives a name twice
	leftName      = "name"      // a name that cannot be one
	leftPin       = "pin"       // a description that is not the approved one
)

// metrics count what the broker does. Labels are bounded: servers are those of the configuration.
type metrics struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	fetches *prometheus.CounterVec
	left    *prometheus.CounterVec
	up      *prometheus.GaugeVec
	streams prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		calls: counter("yellowjack_mcp_calls_total", "Calls of MCP clients to servers, by what was decided.", "server", "method", "decision"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "yellowjack_mcp_server_seconds", Help: "Time until a server's answer to a call.",
			Buckets:                     []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"server"}),
		fetches: counter("yellowjack_mcp_lists_total", "Lists fetched from servers, by outcome.", "server", "outcome"),
		left:    counter("yellowjack_mcp_left_out_total", "What is not listed although a server has it, by reason.", "server", "reason"),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "yellowjack_mcp_server_up", Help: "Whether a server's last list could be had.",
		}, []string{"server"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "yellowjack_mcp_listening", Help: "Clients that listen for changes."}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.calls, m.seconds, m.fetches, m.left, m.up, m.streams} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
