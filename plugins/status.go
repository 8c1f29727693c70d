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

// Set implements pflag.Value: codes and classes with commas between them, such as "200,204,3xx".
func (l *statusList) Set(s string) error {
	l.text, l.ranges = s, nil
	for word := range strings.SplitSeq(s, ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		low, high := word, word
		if len(word) == 3 && strings.HasSuffix(word, "xx") {
			low, high = word[:1]+"00", word[:1]+"99"
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || from < 100 || to > 999 {
			return fmt.Errorf("%s: want status codes such as 200,401 or classes such as 2xx", quote(word))
		}
		l.ranges = append(l.ranges, [2]int{from, to})
	}
	return nil
}

// String implements pflag.Value.
func (l *statusList) String() string { return l.text }

// Type implements pflag.Value; it names the value in --help.
func (l *statusList) Type() string { return "codes" }
