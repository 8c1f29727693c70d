package prober

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// patient is how long a test waits for what must come.
const patient = 30 * time.Second

// stage is a prober on a real bus, and ears for what it says.
type stage struct {
	t        *testing.T
	bus      *bus.Bus
	dir      string               // its plugins
	metrics  *prometheus.Registry // of the one that was started last
	results  chan events.Result
	presence chan events.Presence
	stop     context.CancelFunc
	ended    chan error
}

func setStage(t *testing.T, concurrency int) *stage {
	t.Helper()
	t.Parallel()
	s := &stage{
		t: t, bus: bustest.New(t, 1).Bus(0), dir: t.TempDir(),
		results: make(chan events.Result, 1000), presence: make(chan events.Presence, 1000), ended: make(chan error, 1),
	}
	s.hear()
	s.stop, s.ended = s.run("tokyo", concurrency)
	return s
}

func (s *stage) hear() {
	s.t.Helper()
	_, err := bus.Subscribe(s.bus, events.NodeResults("tokyo"), func(r events.Result) { s.results <- r })
	if err == nil {
		_, err = bus.Subscribe(s.bus, events.PresenceSubject("tokyo"), func(p events.Presence) { s.presence <- p })
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// run starts a prober, and waits until it has said that it is there: then it hears what is published.
func (s *stage) run(node string, concurrency int) (context.CancelFunc, chan error) {
	s.t.Helper()
	s.metrics = prometheus.NewRegistry()
	p, err := New(Options{
		Bus: s.bus, Node: node, Site: "japan", PluginDirs: []string{s.dir}, Concurrency: concurrency, Version: "v9",
		Log: zerolog.New(zerolog.NewTestWriter(s.t)), Metrics: s.metrics,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patient):
			s.t.Error("the prober does not stop")
		}
	})
	for s.said().Instance != p.claim.instance {
	}
	return cancel, ended
}

func (s *stage) plugin(name, script string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "check_"+name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// gate makes a plugin that answers when the gate is opened.
func (s *stage) gate(name string) (open func()) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "open")
	s.plugin(name, "while ! [ -e "+path+" ]; do sleep 0.02; done; echo OK")
	return func() {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			s.t.Error(err)
		}
	}
}

func run(test string) events.Run {
	return events.Run{
		Check: events.Check{Host: "www.example.com", Test: test}, Plugin: test, Timeout: events.Millis(5 * time.Minute),
	}
}

func (s *stage) job(id, test string, interval time.Duration) {
	s.t.Helper()
	s.publish(&events.Job{ID: id, Node: "tokyo", Run: run(test), Interval: events.Millis(interval), Due: noon})
}

// jobOn is a job of another host.
func (s *stage) jobOn(id, host, test string, interval time.Duration) {
	s.t.Helper()
	r := run(test)
	r.Host = host
	s.publish(&events.Job{ID: id, Node: "tokyo", Run: r, Interval: events.Millis(interval), Due: noon})
}

func (s *stage) confirmation(id, test string, nodes ...string) {
	s.t.Helper()
	s.publish(&events.Confirmation{ID: id, Nodes: nodes, Run: run(test)})
}

func (s *stage) publish(m events.Message) {
	s.t.Helper()
	if err := s.bus.Publish(m); err != nil {
		s.t.Fatal(err)
	}
}

// result waits for the next result, which must have this id.
func (s *stage) result(id string) events.Result {
	s.t.Helper()
	select {
	case r := <-s.results:
		if r.ID != id {
			s.t.Fatalf("result %q %s %q, want %q", r.ID, r.Status, r.Output, id)
		}
		return r
	case <-time.After(patient):
		s.t.Fatalf("no result %q", id)
		panic("unreachable")
	}
}

// said waits for the next presence.
func (s *stage) said() events.Presence {
	s.t.Helper()
	select {
	case p := <-s.presence:
		return p
	case <-time.After(patient):
		s.t.Fatal("no presence")
		panic("unreachable")
	}
}

// saidThat waits for a presence of which something holds.
func (s *stage) saidThat(what string, holds func(events.Presence) bool) events.Presence {
	s.t.Helper()
	for end := time.Now().Add(patient); time.Now().Before(end); {
		if p := s.said(); holds(p) {
			return p
		}
	}
	s.t.Fatalf("no presence says that %s", what)
	panic("unreachable")
}

func TestJobBecomesResult(t *testing.T) {
	s := setStage(t, 2)
	s.plugin("web", "echo \"FAIL no route to $1|t=1s\"; echo more")
	s.job("j1", "web", time.Minute)
	r := s.result("j1")
	if r.Status != events.Fail || r.Output != "FAIL no route to www.example.com" || r.Detail != "more" || len(r.Perf) != 1 {
		t.Errorf("result %+v", r)
	}
	if r.Node != "tokyo" || r.Site != "japan" || !r.Due.Equal(noon) || r.Confirms != "" || r.Elapsed <= 0 || r.Started.IsZero() {
		t.Errorf("result %+v", r)
	}
	if want := "dmonitor.results.tokyo.web.www.example.com"; r.Subject() != want {
		t.Errorf("subject %s, want %s", r.Subject(), want)
	}
}

func TestMissingPluginIsAnAnswerToo(t *testing.T) {
	s := setStage(t, 2)
	s.job("j1", "nothing", time.Minute)
	if r := s.result("j1"); r.Status != events.Unknown || !strings.Contains(r.Output, "check_nothing not found in "+s.dir) {
		t.Errorf("result %+v", r)
	}
}

func TestConfirmation(t *testing.T) {
	s := setStage(t, 1)
	s.plugin("web", "echo OK")
	s.confirmation("elsewhere", "web", "paris", "london")
	s.confirmation("c1", "web", "paris", "tokyo")
	r := s.result("c1~tokyo")
	if r.Confirms != "c1" || !r.Due.IsZero() || r.Status != events.OK {
		t.Errorf("result %+v", r)
	}
}

func TestIDRunsOnce(t *testing.T) {
	s := setStage(t, 1)
	s.plugin("web", "echo OK")
	for range 3 {
		s.job("j1", "web", time.Minute)
	}
	s.job("j2", "web", time.Minute)
	s.result("j1")
	s.result("j2") // with one slot it would come after the doubles
	for range 3 {
		s.confirmation("j1", "web", "tokyo") // the id of the result that caused it; not the job again
	}
	s.result("j1~tokyo")
	s.job("j3", "web", time.Minute) // runs when all confirmations have ended
	s.result("j3")
}

func TestConfirmationOvertakesAFullQueue(t *testing.T) {
	s := setStage(t, 1)
	open := s.gate("slow")
	s.plugin("web", "echo OK")
	s.plugin("urgent", "echo OK")
	s.job("slow", "slow", time.Minute)
	for i := range 20 {
		s.job(fmt.Sprintf("j%d", i), "web", time.Minute)
	}
	s.saidThat("the slow one runs", func(p events.Presence) bool { return p.Running == 1 })
	s.confirmation("c1", "urgent", "tokyo")
	s.result("c1~tokyo") // by the reserve
	slow := s.gate("slower")
	s.confirmation("c2", "slower", "tokyo") // fills the reserve
	s.saidThat("the reserve is used", func(p events.Presence) bool { return p.Running == 2 })
	s.confirmation("c3", "urgent", "tokyo")
	slow()
	s.result("c2~tokyo")
	s.result("c3~tokyo")
	open()
	s.result("slow")
	for i := range 20 {
		s.result(fmt.Sprintf("j%d", i))
	}
}

func TestConfirmationRunsBesideTheSameCheck(t *testing.T) {
	s := setStage(t, 4)
	open := s.gate("web")
	s.job("j1", "web", time.Minute)
	s.confirmation("c1", "web", "tokyo")
	s.saidThat("both run", func(p events.Presence) bool { return p.Running == 2 })
	open()
	got := []string{}
	for range 2 {
		got = append(got, (<-s.results).ID)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"c1~tokyo", "j1"}) {
		t.Errorf("results %q", got)
	}
}

// What waited too long is not run, counted, and answered: this node can't tell. A slot is not needed for that.
func TestLateJobIsDroppedCountedAndAnswered(t *testing.T) {
	s := setStage(t, 1)
	open := s.gate("slow")
	s.plugin("web", "echo OK")
	s.job("slow", "slow", time.Minute)
	s.saidThat("the slow one runs", func(p events.Presence) bool { return p.Running == 1 })
	s.job("late", "web", events.MinInterval)
	s.job("patient", "web", time.Hour)
	r := s.result("late")
	if r.Status != events.Unknown || !strings.HasPrefix(r.Output, Dropped+" (waited ") || !r.Due.Equal(noon) || r.Started.IsZero() {
		t.Errorf("result %+v", r)
	}
	s.saidThat("one was late", func(p events.Presence) bool { return p.Late == 1 && p.Running == 1 })
	s.job("late", "web", time.Hour) // it has been answered
	open()
	s.result("slow")
	s.result("patient")
	s.job("next", "web", time.Hour)
	s.result("next")
	if p := s.said(); p.Late != 1 {
		t.Errorf("late %d, want 1", p.Late)
	}
}

// Who asked for a confirmation hears that it is not run, before the round it belongs to is over.
func TestLateConfirmationIsAnswered(t *testing.T) {
	s := setStage(t, 1)
	open := s.gate("slow")
	defer open()
	s.plugin("web", "echo OK")
	s.job("slow", "slow", time.Minute)
	s.saidThat("the slow one runs", func(p events.Presence) bool { return p.Running == 1 })
	s.confirmation("c1", "slow", "tokyo")
	s.saidThat("the reserve is used", func(p events.Presence) bool { return p.Running == 2 })
	r := run("web")
	r.Timeout = events.Millis(events.MinTimeout)
	s.publish(&events.Confirmation{ID: "c2", Nodes: []string{"tokyo"}, Run: r})
	if got := s.result("c2~tokyo"); got.Status != events.Unknown || got.Confirms != "c2" || !strings.HasPrefix(got.Output, Dropped) {
		t.Errorf("result %+v", got)
	}
}

func TestPresence(t *testing.T) {
	s := setStage(t, 1)
	s.plugin("web", "echo OK")
	p := s.saidThat("there is a plugin", func(p events.Presence) bool { return slices.Equal(p.Plugins, []string{"web"}) })
	if p.Node != "tokyo" || p.Site != "japan" || p.Version != "v9" || p.Leaving || p.Instance == "" || p.Running != 0 {
		t.Errorf("presence %+v", p)
	}
	if err := os.Remove(filepath.Join(s.dir, "check_web")); err != nil {
		t.Fatal(err)
	}
	s.saidThat("there is none", func(p events.Presence) bool { return len(p.Plugins) == 0 })
}

func TestStopIsClean(t *testing.T) {
	s := setStage(t, 2)
	pid := filepath.Join(t.TempDir(), "pid")
	s.plugin("web", "echo $$ > "+pid+"; sleep 3600; echo OK")
	for i := range 10 {
		s.job(fmt.Sprintf("j%d", i), "web", time.Minute)
	}
	s.saidThat("two run", func(p events.Presence) bool { return p.Running == 2 })
	await(t, "the plugin runs", func() bool { b, _ := os.ReadFile(pid); return bytes.HasSuffix(b, []byte("\n")) })
	s.stop()
	last := s.saidThat("it leaves", func(p events.Presence) bool { return p.Leaving })
	if last.Running != 0 {
		t.Errorf("%d plugins run at the last word", last.Running)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("run: %v", err)
		}
		s.ended <- nil // for the clean-up
	case <-time.After(patient):
		t.Fatal("the prober does not stop")
	}
	select {
	case r := <-s.results:
		t.Errorf("a result of a plugin that was killed at the stop: %+v", r)
	default:
	}
	b, _ := os.ReadFile(pid)
	var n int
	if _, err := fmt.Sscan(string(b), &n); err != nil || syscall.Kill(n, 0) == nil {
		t.Errorf("process %d is still there (%v)", n, err)
	}
}

func TestYoungerProcessOfOneNameGivesUp(t *testing.T) {
	s := setStage(t, 1)
	_, ended := s.run("tokyo", 1)
	select {
	case err := <-ended:
		if !errors.Is(err, ErrNameTaken) {
			t.Errorf("it ended with %v", err)
		}
		if strings.HasPrefix(err.Error(), "prober:") || !strings.Contains(err.Error(), "credentials of another name") {
			t.Errorf("it ended with %v; want the remedy, and its name once (proc adds it)", err)
		}
		ended <- nil // for the clean-up
	case <-time.After(patient):
		t.Fatal("it does not give up")
	}
	s.plugin("web", "echo OK")
	s.job("j1", "web", time.Minute)
	s.result("j1") // the elder one goes on
	for len(s.presence) > 0 {
		if (<-s.presence).Leaving {
			t.Error("the younger one said goodbye in the elder one's name")
		}
	}
}

// A prober doesn't say that it is looking while nobody can order anything.
func TestNotConnectedIsNotLooking(t *testing.T) {
	t.Parallel()
	away, err := bus.Open(t.Context(), bus.Options{URL: "nats://127.0.0.1:1", Node: "tokyo", Plain: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = away.Close(context.Background()) })
	if got := (&Prober{o: Options{Bus: away}}).looking(); !strings.Contains(got, "as soon as it is connected") {
		t.Error(got)
	}
	if got := (&Prober{o: Options{Bus: bustest.New(t, 1).Bus(0)}}).looking(); got != "prober is looking" {
		t.Error(got)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	b := &bus.Bus{}
	good := Options{Bus: b, Node: "n", PluginDirs: []string{"/x"}}
	if _, err := New(good); err != nil {
		t.Errorf("good options: %v", err)
	}
	for what, change := range map[string]func(*Options){
		"no bus":             func(o *Options) { o.Bus = nil },
		"no node":            func(o *Options) { o.Node = "" },
		"a node in capitals": func(o *Options) { o.Node = "N" },
		"a bad site":         func(o *Options) { o.Site = "a b" },
		"no folders":         func(o *Options) { o.PluginDirs = nil },
		"no slot":            func(o *Options) { o.Concurrency = -1 },
		"too many slots":     func(o *Options) { o.Concurrency = maxConcurrency + 1 },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestPluginDirs(t *testing.T) {
	got := PluginDirs("/etc/dmonitor", "/a")
	if want := []string{"/etc/dmonitor/plugins", "/a", ShippedPlugins, NagiosPlugins}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patient, what)
		}
	}
}

// TestMain looks for goroutines of this service that outlived their prober. (The bus under test has its own.)
func TestMain(m *testing.M) {
	code := m.Run()
	var dump bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&dump, 1)
	if s := dump.String(); strings.Contains(s, "prober.(*Prober)") || strings.Contains(s, "prober/plugin") {
		fmt.Println("goroutines are left:\n" + s)
		code = 1
	}
	os.Exit(code)
}
