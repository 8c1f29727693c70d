package confdir

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var checkKeys = []string{"interval", "timeout", "agree", "plugin", "args", "nodes", "recipients", "note"}

// parseCheck reads the file of one check. An empty file means the defaults. With a problem the definition counts for
// nothing. File is the name the problems carry; edited is when the file was last changed.
func parseCheck(file string, data []byte, c events.Check, d Defaults, edited time.Time) (events.Definition, Problems) {
	p := &checkParser{lines: lines{file: file}, def: d.definition(c, edited), at: map[string]int{}}
	for _, f := range p.fields(data, checkKeys) {
		p.at[f.key] = f.line
		p.set(f)
	}
	if len(p.problems) == 0 {
		p.together() // what values mean together can't be told while one of them is wrong
	}
	// Whatever got past the rules above must not get past those of the bus: one definition it refuses would hold up all.
	if err := p.def.Validate(); err != nil && len(p.problems) == 0 {
		p.report(0, err.Error(), "")
	}
	return p.def, p.problems
}

type checkParser struct {
	lines
	def events.Definition
	at  map[string]int // the line of every key that is there
}

func (p *checkParser) set(f field) {
	switch f.key {
	case "interval":
		p.def.Interval = p.duration(f, "30s or 5m", events.MinInterval, events.MaxInterval, p.def.Interval)
	case "timeout":
		p.def.Timeout = p.duration(f, "5s or 500ms", events.MinTimeout, events.MaxTimeout, p.def.Timeout)
	case "agree":
		p.agree(f)
	case "plugin":
		p.plugin(f)
	case "args":
		p.args(f)
	case "nodes":
		p.def.Nodes = p.names(f, events.MaxVotes, "every node looks", events.ValidateNode)
	case "recipients":
		p.def.Recipients = p.names(f, events.MaxList, "alert.d decides", events.ValidateRecipient)
	case "note":
		p.note(f)
	}
}

// together checks what single values can't tell.
func (p *checkParser) together() {
	timeoutLine, ownTimeout := p.at["timeout"]
	if !ownTimeout {
		p.def.Timeout = min(p.def.Timeout, p.def.Interval)
	}
	if ownTimeout && p.def.Timeout > p.def.Interval {
		p.report(timeoutLine, fmt.Sprintf("timeout: %s is longer than the interval, %s",
			short(p.def.Timeout.Duration()), short(p.def.Interval.Duration())), "shorten the timeout or look less often")
	}
	if n := len(p.def.Nodes); n > 0 && n < p.def.Agree {
		p.report(p.at["nodes"], fmt.Sprintf("nodes: %d can look, but %d sites have to agree", n, p.def.Agree),
			"name more nodes, or lower agree")
	}
}

func (p *checkParser) duration(f field, example string, low, high time.Duration, old events.Millis) events.Millis {
	s, ok := p.one(f)
	if !ok {
		return old
	}
	d, err := time.ParseDuration(s.text)
	switch {
	case err != nil && isNumber(s.text):
		p.report(s.line, fmt.Sprintf("%s: %s has no unit", f.key, quoted(s.text)), "write for example "+example)
		return old
	case err != nil:
		p.report(s.line, fmt.Sprintf("%s: %s is no duration", f.key, quoted(s.text)), "write for example "+example)
		return old
	case d < low || d > high:
		p.report(s.line, fmt.Sprintf("%s: %s is out of range", f.key, quoted(s.text)),
			fmt.Sprintf("write %s to %s", short(low), short(high)))
		return old
	}
	return events.Millis(d.Round(time.Microsecond)) // as precise as the bus carries it
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func (p *checkParser) agree(f field) {
	s, ok := p.one(f)
	if !ok {
		return
	}
	n, err := strconv.Atoi(s.text)
	if err != nil || n < 1 || n > events.MaxAgree {
		p.report(s.line, fmt.Sprintf("agree: %s is no number of sites", quoted(s.text)), fmt.Sprintf("write 1 to %d", events.MaxAgree))
		return
	}
	p.def.Agree = n
}

func (p *checkParser) plugin(f field) {
	s, ok := p.one(f)
	if !ok {
		return
	}
	if err := events.ValidatePlugin(s.text); err != nil {
		p.report(s.line, err.Error(), "write the name only, for example ssh for check_ssh")
		return
	}
	if short, prefixed := strings.CutPrefix(s.text, "check_"); prefixed && short != "" {
		p.report(s.line, fmt.Sprintf("plugin: the check_ of %s is put in front by dmonitor", quoted(s.text)), "write "+short)
		return
	}
	p.def.Plugin = s.text
}

// args takes a list only: how to split one text into arguments is anybody's guess.
func (p *checkParser) args(f field) {
	if !f.list {
		p.report(f.line, "args: want a list", "write ["+strings.Join(strings.Fields(clip(f.vals[0].text)), ", ")+"]")
		return
	}
	if len(f.vals) == 0 {
		p.report(f.line, "args: the list is empty", "remove the line, and the plugin is called with the host alone")
		return
	}
	if len(f.vals) > events.MaxArgs {
		p.report(f.line, fmt.Sprintf("args: %d of them", len(f.vals)), fmt.Sprintf("at most %d are allowed", events.MaxArgs))
		return
	}
	var args []string
	for _, s := range f.vals {
		switch {
		case len(s.text) > events.MaxArgLen:
			p.report(s.line, fmt.Sprintf("args: %s has %d bytes", quoted(s.text), len(s.text)), fmt.Sprintf("at most %d are allowed", events.MaxArgLen))
		case strings.ContainsRune(s.text, 0):
			p.report(s.line, fmt.Sprintf("args: %s holds a NUL", quoted(s.text)), "no program can be called with that")
		default:
			args = append(args, s.text)
		}
	}
	p.def.Args = args
}

func (p *checkParser) note(f field) {
	s, ok := p.one(f)
	if !ok {
		return
	}
	text := strings.TrimRight(strings.ReplaceAll(s.text, "\r\n", "\n"), "\n")
	switch {
	case len(text) > events.MaxNote:
		p.report(s.line, fmt.Sprintf("note: %d bytes", len(text)), fmt.Sprintf("at most %d are allowed", events.MaxNote))
	case events.CleanText(text, events.MaxNote) != text:
		p.report(s.line, "note: holds control characters, or marks that turn the direction of writing", "remove them")
	default:
		p.def.Note = text
	}
}

// one returns the value of a setting that has only one.
func (l *lines) one(f field) (scalar, bool) {
	if f.list {
		l.report(f.line, f.key+": want one value, not a list", "write "+f.key+": value")
		return scalar{}, false
	}
	return f.vals[0], true
}

// names reads a list of at most so many names; a single one needs no brackets. Without means what holds if the line is
// left out.
func (l *lines) names(f field, most int, without string, valid func(string) error) []string {
	if len(f.vals) == 0 {
		l.report(f.line, f.key+": the list is empty", "remove the line, and "+without)
		return nil
	}
	if len(f.vals) > most {
		l.report(f.line, fmt.Sprintf("%s: %d of them", f.key, len(f.vals)), fmt.Sprintf("at most %d are allowed", most))
		return nil
	}
	var out []string
	seen := map[string]bool{}
	for _, s := range f.vals {
		if err := valid(s.text); err != nil {
			l.report(s.line, f.key+": "+err.Error(), "")
			continue
		}
		if seen[s.text] {
			l.report(s.line, fmt.Sprintf("%s: %s is named twice", f.key, quoted(s.text)), "remove one of the two")
			continue
		}
		seen[s.text] = true
		out = append(out, s.text)
	}
	return out
}
