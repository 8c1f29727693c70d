package plugins

import (
	"fmt"
	"strconv"
	"strings"
)

// statusList is which HTTP status codes are ok. Empty, it judges as Nagios plugins do: below 400 ok, 4xx warning (the
// server is there, the page isn't), all others fail.
type statusList struct {
	text   string
	ranges [][2]int
}

func (l *statusList) judge(code int) outcome {
	if len(l.ranges) == 0 {
		switch {
		case code >= 200 && code < 400:
			return outcome{exit: exitOK}
		case code >= 400 && code < 500:
			return outcome{exit: exitWarning}
		}
		return outcome{exit: exitFail}
	}
	for _, r := range l.ranges {
		if r[0] <= code && code <= r[1] {
			return outcome{exit: exitOK}
		}
	}
	return outcome{exit: exitFail}
}

// Set implements pflag.Value: codes, ranges and classes with commas between them, such as "200,204,300-308,4xx". The
// beginning of a status line, such as "HTTP/1.1 200 OK", is taken for its code, as Nagios plugins are asked that way.
func (l *statusList) Set(s string) error {
	l.text, l.ranges = s, nil
	for word := range strings.SplitSeq(s, ",") {
		r, ok := statusRange(word)
		if !ok {
			return fmt.Errorf("%s: want status codes such as 200,401 or 300-308, or classes such as 2xx", quote(word))
		}
		l.ranges = append(l.ranges, r)
	}
	return nil
}

func statusRange(word string) (r [2]int, ok bool) {
	word = strings.ToLower(strings.TrimSpace(word))
	if line, ok := strings.CutPrefix(word, "http/"); ok {
		_, word, _ = strings.Cut(line, " ")
	}
	word, _, _ = strings.Cut(word, " ") // what follows is for people
	low, high, ranged := strings.Cut(word, "-")
	if !ranged {
		high = low
		if len(word) == 3 && strings.HasSuffix(word, "xx") {
			low, high = word[:1]+"00", word[:1]+"99"
		}
	}
	from, err := strconv.ParseUint(low, 10, 16)
	to, err2 := strconv.ParseUint(high, 10, 16)
	return [2]int{int(from), int(to)}, err == nil && err2 == nil && 100 <= from && from <= to && to <= 999
}

// String implements pflag.Value.
func (l *statusList) String() string { return l.text }

// Type implements pflag.Value; it names the value in --help.
func (l *statusList) Type() string { return "codes" }
