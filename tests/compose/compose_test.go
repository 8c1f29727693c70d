//go:build compose

package compose

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// check is the one check of demo/etc that goes down and up again.
const check = "http on demo-host"

// patience is how long the next mail may take: the host's whole cycle, a few looks, and a busy machine.
const patience = 4 * time.Minute

// TestDemo starts the demo as its readers do and waits for the mails: one when the host goes down, with who saw it,
// and one when it is up again. Then it kills the member that the remote prober is connected to, and it has to be so once
// more. Three have to agree here, so that it takes the remote prober's vote when one of the four is dead.
func TestDemo(t *testing.T) {
	d := startDemo(t)

	mails := d.await(t, "one outage told and closed", patience, told(1))
	checkStory(t, mails, "tokyo", "fra", "nyc", remote)
	checkContainers(t, d.containers(t))
	checkStranger(t, d)

	victim, left := "tokyo", []string{"fra", "nyc", remote}
	if d.connectedTo(t, remote, "fra") {
		victim, left = "fra", []string{"nyc", remote, "tokyo"}
	}
	d.run(t, "kill", victim)
	mails = d.await(t, "one more, with "+victim+" dead", patience, told(2))
	if got := checkStory(t, mails[2:], left...); !slices.Equal(got, left) {
		t.Errorf("%v saw it, want all who are left: %v", got, left)
	}
	d.await(t, "the operator is told that it is gone", patience, func([]mail) bool { return len(d.troubles) > 0 })
	if want := "NODE " + victim + " is gone (dmonitor)"; len(d.troubles) != 1 || d.troubles[0] != want {
		t.Errorf("dmonitor said of itself %q, want %q alone", d.troubles, want)
	}

	checkLogs(t, d.containers(t))

	d.run(t, "stop")
	for name, c := range d.containers(t) {
		if name == victim {
			continue
		}
		if c.State.Running || c.State.ExitCode != 0 {
			t.Errorf("%s: after a stop it is running: %t, with exit code %d; want it to have ended by itself, with 0",
				name, c.State.Running, c.State.ExitCode)
		}
	}
}

// checkStranger has a container on the members' network, without the key, talk to them: it gets to know nothing.
func checkStranger(t *testing.T, d *demo) {
	t.Helper()
	// Silent, and then in the words of a member and of a client; what comes back within three seconds is all there is.
	for port, said := range map[string]string{
		"2929": `INFO {"server_id":"x","name":"x","cluster":"dmonitor"}\r\nCONNECT {"verbose":false,"name":"x"}\r\nPING\r\n`,
		"4222": `CONNECT {"verbose":true}\r\nSUB > 1\r\nPING\r\n`,
	} {
		for _, words := range []string{"", said} {
			got := d.stranger(t, "tokyo", port, words)
			t.Logf("a stranger says %q at %s, and hears %q", words, port, got)
			for line := range strings.Lines(got) {
				if port == "4222" && (strings.HasPrefix(line, "INFO ") || strings.HasPrefix(line, "-ERR ")) {
					continue
				}
				t.Errorf("at %s a stranger that says %q hears %q", port, words, line)
			}
		}
	}
}

// maxTroubles is how many warnings and errors one service may log in the few minutes of the test: some while the members
// of the bus look for each other, some when one of them is killed. Who reads these logs has to find what matters.
const maxTroubles = 30

// checkLogs wants the log of every service to be readable: no flood of warnings.
func checkLogs(t *testing.T, all map[string]container) {
	t.Helper()
	for name, c := range all {
		log, err := command(t.Context(), nil, "sh", "-c", `docker logs "$0" 2>&1`, strings.TrimPrefix(c.Name, "/"))
		if err != nil {
			t.Error(err)
			continue
		}
		var troubles []string
		for line := range strings.Lines(log) {
			if strings.Contains(line, " WRN ") || strings.Contains(line, " ERR ") {
				troubles = append(troubles, line)
			}
		}
		t.Logf("%s: %d lines of log, %d of them warnings or errors", name, strings.Count(log, "\n"), len(troubles))
		if len(troubles) > maxTroubles {
			t.Errorf("%s logged %d warnings and errors, want %d at most; the last:\n%s",
				name, len(troubles), maxTroubles, strings.Join(troubles[len(troubles)-3:], ""))
		}
	}
}

// told wants n outages of the check to have been told and closed.
func told(n int) func([]mail) bool {
	return func(mails []mail) bool {
		up := 0
		for _, m := range mails {
			if strings.HasPrefix(m.Subject, "UP "+check) {
				up++
			}
		}
		return up >= n
	}
}

// downVote is a line of the table of votes.
var downVote = regexp.MustCompile(`(?m)^([a-z]+) +down `)

// remote is the container that is no member of the bus.
const remote = "sydney"

// checkStory wants exactly one mail that says down, with the votes of three or more of the nodes and of nobody else, and
// exactly one that says up again, threaded under the first. It returns who saw it down.
func checkStory(t *testing.T, mails []mail, nodes ...string) []string {
	t.Helper()
	if len(mails) != 2 {
		t.Fatalf("%d mails, want one down and one up: %v", len(mails), subjects(mails))
	}
	down, up := mails[0], mails[1]
	if !strings.HasPrefix(down.Subject, "DOWN "+check) || !strings.HasPrefix(up.Subject, "UP "+check) {
		t.Errorf("the mails are %v, want DOWN %s and then UP", subjects(mails), check)
	}
	var witnesses []string
	for _, m := range downVote.FindAllStringSubmatch(down.text(), -1) {
		witnesses = append(witnesses, m[1])
	}
	slices.Sort(witnesses)
	witnesses = slices.Compact(witnesses)
	if len(witnesses) < agree {
		t.Errorf("the mail names %v as those who say down, want %d or more:\n%s", witnesses, agree, down.text())
	}
	for _, w := range witnesses {
		if !slices.Contains(nodes, w) {
			t.Errorf("%s can't have seen anything:\n%s", w, down.text())
		}
	}
	if down.MessageID == "" || up.InReplyTo != down.MessageID {
		t.Errorf("the closing mail answers %q, want it to answer %q", up.InReplyTo, down.MessageID)
	}
	for _, m := range mails {
		if m.Double != 0 {
			t.Errorf("%q came twice", m.Subject)
		}
		if !slices.Equal(m.To, []string{"you@example.com"}) {
			t.Errorf("%q went to %v, want you@example.com", m.Subject, m.To)
		}
	}
	return witnesses
}

func subjects(mails []mail) []string {
	var all []string
	for _, m := range mails {
		all = append(all, m.Subject)
	}
	return all
}

// checkContainers wants all of them to run, none as root, and none to be reachable from another machine.
func checkContainers(t *testing.T, all map[string]container) {
	t.Helper()
	want := []string{"arbiter", "demo-host", "fra", "inbox", "keys", "mailer", "nyc", "scheduler", "sydney", "tokyo"}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Errorf("containers: %v, want %v", got, want)
	}
	for name, c := range all {
		if once := name == "keys"; c.State.Running == once || c.State.ExitCode != 0 {
			t.Errorf("%s: running: %t, exit code %d", name, c.State.Running, c.State.ExitCode)
		}
		if c.Config.User != "12929:12929" {
			t.Errorf("%s: runs as %q", name, c.Config.User)
		}
		for port, bindings := range c.HostConfig.PortBindings {
			for _, b := range bindings {
				if name != "inbox" || b.HostIP != "127.0.0.1" {
					t.Errorf("%s: port %s is published on %q", name, port, b.HostIP)
				}
			}
		}
	}
}
