package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// maxPattern is the longest regular expression taken: what it compiles to grows with it.
const maxPattern = 1000

// pageRule is what a page has to be.
type pageRule struct {
	want, not      string
	regex, regexi  string
	linespan, none bool
	size           sizeRange
	noBody         bool

	pattern *regexp.Regexp
}

// pageSeen is what came of reading a page. With err set it broke off: what is missing may have been still to come.
type pageSeen struct {
	outcome outcome // its text goes after what is known already
	err     error
	missing string // what was waited for
}

func (p *pageRule) flags(f *pflag.FlagSet) {
	f.StringVarP(&p.want, "string", "s", "", fmt.Sprintf("the page must contain this within its first %d KiB", maxBody>>10))
	f.StringVar(&p.not, "not-string", "", "and must not contain this")
	f.StringVarP(&p.regex, "regex", "r", "", "the page must match this regular expression")
	f.StringVarP(&p.regexi, "regexi", "R", "", "the same, and small and capital letters are one")
	f.BoolVarP(&p.linespan, "linespan", "l", false, "let the expression's . match ends of lines, too")
	f.BoolVar(&p.none, "invert-regex", false, "the page must not match it")
	f.VarP(&p.size, "pagesize", "m", "warning if the page has fewer bytes, or more: MIN or MIN:MAX")
	f.BoolVarP(&p.noBody, "no-body", "N", false, "changes nothing: the page is read only if something in it is wanted")
}

// prepare makes the pattern. Its errors are a misuse.
func (p *pageRule) prepare() error {
	pattern, flags := p.regex, ""
	if p.regexi != "" {
		if p.regex != "" {
			return errors.New("only one of -r and -R, please")
		}
		pattern, flags = p.regexi, "i"
	}
	switch {
	case pattern == "" && (p.none || p.linespan):
		return errors.New("--invert-regex and -l need -r or -R")
	case pattern == "":
		return nil
	case len(pattern) > maxPattern:
		return fmt.Errorf("regular expression of %d bytes: want at most %d", len(pattern), maxPattern)
	}
	if p.linespan {
		flags += "s" // . is any byte, ^ and $ are the page's ends
	} else {
		flags += "m" // ^ and $ are a line's
	}
	var err error
	if p.pattern, err = regexp.Compile("(?" + flags + ")" + pattern); err != nil {
		return fmt.Errorf("regular expression %s: %w", quote(pattern), err)
	}
	return nil
}

// wanted tells whether the page has to be read at all.
func (p *pageRule) wanted() bool {
	return p.want != "" || p.not != "" || p.pattern != nil || p.size != sizeRange{}
}

// look reads the page as far as it has to.
func (p *pageRule) look(body io.Reader) pageSeen {
	text, err := p.read(body)
	var o outcome
	switch at := bytes.Index(text, []byte(p.want)); {
	case at < 0:
		return p.lacks(err, fmt.Sprintf(", but %s is not in the page", quote(p.want)), quote(p.want))
	case p.want != "":
		o.text += " with " + quote(p.want)
	}
	if p.not != "" {
		if bytes.Contains(text, []byte(p.not)) {
			return pageSeen{outcome: fail("%s, but %s is in the page", o.text, quote(p.not))}
		}
		o.text += " without " + quote(p.not)
	}
	if p.pattern != nil {
		found := p.pattern.Find(text)
		pattern := quote(p.regex + p.regexi)
		switch {
		case found == nil && !p.none:
			return p.lacks(err, fmt.Sprintf("%s, but nothing in the page matches %s", o.text, pattern), "what matches "+pattern)
		case found != nil && p.none:
			return pageSeen{outcome: fail("%s, but the page has %s, which matches %s", o.text, quote(string(found)), pattern)}
		case p.none:
			o.text += " and nothing that matches " + pattern
		default:
			o.text += " and " + quote(string(found))
		}
	}
	// That something is not there is known of a whole page only.
	if (p.not != "" || p.none) && err != nil && !errors.Is(err, io.EOF) {
		return pageSeen{outcome: outcome{exit: exitFail}, err: err, missing: "its end"}
	}
	return p.measure(body, len(text), err, o)
}

// read returns the page as far as it has to be searched. Its error is io.EOF if that is all of it, and nil if more may
// come that doesn't matter.
func (p *pageRule) read(body io.Reader) ([]byte, error) {
	if p.not == "" && p.pattern == nil { // the string alone: no need to wait for more
		if p.want == "" {
			return nil, nil
		}
		text, err := readUntil(body, []byte(p.want), maxBody)
		if errors.Is(err, errTooMuch) {
			err = io.EOF
		}
		return text, err
	}
	text, err := io.ReadAll(io.LimitReader(body, maxBody))
	if err == nil {
		err = io.EOF
	}
	return text, err
}

// lacks is what comes of a page without something: broken off, it is the end that is missing.
func (p *pageRule) lacks(err error, text, what string) pageSeen {
	if err == nil || errors.Is(err, io.EOF) {
		return pageSeen{outcome: outcome{exit: exitFail, text: text}}
	}
	return pageSeen{outcome: outcome{exit: exitFail}, err: err, missing: what}
}

// measure reads on, as far as the size has to be known.
func (p *pageRule) measure(body io.Reader, read int, err error, o outcome) pageSeen {
	if p.size == (sizeRange{}) {
		return pageSeen{outcome: o}
	}
	n, most := int64(read), p.size.min
	if p.size.max > 0 {
		most = p.size.max + 1
	}
	if n < most && (err == nil || errors.Is(err, io.EOF) && n >= maxBody) {
		more, cerr := io.Copy(io.Discard, io.LimitReader(body, most-n))
		n, err = n+more, cerr
	}
	if err != nil && !errors.Is(err, io.EOF) && n < most {
		return pageSeen{outcome: outcome{exit: exitFail}, err: err, missing: "its end"}
	}
	o.perf = []string{fmt.Sprintf("size=%dB;%s;;0", n, p.size.String())}
	switch {
	case n < p.size.min:
		o.exit, o.text = exitWarning, fmt.Sprintf("%s, but only %d bytes", o.text, n)
	case p.size.max > 0 && n > p.size.max:
		o.exit, o.text = exitWarning, fmt.Sprintf("%s, but more than %d bytes", o.text, p.size.max)
	}
	return pageSeen{outcome: o}
}

// sizeRange is how many bytes a page should have; without max there is no upper bound.
type sizeRange struct{ min, max int64 }

// Set implements pflag.Value: MIN or MIN:MAX.
func (r *sizeRange) Set(s string) error {
	low, high, bounded := strings.Cut(s, ":")
	least, err := strconv.ParseUint(low, 10, 40)
	most, err2 := uint64(0), error(nil)
	if bounded {
		most, err2 = strconv.ParseUint(high, 10, 40)
	}
	if err != nil || err2 != nil || bounded && (most < least || most == 0) {
		return fmt.Errorf("%s: want bytes, MIN or MIN:MAX", quote(s))
	}
	*r = sizeRange{int64(least), int64(most)}
	return nil
}

// String implements pflag.Value, and is the range as perfdata have it.
func (r *sizeRange) String() string {
	switch {
	case *r == sizeRange{}:
		return ""
	case r.max == 0:
		return fmt.Sprintf("%d:", r.min)
	}
	return fmt.Sprintf("%d:%d", r.min, r.max)
}

// Type implements pflag.Value; it names the value in --help.
func (r *sizeRange) Type() string { return "bytes" }
