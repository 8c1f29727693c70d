package embed

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

const patience = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stop)
	return ctx
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Two members of one name start at the same moment. Neither was there first, so no two of them go on.
func TestSameNameAtTheSameMoment(t *testing.T) {
	a, b := freeAddr(t), freeAddr(t)
	var wg sync.WaitGroup
	ended := make(chan error, 2)
	for _, listen := range []string{a, b} {
		o := Options{
			Name: "twin", Nodes: []string{a, b}, Listen: listen, ClientListen: "127.0.0.1:0",
			Data: t.TempDir(), MaxPayload: 1 << 20, Log: zerolog.Nop(),
		}
		wg.Go(func() {
			s, err := Start(within(t), o)
			if err != nil {
				ended <- err
				return
			}
			defer func() { _ = s.Stop(context.Background()) }()
			select {
			case err := <-s.Failed():
				ended <- err
			case <-t.Context().Done():
			}
		})
	}
	select {
	case err := <-ended:
		if !strings.Contains(err.Error(), `"twin"`) || !strings.Contains(err.Error(), "DMONITOR_NODE") {
			t.Errorf("ended with %v, want the name and the variable", err)
		}
	case <-time.After(patience):
		t.Error("two members of one name run")
	}
	t.Cleanup(wg.Wait)
}

// One that belongs to a cluster already doesn't stop because another one comes with its name.
func TestNameTakenByALateComer(t *testing.T) {
	var out bytes.Buffer
	s := &Server{o: Options{Name: "n1"}, log: zerolog.New(&out), failed: make(chan error, 1)}
	s.Formed()
	s.nameTaken("Remote server has a duplicate name")
	select {
	case err := <-s.Failed():
		t.Errorf("failed: %v", err)
	default:
	}
	if !strings.Contains(out.String(), `"level":"error"`) {
		t.Errorf("not logged as an error: %s", &out)
	}
}

// What the server says reaches our log at the right level, a line that repeats itself once, and a fatal one ends nothing
// but is delivered.
func TestServerLog(t *testing.T) {
	var out bytes.Buffer
	var failed error
	var taken string
	l := newServerLog(zerolog.New(&out).Level(zerolog.InfoLevel), func(err error) { failed = err }, func(s string) { taken = s })
	l.Noticef("Server is ready")
	l.Debugf("x")
	l.Tracef("x")
	l.Warnf("route %d is slow", 1)
	l.Warnf("route %d is slow", 2)
	l.Warnf("%s", "the clock jumped")
	l.Warnf("%s", "memory is scarce") // the same format, and something else
	l.Errorf("disk is %s", "full")
	l.Errorf("%s - Remote server has a duplicate name: %q", "1.2.3.4", "n1")
	l.Fatalf("can't start %s", "JetStream")
	want := `{"level":"warn","message":"bus: route 1 is slow"}
{"level":"warn","message":"bus: the clock jumped"}
{"level":"warn","message":"bus: memory is scarce"}
{"level":"error","message":"bus: disk is full"}
{"level":"error","message":"bus: can't start JetStream"}
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
	if failed == nil || failed.Error() != "can't start JetStream" || !strings.Contains(taken, `"n1"`) {
		t.Errorf("failed %v, taken %q", failed, taken)
	}
}

// What the server makes much of in the ordinary life of a cluster is no news; what only looks like it stays loud. The
// lines are those of version 2.15.2.
func TestExpectedLines(t *testing.T) {
	for line, quiet := range map[string]bool{
		"Waiting for routing to be established...":                                                                true,
		"RAFT [cnrtt3eg - _meta_] Waiting for routing to be established...":                                       true,
		"JetStream has not established contact with a meta leader":                                                true,
		"Error trying to connect to route (attempt 7): dial tcp 10.0.0.1:2929: connect: connection refused":       true,
		"Catchup for stream '$G > RESULTS' resetting first sequence: 17 on catchup request":                       true,
		"Failed to install snapshot for '$G > OUTAGES' [S-R3F-x]: store is closed":                                true,
		"Failed to install snapshot for '$G > OUTAGES > mailer' [C-R3F-x]: store is closed":                       true,
		"Failed to install snapshot for '$G > OUTAGES' [S-R3F-x]: no space left on device":                        false,
		"Catchup for stream '$G > TROUBLES' stalled":                                                              true,
		"JetStream cluster stream '$G > OUTAGES' has NO quorum, stalled":                                          true,
		"JetStream cluster consumer '$G > NOTICES > send' has NO quorum, stalled.":                                true,
		"Filestore [S-R3F-7emV4a2E] Stream state outdated, last block has additional entries, will rebuild":       true,
		"Filestore [S-R3F-7emV4a2E] Recovering stream state from index errored: prior state file":                 true,
		"Filestore [OUTAGES] Recovering stream state from index errored: permission denied":                       false,
		"Filestore [OUTAGES] Stream state encountered internal inconsistency on write":                            false,
		"Metalayer blocking snapshot starting":                                                                    true,
		"Metalayer blocking snapshot took 0.010s (streams: 5, consumers: 1, compacted: 1.0 KB)":                   true,
		"Metalayer blocking snapshot took 12.010s (streams: 5, consumers: 1, compacted: 1.0 KB)":                  false,
		"10.0.0.1:2929 - rid:12 - Error flushing: writev tcp 10.0.0.2:1->10.0.0.1:2929: connection reset by peer": true,
		"10.0.0.1:2929 - rid:12 - Route Error 'Stale Connection'":                                                 true,
		"10.0.0.1:2929 - rid:12 - Route Error 'Authorization Violation'":                                          false,
		"10.0.0.1:4222 - cid:12 - Error flushing: x":                                                              false,
	} {
		var out bytes.Buffer
		l := newServerLog(zerolog.New(&out).Level(zerolog.InfoLevel), nil, nil)
		l.Warnf("%s", line)
		if (out.Len() == 0) != quiet {
			t.Errorf("%s\nquiet: %v, want %v", line, !quiet, quiet)
		}
	}
}

// Loopback is loopback however it is written; all else is open to others.
func TestLocal(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.3.2.1:1": true, "[::1]:1": true, "localhost:1": true, "127.0.0.1:0": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "mon1:1": false, "[::ffff:10.0.0.1]:1": false,
	} {
		l, err := newListener(addr, "V", "p")
		if err != nil || l.local() != want {
			t.Errorf("%s: local %v, %v; want %v", addr, l.local(), err, want)
		}
	}
	for _, addr := range []string{"", "1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:1"} {
		if _, err := newListener(addr, "V", "p"); err == nil {
			t.Errorf("%q was accepted", addr)
		}
	}
}

// The server's own reasons for not starting come back as an error, and leave the folder free.
func TestStartFails(t *testing.T) {
	o := Options{Name: "n 1", ClientListen: "127.0.0.1:0", Data: t.TempDir(), MaxPayload: 1 << 20, Log: zerolog.Nop()}
	if s, err := Start(within(t), o); err == nil {
		t.Error("a name with a space was accepted")
		_ = s.Stop(within(t))
	}
	o.Name = "n1"
	s, err := Start(within(t), o)
	if err != nil {
		t.Fatalf("after a failure: %v", err)
	}
	if err := s.Stop(within(t)); err != nil {
		t.Error(err)
	}
	o.Data = "/dev/null/x"
	if _, err := Start(within(t), o); err == nil || errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "DMONITOR_DATA") {
		t.Errorf("a folder that can't be made: %v", err)
	}
}
