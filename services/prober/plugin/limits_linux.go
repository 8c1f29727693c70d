package plugin

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// countEvery is how often the processes of dmonitor's user are counted. It costs some ten microseconds for each process of
// the machine.
const countEvery = 10 * time.Minute

// cage puts limits on plugins. Five system calls on a process that was just started, and a look at its children, take
// some 10 µs; that is nothing next to starting it (0.4 ms and more). A helper program between the two would cost half as much
// again as the plugin itself, and the prober can't lower its own limits for the moment of a start: they are those of all
// its threads.
type cage struct {
	limits Limits
	fixed  []rlimit // those that never change
	most   uint64   // the highest limit of processes this user may set

	counted atomic.Int64  // when the user's processes were, in seconds since 1970
	procs   atomic.Uint64 // the limit that follows; 0: none
}

type rlimit struct {
	resource int
	value    unix.Rlimit
}

func newCage(l Limits) *cage {
	c := &cage{limits: l, fixed: []rlimit{{unix.RLIMIT_CORE, unix.Rlimit{}}}}
	for _, one := range []struct {
		resource   int
		soft, hard uint64
	}{
		{unix.RLIMIT_DATA, l.Memory, l.Memory},
		{unix.RLIMIT_FSIZE, l.FileSize, l.FileSize},
		{unix.RLIMIT_NOFILE, l.Files, 4 * l.Files},
	} {
		if one.soft > 0 {
			most := highest(one.resource)
			c.fixed = append(c.fixed, rlimit{one.resource, unix.Rlimit{Cur: min(one.soft, most), Max: min(one.hard, most)}})
		}
	}
	space, _ := os.Readlink("/proc/self/ns/pid")
	if os.Getuid() != 0 && l.Processes > 0 && seesAll(space) { // The kernel lets root have as many as it likes.
		c.most = highest(unix.RLIMIT_NPROC)
		c.recount(time.Now())
	}
	return c
}

// seesAll tells from the name of this process' pid namespace (the link /proc/self/ns/pid) whether /proc shows every process of
// the machine. The kernel counts a user's processes over all namespaces: in a container those of a user with the same
// number outside, or in another container, are among them and can't be seen. A limit set there would refuse processes to plugins
// without anything to tell it from a host that is down; so there is none, and the container's own (--pids-limit) has to do.
// The number is the kernel's PROC_PID_INIT_INO (include/linux/proc_ns.h).
func seesAll(space string) bool { return space == "pid:[4026531836]" }

// MachineMemory is how many bytes of memory this machine has; 0 if it doesn't say.
func MachineMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit) //nolint:unconvert // they are narrower on other processors
}

// highest is the highest limit that this process may set.
func highest(resource int) uint64 {
	var own unix.Rlimit
	if err := unix.Getrlimit(resource, &own); err != nil {
		return unix.RLIM_INFINITY
	}
	return own.Max
}

// put puts the limits on a process that was just started, and on what it may have started in the meantime. That it is
// gone already, or somebody else's by a setuid bit, is no trouble.
func (c *cage) put(pid int) {
	c.putOne(pid)
	for range maxEarly {
		early := children(pid)
		if len(early) == 0 {
			return
		}
		for _, child := range early {
			c.putOne(child)
		}
		pid = early[len(early)-1] // what goes on starting others is at the end of the line
	}
}

// maxEarly is how many generations are looked for. What runs away from here meets the limit of the others of its kind.
const maxEarly = 8

// children lists the children of a process; none if the kernel doesn't tell.
func children(pid int) (out []int) {
	id := strconv.Itoa(pid)
	text, err := os.ReadFile("/proc/" + id + "/task/" + id + "/children")
	if err != nil {
		return nil
	}
	for word := range bytes.FieldsSeq(text) {
		if child, err := strconv.Atoi(string(word)); err == nil {
			out = append(out, child)
		}
	}
	return out
}

func (c *cage) putOne(pid int) {
	for i := range c.fixed {
		_ = unix.Prlimit(pid, c.fixed[i].resource, &c.fixed[i].value, nil)
	}
	if c.most == 0 {
		return
	}
	if now := time.Now(); now.Unix()-c.counted.Load() >= int64(countEvery/time.Second) {
		c.recount(now)
	}
	if n := c.procs.Load(); n > 0 {
		_ = unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
}

func (c *cage) recount(now time.Time) {
	c.counted.Store(now.Unix())
	c.procs.Store(min(tasks(os.Getuid())+c.limits.Processes, c.most))
}

// crowded tells whether the user has so many processes that a plugin may have been refused one: three quarters of what the
// limit leaves them.
func (c *cage) crowded() bool {
	n := c.procs.Load()
	if n == 0 {
		return false
	}
	n -= min(n, c.limits.Processes/4)
	return allTasks() >= n && tasks(os.Getuid()) >= n
}

// allTasks is how many processes and threads the machine has, by a file that is cheap to read: the fourth field is
// "running/all".
func allTasks() uint64 {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := bytes.Fields(text); err == nil && len(fields) > 3 {
		_, all, _ := bytes.Cut(fields[3], []byte("/"))
		if n, err := strconv.ParseUint(string(all), 10, 64); err == nil {
			return n
		}
	}
	return 1 << 32 // who can't tell cheaply counts them
}

// tasks counts the processes and threads of a user, as far as /proc shows them.
func tasks(uid int) (sum uint64) {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return 0
	}
	user := strconv.Itoa(uid)
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		status, err := os.ReadFile("/proc/" + name + "/status")
		if err != nil || field(status, "Uid:") != user {
			continue // it has ended, or is somebody else's
		}
		if n, err := strconv.ParseUint(field(status, "Threads:"), 10, 32); err == nil {
			sum += n
		}
	}
	return sum
}

// field is the first word after a line's name in a file such as /proc/self/status; empty if there is none.
func field(status []byte, name string) string {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if words := bytes.Fields(rest); len(words) > 0 {
				return string(words[0])
			}
		}
	}
	return ""
}
