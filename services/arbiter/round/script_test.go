package round_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

var rewrite = flag.Bool("rewrite", false, "write what the state machine answers into testdata; commit only what you understand")

// TestScripts plays testdata/*.txt. A line is a time and an input; the indented lines below it are what it leads to.
// The words are explained in testdata/README.md.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d scripts, want at least 20 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s says otherwise, from line %d on; with -rewrite the file becomes:\n%s", file, differsAt(got, string(want)), got)
			}
		})
	}
}

func differsAt(a, b string) int {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range as {
		if i >= len(bs) || as[i] != bs[i] {
			return i + 1
		}
	}
	return len(as)
}

// start is the moment "0s" of every script.
var start = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// script plays one file: one arbiter, and a log that takes proposals when the script says so.
type script struct {
	t     *testing.T
	out   strings.Builder
	line  string
	now   time.Time
	state *round.State

	defs     map[events.Check]events.Definition
	last     map[string]round.History         // by node and check
	asked    map[events.Check]string          // id of the last confirmation
	proposed map[events.Check]round.Decision  // the last proposal
	said     map[events.Check]round.Decision  // the last that was uncommitted
	log      map[events.Check]round.Committed // the last event
	all      []round.Committed
	seq      uint64
}

func play(t *testing.T, text string) string {
	s := &script{
		t: t, now: start, state: round.New("arbiter"),
		defs: map[events.Check]events.Definition{}, last: map[string]round.History{}, asked: map[events.Check]string{},
		proposed: map[events.Check]round.Decision{}, said: map[events.Check]round.Decision{}, log: map[events.Check]round.Committed{},
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") { // What it led to when the script was written.
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			s.out.WriteString(line + "\n")
			continue
		}
		s.line = line
		s.step(line)
	}
	return s.out.String()
}

// step plays one line. Ticks that become due before it are given on their own, as the shell does.
func (s *script) step(line string) {
	words := fields(line)
	d, err := time.ParseDuration(words[0])
	s.check(err)
	s.ticks(start.Add(d))
	s.out.WriteString(line + "\n")
	if len(words) == 1 {
		s.t.Fatalf("%q: no input", line)
	}
	command, ok := commands[words[1]]
	if !ok {
		s.t.Fatalf("%q: no such input", line)
	}
	command(s, words[2:])
}

func (s *script) ticks(until time.Time) {
	for {
		at, ok := round.Next(s.state)
		if !ok || !at.Before(until) {
			break
		}
		s.now = at
		s.apply(round.Tick{})
		if again, ok := round.Next(s.state); ok && !again.After(at) {
			s.t.Fatalf("after %q: a tick at %v asks for another one at once", s.line, at)
		}
	}
	s.now = until
}

func (s *script) apply(in round.Input) {
	for _, d := range round.Apply(s.state, in, s.now) {
		if _, tick := in.(round.Tick); tick {
			fmt.Fprintf(&s.out, "    at %s\n", s.clock())
		}
		s.out.WriteString("    -> " + s.describe(d) + "\n")
		switch d.Kind {
		case round.Ask:
			s.asked[d.Check] = d.Confirmation.ID
		case round.ProposeOpened, round.ProposeClosed:
			s.proposed[d.Check] = d
			copied := *d.Outage
			if _, err := events.Encode(&copied); err != nil {
				s.t.Errorf("after %q: the event can't be sent: %v", s.line, err)
			}
		}
	}
}

func (s *script) describe(d round.Decision) string {
	text := string(d.Kind)
	switch d.Kind {
	case round.Ask:
		text = fmt.Sprintf("ask %s (round %s)", strings.Join(d.Confirmation.Nodes, ", "), d.Round)
	case round.ProposeOpened, round.ProposeClosed:
		text += fmt.Sprintf(" after event %d", d.Last)
		if d.Try > 1 {
			text += fmt.Sprintf(", try %d", d.Try)
		}
	case round.Uncommitted:
		s.said[d.Check] = d
		text = fmt.Sprintf("uncommitted, said %d times: %s at %s", d.Try, d.Outage.Event, seconds(d.Since))
		copied := *d.Outage
		u := events.Uncommitted{By: "arbiter", Since: d.Since, Outage: &copied}
		if _, err := events.Encode(&u); err != nil {
			s.t.Errorf("after %q: the message can't be sent: %v", s.line, err)
		}
	case round.Adopted:
		return fmt.Sprintf("adopted %s by %s", d.Outage.Event, d.Outage.By)
	}
	if len(s.defs) > 1 {
		text = d.Check.String() + " " + text
	}
	text += ": " + d.Reason
	if d.Outage != nil && d.Outage.Gap != nil {
		text += fmt.Sprintf(" (gap from %s to %s)", seconds(d.Outage.Gap.From), seconds(d.Outage.Gap.To))
	}
	if d.Kind != round.Ask {
		text += " " + votes(d.Votes)
	}
	return text
}

func votes(votes []events.NodeVote) string {
	var parts []string
	for _, v := range votes {
		said := string(v.Status)
		if said == "" {
			said = "no answer"
		}
		parts = append(parts, v.Node+" "+said)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (s *script) clock() string { return seconds(s.now) }

func seconds(t time.Time) string {
	return strconv.FormatFloat(t.Sub(start).Seconds(), 'f', -1, 64) + "s"
}

func (s *script) check(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatalf("%q: %v", s.line, err)
	}
}

// fields splits a line at blanks; what stands in quotes is one field.
func fields(line string) []string {
	var out []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// options reads "key value key value".
func (s *script) options(words []string, allowed ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(words); i += 2 {
		if i+1 >= len(words) || !slices.Contains(allowed, words[i]) {
			s.t.Fatalf("%q: want pairs of %v and a value", s.line, allowed)
		}
		out[words[i]] = words[i+1]
	}
	return out
}
