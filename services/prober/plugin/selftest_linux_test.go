package plugin

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// twoFolders makes a runner with a folder of people's own plugins and one of others.
func twoFolders(t *testing.T) (r *Runner, own, others string) {
	t.Helper()
	r, own = newRunner(t, false)
	others = t.TempDir()
	r.Dirs = append(r.Dirs, others)
	return r, own, others
}

func withheld(all []events.Withheld) (names []string) {
	for _, w := range all {
		names = append(names, w.Plugin)
	}
	return names
}

// TestSelfTest: what can't reach this very machine, or says that it lacks a right, is found; what is merely not understood
// isn't.
func TestSelfTest(t *testing.T) {
	if ignoresEcho(icmpEchoIgnoreAll) {
		t.Skip("this machine is set to answer no pings")
	}
	for name, c := range map[string]struct {
		script string
		found  bool
	}{
		"works":                  {"echo OK", false},
		"sees nothing":           {"echo FAIL no reply; exit 2", true},
		"may not":                {"echo 'UNKNOWN socket: Operation not permitted'; exit 3", true},
		"may not, by the detail": {"echo UNKNOWN; echo 'socket: Permission denied' >&2; exit 3", true},
		"takes other arguments":  {`[ "$1" = -H ] && echo OK && exit; echo usage; exit 3`, false},
		"fails with them":        {`[ "$1" = -H ] && echo CRITICAL && exit 2; echo usage; exit 3`, true},
		"is not understood":      {"echo usage; exit 3", false},
		"fails with IPv6":        {`[ "$1" = ::1 ] && echo FAIL no reply && exit; echo OK`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, own, others := twoFolders(t)
			put(t, others, "ping", "#!/bin/sh\n"+c.script+"\n", 0o755)
			put(t, others, "http", "#!/bin/sh\necho FAIL\n", 0o755) // needs no right, so it isn't tried
			put(t, own, "icmp", "#!/bin/sh\necho FAIL\n", 0o755)    // may be anything
			got := r.SelfTest(t.Context())
			if names := strings.Join(withheld(got), " "); names != map[bool]string{true: "ping"}[c.found] {
				t.Errorf("found: %v", got)
			}
			if c.found && !strings.Contains(got[0].Why, "CAP_NET_RAW") {
				t.Errorf("no remedy: %q", got[0].Why)
			}
		})
	}
}

// TestOursIsBelievedWhatItSays: our check_ping tells a right that is missing from a loopback that doesn't answer.
func TestOursIsBelievedWhatItSays(t *testing.T) {
	for script, found := range map[string]bool{
		"echo 'FAIL no reply from 127.0.0.1'; exit 2":                                                           false,
		"echo 'UNKNOWN cannot send: operation not permitted'; exit 3":                                           false, // a firewall
		"echo 'UNKNOWN ICMP is not allowed here; allow it with \"sysctl net.ipv4.ping_group_range=1\"'; exit 3": true,
	} {
		r, _, others := twoFolders(t)
		for _, program := range []string{"dmonitor", "dmonitor-plugins"} {
			at := filepath.Join(others, program)
			must(t, os.WriteFile(at, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
			must(t, os.Symlink(at, filepath.Join(others, Prefix+"ping")))
			if got := r.SelfTest(t.Context()); (len(got) > 0) != found {
				t.Errorf("%s, by %s: found %v", script, program, got)
			}
			must(t, os.Remove(filepath.Join(others, Prefix+"ping")))
		}
	}
}

// TestNoPing: what others say is weighed; that they took too long proves nothing.
func TestNoPing(t *testing.T) {
	for _, c := range []struct {
		said          Verdict
		ours, answers bool
		found         bool
	}{
		{Verdict{Status: events.Fail, Output: "no reply"}, false, true, true},
		{Verdict{Status: events.Fail, Output: "no reply"}, false, false, false},
		{Verdict{Status: events.Fail, Output: "socket: Operation not permitted"}, false, false, true},
		{Verdict{Status: events.Fail, Output: "no reply"}, true, true, false},
		{Verdict{Status: events.Timeout, Output: "no answer within 5s"}, false, true, false},
		{Verdict{Status: events.Unknown, Detail: "Permission denied"}, false, true, true},
		{Verdict{Status: events.OK}, false, true, false},
	} {
		if why := noPing(c.said, c.ours, c.answers); (why != "") != c.found {
			t.Errorf("%+v: %q", c, why)
		}
	}
}

// TestLoopbackThatDoesNotAnswer: on a machine that is set to answer no pings a plugin that works is not withheld.
func TestLoopbackThatDoesNotAnswer(t *testing.T) {
	machine := func(ignore string, command ...string) *exec.Cmd {
		return exec.Command("unshare", append([]string{
			"--net", "sh", "-c", "ip link set lo up && echo " + ignore + " >" + icmpEchoIgnoreAll + ` && exec "$@"`, "sh",
		}, command...)...)
	}
	if os.Getuid() != 0 || machine("1", "true").Run() != nil {
		t.Skip("no namespaces can be made here")
	}
	dir := asSomebody(t)
	put(t, dir, "ping", "#!/bin/sh\necho FAIL no reply\n", 0o755)
	test := []string{filepath.Join(dir, Prefix+"selftest"), dir}
	if out, err := machine("1", test...).Output(); err != nil || len(out) > 0 {
		t.Errorf("%v: found %s", err, out)
	}
	if out, err := machine("0", test...).Output(); err != nil || !strings.Contains(string(out), "ping: check_ping can't reach 127.0.0.1") {
		t.Errorf("where everything answers: %v %q", err, out)
	}
}

// TestSelfTestOfOnesOwn: a plugin is tested by the file beside it, and that file is no plugin.
func TestSelfTestOfOnesOwn(t *testing.T) {
	r, own, others := twoFolders(t)
	put(t, own, "queue", "#!/bin/sh\necho OK\n", 0o755)
	put(t, own, "queue.selftest", "#!/bin/sh\necho \"$1: no library; exit $DMONITOR_TEST\"; exit 3\n", 0o755)
	put(t, own, "fine", "#!/bin/sh\necho FAIL\n", 0o755)
	put(t, own, "fine.selftest", "#!/bin/sh\necho OK\n", 0o755)
	put(t, own, "off", "#!/bin/sh\necho OK\n", 0o755)
	put(t, own, "off.selftest", "#!/bin/sh\necho FAIL\n", 0o644) // can't be executed
	put(t, others, "icmp", "#!/bin/sh\necho FAIL\n", 0o755)
	put(t, others, "icmp.selftest", "#!/bin/sh\necho OK\n", 0o755) // has the last word
	got := r.SelfTest(t.Context())
	if len(got) != 1 || got[0].Plugin != "queue" || got[0].Why != "its own test check_queue.selftest says: 127.0.0.1: no library; exit queue" {
		t.Errorf("found: %+v", got)
	}
	if names := strings.Join(r.Plugins(), " "); names != "fine icmp off queue" {
		t.Errorf("plugins: %s", names)
	}
}

// TestSelfTestSparesAMoment: what works when it is tried again is offered.
func TestSelfTestSparesAMoment(t *testing.T) {
	r, _, others := twoFolders(t)
	put(t, others, "ping", "#!/bin/sh\n[ -e "+others+"/been ] && echo OK && exit; touch "+others+"/been; echo FAIL\n", 0o755)
	if got := r.SelfTest(t.Context()); len(got) > 0 {
		t.Errorf("found: %+v", got)
	}
}

// TestStrippedRights: under NoNewPrivileges a setuid plugin, or one with file capabilities, can't do what it is there for,
// and is found without being run.
func TestStrippedRights(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a file that has more rights than who runs it")
	}
	dir := asSomebody(t)
	for _, name := range []string{"dhcp", "raw", "plain"} {
		put(t, dir, name, "#!/bin/sh\necho FAIL\n", 0o755)
	}
	must(t, os.Chmod(filepath.Join(dir, "check_dhcp"), 0o755|os.ModeSetuid))
	if out, err := exec.Command("setcap", "cap_net_raw+ep", filepath.Join(dir, "check_raw")).CombinedOutput(); err != nil {
		t.Fatalf("setcap: %v %s", err, out)
	}
	said := func(command ...string) string {
		t.Helper()
		out, err := exec.Command(command[0], append(command[1:], filepath.Join(dir, "check_selftest"), dir)...).Output()
		if err != nil {
			t.Fatalf("%v: %v", command, err)
		}
		return string(out)
	}
	user := []string{"setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"}
	if got := said(user...); got != "" {
		t.Errorf("with all rights: %s", got)
	}
	got := said(append(user, "--no-new-privs")...)
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "dhcp: "+dir+"/check_dhcp has a setuid bit, which NoNewPrivileges") ||
		!strings.Contains(got, "raw: "+dir+"/check_raw has file capabilities, which NoNewPrivileges") {
		t.Errorf("with NoNewPrivileges: %s", got)
	}
	if got := said("setpriv", "--no-new-privs"); got != "" {
		t.Errorf("root needs none of it: %s", got)
	}
}

// TestAmbientCapabilities: a capability that the service manager grants the prober reaches plugins, which are not setuid.
func TestAmbientCapabilities(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can grant a capability")
	}
	dir := asSomebody(t)
	put(t, dir, "x", "#!/bin/sh\ngrep CapEff: /proc/self/status\n", 0o755)
	cmd := exec.Command("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw",
		filepath.Join(dir, "check_prober"), dir)
	out, err := cmd.Output()
	if got := strings.TrimSpace(string(out)); err != nil || !strings.HasSuffix(got, "0000000000002000") { // 1<<13, capability(7)
		t.Errorf("%q, %v: want CAP_NET_RAW alone", got, err)
	}
}

// asSomebody makes a folder in which other users than root can run plugins, among them this test's binary.
func asSomebody(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	self, err := os.Executable() // where it lies only root may reach it
	must(t, err)
	binary, err := os.ReadFile(self)
	must(t, err)
	for _, act := range []string{"bombed", "selftest", "prober"} {
		must(t, os.WriteFile(filepath.Join(dir, Prefix+act), binary, 0o755))
	}
	return dir
}
