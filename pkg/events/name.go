package events

import (
	"fmt"
	"strings"
)

// Limits of names. A host name is at most 253 bytes (RFC 1035, section 2.3.4, less the length bytes); a label, and so
// a node's name, at most 63.
const (
	MaxHostLen = 253
	MaxTestLen = 63
	MaxNodeLen = 63
)

// Check is one host and one test. The zero value is not valid.
type Check struct {
	Host string `json:"host"` // letters, digits, ".-:_"; see ValidateHost
	Test string `json:"test"` // see ValidateTest
}

// String writes a check as people do: "www.example.com/ssh".
func (c Check) String() string { return c.Host + "/" + c.Test }

// Validate returns nil if both names are safe to use in a subject, a path and an argv.
func (c Check) Validate() error {
	if err := ValidateHost(c.Host); err != nil {
		return err
	}
	return ValidateTest(c.Test)
}

// ParseCheck reads "host/test", as String writes it.
func ParseCheck(s string) (Check, error) {
	host, test, ok := strings.Cut(s, "/")
	if !ok {
		return Check{}, fmt.Errorf("check %q: want HOST/TEST, such as www.example.com/ssh", clip(s))
	}
	c := Check{Host: host, Test: test}
	if err := c.Validate(); err != nil {
		return Check{}, err
	}
	return c, nil
}

// ValidateHost returns nil for a host name or address that can't escape a subject, a path or an argv: letters, digits
// and ".-:_", no empty label, no leading "-", at most 253 bytes. Case is kept and counts: WWW and www are two hosts.
func ValidateHost(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("host name is empty")
	case len(s) > MaxHostLen:
		return fmt.Errorf("host name %q: %d bytes, at most %d are allowed", clip(s), len(s), MaxHostLen)
	case s[0] == '-':
		return fmt.Errorf("host name %q: must not start with '-'", clip(s))
	}
	for i := range len(s) {
		if !isHostByte(s[i]) {
			return fmt.Errorf("host name %q: %s is not allowed; use letters, digits and . - : _", clip(s), quoteAt(s, i))
		}
	}
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return fmt.Errorf("host name %q: empty label (a dot at the start, at the end, or two in a row)", clip(s))
	}
	return nil
}

// ValidateTest returns nil for a test's name: [a-z0-9][a-z0-9_-]{0,62}.
func ValidateTest(s string) error { return validateWord("test name", s, MaxTestLen, true) }

// ValidatePlugin returns nil for the name of a plugin without its "check_": the same rule as a test's name.
func ValidatePlugin(s string) error { return validateWord("plugin name", s, MaxTestLen, true) }

// ValidateNode returns nil for a node's name: one subject token [a-z0-9-]{1,63} that doesn't start with "-".
func ValidateNode(s string) error { return validateWord("node name", s, MaxNodeLen, false) }

// ValidateSite returns nil for a site's name: the same rule as a node's.
func ValidateSite(s string) error { return validateWord("site name", s, MaxNodeLen, false) }

func validateWord(what, s string, most int, underscore bool) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is empty", what)
	case len(s) > most:
		return fmt.Errorf("%s %q: %d bytes, at most %d are allowed", what, clip(s), len(s), most)
	case s[0] == '-' || s[0] == '_' && underscore:
		return fmt.Errorf("%s %q: must start with a lower-case letter or a digit", what, clip(s))
	}
	allowed := "lower-case letters, digits and -"
	if underscore {
		allowed += " _"
	}
	for i := range len(s) {
		b := s[i]
		ok := 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || underscore && b == '_'
		if !ok {
			return fmt.Errorf("%s %q: %s is not allowed; use %s", what, clip(s), quoteAt(s, i), allowed)
		}
	}
	return nil
}

func isHostByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '.' || b == '-' || b == ':' || b == '_'
}

// quoteAt quotes the character of s at byte i, whole if it is UTF-8.
func quoteAt(s string, i int) string {
	for _, r := range s[i:] {
		return fmt.Sprintf("%q", r)
	}
	return ""
}

// clip shortens a name from outside before it goes into an error.
func clip(s string) string {
	if len(s) > 80 {
		return cut(s, 80) + "…"
	}
	return s
}
