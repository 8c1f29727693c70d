package rig

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Percentile returns the smallest of ds that at least p percent of them don't exceed (nearest rank).
func Percentile(ds []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[max(0, int(math.Ceil(p/100*float64(len(sorted))))-1)]
}

// Reached says in a word whether a goal was reached.
func Reached(ok bool) string {
	if ok {
		return "reached"
	}
	return "MISSED"
}

// CPU returns the processor time, user and system, that the node and the children it has waited for have used.
// Resolution: one tick, 10 ms.
func (n *Node) CPU(t testing.TB) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// proc_pid_stat(5): the name may hold anything, so fields are counted after its closing bracket.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		v, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += v
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// Memory returns the node's resident memory in bytes.
func (n *Node) Memory(t testing.TB) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
