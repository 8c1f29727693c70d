package arbiter

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// metrics are what an arbiter believes, as of the last second, and what it counts.
type metrics struct {
	open, blind, uncommitted prometheus.Gauge
	dismissed                prometheus.Counter
}

// newMetrics registers what the arbiter counts with r; nil registers nowhere.
func newMetrics(r prometheus.Registerer) metrics {
	auto := promauto.With(r)
	gauge := func(name, help string) prometheus.Gauge {
		return auto.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return metrics{
		open:        gauge("dmonitor_outages_open", "Checks that are down, as this arbiter reads the log."),
		blind:       gauge("dmonitor_checks_blind", "Checks that too few sites are able to judge, as this arbiter sees it."),
		uncommitted: gauge("dmonitor_uncommitted", "Decisions that wait to be committed."),
		dismissed: auto.NewCounter(prometheus.CounterOpts{
			Name: "dmonitor_rounds_dismissed_total", Help: "Rounds that ended without agreement.",
		}),
	}
}

// show sets the gauges.
func (m *metrics) show(c round.Counts) {
	m.open.Set(float64(c.Open))
	m.blind.Set(float64(c.Blind))
	m.uncommitted.Set(float64(c.Pending))
}
