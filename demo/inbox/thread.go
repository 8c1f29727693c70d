package inbox

import (
	"slices"
	"strings"
)

// thread is the mails that belong together: one, and what came in reply to it.
type thread struct {
	Mails []Mail // oldest first
}

// newest is the mail that came last.
func (t *thread) newest() *Mail { return &t.Mails[len(t.Mails)-1] }

// Subject is that of the newest mail: it says how things stand.
func (t *thread) Subject() string { return t.newest().Subject }

// threads puts mails, oldest first, together by In-Reply-To and References. The thread with the newest mail comes first.
func threads(mails []Mail) []*thread {
	var all []*thread
	of := map[string]*thread{} // by Message-ID
	for _, m := range mails {
		var t *thread
		for _, id := range append([]string{m.MessageID, m.InReplyTo}, m.References...) {
			if id != "" && of[id] != nil {
				t = of[id]
				break
			}
		}
		if t == nil {
			t = new(thread)
			all = append(all, t)
		}
		t.Mails = append(t.Mails, m)
		for _, id := range append([]string{m.MessageID, m.InReplyTo}, m.References...) {
			if id != "" && of[id] == nil { // the first mail of a thread may have been forgotten already
				of[id] = t
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *thread) int { return int(b.newest().ID - a.newest().ID) })
	return all
}

// Look is the style class of a mail: what its subject begins with, where that is DOWN or UP.
func (m *Mail) Look() string {
	switch word, _, _ := strings.Cut(m.Subject, " "); strings.TrimSuffix(word, ":") {
	case "DOWN":
		return "down"
	case "UP":
		return "up"
	}
	return "other"
}
