package bus_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/bus/embed"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// A lone node keeps its history over a restart, and a stopped bus leaves no goroutine behind.
func TestReopenKeepsHistory(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	var log lockedBuffer
	o := bus.Options{Node: "alone", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Log: zerolog.New(&log)}
	ctx := within(t)

	b := openReady(t, o)
	seq, err := b.Propose(ctx, opened(check("a.example.com"), "alone"), 0)
	must(t, err)
	if b.ClusterAddr() != "" {
		t.Errorf("a lone node listens for others on %s", b.ClusterAddr())
	}
	must(t, b.Close(ctx))

	b = openReady(t, o)
	got, err := b.LastOutage(ctx, check("a.example.com"))
	must(t, err)
	if got.Seq != seq || got.Event != events.Opened || got.Stored.IsZero() {
		t.Errorf("after the restart: %+v, want the event with sequence %d", got, seq)
	}
	if _, err := b.LastOutage(ctx, check("b.example.com")); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("a check without events: %v, want ErrNotFound", err)
	}
	must(t, b.Close(ctx))
	if strings.Contains(log.String(), "new settings") {
		t.Errorf("streams were changed, though nothing was asked for:\n%s", &log)
	}
	goleak.VerifyNone(t, leaks)
}

func openReady(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	ctx := within(t)
	b, err := bus.Open(ctx, o)
	must(t, err)
	if err := b.Ready(ctx); err != nil {
		_ = b.Close(ctx)
		t.Fatal(err)
	}
	return b
}

// A process that is killed loses nothing that was acknowledged, and leaves a folder that can be opened at once.
func TestKilledProcessLosesNothing(t *testing.T) {
	data := t.TempDir()
	cmd := exec.CommandContext(within(t), os.Args[0], "-test.run=^TestKilledProcessLosesNothing$")
	cmd.Env = append(os.Environ(), victimEnv+"="+data)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	acked := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
			if acked, err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		}
		if acked == 200 {
			must(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // it was killed
	if acked < 200 {
		t.Fatalf("%d acknowledged, want 200 or more", acked)
	}

	b := openReady(t, bus.Options{Node: "alone", Data: data, ClientListen: "127.0.0.1:0", Log: zerolog.Nop()})
	defer func() { must(t, b.Close(within(t))) }()
	n := 0
	must(t, b.Outages(within(t), time.Time{}, func(c bus.Committed) error {
		if c.Check != check(hostN(n)) || c.Seq != uint64(n+1) {
			t.Errorf("event %d: sequence %d of %s", n, c.Seq, c.Check)
		}
		n++
		return nil
	}))
	if n < acked {
		t.Errorf("%d events, %d were acknowledged", n, acked)
	}
}

const victimEnv = "DMONITOR_TEST_VICTIM"

// TestMain runs the process that TestKilledProcessLosesNothing kills.
func TestMain(m *testing.M) {
	data := os.Getenv(victimEnv)
	if data == "" {
		os.Exit(m.Run())
	}
	ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
	defer stop()
	b, err := bus.Open(ctx, bus.Options{Node: "alone", Data: data, ClientListen: "127.0.0.1:0", Log: zerolog.Nop()})
	if err == nil {
		err = b.Ready(ctx)
	}
	for i := 0; err == nil; i++ {
		_, err = b.Propose(ctx, opened(check(hostN(i)), "alone"), 0)
		fmt.Printf("acked %d\n", i+1)
	}
	fmt.Println(err)
	os.Exit(1)
}

// Two servers on one folder would lose messages without a word: the second is refused, and the folder is free again
// when the first has stopped.
func TestDataFolderServesOneProcess(t *testing.T) {
	c := bustest.New(t, 1)
	o := c.Options(0)
	_, err := bus.Open(within(t), o)
	if !errors.Is(err, embed.ErrInUse) || !strings.Contains(err.Error(), "DMONITOR_DATA") {
		t.Errorf("second process: %v, want ErrInUse and the variable's name", err)
	}
	c.Stop(0)
	b, err := bus.Open(within(t), o)
	must(t, err)
	must(t, b.Close(within(t)))
}

// What Open refuses, it refuses with the variable to change and what to write there.
func TestOpenRefuses(t *testing.T) {
	used, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { used.Close() }) // not defer: the subtests run after this function has returned
	two := []string{"a.example.com:2929", "b.example.com:2929"}
	const open = "there is no cluster key, and anybody who reaches this address could read and write the bus, so only loopback addresses are allowed for "
	const make = "; copy cluster.key from another node to this one (DMONITOR_KEY_FILE); only if no node has one, make it: dmonitor keygen; or set "
	const trust = ", or DMONITOR_INSECURE=true on a network you trust"
	const inUse = "; another process, perhaps another dmonitor, listens there: stop it, or choose another address"

	for name, c := range map[string]struct {
		o    bus.Options
		want string
	}{
		"cluster on all interfaces": {
			bus.Options{Nodes: two, Listen: ":2929"},
			`DMONITOR_LISTEN=":2929": ` + open + "the cluster" + make + "DMONITOR_LISTEN=127.0.0.1:2929 to try it out on one machine" + trust,
		},
		"cluster by default": {
			bus.Options{Nodes: two},
			`DMONITOR_LISTEN=":2929": ` + open + "the cluster" + make + "DMONITOR_LISTEN=127.0.0.1:2929 to try it out on one machine" + trust,
		},
		"the key isn't where it was looked for": {
			bus.Options{Nodes: two, KeyPath: "/etc/dmonitor/cluster.key"},
			`DMONITOR_LISTEN=":2929": ` + strings.NewReplacer("key,", "key at /etc/dmonitor/cluster.key,").Replace(open) + "the cluster" +
				strings.NewReplacer("this one (DMONITOR_KEY_FILE)", "/etc/dmonitor/cluster.key").Replace(make) + "DMONITOR_LISTEN=127.0.0.1:2929 to try it out on one machine" + trust,
		},
		"clients on all interfaces": {
			bus.Options{ClientListen: "0.0.0.0:4222"},
			`DMONITOR_CLIENT_LISTEN="0.0.0.0:4222": ` + open + "clients" + make + "DMONITOR_CLIENT_LISTEN=127.0.0.1:4222 to keep to this host" + trust,
		},
		"clients on a public name": {
			bus.Options{ClientListen: "mon1.example.com:4222"},
			`DMONITOR_CLIENT_LISTEN="mon1.example.com:4222": ` + open + "clients" + make + "DMONITOR_CLIENT_LISTEN=127.0.0.1:4222 to keep to this host" + trust,
		},
		"no port": {
			bus.Options{ClientListen: "127.0.0.1"},
			`DMONITOR_CLIENT_LISTEN="127.0.0.1": want host:port, such as 127.0.0.1:2929`,
		},
		"port in use": {
			bus.Options{ClientListen: used.Addr().String()},
			"listen for clients on " + used.Addr().String() + " (DMONITOR_CLIENT_LISTEN): listen tcp " + used.Addr().String() + ": bind: address already in use" + inUse,
		},
		"cluster port in use": {
			bus.Options{Nodes: two, Listen: used.Addr().String()},
			"listen for the cluster on " + used.Addr().String() + " (DMONITOR_LISTEN): listen tcp " + used.Addr().String() + ": bind: address already in use" + inUse,
		},
		"node without a port": {
			bus.Options{Nodes: []string{"a.example.com:2929", "b.example.com"}, Listen: "127.0.0.1:0"},
			`node "b.example.com": want host:port, such as mon1.example.com:2929`,
		},
		"name that is no name": {
			bus.Options{Node: "mon1.example.com"},
			`open the bus (DMONITOR_NODE): node name "mon1.example.com": '.' is not allowed; use lower-case letters, digits and -`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := c.o
			o.Data = t.TempDir()
			if o.Node == "" {
				o.Node = "alone"
			}
			if o.ClientListen == "" {
				o.ClientListen = "127.0.0.1:0"
			}
			b, err := bus.Open(within(t), o)
			if err == nil {
				_ = b.Close(within(t))
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// Insecure opens what was refused, and says so once for each address.
func TestInsecureIsLoud(t *testing.T) {
	var log lockedBuffer
	b := openReady(t, bus.Options{
		Node: "alone", Data: t.TempDir(), ClientListen: "0.0.0.0:0", Insecure: true, Log: zerolog.New(&log),
	})
	must(t, b.Close(within(t)))
	if n := strings.Count(log.String(), "INSECURE: DMONITOR_CLIENT_LISTEN=0.0.0.0:0"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, &log)
	}
	if !strings.Contains(log.String(), `"level":"warn"`) {
		t.Errorf("not a warning:\n%s", &log)
	}
}

// A process that connects may start before its bus: it waits, and says for whom.
func TestClientStartsBeforeTheBus(t *testing.T) {
	addr := freePort(t)
	client, err := bus.Open(within(t), bus.Options{URL: "nats://" + addr, Node: "client", Log: zerolog.Nop()})
	must(t, err)
	defer func() { must(t, client.Close(within(t))) }()

	short, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if err := client.Ready(short); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer from nats://"+addr) {
		t.Errorf("without a bus: %v, want a deadline and whom it waited for", err)
	}
	if err := client.Publish(&events.Presence{Node: "client", Site: "client", Instance: "1"}); !errors.Is(err, bus.ErrNotConnected) {
		t.Errorf("published without a connection: %v, want ErrNotConnected; it would be sent late", err)
	}
	var got lockedList[string]
	sub, err := client.SubscribeOutages(func(c bus.Committed) { got.add(c.ID) })
	must(t, err)
	defer sub.Stop()

	b := openReady(t, bus.Options{Node: "alone", Data: t.TempDir(), ClientListen: addr, Log: zerolog.Nop()})
	defer func() { must(t, b.Close(within(t))) }()
	must(t, client.Ready(within(t)))
	must(t, client.Flush(within(t)))
	o := opened(check("a.example.com"), "alone")
	propose(t, b, o, 0)
	eventually(t, "the subscription made before there was a bus", func() bool { return len(got.all()) == 1 })
}

// A first start waits for all members, and says for whom.
func TestFirstStartSaysForWhom(t *testing.T) {
	me, other := freePort(t), freePort(t)
	b, err := bus.Open(within(t), bus.Options{
		Node: "mon1", Nodes: []string{me, other}, Listen: me, ClientListen: "127.0.0.1:0", Data: t.TempDir(), Log: zerolog.Nop(),
	})
	must(t, err)
	defer func() { must(t, b.Close(within(t))) }()
	short, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	err = b.Ready(short)
	if want := "no answer from " + other + " (a first start needs all 2 members, later ones more than half)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	// Among those who are there, which is this one, messages that needn't be kept go their way.
	got := make(chan events.Presence, 1)
	_, err = bus.Subscribe(b, events.AllPresence, func(p events.Presence) { got <- p })
	must(t, err)
	must(t, b.Publish(&events.Presence{Node: "mon1", Site: "mon1", Instance: "1"}))
	if p := receive(t, "presence", got); p.Node != "mon1" {
		t.Errorf("got %+v", p)
	}
}

// More checks than one direct read may look up, and more events than one page holds, are all read, once and in order.
func TestLongHistory(t *testing.T) {
	b := bustest.New(t, 1).Bus(0)
	ctx := within(t)
	const n = 1100
	for i := range n {
		_, err := b.Propose(ctx, opened(check(hostN(i)), "n0"), 0)
		must(t, err)
	}
	seq := propose(t, b, closed(opened(check(hostN(7)), "n0")), 8)

	last, err := b.LastOutages(ctx)
	must(t, err)
	if len(last) != n || last[check(hostN(7))].Event != events.Closed || last[check(hostN(7))].Seq != seq || last[check(hostN(8))].Seq != 9 {
		t.Errorf("%d checks, %+v; want %d, the seventh closed", len(last), last[check(hostN(7))], n)
	}
	var seqs []uint64
	var middle time.Time
	must(t, b.Outages(ctx, time.Time{}, func(c bus.Committed) error {
		if seqs = append(seqs, c.Seq); c.Seq == 900 {
			middle = c.Stored
		}
		return nil
	}))
	for i, s := range seqs {
		if s != uint64(i+1) {
			t.Fatalf("event %d has sequence %d", i, s)
		}
	}
	if len(seqs) != n+1 {
		t.Errorf("read %d events, want %d", len(seqs), n+1)
	}
	first := uint64(0)
	broken := errors.New("enough")
	err = b.Outages(ctx, middle, func(c bus.Committed) error { first = c.Seq; return broken })
	if !errors.Is(err, broken) || first != 900 {
		t.Errorf("since %v: first %d, %v; want 900 and the handler's error", middle, first, err)
	}
	must(t, b.Outages(ctx, time.Now().Add(time.Hour), func(c bus.Committed) error { return broken }))
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type lockedList[T any] struct {
	mu   sync.Mutex
	list []T
}

func (l *lockedList[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, v)
}

func (l *lockedList[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]T(nil), l.list...)
}
