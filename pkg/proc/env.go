package proc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// Bounds of DMONITOR_GRACE: the shorter only for trying things out, the longer because silence for a day is a fault itself.
const (
	minGrace = 100 * time.Millisecond
	maxGrace = time.Hour
)

// Prefix of every environment variable of dmonitor.
const Prefix = "DMONITOR_"

// Env is how a process runs, as the environment says it. What to check is files; see package confdir.
type Env struct {
	Config       string        `env:"CONFIG" envDefault:"/etc/dmonitor" help:"folder that says what to check and whom to tell"`
	Data         string        `env:"DATA" envDefault:"/var/lib/dmonitor" help:"folder for what dmonitor keeps"`
	Node         string        `env:"NODE" help:"name of this node (default: the host's name, dots as dashes)"`
	Site         string        `env:"SITE" help:"where this node is; nodes that can fail together share a site (default: the node's name)"`
	Nodes        []string      `env:"NODES" help:"members of the bus, as a:2929,b:2929 (default: nodes.txt)"`
	Listen       string        `env:"LISTEN" envDefault:":2929" help:"cluster address of this node"`
	ClientListen string        `env:"CLIENT_LISTEN" envDefault:"127.0.0.1:4222" help:"address for NATS clients: other tools, the command line"`
	KeyFile      string        `env:"KEY_FILE" help:"the cluster key, the same file on every node (default: cluster.key in the configuration folder, if it is there)"`
	Insecure     bool          `env:"INSECURE" help:"listen beyond loopback without a cluster key: only on a network you trust"`
	BusURL       string        `env:"BUS_URL" help:"connect to this bus instead of carrying one: nats://a:4222,nats://b:4222"`
	BusCreds     string        `env:"BUS_CREDS" help:"credentials file to connect with, as dmonitor creds makes it (default: the cluster key, if it is there)"`
	SMTPURL      string        `env:"SMTP_URL" envDefault:"smtp://localhost:25" help:"mail server: smtp://, smtps://, with user:password@ if it wants one"`
	SMTPPassword string        `env:"SMTP_PASSWORD_FILE" help:"file that holds the mail server's password"`
	MailFrom     string        `env:"MAIL_FROM" help:"sender of the mails (default: dmonitor@ the host's name)"`
	Interval     time.Duration `env:"INTERVAL" envDefault:"60s" help:"how often every node looks at a check"`
	Timeout      time.Duration `env:"TIMEOUT" envDefault:"10s" help:"how long a plugin may take"`
	Agree        int           `env:"AGREE" envDefault:"2" help:"sites that have to see it down"`
	Grace        time.Duration `env:"GRACE" envDefault:"30s" help:"how long checks have to be blind before the operators are told; twice that for a node that fell silent, 20 times for one that said goodbye, 1.5 times for a majority that is away"`
	Plugins      []string      `env:"PLUGINS" help:"further plugin folders, as /a,/b; looked into after <config>/plugins"`
	Concurrency  int           `env:"CONCURRENCY" help:"plugins that may run at once on this node (default: see docs)"`
	PluginMemory *int          `env:"PLUGIN_MEMORY" help:"MiB of memory that each process of a plugin may take; 0: any (default: a 16th of the machine's, but 1024 at least)"`
	PluginProcs  *int          `env:"PLUGIN_PROCESSES" help:"processes and threads that plugins may have together; 0: any (default: 32 for each that may run at once, but 1024 at least)"`
	HTTPListen   string        `env:"HTTP_LISTEN" envDefault:"127.0.0.1:8080" help:"address of /metrics and /healthz; off: none"`
	LogLevel     string        `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat    string        `env:"LOG_FORMAT" envDefault:"auto" help:"json, console, or auto: console on a terminal"`
}

// Load reads the environment given as "NAME=value" strings. Host is the machine's name, for the defaults. The error
// joins everything that is wrong, one line each, and names the variable and the remedy.
func Load(environ []string, host string) (Env, error) {
	vars := env.ToMap(environ)
	for name, value := range vars { // An empty variable is one that isn't set: compose files write them so.
		if value == "" {
			delete(vars, name)
		}
	}
	var e Env
	errs, unread := explain(vars, env.ParseWithOptions(&e, env.Options{Prefix: Prefix, Environment: vars}))
	e.fill(host, vars)
	return e, errors.Join(unknown(vars), errors.Join(errs...), errors.Join(e.validate(unread)...))
}

// fill sets the defaults that depend on the machine.
func (e *Env) fill(host string, vars map[string]string) {
	// A loopback address chosen by hand means several nodes on one machine, whose name and addresses they can't all have.
	listen, err := netip.ParseAddrPort(vars[Prefix+"LISTEN"])
	oneOfMany := err == nil && listen.Addr().IsLoopback()
	if e.Node == "" {
		e.Node = NodeName(host)
		if oneOfMany {
			e.Node = NodeName(fmt.Sprintf("%s-%s", e.Node, strings.TrimSuffix(e.Listen, ":2929")))
		}
	}
	if _, set := vars[Prefix+"HTTP_LISTEN"]; !set && oneOfMany {
		_, port, _ := net.SplitHostPort(e.HTTPListen)
		e.HTTPListen = net.JoinHostPort(listen.Addr().String(), port)
	}
	if e.Site == "" {
		e.Site = e.Node
	}
	if e.MailFrom == "" {
		e.MailFrom = "dmonitor@" + host
	}
}

// validate checks every variable but those that could not even be read, which have been told.
func (e *Env) validate(unread []string) []error {
	var errs []error
	fail := func(name, format string, args ...any) {
		if !slices.Contains(unread, name) {
			errs = append(errs, fmt.Errorf("%s%s: %s", Prefix, name, fmt.Sprintf(format, args...)))
		}
	}
	if err := events.ValidateNode(e.Node); err != nil {
		fail("NODE", "%v", err)
	}
	if err := events.ValidateNode(e.Site); err != nil && e.Site != e.Node {
		fail("SITE", "%v", err)
	}
	if e.Interval < events.MinInterval || e.Interval > events.MaxInterval {
		fail("INTERVAL", "%v: want %v to %v", e.Interval, events.MinInterval, events.MaxInterval)
	}
	if e.Timeout < events.MinTimeout || e.Timeout > events.MaxTimeout {
		fail("TIMEOUT", "%v: want %v to %v", e.Timeout, events.MinTimeout, events.MaxTimeout)
	}
	if e.Agree < 1 || e.Agree > events.MaxAgree {
		fail("AGREE", "%d: want 1 to %d", e.Agree, events.MaxAgree)
	}
	if e.Grace < minGrace || e.Grace > maxGrace {
		fail("GRACE", "%v: want %v to %v", e.Grace, minGrace, maxGrace)
	}
	if e.Concurrency < 0 {
		fail("CONCURRENCY", "%d: want 1 or more", e.Concurrency)
	}
	if m := e.PluginMemory; m != nil && *m < 0 {
		fail("PLUGIN_MEMORY", "%d: want 1 or more, in MiB, or 0 for no limit", *m)
	}
	if n := e.PluginProcs; n != nil && *n < 0 {
		fail("PLUGIN_PROCESSES", "%d: want 1 or more, or 0 for no limit", *n)
	}
	for i, n := range e.Nodes {
		var err error
		if e.Nodes[i], err = confdir.ParseNode(strings.TrimSpace(n)); err != nil {
			fail("NODES", "%v", err)
		}
	}
	for _, a := range []struct{ name, addr string }{{"LISTEN", e.Listen}, {"CLIENT_LISTEN", e.ClientListen}} {
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			fail(a.name, "%q: want host:port, such as 127.0.0.1:4222", a.addr)
		}
	}
	if err := e.checkHTTP(); err != nil {
		fail("HTTP_LISTEN", "%v", err)
	}
	if !slices.Contains(logLevels, e.LogLevel) {
		fail("LOG_LEVEL", "%q: want one of %s", e.LogLevel, strings.Join(logLevels, ", "))
	}
	if !slices.Contains(logFormats, e.LogFormat) {
		fail("LOG_FORMAT", "%q: want one of %s", e.LogFormat, strings.Join(logFormats, ", "))
	}
	return errs
}

// Defaults are what a check's file may leave out.
func (e *Env) Defaults() confdir.Defaults {
	return confdir.Defaults{Interval: e.Interval, Timeout: e.Timeout, Agree: e.Agree}
}

// NodeName makes a node's name from a host's: lower case, everything else than letters and digits as dashes.
func NodeName(host string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, host)
	name = strings.Trim(name, "-")
	if name == "" {
		name = "node"
	}
	return name[:min(len(name), events.MaxNodeLen)]
}

// Host is the machine's name, "localhost" if it has none.
func Host() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "localhost"
	}
	return host
}

// setting is one variable, for help and for telling misspelt ones.
type setting struct{ Name, Default, Help string }

func settings() []setting {
	var out []setting
	t := reflect.TypeFor[Env]()
	for field := range t.Fields() {
		tag := field.Tag
		out = append(out, setting{Prefix + tag.Get("env"), tag.Get("envDefault"), tag.Get("help")})
	}
	return out
}

// unknown refuses DMONITOR_ variables that nobody reads: a misspelt setting would otherwise be silently the default.
func unknown(vars map[string]string) error {
	var errs []error
	var known []string
	for _, s := range settings() {
		known = append(known, strings.ToLower(s.Name))
	}
	for name := range vars {
		if !strings.HasPrefix(name, Prefix) || name == strings.ToUpper(name) && slices.Contains(known, strings.ToLower(name)) {
			continue
		}
		hint := "see --help for those there are"
		if meant := confdir.Nearest(name, known); meant != "" {
			hint = "did you mean " + strings.ToUpper(meant) + "?"
		}
		errs = append(errs, fmt.Errorf("%s: no such setting; %s", name, hint))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// explain turns the library's errors into one line per variable, and names the variables.
func explain(vars map[string]string, err error) (errs []error, unread []string) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		if err != nil {
			errs = append(errs, err)
		}
		return errs, nil
	}
	for _, one := range all.Errors {
		if parse, ok := errors.AsType[env.ParseError](one); ok {
			field, _ := reflect.TypeFor[Env]().FieldByName(parse.Name)
			name := field.Tag.Get("env")
			unread = append(unread, name)
			one = fmt.Errorf("%s%s: %q: want %s", Prefix, name, vars[Prefix+name], kind(parse.Type))
		}
		errs = append(errs, one)
	}
	return errs, unread
}

func kind(t reflect.Type) string {
	if t.Kind() == reflect.Pointer { // a setting of which it counts whether it is set
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 30s or 5m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number"
	default:
		return t.String()
	}
}
