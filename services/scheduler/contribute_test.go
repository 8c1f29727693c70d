package scheduler

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// memShelf keeps contributions as the bus does, and can fail.
type memShelf struct {
	mu   sync.Mutex
	has  map[string]events.Contribution
	puts []time.Time // tries
	fail error
}

func (m *memShelf) PutContribution(_ context.Context, c events.Contribution) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts = append(m.puts, time.Now())
	if m.fail != nil {
		return m.fail
	}
	data, err := events.Encode(&c)
	if err != nil {
		return err
	}
	m.has[c.Node], err = events.Decode[events.Contribution](c.Subject(), data)
	return err
}

func (m *memShelf) Contributions(context.Context) ([]events.Contribution, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	var all []events.Contribution
	for _, c := range m.has {
		all = append(all, c)
	}
	return all, nil
}

// bench is a contributor at work on a shelf.
type bench struct {
	t *testing.T
	*memShelf
	*contributor
	log *logLines
}

func contributing(t *testing.T, has ...events.Contribution) *bench {
	b := &bench{t: t, memShelf: &memShelf{has: map[string]events.Contribution{}}, log: &logLines{}}
	for _, c := range has {
		if err := b.PutContribution(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	b.puts = nil
	b.contributor = newContributor(b.memShelf, "tokyo", "/etc/dmonitor", zerolog.New(b.log))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return b
}

// says lets the directory say something and waits until all is quiet: hosts, and with a minus in front whose credentials
// are revoked.
func (b *bench) says(hosts string, bad ...string) {
	c := contribution("tokyo", strings.Fields(hosts)...)
	s := confdir.Snapshot{Checks: c.Checks, Revoked: c.Revoked}
	var problems confdir.Problems
	for _, file := range bad {
		problems = append(problems, confdir.Problem{File: file, Message: "bad"})
	}
	b.read(s, problems)
	synctest.Wait()
}

// wants checks what the shelf has in the node's name, and how often it was written since the last look.
func (b *bench) wants(step, hosts string, writes int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []string
	c, ok := b.has["tokyo"]
	for _, d := range c.Checks {
		got = append(got, d.Host)
	}
	for _, r := range c.Revoked {
		got = append(got, "-"+r.Name)
	}
	if !slices.Equal(got, strings.Fields(hosts)) || len(b.puts) != writes || !ok && hosts != "" {
		b.t.Errorf("%s: the bus has %v after %d writes, want %q after %d", step, got, len(b.puts), hosts, writes)
	}
	b.puts = nil
}

var dayOne = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func contribution(node string, hosts ...string) events.Contribution {
	c := events.Contribution{Node: node, Time: time.Now()}
	for _, h := range hosts {
		if name, ok := strings.CutPrefix(h, "-"); ok {
			c.Revoked = append(c.Revoked, events.Revocation{Kind: events.CredentialProber, Name: name, Before: dayOne})
			continue
		}
		c.Checks = append(c.Checks, definition(h, time.Second))
	}
	return c
}

// TestContribute: what the directory says is written when it has changed, and only then.
func TestContribute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := contributing(t, contribution("paris", "p"))
		b.says("")
		b.wants("a directory that never said anything contributes nothing", "", 0)
		b.says("a c")
		b.wants("the first word", "a c", 1)
		b.says("a c")
		b.wants("the same again", "a c", 0)
		b.says("a", "hosts.d/c/ssh", "hosts.d/d/ssh")
		b.wants("a bad file leaves in force what it said", "a c", 0)
		b.says("a b", "hosts.d/c/ssh")
		b.wants("while others change", "a b c", 1)
		b.says("a b")
		b.wants("a bad file that is removed is gone", "a b", 1)
		b.says("a b -osaka")
		b.wants("a revocation", "a b -osaka", 1)
		b.says("a b", "revoked.d/prober.osaka")
		b.wants("whose file went bad stays in force", "a b -osaka", 0)
		b.says("a b")
		b.wants("and is gone with its file", "a b", 1)
		b.says("", ".")
		b.wants("a directory that is missing leaves everything", "a b", 0)
		b.says("")
		b.wants("one that says nothing any more contributes nothing any more", "", 1)
		b.says("")
		b.wants("which is written once", "", 0)
		if _, ok := b.has["tokyo"]; !ok {
			t.Error("the empty contribution is missing: what was written before would be in force for ever")
		}
	})
}

// TestContributeRestart: a new process knows from the bus what the old one said: it doesn't write it again, and a file
// that is bad by now keeps its definition.
func TestContributeRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := contributing(t, contribution("tokyo", "a", "b"), contribution("paris", "p"))
		b.says("a b")
		b.wants("nothing new", "a b", 0)
		b = contributing(t, contribution("tokyo", "a", "b"))
		b.says("a", "hosts.d/b/ssh")
		b.wants("a file went bad in between", "a b", 0)
		b = contributing(t, contribution("tokyo", "a", "b"))
		b.says("a")
		b.wants("a file was removed in between", "a", 1)
		b = contributing(t, contribution("tokyo", "a", "b"))
		b.says("")
		b.wants("all files were removed in between", "", 1)
		b = contributing(t, contribution("tokyo", "a", "-osaka"))
		b.says("a", "revoked.d")
		b.wants("the revocations can't be read any more", "a -osaka", 0)
		b = contributing(t)
		b.says("-osaka")
		b.wants("a directory that only revokes", "-osaka", 1)
	})
}

// TestContributeRetries: while the bus can't be written it is tried again with growing delay, and the newest word counts.
func TestContributeRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := contributing(t)
		b.says("a")
		b.wants("the first word", "a", 1)
		b.fail = errors.New("no majority")
		b.says("b")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		b.mu.Lock()
		tries := slices.Clone(b.puts)
		b.mu.Unlock()
		for i := 1; i < len(tries); i++ {
			want := min(firstRetry<<(i-1), lastRetry)
			if got := tries[i].Sub(tries[i-1]); got != want {
				t.Errorf("try %d came after %v, want %v", i, got, want)
			}
		}
		if len(tries) < 20 {
			t.Errorf("%d tries in ten minutes", len(tries))
		}
		b.says("c")
		b.mu.Lock()
		b.fail, b.puts = nil, nil
		b.mu.Unlock()
		time.Sleep(firstRetry)
		synctest.Wait()
		b.wants("a new word is tried soon", "c", 1)
	})
}

// TestContributeLost: if the bus loses what it was given, it is given it again, at once and each time; and if somebody else
// writes in this node's name, less and less often.
func TestContributeLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := contributing(t)
		b.says("a b")
		b.wants("the first word", "a b", 1)
		together := func() {
			all, _ := b.Contributions(t.Context())
			b.check(events.Merge(all))
			synctest.Wait()
		}
		together()
		newer := definition("a", time.Minute)
		newer.Edited = time.Now()
		b.has["paris"] = events.Contribution{Node: "paris", Checks: []events.Definition{newer}}
		together()
		time.Sleep(time.Hour)
		synctest.Wait()
		b.wants("another node's newer edit is none of our business", "a b", 0)

		for range 5 { // as often as somebody has it forgotten
			delete(b.has, "tokyo")
			together()
			b.wants("it was taken away", "a b", 1)
			together()
			b.wants("and is there again", "a b", 0)
		}
		delete(b.has, "tokyo")
		b.fail = errors.New("no majority")
		b.check(events.Merge([]events.Contribution{b.has["paris"]}))
		time.Sleep(missedAfter)
		synctest.Wait()
		b.mu.Lock()
		b.fail, b.puts = nil, nil
		b.mu.Unlock()
		time.Sleep(missedAfter)
		synctest.Wait()
		b.wants("it was taken away while nobody could tell", "a b", 1)

		b.has["tokyo"] = contribution("tokyo", "somebody")
		together()
		time.Sleep(missedAfter - 1)
		synctest.Wait()
		b.wants("what is wrong may come right by itself", "somebody", 0)
		b.mu.Lock()
		b.has["tokyo"] = contribution("tokyo", "a", "b")
		b.mu.Unlock()
		together()
		time.Sleep(time.Hour)
		synctest.Wait()
		b.wants("and it came", "a b", 0)

		writes := 0
		for range 60 * 60 { // an hour
			b.mu.Lock()
			writes += len(b.puts)
			b.puts = nil
			b.has["tokyo"] = contribution("tokyo", "somebody", "else")
			b.mu.Unlock()
			together()
			time.Sleep(time.Second)
		}
		if writes < 5 || writes > 15 {
			t.Errorf("written %d times in an hour of quarrel", writes)
		}
		b.says("a b -osaka")
		b.mu.Lock()
		b.has["tokyo"] = contribution("tokyo", "a", "b")
		b.mu.Unlock()
		for range 2 * lastMissed / time.Second {
			together()
			time.Sleep(time.Second)
		}
		b.mu.Lock()
		b.puts = nil
		b.mu.Unlock()
		b.wants("at last, and the revocation that was lost alone", "a b -osaka", 0)
	})
}

// TestProblemsOnce: each problem is logged when it is new, and when it is gone.
func TestProblemsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := contributing(t)
		b.says("a", "hosts.d/b/ssh")
		b.says("a c", "hosts.d/b/ssh", "nodes.txt")
		b.says("a c", "nodes.txt")
		b.says("a c", "hosts.d/b/ssh", "nodes.txt")
		for want, times := range map[string]int{
			`"/etc/dmonitor/hosts.d/b/ssh: bad"`:                  2,
			`"/etc/dmonitor/nodes.txt: bad"`:                      1,
			`"no longer wrong: /etc/dmonitor/hosts.d/b/ssh: bad"`: 1,
			`no longer wrong: /etc/dmonitor/nodes.txt`:            0,
		} {
			if got := b.log.count(want); got != times {
				t.Errorf("%s was logged %d times, want %d, in:\n%s", want, got, times, b.log.text.String())
			}
		}
	})
}

// TestContributeTellsSeldom: that the bus can't be told is no news during an election; later it is, now and then.
func TestContributeTellsSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := contributing(t)
		fail := func(err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.fail = err
		}
		warned := func() int {
			synctest.Wait()
			return b.log.count(`"level":"warn","error":"no majority"`)
		}
		fail(errors.New("no majority"))
		b.says("a")
		time.Sleep(7 * time.Second)
		if n := warned(); n != 0 {
			t.Errorf("warned %d times of an election", n)
		}
		time.Sleep(time.Hour)
		if n := warned(); n < 5 || n > 7 {
			t.Errorf("warned %d times in an hour, want some 6", n)
		}
		fail(nil)
		time.Sleep(lastRetry)
		b.wants("when the bus is back", "a", 1)
		before := warned()
		fail(errors.New("no majority"))
		b.says("a b")
		time.Sleep(20 * time.Second)
		if n := warned() - before; n != 1 {
			t.Errorf("warned %d times of the next time, want 1", n)
		}
	})
}
