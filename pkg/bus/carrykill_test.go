package bus_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// carrierEnv makes this test a process that carries its history over: its data folder, and the two members' addresses.
const carrierEnv = "DMONITOR_TEST_CARRIER"

func pairOptions(node, data, listen, other string, log io.Writer) bus.Options {
	return bus.Options{
		Node: node, Data: data, Nodes: []string{listen, other}, Listen: listen, ClientListen: "127.0.0.1:0",
		Log: zerolog.New(log).Level(zerolog.DebugLevel),
	}
}

// A node that is killed while it carries its history over does it again, whatever was done already: nothing is lost,
// nothing is there twice, and the consumers are where they were.
func TestKilledWhileCarryingOver(t *testing.T) {
	if args := strings.Split(os.Getenv(carrierEnv), ","); len(args) == 3 {
		openReady(t, pairOptions("n0", args[0], args[1], args[2], os.Stdout))
		select {} // until it is killed
	}
	t.Parallel()
	for _, at := range []string{
		"Starting restore for stream '$G > OUTAGES'", "carried over stream OUTAGES", "carried over stream KV_CONFIG",
		"the history of this node is in the cluster now",
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			data := []string{t.TempDir(), t.TempDir()}
			want := keptAlone(t, data[0], "", 6)
			addr := []string{freePort(t), freePort(t)}
			var log lockedBuffer
			b1, err := bus.Open(within(t), pairOptions("n1", data[1], addr[1], addr[0], &log))
			must(t, err)
			defer func() { _ = b1.Close(within(t)) }()
			ready := make(chan error, 1)
			go func() { ready <- b1.Ready(within(t)) }()

			killAt(t, data[0], addr, at)

			b0 := openReady(t, pairOptions("n0", data[0], addr[0], addr[1], &log))
			defer func() { _ = b0.Close(within(t)) }()
			must(t, receive(t, "the other member is ready", ready))
			sameHistory(t, "in the cluster", history(t, b0), want)
			eventually(t, "the other member has it", func() bool { return len(history(t, b1)) == len(want) })
			if got := folders(t, data[0], "bus-single"); len(got) != 1 || !strings.HasPrefix(got[0], "bus-single.carried-") {
				t.Errorf("the carried folder is %q\n%s", got, &log)
			}
			outages, notices := waiting(t, b1, 4, 5)
			if len(outages) != 4 || outages[0] != hostN(2) || len(notices) != 5 {
				t.Errorf("handed out: events %q, notices %q", outages, notices)
			}
		})
	}
}

// killAt runs the member that has the history in a process of its own, and kills it when it logs a line.
func killAt(t *testing.T, data string, addr []string, line string) {
	t.Helper()
	cmd := exec.CommandContext(within(t), os.Args[0], "-test.run=^TestKilledWhileCarryingOver$")
	cmd.Env = append(os.Environ(), carrierEnv+"="+strings.Join([]string{data, addr[0], addr[1]}, ","))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	last := "the history of this node is in the cluster now"
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), line) || strings.Contains(lines.Text(), last) {
			must(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // it was killed
}

// What was carried over is not carried over again, and not taken for another history, if the node died before it could
// set the old folder aside; in both directions.
func TestKilledBeforeSettingAside(t *testing.T) {
	t.Parallel()
	data := []string{t.TempDir(), t.TempDir()}
	want := keptAlone(t, data[0], "", 4)
	putBack := func(name string) {
		t.Helper()
		aside := folders(t, data[0], name+".carried-")
		if len(aside) != 1 {
			t.Fatalf("set aside: %q", aside)
		}
		must(t, os.Rename(filepath.Join(data[0], aside[0]), filepath.Join(data[0], name)))
	}

	c := bustest.On(t, data...)
	want = append(want, bus.Committed{Outage: closed(want[0].Outage), Seq: propose(t, c.Bus(1), closed(want[0].Outage), want[0].Seq)})
	c.Stop(0)
	putBack("bus-single")
	c.Start(0)
	eventually(t, "it has what came later", func() bool { return len(history(t, c.Bus(0))) == len(want) })
	if log := c.Log(); strings.Contains(log, "is not used") || strings.Count(log, "carried over stream OUTAGES") != 1 {
		t.Error("the history was taken for another one, or carried over again")
	}
	if got := folders(t, data[0], "bus-single"); len(got) != 1 || !strings.HasPrefix(got[0], "bus-single.carried-") {
		t.Errorf("the carried folder is %q", got)
	}
	must(t, c.Bus(0).CatchUp(within(t)))
	want = history(t, c.Bus(0))
	c.Stop(0)
	c.Stop(1)

	back := bustest.On(t, data[0])
	sameHistory(t, "alone again", history(t, back.Bus(0)), want)
	back.Stop(0)
	putBack("bus-cluster") // as if it had been killed with the copy in place
	half := filepath.Join(data[0], "bus-single.new", "jetstream", "$G", "streams", events.StreamOutages)
	must(t, os.MkdirAll(half, 0o700))
	must(t, os.WriteFile(filepath.Join(half, "meta.inf"), []byte("{"), 0o600))
	sameHistory(t, "alone again, after an interruption", history(t, bustest.On(t, data[0]).Bus(0)), want)
	if got := folders(t, data[0], "bus-single"); len(got) != 3 { // in use, carried, and before
		t.Errorf("folders %q", got)
	}
	if got := folders(t, data[0], "bus-cluster"); len(got) != 1 || !strings.HasPrefix(got[0], "bus-cluster.carried-") {
		t.Errorf("the carried folder is %q", got)
	}
}
