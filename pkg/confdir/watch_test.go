package confdir

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a change may take to be seen on a busy machine.
const patience = 30 * time.Second

// never is an interval of reading again that no test lives to see: what is seen then was told by the kernel.
const never = 24 * time.Hour

// follower runs a Watch and remembers what it was told last.
type follower struct {
	t    *testing.T
	dir  string
	told chan string
	last string
}

func follow(t *testing.T, dir string, o WatchOptions) *follower {
	t.Helper()
	f := &follower{t: t, dir: dir, told: make(chan string, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Watch(ctx, dir, Defaults{}, o, func(s Snapshot, p Problems) { f.told <- describe(s, p) })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

// describe writes checks with their intervals, recipients, nodes and problems in one line.
func describe(s Snapshot, problems Problems) string {
	var out []string
	for _, d := range s.Checks {
		out = append(out, d.Check.String()+"="+short(d.Interval.Duration()))
	}
	for _, r := range s.Recipients {
		out = append(out, r.Address)
	}
	for _, r := range s.Revoked {
		out = append(out, "-"+r.String())
	}
	out = append(out, s.Nodes...)
	for _, p := range problems {
		out = append(out, "!"+p.File)
	}
	return strings.Join(out, " ")
}

// wants waits until the last thing told is want.
func (f *follower) wants(want string) {
	f.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case f.last = <-f.told:
			if f.last == want {
				return
			}
		case <-timeout:
			f.t.Fatalf("want %q, last told was %q", want, f.last)
		}
	}
}

func (f *follower) write(file, content string) {
	f.t.Helper()
	write(f.t, filepath.Join(f.dir, file), content)
}

// replace writes as editors do: into a new file that is then given the old one's name.
func (f *follower) replace(file, content string) {
	f.t.Helper()
	f.write(file+".tmp~", content)
	f.rename(file+".tmp~", file)
}

func (f *follower) rename(from, to string) {
	f.t.Helper()
	if err := os.Rename(filepath.Join(f.dir, from), filepath.Join(f.dir, to)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) remove(file string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.dir, file)); err != nil {
		f.t.Fatal(err)
	}
}

// edits is a story of changes, told by the kernel or found by reading again.
func edits(f *follower) {
	f.write("hosts.d/web/ssh", "interval: 1m\n")
	f.wants("web/ssh=1m")
	f.replace("hosts.d/web/ssh", "interval: 2m\n")
	f.wants("web/ssh=2m")
	f.write("hosts.d/mail/smtp", "")
	f.wants("mail/smtp=1m web/ssh=2m")
	f.write("hosts.d/web/ssh", "interval: soon\n")
	f.wants("mail/smtp=1m web/ssh=2m !hosts.d/web/ssh")
	f.write("alert.d/ops@x", "")
	f.write("nodes.txt", "a\n")
	f.wants("mail/smtp=1m web/ssh=2m ops@x a:2929 !hosts.d/web/ssh")
	f.replace("hosts.d/web/ssh", "interval: 3m\n")
	f.wants("mail/smtp=1m web/ssh=3m ops@x a:2929")
	f.remove("hosts.d/web/ssh")
	f.wants("mail/smtp=1m ops@x a:2929")
	f.rename("hosts.d/mail", "hosts.d/post")
	f.wants("post/smtp=1m ops@x a:2929")
	f.write("hosts.d/post/smtp", "interval: 9s\n")
	f.wants("post/smtp=9s ops@x a:2929")
	f.write("nodes.txt", "a b\n")
	f.wants("post/smtp=9s ops@x a:2929 !nodes.txt")
	f.remove("nodes.txt")
	f.wants("post/smtp=9s ops@x")
	f.remove("hosts.d")
	f.wants("ops@x")
	f.write("hosts.d/new/ssh", "")
	f.wants("new/ssh=1m ops@x")
}

// TestWatchHears: every kind of change is told by the kernel, without any reading again.
func TestWatchHears(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := follow(t, dir, WatchOptions{Reread: never})
	f.wants("")
	edits(f)
}

// TestWatchReads: on a file system that tells nothing, the same changes are found by reading again.
func TestWatchReads(t *testing.T) {
	t.Parallel()
	f := follow(t, t.TempDir(), WatchOptions{Poll: true, Reread: 20 * time.Millisecond, Settle: 10 * time.Millisecond})
	f.wants("")
	edits(f)
}

// TestWatchMissing: a directory that is missing is a problem and is waited for; one that vanishes leaves in force what
// it said; one that is replaced by another is followed.
func TestWatchMissing(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	f := follow(t, filepath.Join(base, "etc"), WatchOptions{Reread: never})
	f.wants("!.")
	f.write("hosts.d/web/ssh", "")
	f.wants("web/ssh=1m")
	f.rename("../etc", "../old")
	f.wants("web/ssh=1m !.")
	write(t, filepath.Join(base, "next/hosts.d/web/ssh"), "interval: 2m\n")
	f.rename("../next", "../etc")
	f.wants("web/ssh=2m")
	write(t, filepath.Join(base, "third/hosts.d/web/ssh"), "interval: 3m\n")
	f.rename("../etc", "../older")
	f.rename("../third", "../etc")
	f.wants("web/ssh=3m")
	write(t, filepath.Join(base, "older/hosts.d/web/ssh"), "interval: 9m\n") // is none of ours any more
	f.write("hosts.d/web/ssh", "interval: 4m\n")
	f.wants("web/ssh=4m")
}

// TestWatchOnlyChanges: reading the same again, and droppings, are not told.
func TestWatchOnlyChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "hosts.d/web"))
	f := follow(t, dir, WatchOptions{Poll: true, Reread: time.Millisecond, Settle: time.Millisecond})
	f.wants("")
	for i := range 200 {
		f.write("hosts.d/web/.ssh.swp", "x")
		f.write("hosts.d/web/ssh~", "x")
		f.write("notes", "x")
		interval := short(time.Duration(i+1) * time.Second)
		f.replace("hosts.d/web/ssh", "interval: "+interval+"\n")
		select {
		case got := <-f.told:
			if want := "web/ssh=" + interval; !strings.HasPrefix(got, want) {
				t.Fatalf("told %q, want %q and nothing in between", got, want)
			}
		case <-time.After(patience):
			t.Fatal("not told")
		}
	}
}

// TestWatchRevoked: who is taken back is told at once, and a file that goes bad takes nobody in again.
func TestWatchRevoked(t *testing.T) {
	t.Parallel()
	f := follow(t, t.TempDir(), WatchOptions{Reread: never})
	f.wants("")
	f.write("revoked.d/prober.osaka-1", "")
	f.wants("-prober.osaka-1")
	f.write("revoked.d/reader.grafana", "because: it left\n")
	f.wants("-prober.osaka-1 -reader.grafana")
	f.write("revoked.d/prober.osaka-1", "before: yesterday\n")
	f.wants("-prober.osaka-1 -reader.grafana !revoked.d/prober.osaka-1")
}

// TestWatchLink: a directory that is a symbolic link is followed to where the link leads now.
func TestWatchLink(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	write(t, filepath.Join(base, "v1/hosts.d/web/ssh"), "interval: 1m\n")
	write(t, filepath.Join(base, "v2/hosts.d/web/ssh"), "interval: 2m\n")
	for link, to := range map[string]string{"etc": "v1", "new": "v2"} {
		if err := os.Symlink(to, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	f := follow(t, filepath.Join(base, "etc"), WatchOptions{Reread: never})
	f.wants("web/ssh=1m")
	f.rename("../new", "../etc")
	f.wants("web/ssh=2m")
	f.write("hosts.d/web/ssh", "interval: 3m\n")
	f.wants("web/ssh=3m")
}

// TestWatchTouch: a file that is only touched is a change, because the newest edit wins in the cluster.
func TestWatchTouch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "hosts.d/web/ssh"), "")
	f := follow(t, dir, WatchOptions{Reread: never})
	f.wants("web/ssh=1m")
	if err := os.Chtimes(filepath.Join(dir, "hosts.d/web/ssh"), edited, edited); err != nil {
		t.Fatal(err)
	}
	f.wants("web/ssh=1m")
}
