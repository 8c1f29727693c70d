package mailer

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// countEvery is how often it is counted what waits in the queue.
const countEvery = 15 * time.Second

// metrics are what a mailer counts. What waits in the queue is the same on all mailers; the rest is this one's.
type metrics struct {
	sent, failed, uncommitted prometheus.Counter
	pending                   prometheus.Gauge
}

// newMetrics registers what is counted with r; nil registers nowhere.
func newMetrics(r prometheus.Registerer) metrics {
	auto := promauto.With(r)
	count := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return metrics{
		sent:        count("dmonitor_notices_sent_total", "Notices that this mailer's mail server has taken."),
		failed:      count("dmonitor_notices_failed_total", "Notices that this mailer has given up: refused for good, or tried for a day."),
		uncommitted: count("dmonitor_notices_uncommitted_total", "Notices that this mailer has sent without a majority."),
		pending: auto.NewGauge(prometheus.GaugeOpts{
			Name: "dmonitor_notices_pending", Help: "Notices in the queue that are not sent yet, the same on all mailers; NaN while that can't be known.",
		}),
	}
}

// countPending counts what waits in the queue, now and then, until ctx ends.
func (m *Mailer) countPending(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		n, err := m.bus.PendingNotices(ctx)
		if err != nil {
			m.metrics.pending.Set(math.NaN())
		} else {
			m.metrics.pending.Set(float64(n))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
