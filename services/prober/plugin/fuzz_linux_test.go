package plugin

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzProcField: whatever stands in a file of /proc, a field is one word of a line that begins with its name.
func FuzzProcField(f *testing.F) {
	f.Add([]byte("Name:\tdmonitor\nUid:\t1000\t1000\t1000\t1000\nThreads:\t7\n"), "Uid:")
	f.Add([]byte("Uid:"), "Uid:")
	f.Add([]byte("\n\n:\x00 Uid: 7"), "Uid:")
	f.Fuzz(func(t *testing.T, status []byte, name string) {
		got := field(status, name)
		if got == "" {
			return
		}
		if strings.ContainsAny(got, " \t\n") || name != "" && !bytes.Contains(status, []byte(name)) || !bytes.Contains(status, []byte(got)) {
			t.Errorf("%q: %s is %q", status, name, got)
		}
	})
}
