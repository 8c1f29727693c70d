package proc

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"
)

// patience bounds every wait.
const patience = time.Minute

// served is a process of pages alone.
type served struct {
	t    *testing.T
	p    *Process
	log  *safeBuffer
	stop context.CancelFunc
	done chan struct{}
}

func serve(t *testing.T, listen string) *served {
	t.Helper()
	s := &served{t: t, log: &safeBuffer{}, done: make(chan struct{})}
	r := newRegistry()
	s.p = &Process{
		Env: Env{HTTPListen: listen}, Log: zerolog.New(s.log).Level(zerolog.InfoLevel), Metrics: r, HTTP: newPages(r),
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() {
		defer close(s.done)
		if err := s.p.serveHTTP(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		s.ended()
	})
	return s
}

func (s *served) ended() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatal("it does not stop")
	}
}

// says waits for words in the log.
func (s *served) says(words string) {
	s.t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(s.log.String(), words); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("it does not say %q but\n%s", words, s.log)
		}
	}
}

// at waits until it serves, and returns where.
func (s *served) at() string {
	s.t.Helper()
	s.says("/metrics")
	_, after, _ := strings.Cut(s.log.String(), "metrics are on ")
	url, _, _ := strings.Cut(after, "/metrics")
	return url
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body)
}

// What a part registers is served, beside what the process tells of itself.
func TestPartsRegisterWhatTheyCount(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0")
	promauto.With(s.p.Metrics).NewCounter(prometheus.CounterOpts{Name: "dmonitor_tests_total", Help: "Tests."}).Add(3)
	s.p.HTTP.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") })
	text := get(t, s.at()+"/metrics")
	for _, want := range []string{"\ndmonitor_tests_total 3\n", `version="` + Version() + `"} 1`, "\ngo_goroutines ", "\nprocess_start_time_seconds "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if got := get(t, s.at()+"/page"); got != "a page" {
		t.Errorf("a part's page: %q", got)
	}
}

// Nobody goes unwatched because an address is taken: that is said once, with the remedy, and tried again.
func TestTakenAddressIsTriedAgain(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, l.Addr().String())
	s.says("set DMONITOR_HTTP_LISTEN to another address or to off")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s.at()+"/healthz"); got != "ok\n" {
		t.Errorf("/healthz: %q", got)
	}
	if n := strings.Count(s.log.String(), `"level":"warn"`); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, s.log)
	}
}

func TestHTTPOff(t *testing.T) {
	t.Parallel()
	s := serve(t, HTTPOff)
	s.ended()
	if s.log.String() != "" {
		t.Errorf("it says %s", s.log)
	}
}

func TestOpenToOthersIsSaid(t *testing.T) {
	t.Parallel()
	s := serve(t, ":0")
	s.says("INSECURE: DMONITOR_HTTP_LISTEN=:0 is open to other hosts")
	s = serve(t, "localhost:0")
	s.at()
	s.stop()
	s.ended()
	if strings.Contains(s.log.String(), "INSECURE") {
		t.Errorf("localhost: %s", s.log)
	}
}

// Who is being answered at the stop gets the answer, and who never finishes holds nobody up.
func TestStopWaitsForAnswersOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0")
	asked, answer := make(chan struct{}), make(chan struct{})
	s.p.HTTP.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		_, _ = io.WriteString(w, "here it is")
	})
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	stuck := make(chan struct{})
	s.p.HTTP.HandleFunc("GET /never", func(http.ResponseWriter, *http.Request) { close(stuck); <-forever })
	at := strings.TrimPrefix(s.at(), "http://")
	slow, never := ask(t, at, "/slow"), ask(t, at, "/never")
	<-asked
	<-stuck
	s.stop()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the stop has begun when nobody new gets in
		conn, err := net.Dial("tcp", at)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(end) {
			t.Fatal("it still listens")
		}
	}
	close(answer)
	if text, err := io.ReadAll(slow); err != nil || !strings.HasSuffix(string(text), "here it is") {
		t.Errorf("the answer: %q, %v", text, err)
	}
	s.ended()
	if text, _ := io.ReadAll(never); len(text) > 0 {
		t.Errorf("who is never answered: %q", text)
	}
}

// ask sends a request and returns what will be answered.
func ask(t *testing.T, at, path string) io.Reader {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(conn)
}

// safeBuffer may be read while it is written.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
