package prober

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// A prober that has lost its connection to the bus says nothing of what it saw meanwhile, now or later. The cable is cut
// without a word, and what was written into it arrives when it is mended, as with TCP.
func TestLostConnectionMakesSilent(t *testing.T) {
	t.Parallel()
	member := bustest.New(t, 1).Bus(0)
	c := newCable(t, strings.TrimPrefix(member.ClientURL(), "nats://"))
	client := openBus(t, "nats://"+c.addr())
	s := newStage(t, client, member)
	s.run("tokyo", 4)
	s.plugin("web", "echo OK")
	s.job("before", "web", time.Minute)
	s.result("before")
	endEarly, endLate := s.underWay()

	c.cut()
	endEarly() // and its result goes into the cable
	await(t, "both ends have given each other up", func() bool { return !client.Conn().IsConnected() && c.idle() })
	endLate()
	await(t, "nothing runs", func() bool { return value(t, s.metrics, "dmonitor_plugins_running", "") == 0 })
	c.mend()
	await(t, "it is connected again", client.Conn().IsConnected)
	s.onlyFromNow()
}

// A node whose member of the bus is cut off from the others goes on looking, and the others never hear of what it saw
// while they were apart.
func TestMemberThatIsCutOffIsSilent(t *testing.T) {
	t.Parallel()
	cluster := bustest.New(t, 3)
	s := newStage(t, cluster.Bus(0), cluster.Bus(1))
	s.run("tokyo", 4)
	s.plugin("web", "echo OK")
	s.job("before", "web", time.Minute)
	s.result("before")
	endEarly, endLate := s.underWay()
	here := make(chan string, 1000)
	_, err := bus.Subscribe(cluster.Bus(0), events.NodeResults("tokyo"), func(r events.Result) { here <- r.ID })
	if err != nil {
		t.Fatal(err)
	}

	apart := func() bool {
		others := cluster.Bus(1).Members()
		return len(cluster.Bus(0).Members()) == 0 && len(others) == 1 && others[0] == "n2" && len(cluster.Bus(2).Members()) == 1
	}
	cluster.Cut(0)
	endEarly()
	await(t, "they have given each other up", apart)
	endLate()
	await(t, "nothing runs", func() bool { return value(t, s.metrics, "dmonitor_plugins_running", "") == 0 })
	for _, id := range []string{"early", "late"} {
		select {
		case got := <-here:
			if got != id {
				t.Errorf("on its own it said %q, want %q", got, id)
			}
		case <-time.After(patient):
			t.Fatalf("on its own it did not say %q", id)
		}
	}
	cluster.Heal(0)
	await(t, "all are together", func() bool {
		return len(cluster.Bus(0).Members()) == 2 && len(cluster.Bus(1).Members()) == 2 && len(cluster.Bus(2).Members()) == 2
	})
	s.onlyFromNow()
}

// newStage is a stage whose prober speaks on one bus and whose ears are on another.
func newStage(t *testing.T, speaks, hears *bus.Bus) *stage {
	t.Helper()
	s := &stage{
		t: t, bus: hears, dir: t.TempDir(),
		results: make(chan events.Result, 1000), presence: make(chan events.Presence, 1000),
	}
	s.hear()
	s.bus = speaks
	return s
}

// underWay starts two runs, "early" and "late", that end when they are told to.
func (s *stage) underWay() (endEarly, endLate func()) {
	s.t.Helper()
	endEarly, endLate = s.gate("early"), s.gate("late")
	s.job("early", "early", time.Hour)
	s.job("late", "late", time.Hour)
	s.saidThat("both run", func(p events.Presence) bool { return p.Running == 2 })
	return endEarly, endLate
}

// onlyFromNow sees to it that nothing is heard but what is looked at from now on. It looks until it has been heard twice,
// because who has just met again needs a moment to know what the others want to hear.
func (s *stage) onlyFromNow() {
	s.t.Helper()
	heard := 0
	for n, end := 0, time.Now().Add(patient); heard < 2; n++ {
		if time.Now().After(end) {
			s.t.Fatalf("after %v it has been heard %d times again", patient, heard)
		}
		_ = s.bus.Publish(&events.Job{
			ID: fmt.Sprintf("after%d", n), Node: "tokyo", Run: run("web"), Interval: events.Millis(time.Minute), Due: noon,
		})
		select {
		case r := <-s.results:
			if heard++; !strings.HasPrefix(r.ID, "after") {
				s.t.Errorf("heard of %q, which was found while nobody could hear of it", r.ID)
			}
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func openBus(t *testing.T, url string) *bus.Bus {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patient)
	defer stop()
	b, err := bus.Open(ctx, bus.Options{URL: url, Node: "tokyo", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), patient)
		defer stop()
		_ = b.Close(ctx)
	})
	if err := b.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// cable is a way to a server that can be cut. While it is, nothing moves on it and nobody is told.
type cable struct {
	t     *testing.T
	ln    net.Listener
	to    string
	mu    sync.Mutex
	whole chan struct{} // closed while it is
	open  int           // connections that the server has not closed
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{t: t, ln: ln, to: to, whole: make(chan struct{})}
	close(c.whole)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			go c.serve(near)
		}
	}()
	return c
}

func (c *cable) addr() string { return c.ln.Addr().String() }

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = make(chan struct{})
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.whole)
}

// wait waits until the cable is whole, or the test is over.
func (c *cable) wait() {
	c.mu.Lock()
	whole := c.whole
	c.mu.Unlock()
	select {
	case <-whole:
	case <-c.t.Context().Done():
	}
}

// idle tells whether the server has closed every connection it had.
func (c *cable) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open == 0
}

func (c *cable) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
}

func (c *cable) serve(near net.Conn) {
	c.wait()
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		_ = near.Close()
		return
	}
	c.count(1)
	context.AfterFunc(c.t.Context(), func() { near.Close(); far.Close() })
	go c.carry(far, near, func() {})
	c.carry(near, far, func() { c.count(-1) })
}

// carry moves bytes as long as the cable is whole, and the end after them. It reads on while it is cut, so that it sees
// the end, of which it tells at once.
func (c *cable) carry(to, from net.Conn, ended func()) {
	defer to.Close()
	way := make(chan []byte, 1000)
	go func() {
		defer ended()
		defer close(way)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			way <- buf[:n]
		}
	}()
	for b := range way {
		c.wait()
		_, _ = to.Write(b)
	}
	c.wait()
}
