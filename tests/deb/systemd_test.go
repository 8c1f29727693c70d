//go:build deb

package deb

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// look is a plugin that says what it may do: its own rights, and what a setuid plugin and a program with file
// capabilities make of theirs. The last thing it does is to put that where the test finds it.
const look = `#!/bin/sh
{
  grep -E '^(NoNewPrivs|CapAmb|CapEff):' /proc/self/status | tr '\t' ' '
  /usr/lib/nagios/plugins/check_icmp -H 127.0.0.1
  /usr/local/lib/check_icmp -H 127.0.0.2
  ping -q -c 1 -W 5 127.0.0.1
  DMONITOR_TIMEOUT=5 /usr/lib/dmonitor/plugins/check_ping 127.0.0.1
} > /var/lib/dmonitor/seen.new 2>&1
mv /var/lib/dmonitor/seen.new /var/lib/dmonitor/seen
echo OK
`

// booted is a Debian that is up, with the package, and settings that make one node trust itself.
func booted(t *testing.T, prepare func(*root)) *root {
	t.Helper()
	r := newRoot(t)
	r.write("etc/default/dmonitor", "DMONITOR_AGREE=1\nDMONITOR_INTERVAL=5s\nDMONITOR_TIMEOUT=4s\nDMONITOR_NODE=cellar\n", 0o644)
	if prepare != nil {
		prepare(r)
	}
	r.boot()
	r.run("dpkg --force-confold -i /root/dmonitor_" + olderDeb + "_*.deb 2>&1")
	return r
}

// is waits for a property of the service.
func (r *root) is(unit, property, want string) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%s of %s to be %s", property, unit, want), func() bool {
		out, _ := r.try("systemctl show --value -p " + property + " " + unit)
		return strings.TrimSpace(out) == want
	})
}

// TestService: the package starts the service, systemd hears that it is up, and plugins may do what they may elsewhere.
func TestService(t *testing.T) {
	t.Parallel()
	r := booted(t, func(r *root) {
		r.write("etc/dmonitor/hosts.d/127.0.0.1/look", "", 0o644)
		r.write("etc/dmonitor/hosts.d/127.0.0.1/icmp", "args: [-H, 127.0.0.1]\n", 0o644)
		r.write("etc/dmonitor/plugins/check_look", look, 0o755)
		r.says("getcap $(command -v ping)", "/usr/bin/ping cap_net_raw=ep")
		r.run("install -m 4755 /usr/lib/nagios/plugins/check_icmp /usr/local/lib/check_icmp") // as other systems install it
	})
	// Pings without privileges are off, so that those of a plugin show what it has been given.
	r.run("sysctl -q -w net.ipv4.ping_group_range='1 0'")
	r.is("dmonitor", "ActiveState", "active") // Type=notify: it has said so itself
	r.is("dmonitor", "StatusText", "running: scheduler, arbiter, mailer, prober")
	r.says("systemctl is-enabled dmonitor dmonitor-prober dmonitor-bus", "enabled\ndisabled\ndisabled")

	pid := strings.TrimSpace(r.run("systemctl show --value -p MainPID dmonitor"))
	r.says("ps -o user=,comm= -p "+pid, "dmonitor dmonitor")
	r.says("grep -E '^(NoNewPrivs|CapAmb):' /proc/"+pid+"/status | tr '\\t' ' '", "CapAmb: 0000000000002000\nNoNewPrivs: 0")
	r.eventually("the plugin to have looked", func() bool {
		_, code := r.try("test -s /var/lib/dmonitor/seen")
		return code == 0
	})
	seen := r.run("cat /var/lib/dmonitor/seen")
	for _, want := range []string{"NoNewPrivs: 0", "CapAmb: 0000000000002000", "OK - 127.0.0.1", "OK - 127.0.0.2", "1 packets transmitted, 1 received", "5 of 5 replies from 127.0.0.1"} {
		if !strings.Contains(seen, want) {
			t.Errorf("a plugin does not see %q; it sees:\n%s", want, seen)
		}
	}

	r.eventually("both checks to be fine", func() bool {
		out, _ := r.try("dmonitor status")
		return strings.Contains(out, "0 outages, 2 checks fine, 1 node looking")
	})
	r.says("dmonitor status >/dev/null; echo $?; runuser -u dmonitor -- dmonitor status >/dev/null; echo $?", "0\n0")
	r.says("journalctl -u dmonitor -o cat | grep -c 'dmonitor "+older+" .* starts'", "1")
	r.says("runuser -u dmonitor -- sh -c 'ls /var/lib/dmonitor >/dev/null && echo mine'; stat -c '%a %U' /var/lib/dmonitor", "mine\n750 dmonitor")
	r.exposure("dmonitor", 8.2)
	r.exposure("dmonitor-bus", 1.5)
	r.says("systemd-analyze verify dmonitor.service dmonitor-prober.service dmonitor-bus.service 2>&1 | grep dmonitor", "")

	// An upgrade restarts it; a removal stops it.
	r.run("dpkg --force-confold -i /root/dmonitor_" + newerDeb + "_*.deb 2>&1")
	r.is("dmonitor", "StatusText", "running: scheduler, arbiter, mailer, prober")
	if now := strings.TrimSpace(r.run("systemctl show --value -p MainPID dmonitor")); now == pid {
		t.Error("the upgrade did not restart the service")
	}
	r.says("dmonitor status | grep -o '"+newer+"'", newer)
	r.says("systemctl is-active dmonitor-prober dmonitor-bus", "inactive\ninactive")
	r.run("dpkg -r dmonitor 2>&1")
	r.says("pgrep -x dmonitor; systemctl --failed --no-legend", "")
}

// exposure wants "systemd-analyze security" to give a unit at most so many points, and says how many it gives.
func (r *root) exposure(unit string, most float64) {
	r.t.Helper()
	out, _ := r.try("systemd-analyze security --no-pager " + unit)
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		r.t.Fatalf("systemd-analyze says:\n%s", out)
	}
	points, err := strconv.ParseFloat(m[1], 64)
	if err != nil || points > most {
		r.t.Errorf("%s: exposure %s, want at most %v (%v)", unit, m[1], most, err)
	}
	r.t.Logf("%s: exposure %s of 10", unit, m[1])
}

// TestWatchdog: a process that stands still is ended and started again; so is one that was killed, and one whose settings are
// wrong, until they are right.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	r := booted(t, func(r *root) {
		r.write("etc/systemd/system/dmonitor.service.d/test.conf", "[Service]\nWatchdogSec=8\nTimeoutAbortSec=2\nRestartSec=1\n", 0o644)
	})
	r.is("dmonitor", "StatusText", "running: scheduler, arbiter, mailer, prober")
	r.says("systemctl cat dmonitor | grep -E '^(WatchdogSec|Restart|Type)='", "Type=notify\nRestart=on-failure\nWatchdogSec=60\nWatchdogSec=8")
	pid := r.run("systemctl show --value -p MainPID dmonitor")
	r.run("kill -STOP " + pid)
	r.is("dmonitor", "NRestarts", "1")
	r.is("dmonitor", "StatusText", "running: scheduler, arbiter, mailer, prober")
	if now := r.run("systemctl show --value -p MainPID dmonitor"); now == pid {
		t.Error("the same process runs")
	}
	r.says("journalctl -u dmonitor -o cat | grep -c 'Watchdog timeout'", "1")

	r.run("kill -KILL $(systemctl show --value -p MainPID dmonitor)")
	r.is("dmonitor", "NRestarts", "2")
	r.is("dmonitor", "ActiveState", "active")

	r.run("echo DMONITOR_AGRE=1 >> /etc/default/dmonitor")
	if out, code := r.try("systemctl restart dmonitor 2>&1"); code == 0 {
		t.Errorf("it starts with a misspelt setting: %s", out)
	}
	r.is("dmonitor", "ExecMainStatus", "2")
	r.says("journalctl -u dmonitor -o cat | grep -q 'DMONITOR_AGRE: no such setting; did you mean DMONITOR_AGREE' && echo told", "told")
	r.run("sed -i /AGRE=/d /etc/default/dmonitor")
	r.is("dmonitor", "ActiveState", "active") // by itself

	// The other two, each instead of the one that runs.
	r.run("systemctl start dmonitor-bus")
	r.is("dmonitor-bus", "ActiveState", "active")
	r.says("grep -E '^(NoNewPrivs|CapBnd):' /proc/$(systemctl show --value -p MainPID dmonitor-bus)/status | tr '\\t' ' '", "CapBnd: 0000000000000000\nNoNewPrivs: 1")
	r.run("systemctl start dmonitor")
	r.is("dmonitor-bus", "ActiveState", "inactive")
	r.is("dmonitor", "ActiveState", "active")
}

// TestKey: with a key as the documentation makes it the service listens for other hosts, and the command line works for
// root and for the user dmonitor, and for nobody else. A remote prober of that node's is up, whether the node is there or not.
func TestKey(t *testing.T) {
	t.Parallel()
	r := booted(t, nil)
	r.is("dmonitor", "ActiveState", "active")
	const reachable = "grep -qE ' 0{8}(0{24})?:0B71 .* 0A ' /proc/net/tcp /proc/net/tcp6 && echo all || echo loopback"
	r.says(reachable, "loopback")
	r.run("dmonitor keygen -o /etc/dmonitor/cluster.key; printf '127.0.0.1\n127.0.0.2\n' > /etc/dmonitor/nodes.txt; systemctl restart dmonitor")
	r.says("stat -c '%a %U:%G' /etc/dmonitor/cluster.key", "640 root:dmonitor")
	r.is("dmonitor", "ActiveState", "active")
	r.says(reachable, "all")
	r.run("rm /etc/dmonitor/nodes.txt; systemctl restart dmonitor")
	r.is("dmonitor", "StatusText", "running: scheduler, arbiter, mailer, prober")
	r.says("dmonitor status >/dev/null; echo $?; runuser -u dmonitor -- dmonitor status >/dev/null; echo $?", "0\n0")
	if out, code := r.try("runuser -u nobody -- dmonitor status 2>&1"); code == 0 {
		t.Errorf("anybody may ask:\n%s", out)
	}

	r.run("dmonitor creds prober away -o /etc/dmonitor/prober.creds && chown dmonitor /etc/dmonitor/prober.creds")
	r.run("sed -i /NODE=/d /etc/default/dmonitor; printf 'DMONITOR_BUS_URL=nats://127.0.0.1:4222\nDMONITOR_BUS_CREDS=/etc/dmonitor/prober.creds\n' >> /etc/default/dmonitor")
	r.run("systemctl start dmonitor-prober")
	r.is("dmonitor-prober", "ActiveState", "active")
	r.is("dmonitor", "ActiveState", "inactive")
	r.says("grep -E '^(NoNewPrivs|CapAmb):' /proc/$(systemctl show --value -p MainPID dmonitor-prober)/status | tr '\t' ' '", "CapAmb: 0000000000002000\nNoNewPrivs: 0")
}

// TestFirstOfSeveral: the first node of a cluster is up for systemd, and says for whom it waits.
func TestFirstOfSeveral(t *testing.T) {
	t.Parallel()
	r := booted(t, func(r *root) {
		r.write("etc/dmonitor/nodes.txt", "127.0.0.1\n127.0.0.2\n127.0.0.3\n", 0o644)
		r.run("echo DMONITOR_LISTEN=127.0.0.1:2929 >> /etc/default/dmonitor")
	})
	r.is("dmonitor", "ActiveState", "active")
	r.eventually("a status that says for whom it waits", func() bool {
		out, _ := r.try("systemctl show --value -p StatusText dmonitor")
		return strings.Contains(out, "waiting for the log of outages: no answer from 127.0.0.2:2929, 127.0.0.3:2929")
	})
}

// TestMigration: the folder of an older tool works as it is, its plugin included; an outage is found and ends.
func TestMigration(t *testing.T) {
	t.Parallel()
	r := booted(t, func(r *root) {
		r.oldTool()
		r.run("chmod 0755 /etc/dmonitor /etc/dmonitor/alert.d; chmod 0644 /etc/dmonitor/alert.d/* /etc/dmonitor/hosts.d/*/*")
		r.run("rm /etc/dmonitor/hosts.d/www.example.com/ssh; touch /run/open")
	})
	r.eventually("the old check to be fine", func() bool {
		out, _ := r.try("dmonitor status")
		return strings.Contains(out, "0 outages, 1 check fine, 1 node looking")
	})
	r.run("touch /run/closed")
	r.eventually("an outage", func() bool {
		out, _ := r.try("dmonitor outages")
		return strings.Contains(out, "127.0.0.1/door")
	})
	r.run("rm /run/closed")
	r.eventually("its end", func() bool {
		out, _ := r.try("dmonitor status")
		return strings.Contains(out, "0 outages, 1 check fine")
	})
}
