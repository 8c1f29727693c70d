package plugins

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// query is one question in SQL, whose first value counts.
type query struct {
	sql    string
	expect string
	exact  bool // expect was given
	levels levels
}

// asks declares the options.
func (q *query) asks(c *call) {
	c.flags.StringVarP(&q.sql, "query", "q", "", "run this, read only; what counts is the first value of the first row; needs --login-file")
	c.flags.StringVarP(&q.expect, "expect", "e", "", "fail if the value isn't exactly this")
	c.flags.Var(&q.levels.warn, "query-warning", "warning if the value isn't a number in this range, such as 10 (0 to 10), 10: or 10:20")
	c.flags.Var(&q.levels.crit, "query-critical", "fail if it isn't in this one")
}

// check returns what is wrong with the options.
func (q *query) check(c *call, l *login) error {
	q.exact = c.flags.Changed("expect")
	switch {
	case q.sql == "" && (q.exact || q.levels.asked()):
		return errors.New("there is no --query to expect something of")
	case q.sql != "" && !l.given():
		return errors.New("a query needs --login-file")
	}
	return nil
}

// queryLimit is how long the server may work on a query: a little less than there is time for, so that it is the server
// that gives up, and says so.
func queryLimit(c *call) time.Duration {
	left := c.budget - time.Since(c.start)
	return max(left-left/10, time.Millisecond)
}

// judge is what follows from the value; null and none tell that it is NULL, or that there is no row.
func (q *query) judge(o outcome, value string, null, none bool) outcome {
	said := quote(value)
	switch {
	case none:
		said = "no row"
	case null:
		said = "NULL"
	}
	o.text += ", the query gave " + said
	switch {
	case (q.exact || q.levels.asked()) && none, q.exact && (null || value != q.expect):
		o.exit = exitFail
		if q.exact {
			o.text += " instead of " + quote(q.expect)
		}
	case q.levels.asked():
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || null || math.IsNaN(v) {
			o.exit = exitFail
			o.text += ", which is not a number"
			return o
		}
		return q.levels.judge(o, "query", v)
	}
	return o
}

func (l *levels) asked() bool { return l.warn.text != "" || l.crit.text != "" }

// oneOf is an option that takes one of two words, or nothing.
type oneOf struct {
	value string
	words [2]string
}

// Set implements pflag.Value.
func (o *oneOf) Set(s string) error {
	if s != o.words[0] && s != o.words[1] {
		return fmt.Errorf("%s: want %s or %s", quote(s), o.words[0], o.words[1])
	}
	o.value = s
	return nil
}

// String implements pflag.Value.
func (o *oneOf) String() string { return o.value }

// Type implements pflag.Value; it names the value in --help.
func (o *oneOf) Type() string { return "role" }
