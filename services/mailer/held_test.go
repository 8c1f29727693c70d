package mailer

import (
	"testing"
	"time"
)

// TestLost: a mailer that stood still for so long that another has the notice by now sends nothing, and puts nothing back:
// that would hand it to a third.
func TestLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lose  func(*fakeTask) func(to string) error
		mails int
	}{
		{"never", func(*fakeTask) func(string) error { return nil }, 1},
		{"before it began", func(task *fakeTask) func(string) error { task.lost.Store(true); return nil }, 0},
		{"while it talked with the server", func(task *fakeTask) func(string) error {
			return func(string) error { task.lost.Store(true); return nil }
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			task := &fakeTask{}
			in := (&inbox{onRcpt: c.lose(task)}).serve(t)
			b := newBench(t, in.addr)
			b.send(t.Context(), freshNotice("ops@example.com"), 1, time.Now(), task)
			if c.mails == 1 {
				task.want(t, "done")
			} else {
				task.want(t)
				if len(b.bus.deliveries) > 0 {
					t.Errorf("recorded %+v", b.bus.deliveries)
				}
			}
			// The next notice tells that the server is done with the one before, and that the connection is no obstacle.
			task.lost.Store(false)
			in.onRcpt = nil
			b.send(t.Context(), freshNotice("night@example.com"), 1, time.Now(), &fakeTask{})
			if got := in.wait(t, c.mails+1); len(got) != c.mails+1 {
				t.Errorf("the server has taken %d mails, want %d", len(got), c.mails+1)
			}
		})
	}
}
