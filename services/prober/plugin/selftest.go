package plugin

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const (
	// SelfTestSuffix ends the name of the file beside a plugin that tests it: check_queue.selftest beside check_queue.
	SelfTestSuffix = ".selftest"
	// selfTestTimeout is how long one look of a self-test may take. What is looked at is on this very machine.
	selfTestTimeout = 5 * time.Second
)

// loopback is the address of every machine for itself. There is no test with ::1: a machine whose IPv6 is broken can still ping
// by IPv4, and ours says so itself where it can't.
const loopback = "127.0.0.1"

// way is how a plugin is called to look at an address of this machine.
type way func(address string) []string

// byLoopback lists the plugins that can look only with a right that a process may lack, and that a vote would believe if
// they lacked it on every node alike; and the ways to call them, since plugins of one name aren't one program: that of
// the Monitoring Plugins is called otherwise than most. What a program doesn't understand it answers with unknown, and the next way
// is tried.
var byLoopback = map[string][]way{
	"ping":  {short, full},
	"icmp":  {func(a string) []string { return []string{"-H", a, "-n", "1", "-w", "4000,100%", "-c", "4000,100%"} }},
	"fping": {func(a string) []string { return []string{"-H", a, "-n", "1"} }},
}

func short(a string) []string { return []string{a, "-p", "1"} }

func full(a string) []string {
	return []string{"-H", a, "-p", "1", "-w", "4000,100%", "-c", "4000,100%"}
}

// remedy is what lets a plugin ping.
const remedy = "it needs CAP_NET_RAW (AmbientCapabilities= in the unit, or setcap cap_net_raw+ep on the program) or " +
	"net.ipv4.ping_group_range, and must not lose it by NoNewPrivileges or a file system mounted nosuid"

// SelfTest finds the plugins that are there and can't work, whatever they look at. It tries
//
//   - check_ping, check_icmp and check_fping on 127.0.0.1, if they are not in the first folder, that of the configuration: what
//     is in there may be anything. Ours is believed if it says that it lacks the right, and nothing else is: where it has the
//     right, a loopback that doesn't answer is no trouble. Of others that may hide it, a FAIL is enough, unless this machine
//     is set never to answer;
//   - every plugin by the file beside it that is called like it with ".selftest" at the end, if there is one that can be
//     executed: run as a plugin for 127.0.0.1, it has to count as up;
//   - of all others, whether they are setuid or have file capabilities, while this process can't pass on such rights.
//
// What has failed it tries a second time. The answers are sorted; a plugin that can't be told about is not among them.
func (r *Runner) SelfTest(ctx context.Context) []events.Withheld {
	var out []events.Withheld
	stripped := strips()
	for _, name := range r.Plugins() {
		path, err := r.Find(name)
		if err != nil || ctx.Err() != nil {
			continue
		}
		why := r.unfit(ctx, name, path, stripped)
		if why != "" && r.unfit(ctx, name, path, stripped) != "" && ctx.Err() == nil {
			out = append(out, events.Withheld{Plugin: name, Why: events.CleanText(why, events.MaxReason)})
		}
	}
	return out[:min(len(out), events.MaxWithheld)]
}

// unfit says why a plugin can't work; empty if it can, or if that can't be told.
func (r *Runner) unfit(ctx context.Context, name, path, stripped string) string {
	if test := path + SelfTestSuffix; executable(test) == nil {
		if a := r.try(ctx, name, test, []string{loopback}); a.Status.Vote() != events.Up {
			return fmt.Sprintf("its own test %s%s%s says: %s", Prefix, name, SelfTestSuffix, a.Output)
		}
		return ""
	}
	if ways := byLoopback[name]; ways != nil && !r.isOwn(path) {
		return r.unfitOnLoopback(ctx, name, path, ways)
	}
	if right := extraRight(path); right != "" && stripped != "" {
		return fmt.Sprintf("%s has %s, which %s takes away from it", path, right, stripped)
	}
	return ""
}

// unfitOnLoopback tries a plugin where nearly everything answers.
func (r *Runner) unfitOnLoopback(ctx context.Context, name, path string, ways []way) string {
	if !hasLoopback() {
		return ""
	}
	ours, answers := isOurs(path), !ignoresEcho(icmpEchoIgnoreAll)
	for _, call := range ways {
		a := r.try(ctx, name, path, call(loopback))
		why := noPing(a.Verdict, ours, answers)
		switch {
		case why != "":
			return fmt.Sprintf("%s%s %s (%s); %s", Prefix, name, why, a.Output, remedy)
		case a.Status != events.Unknown || ours:
			return "" // it was understood
		}
	}
	return ""
}

// noPing says what is wrong with a plugin that said this of the loopback; empty if nothing is, or if it can't be told: one that
// is too slow shows that the machine is busy, not that a right is missing.
func noPing(said Verdict, ours, answers bool) string {
	text := said.Output + said.Detail
	switch {
	case ours && (said.Status != events.Unknown || !strings.Contains(text, ourLack)), said.Status == events.Timeout, said.Status.Vote() == events.Up:
		return ""
	case lacksRight(text):
		return "lacks a right"
	case said.Status.Vote() == events.Down && answers:
		return "can't reach " + loopback + ", which should answer, unless a firewall forbids it"
	}
	return ""
}

// ourLack is in what our check_ping says if it may not ping, and in nothing else it says.
const ourLack = "ping_group_range"

// isOurs tells whether a plugin is a link to one of dmonitor's own programs, which have all the plugins in them.
func isOurs(path string) bool {
	file, err := filepath.EvalSymlinks(path)
	return err == nil && slices.Contains([]string{"dmonitor", "dmonitor-plugins"}, filepath.Base(file))
}

// icmpEchoIgnoreAll is where Linux keeps whether it answers echo requests, see icmp(7).
const icmpEchoIgnoreAll = "/proc/sys/net/ipv4/icmp_echo_ignore_all"

// ignoresEcho tells whether the setting in a file is that echo requests get no answer. Without the file they do.
func ignoresEcho(file string) bool {
	setting, err := os.ReadFile(file)
	return err == nil && strings.TrimSpace(string(setting)) != "0"
}

func (r *Runner) try(ctx context.Context, name, path string, args []string) Answer {
	return r.runFile(ctx, time.Now(), path, events.Run{
		Check: events.Check{Host: loopback, Test: name}, Plugin: name, Args: args, Timeout: events.Millis(selfTestTimeout),
	})
}

// isOwn tells whether a plugin is a file of the first folder, not a link out of it.
func (r *Runner) isOwn(path string) bool {
	file, err := filepath.EvalSymlinks(path)
	own, err2 := filepath.EvalSymlinks(r.Dirs[0])
	return err == nil && err2 == nil && filepath.Dir(file) == own
}

// lacksRight tells whether a plugin says that it was not allowed to do something; LANG is set, so the words are English.
func lacksRight(said string) bool {
	said = strings.ToLower(said)
	return slices.ContainsFunc([]string{"not permitted", "permission denied", "ping_group_range", "cap_net_raw", "setuid", "suid", "root privileges"},
		func(sign string) bool { return strings.Contains(said, sign) })
}

// hasLoopback tells whether this machine has 127.0.0.1: a network namespace may have no interface that is up.
func hasLoopback() bool {
	addrs, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		ip, _, err := net.ParseCIDR(a.String())
		return err == nil && ip.Equal(net.ParseIP(loopback))
	})
}

// extraRight says what lets a program do more than the one that starts it; empty if nothing does, or if this process needs none
// of it.
func extraRight(path string) string {
	st, err := os.Stat(path)
	switch {
	case err != nil || os.Geteuid() == 0:
		return ""
	case st.Mode()&fs.ModeSetuid != 0:
		return "a setuid bit"
	case hasFileCapabilities(path):
		return "file capabilities"
	}
	return ""
}
