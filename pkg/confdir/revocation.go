package confdir

import (
	"fmt"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var revocationKeys = []string{"before", "because"}

// whoIsRevoked reads the name of a file in revoked.d.
func whoIsRevoked(file string) (events.Revocation, error) {
	kind, name, ok := strings.Cut(file, ".")
	r := events.Revocation{Kind: events.CredentialKind(kind), Name: name}
	if !ok {
		return r, fmt.Errorf("%s: want KIND.NAME, such as prober.tokyo-1", quoted(file))
	}
	return r, events.ValidateRevocable(r.Kind, name)
}

// parseRevocation reads the file of one revocation of r's kind and name. An empty file, also one of comments only, takes
// back what was issued up to the last change of the file. With a problem it counts for nothing.
func parseRevocation(file string, data []byte, r events.Revocation, edited time.Time) (events.Revocation, Problems) {
	l := &lines{file: file}
	r.Before = edited
	for _, f := range l.fields(data, revocationKeys) {
		switch f.key {
		case "before":
			r.Before = l.time(f)
		case "because":
			r.Because = l.because(f)
		}
	}
	if err := r.Validate(); err != nil && len(l.problems) == 0 {
		l.report(0, err.Error(), "")
	}
	return r, l.problems
}

func (l *lines) time(f field) time.Time {
	s, ok := l.one(f)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s.text)
	if err != nil {
		l.report(s.line, fmt.Sprintf("%s: %s is no moment", f.key, quoted(s.text)), "write for example 2026-03-14T12:00:00Z")
	}
	return t.UTC()
}

func (l *lines) because(f field) string {
	s, ok := l.one(f)
	if !ok {
		return ""
	}
	text := strings.TrimRight(s.text, "\n")
	switch {
	case len(text) > events.MaxBecause:
		l.report(s.line, fmt.Sprintf("because: %d bytes", len(text)), fmt.Sprintf("at most %d are allowed", events.MaxBecause))
	case events.CleanText(text, events.MaxBecause) != text:
		l.report(s.line, "because: holds control characters, or marks that turn the direction of writing", "remove them")
	}
	return text
}
