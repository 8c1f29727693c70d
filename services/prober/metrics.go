package prober

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// metrics are what is counted as it happens. What the queue counts anyway is read when somebody asks.
type metrics struct {
	results *prometheus.CounterVec // by status
}

// newMetrics registers what the prober counts with r; nil registers nowhere.
func (p *Prober) newMetrics(r prometheus.Registerer) metrics {
	auto := promauto.With(r)
	read := func(value func(*queue) float64) func() float64 {
		return func() float64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return value(&p.queue)
		}
	}
	auto.NewCounterFunc(prometheus.CounterOpts{
		Name: "dmonitor_jobs_late_total",
		Help: "Jobs and confirmations that were not run, because they waited too long or found no room to wait.",
	}, read(func(q *queue) float64 { return float64(q.late) }))
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dmonitor_jobs_waiting", Help: "Jobs and confirmations that wait for a slot.",
	}, read(func(q *queue) float64 { return float64(q.waiting()) }))
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dmonitor_plugins_running", Help: "Plugins that run now.",
	}, read(func(q *queue) float64 { return float64(q.running) }))
	m := metrics{results: auto.NewCounterVec(prometheus.CounterOpts{
		Name: "dmonitor_results_total", Help: "Results that were published, by status.",
	}, []string{"status"})}
	for _, s := range events.Statuses {
		m.results.WithLabelValues(string(s)) // so that each is there, at 0
	}
	return m
}
