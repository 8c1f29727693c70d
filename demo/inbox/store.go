package inbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// store keeps the last mails: at most maxMails of them and at most maxBytes of raw text.
type store struct {
	maxMails, maxBytes int

	mu      sync.Mutex
	mails   []Mail // oldest first
	bytes   int
	last    int64         // ID of the newest mail: how many there have been
	changed chan struct{} // closed, and made anew, when a mail comes in
}

func newStore(maxMails, maxBytes int) *store {
	return &store{maxMails: maxMails, maxBytes: maxBytes, changed: make(chan struct{})}
}

func (s *store) add(from string, to []string, raw []byte, now time.Time) Mail {
	m := parse(raw)
	m.From, m.To, m.Received = from, to, now
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	m.ID = s.last
	for _, old := range s.mails {
		if m.MessageID != "" && old.MessageID == m.MessageID && slices.Equal(old.To, m.To) {
			m.Double = old.ID
			break
		}
	}
	s.mails = append(s.mails, m)
	s.bytes += len(raw)
	for len(s.mails) > s.maxMails || s.bytes > s.maxBytes && len(s.mails) > 1 {
		s.bytes -= len(s.mails[0].Raw)
		s.mails[0] = Mail{} // let go of its text
		s.mails = s.mails[1:]
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return m
}

// all returns the mails, oldest first, how many there have been in all, and a channel that is closed with the next one.
func (s *store) all() (mails []Mail, count int64, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails), s.last, s.changed
}

func (s *store) find(id int64) (Mail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mails {
		if m.ID == id {
			return m, true
		}
	}
	return Mail{}, false
}

func (s *store) wait(ctx context.Context, n int) ([]Mail, error) {
	for {
		mails, count, changed := s.all()
		if count >= int64(n) {
			return mails, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return mails, fmt.Errorf("wait for %d mails, %d have come: %w", n, count, ctx.Err())
		}
	}
}
