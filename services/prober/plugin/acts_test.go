package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// beBombed runs the plugins of TestForkBomb; see TestMain.
func beBombed(dir string) int {
	r, err := NewRunner(Options{Dirs: []string{dir}, Node: "n", Limits: Limits{Processes: 100}})
	if err != nil {
		return 1
	}
	said := map[string]string{}
	run := func(name string, timeout time.Duration) string {
		a := r.Run(context.Background(), order(name, timeout))
		return fmt.Sprintf("%s: %s", a.Status, a.Output)
	}
	beside := make(chan string)
	go func() { beside <- run("beside", patient) }()
	said["bomb"] = run("bomb", 3*time.Second)
	said["beside"] = <-beside
	said["after"] = run("after", patient)
	_ = json.NewEncoder(os.Stdout).Encode(said)
	return 0
}

// beTested prints what a self-test finds in a folder that isn't anybody's own; see TestMain.
func beTested(dir string) int {
	r, err := NewRunner(Options{Dirs: []string{"/nonexistent", dir}, Node: "n"})
	if err != nil {
		return 1
	}
	for _, w := range r.SelfTest(context.Background()) {
		fmt.Printf("%s: %s\n", w.Plugin, w.Why)
	}
	return 0
}

// openMany opens files until it can't. It waits until its limit is there, and raises it as far as it may.
func openMany() int {
	var limit syscall.Rlimit
	for limit.Max != 400 {
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return 3
		}
		time.Sleep(time.Millisecond)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 3
	}
	var kept []*os.File
	for range 100_000 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			fmt.Printf("%d files\n", len(kept))
			fmt.Fprintln(os.Stderr, err.Error()) // in Go's words, "too many open files"
			fmt.Fprintln(os.Stderr, "Too many open files")
			return 4 // no verdict
		}
		kept = append(kept, f)
	}
	fmt.Println("OK")
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
