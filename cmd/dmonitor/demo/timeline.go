package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Timeline writes one line per thing that happened, with the seconds since the start.
type Timeline struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
}

// NewTimeline starts a timeline on w.
func NewTimeline(w io.Writer) *Timeline { return &Timeline{w: w, start: time.Now()} }

func (t *Timeline) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%7.2fs  %s\n", time.Since(t.start).Seconds(), fmt.Sprintf(format, args...))
}

func (t *Timeline) act(n int, title string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "\n%d. %s\n", n, title)
}

func (t *Timeline) block(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(text) {
		fmt.Fprintf(t.w, "          │ %s\n", strings.TrimRight(line, "\n"))
	}
}

func (t *Timeline) plain(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, format+"\n", args...)
}
