package examples

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// wantLines is what the Go programs print of the two events of this test.
func wantLines() []string {
	return []string{
		"opened www.example.com/ssh down: [frankfurt tokyo] up: []",
		"closed www.example.com/ssh down: [] up: [frankfurt tokyo virginia]",
	}
}

// The programs of docs/events.md see each committed event once, and nothing of the proposals that lost the race; the one
// with a place in the stream also sees what was committed before it came.
func TestProgramsOfThePage(t *testing.T) {
	t.Parallel()
	python := python(t)
	b := bustest.New(t, 1).Bus(0)
	addr := strings.TrimPrefix(b.ClientURL(), "nats://")
	listeners := []*program{
		start(t, build(t, "./subscriber"), b.ClientURL()),
		start(t, python, "-u", script, addr),
	}
	for _, p := range listeners {
		p.waitFor(t, p.errors, "listening")
	}
	propose(t, b)
	inPython := []string{
		"opened www.example.com/ssh down: ['frankfurt-1', 'tokyo-1']",
		"closed www.example.com/ssh down: []",
	}
	for i, want := range [][]string{wantLines(), inPython} {
		for _, line := range want {
			if got := listeners[i].next(t); got != line {
				t.Errorf("%s printed %q, want %q", listeners[i].name, got, line)
			}
		}
	}
	late := start(t, build(t, "./durable"), b.ClientURL())
	for _, line := range wantLines() {
		if got := late.next(t); got != line {
			t.Errorf("%s printed %q, want %q", late.name, got, line)
		}
	}
	// A third event proves that nothing else was waiting to be printed: order is kept.
	reopened := golden(t, events.Opened)
	reopened.Outage += "x"
	reopened.ID = events.EventID(reopened.Outage, events.Opened)
	reopened.Host = "other.example.com"
	if _, err := b.Propose(t.Context(), reopened, 0); err != nil {
		t.Fatal(err)
	}
	for _, p := range append(listeners, late) {
		if got := p.next(t); !strings.HasPrefix(got, "opened other.example.com/ssh down: ") {
			t.Errorf("%s printed %q, want the event of the other host", p.name, got)
		}
	}
	directGet(t, b)
	retention(t, b)
}

// retention holds the page's table of streams against the streams.
func retention(t *testing.T, b *bus.Bus) {
	t.Helper()
	ages := map[time.Duration]string{365 * 24 * time.Hour: "a year", 90 * 24 * time.Hour: "90 days", 24 * time.Hour: "24 h"}
	sizes := map[int64]string{1 << 30: ", 1 GiB at most", 64 << 20: ", 64 MiB at most", 6 << 20: ", 6 MiB at most"}
	for _, name := range []string{events.StreamOutages, events.StreamDeliveries, events.StreamResults} {
		stream, err := b.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		c := stream.CachedInfo().Config
		if want := ages[c.MaxAge] + sizes[c.MaxBytes]; !regexp.MustCompile("`" + name + "` .*" + want).MatchString(content(t, page)) {
			t.Errorf("%s keeps messages for %v and has %d bytes; the page should say %q", name, c.MaxAge, c.MaxBytes, want)
		}
	}
}

const script = "../../docs/examples/subscriber.py"

// python finds the interpreter. It also reads the script, so that a change of it makes the cached result of a test void.
func python(t *testing.T) string {
	t.Helper()
	content(t, script)
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("this test runs a program in Python: %v (apt-get install python3)", err)
	}
	return path
}

// The Python program answers the server's pings, or it would be thrown out after some minutes; it says what the server
// has against it; and it takes events one by one however they are cut into packets.
func TestPythonKeepsTheProtocol(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	p := start(t, python(t), "-u", script, ln.Addr().String())
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(bustest.Patience)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	expect := func(want string) {
		t.Helper()
		if got, err := in.ReadString('\n'); err != nil || got != want+"\r\n" {
			t.Fatalf("the program sent %q (%v), want %s", got, err, want)
		}
	}
	io.WriteString(conn, "INFO {}\r\n")
	expect(`CONNECT {"verbose":false}`)
	expect("SUB dmonitor.outages.> 1")
	expect("PING")
	io.WriteString(conn, "PONG\r\nPING\r\n")
	expect("PONG")
	body := `{"event":"opened","host":"a.example.com","test":"x","reason":"é","votes":[]}`
	msg := fmt.Sprintf("MSG dmonitor.outages.opened.x.y 1 %d\r\n%s\r\n", len(body), body)
	for _, part := range []string{msg + msg[:9], msg[9 : len(msg)-3], msg[len(msg)-3:], "-ERR 'Authorization Violation'\r\n"} {
		io.WriteString(conn, part)
	}
	for range 2 {
		if got := p.next(t); got != "opened a.example.com/x down: []" {
			t.Errorf("printed %q", got)
		}
	}
	p.waitFor(t, p.errors, "Authorization Violation")
}

// propose commits an opening and a closing; after each, another arbiter that decided the same comes too late.
func propose(t *testing.T, b *bus.Bus) {
	t.Helper()
	opened, closed := golden(t, events.Opened), golden(t, events.Closed)
	late := func(o events.Outage) events.Outage { o.By = "virginia-1"; return o }
	ctx, stop := context.WithTimeout(t.Context(), bustest.Patience)
	defer stop()
	first, err := b.Propose(ctx, opened, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Propose(ctx, late(opened), 0); !errors.Is(err, bus.ErrConflict) {
		t.Fatalf("second proposal: %v, want a conflict", err)
	}
	if _, err := b.Propose(ctx, closed, first); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Propose(ctx, late(closed), first); !errors.Is(err, bus.ErrConflict) {
		t.Fatalf("second closing: %v, want a conflict", err)
	}
}

func golden(t *testing.T, e events.Event) events.Outage {
	t.Helper()
	data := content(t, "../../pkg/events/testdata/outage-"+string(e)+".json")
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	o, err := events.Decode[events.Outage](events.OutageSubject(e, check), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// directGet makes the request that the page shows, as plain NATS, and finds the event with its headers.
func directGet(t *testing.T, b *bus.Bus) {
	t.Helper()
	const subject, body = "$JS.API.DIRECT.GET.OUTAGES", `{"last_by_subj":"dmonitor.propose.opened.ssh.www.example.com"}`
	if !strings.Contains(content(t, page), "nats req '"+subject+"' '"+body+"'") {
		t.Error("the page shows another request")
	}
	msg, err := b.Conn().Request(subject, []byte(body), bustest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Event, Host, Test string }
	if err := json.Unmarshal(msg.Data, &got); err != nil || got.Event != "opened" || got.Host != "www.example.com" {
		t.Errorf("answer %s, %v", msg.Data, err)
	}
	for line := range strings.Lines(content(t, "../../pkg/events/testdata/outage-opened.headers.txt")) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if got := msg.Header[k]; !slices.Equal(got, []string{v}) {
			t.Errorf("header %s is %q, want %q", k, got, v)
		}
	}
}

func build(t *testing.T, pkg string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", binary, pkg).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return binary
}

// program is one that runs, and the lines it prints.
type program struct {
	name           string
	output, errors chan string
}

func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	p := &program{name: filepath.Base(name), output: make(chan string, 100), errors: make(chan string, 100)}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	for _, pipe := range []struct {
		from io.Reader
		to   chan string
	}{{out, p.output}, {errs, p.errors}} {
		go func() {
			defer func() { close(pipe.to); done <- struct{}{} }()
			for lines := bufio.NewScanner(pipe.from); lines.Scan(); {
				pipe.to <- lines.Text()
			}
		}()
	}
	t.Cleanup(func() {
		kill()
		<-done
		<-done
		_ = cmd.Wait() // it was killed
	})
	return p
}

// next returns the next line the program prints.
func (p *program) next(t *testing.T) string {
	t.Helper()
	return p.read(t, p.output)
}

func (p *program) read(t *testing.T, from chan string) string {
	t.Helper()
	select {
	case line, ok := <-from:
		if !ok {
			t.Fatalf("%s ended, having said %q", p.name, drain(p.errors))
		}
		return line
	case <-time.After(bustest.Patience):
		t.Fatalf("%s printed nothing; it said %q", p.name, drain(p.errors))
	}
	return ""
}

func (p *program) waitFor(t *testing.T, from chan string, word string) {
	t.Helper()
	for !strings.Contains(p.read(t, from), word) {
	}
}

func drain(lines chan string) []string {
	var out []string
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return out
			}
			out = append(out, line)
		default:
			return out
		}
	}
}
