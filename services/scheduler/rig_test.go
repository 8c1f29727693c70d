package scheduler

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// rig is a cluster whose members each have a scheduler with a directory of its own, and a stand-in for a prober that
// says it is there and writes down the jobs it gets.
type rig struct {
	*testing.T
	cluster *bustest.Cluster
	parts   []*part
	since   time.Time // used by complete

	mu   sync.Mutex
	got  []received
	ids  map[string]time.Time // when each was received first
	seen chan struct{}        // closed and replaced when something was received
}

type part struct {
	name, dir string
	log       *logLines
	stop      func()        // the scheduler
	leave     func()        // the prober
	worst     time.Duration // how late its latest job was
}

type received struct {
	events.Job
	node string // the one that received it
}

func newRig(t *testing.T, n int) *rig {
	r := &rig{T: t, cluster: bustest.New(t, n), ids: map[string]time.Time{}, seen: make(chan struct{})}
	for i := range n {
		p := &part{name: r.cluster.Name(i), dir: t.TempDir(), log: &logLines{}}
		r.parts = append(r.parts, p)
		r.startScheduler(i)
		r.startProber(i)
	}
	return r
}

func (r *rig) startScheduler(i int) {
	r.Helper()
	p := r.parts[i]
	s, err := New(Options{Bus: r.cluster.Bus(i), Node: p.name, Dir: p.dir, Log: zerolog.New(p.log)})
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.Errorf("scheduler %s: %v", p.name, err)
		}
	})
	r.Cleanup(p.stop)
}

func (r *rig) startProber(i int) {
	r.Helper()
	b, name := r.cluster.Bus(i), r.parts[i].name
	sub, err := bus.Subscribe(b, events.JobsSubject(name), func(j events.Job) { r.receive(received{j, name}) })
	if err != nil {
		r.Fatal(err)
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(events.PresenceInterval / 5) // more often than a prober: this machine may be busy
		defer tick.Stop()
		for {
			_ = b.Publish(&events.Presence{Node: name, Site: name, Instance: "a", Version: "test"})
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	})
	r.parts[i].leave = sync.OnceFunc(func() {
		close(end)
		wg.Wait()
		sub.Stop()
	})
	r.Cleanup(r.parts[i].leave)
}

// receive takes an id once, as a prober does.
func (r *rig) receive(j received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.ids[j.ID]; known {
		return
	}
	r.ids[j.ID] = time.Now()
	r.got = append(r.got, j)
	close(r.seen)
	r.seen = make(chan struct{})
}

// until waits until enough tells that what was received since this call is enough.
func (r *rig) until(what string, enough func([]received) bool) []received {
	r.Helper()
	deadline := time.After(bustest.Patience)
	r.mu.Lock()
	from := len(r.got)
	r.mu.Unlock()
	for {
		r.mu.Lock()
		got, seen := r.got[from:len(r.got):len(r.got)], r.seen
		r.mu.Unlock()
		if enough(got) {
			return got
		}
		select {
		case <-seen:
		case <-deadline:
			r.Fatalf("waited for %s; received %d jobs meanwhile, the last ones %v", what, len(got), tail(got))
		}
	}
}

func tail(got []received) (ids []string) {
	for _, j := range got[max(0, len(got)-10):] {
		ids = append(ids, j.ID+" by "+j.node)
	}
	return ids
}

func (r *rig) write(i int, file, content string) {
	r.Helper()
	name := filepath.Join(r.parts[i].dir, file)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(name+"~", []byte(content), 0o644); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(name+"~", name); err != nil {
		r.Fatal(err)
	}
}

// leader waits until somebody publishes, and returns its number.
func (r *rig) leader() int { return r.leaderSeenBy(0) }

func (r *rig) leaderSeenBy(member int) int {
	r.Helper()
	deadline := time.Now().Add(bustest.Patience)
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(context.Background(), bustest.Patience)
		holder, err := r.cluster.Bus(member).LeaseHolder(ctx, events.LeaseScheduler)
		cancel()
		for i, p := range r.parts {
			if err == nil && p.name == holder {
				return i
			}
		}
		<-time.After(10 * time.Millisecond)
	}
	r.Fatal("nobody holds the lease")
	return 0
}

// logLines is a log that can be waited for.
type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logLines) count(want string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), want)
}

func (r *rig) waitLog(i int, want string) {
	r.Helper()
	for deadline := time.Now().Add(bustest.Patience); r.parts[i].log.count(want) == 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("%s did not log %q, but:\n%s", r.parts[i].name, want, r.parts[i].log.text.String())
		}
	}
}

// counts counts jobs by host and node.
func counts(got []received) map[string]int {
	n := map[string]int{}
	for _, j := range got {
		n[j.Host+" "+j.node]++
	}
	return n
}

// everyNode tells whether each of the nodes has received so many jobs for a host.
func (r *rig) everyNode(host string, times int, but ...int) func([]received) bool {
	return func(got []received) bool {
		n := counts(got)
		for i, p := range r.parts {
			if len(but) > 0 && i == but[0] {
				continue
			}
			if n[host+" "+p.name] < times {
				return false
			}
		}
		return true
	}
}

// settle waits until every member has all of every log. Until then one that was away may not be fit to lead, and it is
// no majority together with only one other.
func (r *rig) settle() {
	r.Helper()
	for deadline := time.Now().Add(bustest.Patience); !r.settled(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatal("the members don't catch up")
		}
	}
}

func (r *rig) settled() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	list := r.cluster.Bus(0).JetStream().ListStreams(ctx)
	n := 0
	for info := range list.Info() {
		n++
		if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != r.cluster.Len()-1 {
			return false
		}
		for _, peer := range info.Cluster.Replicas {
			if !peer.Current || peer.Offline {
				return false
			}
		}
	}
	return n > 0 && list.Err() == nil
}
