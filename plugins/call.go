package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Time limits. A run ends margin (a tenth, at most maxMargin) before the prober would kill it, so that it can still say
// why; maxTimeout is the longest a check may be given.
const (
	defaultTimeout = 10 * time.Second
	maxMargin      = 500 * time.Millisecond
	maxTimeout     = 10 * time.Minute
	maxHost        = 253 + 16 // a name, and a zone such as %eth0
)

// resolver is what the plugins need of a net.Resolver.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// call is one run of one plugin: what it was asked, and the bounds it keeps.
type call struct {
	plugin plugin
	env    func(string) string
	names  resolver
	flags  *pflag.FlagSet
	start  time.Time

	aliases map[string]string            // long options that others call otherwise, and what they are called here
	rewrite func(args []string) []string // makes arguments as others write them ours; may be nil

	host    string
	timeout timeSpan
	v4, v6  bool
	budget  time.Duration // how long the run may take
}

// timeSpan is a duration in options: "1.5" (seconds, as Nagios plugins have it) or "1500ms".
type timeSpan time.Duration

func newCall(p plugin, env func(string) string, names resolver) *call {
	c := &call{plugin: p, env: env, names: names, start: time.Now(), flags: pflag.NewFlagSet(p.name, pflag.ContinueOnError)}
	c.flags.SetOutput(io.Discard)
	c.aliases = map[string]string{"hostname": "host", "use-ipv4": "ipv4", "use-ipv6": "ipv6"} // as in the plugins of Nagios
	c.flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if ours, ok := c.aliases[name]; ok {
			name = ours
		}
		return pflag.NormalizedName(name)
	})
	c.flags.StringVarP(&c.host, "host", "H", "", "name or address to look at; also as the first argument")
	c.flags.VarP(&c.timeout, "timeout", "t", "give up after this long, such as 5 or 500ms; never later than DMONITOR_TIMEOUT")
	c.flags.BoolVarP(&c.v4, "ipv4", "4", false, "use IPv4 only")
	c.flags.BoolVarP(&c.v6, "ipv6", "6", false, "use IPv6 only")
	return c
}

// parse reads the arguments and the environment, and fills in host and budget.
func (c *call) parse(args []string) error {
	if c.rewrite != nil {
		args = c.rewrite(args)
	}
	if err := c.flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return errors.New("help was asked for")
		}
		return err
	}
	if err := c.parseHost(); err != nil {
		return err
	}
	if c.v4 && c.v6 {
		return errors.New("only one of -4 and -6, please")
	}
	c.budget = defaultTimeout
	if c.timeout > 0 {
		c.budget = time.Duration(c.timeout)
	}
	if s := c.env("DMONITOR_TIMEOUT"); s != "" {
		d, err := parseSpan(s)
		if err != nil {
			return fmt.Errorf("DMONITOR_TIMEOUT: %w", err)
		}
		d -= min(d/10, maxMargin)
		if c.timeout == 0 || d < c.budget {
			c.budget = d
		}
	}
	return nil
}

func (c *call) parseHost() error {
	switch args := c.flags.Args(); {
	case len(args) > 1:
		return fmt.Errorf("one host, please, not %s", quote(withoutLogin(strings.Join(args, " "))))
	case len(args) == 1 && c.host != "" && c.host != args[0]:
		return fmt.Errorf("two hosts: %s and -H %s", quote(withoutLogin(args[0])), quote(withoutLogin(c.host)))
	case len(args) == 1:
		c.host = args[0]
	case c.host == "":
		// With args: in a test's file the host isn't an argument, unless it is written there.
		c.host = c.env("DMONITOR_HOST")
	}
	if s, ok := strings.CutPrefix(c.host, "["); ok && strings.HasSuffix(s, "]") {
		c.host = strings.TrimSuffix(s, "]")
	}
	return validHost(c.host)
}

func validHost(s string) error {
	switch {
	case s == "":
		return errors.New("the host is missing")
	case strings.Contains(s, "/"):
		return fmt.Errorf("%s: want a host name or an address, not a URL", quote(withoutLogin(s)))
	case len(s) > maxHost:
		return fmt.Errorf("host name of %d bytes: too long", len(s))
	}
	for _, r := range s {
		if !strings.ContainsRune(".-:_%", r) && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') {
			return fmt.Errorf("host %s: %q is not allowed; use letters, digits and . - : _", quote(withoutLogin(s)), r)
		}
	}
	return nil
}

// took is the time since the run began, and its perfdata with the bound the run had.
func (c *call) took() (time.Duration, string) {
	d := time.Since(c.start)
	return d, fmt.Sprintf("time=%.6fs;;;0;%.3f", d.Seconds(), c.budget.Seconds())
}

// parseSpan reads "10", "0.5", "10s" or "500ms": more than nothing and at most maxTimeout.
func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		sec, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil {
			return 0, fmt.Errorf("%s: want seconds or a duration, such as 10 or 500ms", quote(s))
		}
		if !(sec > 0 && sec <= maxTimeout.Seconds()) {
			return 0, fmt.Errorf("%s: want more than 0 and at most %v", quote(s), maxTimeout)
		}
		d = time.Duration(sec * float64(time.Second))
	}
	if d <= 0 || d > maxTimeout {
		return 0, fmt.Errorf("%s: want more than 0 and at most %v", quote(s), maxTimeout)
	}
	return d, nil
}

// Set implements pflag.Value.
func (d *timeSpan) Set(s string) error {
	v, err := parseSpan(s)
	*d = timeSpan(v)
	return err
}

// String implements pflag.Value.
func (d *timeSpan) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type implements pflag.Value; it names the value in --help.
func (d *timeSpan) Type() string { return "time" }
