package prober

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// process is a dmonitor-prober of its own, and a stage that hears it.
type process struct {
	*stage
	cmd  *exec.Cmd
	mu   sync.Mutex
	log  strings.Builder
	done chan error
}

// startProcess runs the program on a bus, as "tokyo".
func startProcess(t *testing.T, b *bus.Bus, url string) *process {
	t.Helper()
	p := &process{
		stage: &stage{
			t: t, bus: b, dir: t.TempDir(),
			results: make(chan events.Result, 1000), presence: make(chan events.Presence, 1000),
		},
		done: make(chan error, 1),
	}
	p.hear()
	binary := filepath.Join(t.TempDir(), "dmonitor-prober")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/dmonitor-prober").CombinedOutput(); err != nil {
		t.Fatalf("build dmonitor-prober: %v\n%s", err, out)
	}
	p.cmd = exec.Command(binary)
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "DMONITOR_NODE=tokyo", "DMONITOR_CONFIG=" + t.TempDir(), "DMONITOR_BUS_URL=" + url,
		"DMONITOR_PLUGINS=" + p.dir, "DMONITOR_HTTP_LISTEN=127.0.0.1:0", "DMONITOR_LOG_FORMAT=json",
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.mu.Lock()
			p.log.WriteString(s.Text() + "\n")
			p.mu.Unlock()
		}
		p.done <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("its log:\n%s", p.logged())
		}
	})
	p.said()
	return p
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// page reads a page of the process.
func (p *process) page(path string) (status int, body string) {
	p.t.Helper()
	var at string
	await(p.t, "the log says where the metrics are", func() bool {
		at = regexp.MustCompile(`http://[\d.:]+`).FindString(p.logged())
		return at != ""
	})
	resp, err := http.Get(at + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// A real process serves metrics that Prometheus understands, and stops well.
func TestProcessServesMetrics(t *testing.T) {
	t.Parallel()
	b := bustest.New(t, 1).Bus(0)
	p := startProcess(t, b, b.ClientURL())
	p.plugin("web", "echo FAIL")
	for i := range 3 {
		p.job(fmt.Sprintf("j%d", i), "web", time.Minute)
		p.result(fmt.Sprintf("j%d", i))
	}
	status, text := p.page("/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v:\n%s", status, err, text)
	}
	for name, want := range map[string]dto.MetricType{
		"dmonitor_build_info": dto.MetricType_GAUGE, "dmonitor_jobs_late_total": dto.MetricType_COUNTER,
		"dmonitor_jobs_waiting": dto.MetricType_GAUGE, "dmonitor_plugins_running": dto.MetricType_GAUGE,
		"dmonitor_results_total": dto.MetricType_COUNTER, "go_goroutines": dto.MetricType_GAUGE,
		"process_start_time_seconds": dto.MetricType_GAUGE,
	} {
		if f := families[name]; f == nil || f.GetType() != want {
			t.Errorf("%s: %v, want type %v", name, f, want)
		}
	}
	for _, m := range families["dmonitor_results_total"].GetMetric() {
		want := map[string]float64{"fail": 3}[m.GetLabel()[0].GetValue()]
		if m.GetCounter().GetValue() != want {
			t.Errorf("results: %v, want %v", m, want)
		}
	}
	if n := len(families["dmonitor_results_total"].GetMetric()); n != len(events.Statuses) {
		t.Errorf("%d statuses, want %d", n, len(events.Statuses))
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("against the conventions: %v %v", problems, err)
	}
	if status, text := p.page("/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("/healthz: %d %q", status, text)
	}
	if status, _ := p.page("/other"); status != http.StatusNotFound {
		t.Errorf("/other: %d", status)
	}
	p.signal(syscall.SIGTERM)
	if err := <-p.done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	p.done <- nil // for the clean-up
}

// What a node saw before it was frozen is no news when it wakes up. (It sleeps shorter than the bus keeps its connection.)
func TestFrozenNodeCannotTell(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	b := bustest.New(t, 1).Bus(0)
	p := startProcess(t, b, b.ClientURL())
	begun, end := filepath.Join(t.TempDir(), "begun"), filepath.Join(t.TempDir(), "end")
	p.plugin("web", "touch "+begun+"; while ! [ -e "+end+" ]; do sleep 0.02; done; echo FAIL no route")
	order := func(id string) {
		r := run("web")
		r.Timeout = events.Millis(timeout)
		p.publish(&events.Job{ID: id, Node: "tokyo", Run: r, Interval: events.Millis(time.Minute), Due: noon})
	}
	order("frozen")
	await(t, "the plugin runs", func() bool { _, err := os.Stat(begun); return err == nil })
	p.signal(syscall.SIGSTOP)
	frozen := time.Now()
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "time has passed", func() bool { return time.Since(frozen) > timeout+stallSlack })
	p.signal(syscall.SIGCONT)
	if r := p.result("frozen"); r.Status != events.Unknown || !strings.Contains(r.Output, "stood still") || !strings.Contains(r.Detail, "no route") {
		t.Errorf("result %s %q %q", r.Status, r.Output, r.Detail)
	}
	order("awake")
	if r := p.result("awake"); r.Status != events.Fail {
		t.Errorf("result %s %q", r.Status, r.Output)
	}
}

func TestStoodStill(t *testing.T) {
	for _, tc := range []struct {
		elapsed time.Duration
		want    string
	}{
		{0, ""},
		{10 * time.Second, ""},
		{11 * time.Second, ""},
		{11*time.Second + 1, "this node stood still meanwhile (11s for a timeout of 10s), so it can't tell"},
		{time.Minute, "this node stood still meanwhile (1m0s for a timeout of 10s), so it can't tell"},
	} {
		if got := stoodStill(tc.elapsed, 10*time.Second); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.elapsed, got, tc.want)
		}
	}
}
