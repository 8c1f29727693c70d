package confdir

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var recipientKeys = []string{"hosts", "tests", "operator"}

// parseRecipient reads the file of one recipient. An empty file, also one of comments only, means everything: every
// host, every test, and looks after dmonitor itself. With a problem the recipient counts for nothing.
func parseRecipient(file string, data []byte, address string, edited time.Time) (events.Recipient, Problems) {
	l := &lines{file: file}
	r := events.Recipient{Address: address, Edited: edited}
	fields := l.fields(data, recipientKeys)
	r.Operator = len(fields) == 0
	for _, f := range fields {
		switch f.key {
		case "hosts":
			r.Hosts = l.names(f, events.MaxList, "every host counts", validGlob)
		case "tests":
			r.Tests = l.names(f, events.MaxList, "every test counts", validGlob)
		case "operator":
			r.Operator = l.boolean(f)
		}
	}
	if err := r.Validate(); err != nil && len(l.problems) == 0 {
		l.report(0, err.Error(), "")
	}
	return r, l.problems
}

// validGlob returns nil for a pattern as path.Match has them.
func validGlob(s string) error {
	if s == "" {
		return fmt.Errorf(`"" matches nothing; write "*" for all`)
	}
	if strings.ContainsAny(s, "/ \t\n") {
		return fmt.Errorf(`%s: a pattern with a slash or a space matches nothing; write for example "*.example.com"`, quoted(s))
	}
	if _, err := path.Match(s, ""); err != nil {
		return fmt.Errorf(`%s is no pattern; write for example "*.example.com" or "web[0-9]"`, quoted(s))
	}
	return nil
}

func (l *lines) boolean(f field) bool {
	s, ok := l.one(f)
	if !ok {
		return false
	}
	switch s.text {
	case "true":
		return true
	case "false":
		return false
	}
	l.report(s.line, fmt.Sprintf("%s: %s is neither true nor false", f.key, quoted(s.text)), "write true or false")
	return false
}
