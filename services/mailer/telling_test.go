package mailer

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// telling makes a mailer tell some recipients of outages of so many hosts, at the moment when it has claimed that for ago.
func telling(t *testing.T, b *bench, hosts int, ago time.Duration, recipients ...string) (tell func()) {
	t.Helper()
	var all []events.Recipient
	for _, r := range recipients {
		all = append(all, events.Recipient{Address: r})
	}
	catalog := catalogOf(all...)
	b.minority.catalog.Store(&catalog)
	began := time.Now().Add(-ago)
	b.minority.with(func(book *toldBook, _ time.Time) {
		for i := range hosts {
			book.Uncommitted(*undecided(hostDown(i, began)), began.Add(-3*time.Second))
		}
	})
	b.minority.next(t.Context(), began)
	orders := b.minority.next(t.Context(), began.Add(2*time.Second))
	if len(orders) != hosts {
		t.Fatalf("%d orders, want %d", len(orders), hosts)
	}
	return func() { b.minority.tell(t.Context(), orders) }
}

func hostDown(i int, now time.Time) events.Outage {
	at := now.Add(-40 * time.Second)
	return outageOf(events.Check{Host: fmt.Sprintf("h%03d.example.com", i), Test: "ssh"}, "r1", events.Opened, at, at)
}

// toldBefore is what another mailer says when it has told of a host.
func toldBefore(i int, to string) events.Told {
	now := time.Now()
	o := hostDown(i, now)
	return events.Told{By: "n7", About: undecided(o).About(), Event: o.ID, Decided: o.Time, Time: now, Recipients: []string{to}}
}

// TestLookAgain: right before a mail, and at its end, it is seen whether it is for this mailer to send it.
func TestLookAgain(t *testing.T) {
	t.Parallel()
	const ops = "ops@example.com"
	told := func(b *bench) {
		b.minority.heardTold(toldBefore(0, ops))
	}
	over := func(b *bench) {
		b.minority.with(func(book *toldBook, now time.Time) {
			book.Committed(undecided(hostDown(0, now)).About(), now)
		})
	}
	for name, c := range map[string]struct {
		ago            time.Duration // when it was claimed
		before, during func(*bench)
		mails          int
	}{
		"it is":                        {mails: 1},
		"told by another":              {before: told},
		"told by another meanwhile":    {during: told},
		"committed":                    {before: over},
		"committed meanwhile":          {during: over},
		"the claim is still good":      {ago: 45 * time.Second, mails: 1},
		"the claim is about to be old": {ago: 51 * time.Second},
		"stood still":                  {ago: 10 * time.Minute},
		"another has claimed it": {before: func(b *bench) {
			x := toldBefore(0, ops)
			x.By, x.Claim = "a", true
			b.minority.heardTold(x)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b *bench
			in := (&inbox{onRcpt: func(string) error {
				if c.during != nil {
					c.during(b)
				}
				return nil
			}}).serve(t)
			conn, err := net.Dial("tcp", in.addr) // A server that is ended before it has begun never ends.
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
			b = newBench(t, in.addr)
			tell := telling(t, b, 1, c.ago, ops)
			if c.before != nil {
				c.before(b)
			}
			tell()
			if n := len(in.all()); n != c.mails {
				t.Errorf("%d mails, want %d", n, c.mails)
			}
		})
	}
}

// TestPoison: an outage whose mail the server won't take for its content takes no other with it, and is not tried for ever.
func TestPoison(t *testing.T) {
	t.Parallel()
	in := (&inbox{onContent: func(_ string, data []byte) error {
		if bytes.Contains(data, []byte("h007.example.com")) {
			return says(554, "5.7.1 message content rejected")
		}
		return nil
	}}).serve(t)
	b := newBench(t, in.addr)
	const hosts = 30
	telling(t, b, hosts, 0, "ops@example.com")()
	if n := named(t, in.all(), "DOWN")["ops@example.com"]; len(n) != hosts-1 {
		t.Errorf("%d hosts named, want %d", len(n), hosts-1)
	}
	if orders := b.minority.next(t.Context(), time.Now().Add(15*time.Second)); len(orders) > 0 {
		t.Errorf("%d orders more", len(orders))
	}
}

// TestSlowerAndSlower: what the server puts off is tried again with growing delay.
func TestSlowerAndSlower(t *testing.T) {
	t.Parallel()
	in := (&inbox{onRcpt: func(string) error { return says(450, "greylisted") }}).serve(t)
	b := newBench(t, in.addr)
	telling(t, b, 1, 0, "ops@example.com")()
	now := time.Now()
	for i, after := range []int{4, 6, 9, 11} {
		orders := b.minority.next(t.Context(), now.Add(time.Duration(after)*time.Second))
		if want := i % 2; len(orders) != want {
			t.Fatalf("after %d s: %d orders, want %d", after, len(orders), want)
		}
		b.minority.tell(t.Context(), orders)
	}
	if n := b.minority.book.Tries(undecided(hostDown(0, now)).About()); n != 3 {
		t.Errorf("tried %d times", n)
	}
}
