package bus_test

import (
	"context"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// pair opens two members that are connected, with TLS or without.
func pair(b *testing.B, source key.Source) (from, to *bus.Bus) {
	b.Helper()
	var nodes []string
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(b, err)
		nodes = append(nodes, ln.Addr().String())
		must(b, ln.Close())
	}
	var both []*bus.Bus
	for i, listen := range nodes {
		m, err := bus.Open(within(b), bus.Options{
			Node: []string{"from", "to"}[i], Nodes: nodes, Listen: listen, ClientListen: "127.0.0.1:0", Data: b.TempDir(), Key: source, Log: zerolog.Nop(),
		})
		must(b, err)
		b.Cleanup(func() {
			ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
			defer stop()
			_ = m.Close(ctx)
		})
		both = append(both, m)
	}
	eventually(b, "they are connected", func() bool { return len(both[0].Members())+len(both[1].Members()) == 2 })
	return both[0], both[1]
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// route measures one connection between members: the CPU that a message of 300 bytes takes there and on either side, and the
// median time there and back of one alone.
func route(b *testing.B, source key.Source, n int) (perMessage, roundTrip time.Duration) {
	b.Helper()
	from, to := pair(b, source)
	body := make([]byte, 300)
	came := make(chan struct{}, n)
	_, err := to.Conn().Subscribe("bench.one-way", func(*nats.Msg) { came <- struct{}{} })
	must(b, err)
	_, err = to.Conn().Subscribe("bench.echo", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	must(b, err)
	must(b, to.Conn().Flush())
	eventually(b, "the other member knows", func() bool {
		_, err := from.Conn().Request("bench.echo", body, time.Second)
		return err == nil
	})
	began := cpu(b)
	for i := range n {
		must(b, from.Conn().Publish("bench.one-way", body))
		if i%1000 == 999 { // so that no buffer overflows
			for range 1000 {
				receive(b, "a message", came)
			}
		}
	}
	perMessage = (cpu(b) - began) / time.Duration(n)
	var trips []time.Duration
	for range 1000 {
		start := time.Now()
		_, err := from.Conn().Request("bench.echo", body, time.Minute)
		must(b, err)
		trips = append(trips, time.Since(start))
	}
	slices.Sort(trips)
	return perMessage, trips[len(trips)/2]
}

// What the TLS between members costs, as ratios in one run.
func BenchmarkRoutes(b *testing.B) {
	ring := bustest.NewRing(b)
	var clear, secured [2][]time.Duration
	for range b.N {
		for range 3 { // in turn, so that a busy machine hits both
			for _, r := range []struct {
				source key.Source
				into   *[2][]time.Duration
			}{{nil, &clear}, {func() *key.Ring { return ring }, &secured}} {
				c, l := route(b, r.source, 50_000)
				r.into[0], r.into[1] = append(r.into[0], c), append(r.into[1], l)
			}
		}
	}
	for i, unit := range []string{"cpu", "latency"} {
		c, s := slices.Min(clear[i]), slices.Min(secured[i])
		b.ReportMetric(float64(s)/float64(c), unit+"-ratio")
		b.ReportMetric(float64(c.Nanoseconds())/1e3, unit+"-clear-µs")
		b.ReportMetric(float64(s.Nanoseconds())/1e3, unit+"-tls-µs")
	}
}
