package plugins

import (
	"context"
	"io"
	"net"
	"strings"
)

// prefix is what the name of every plugin's executable starts with.
const prefix = "check_"

// plugin is one entry of the list: its name, and a function that declares its options and returns what looks at the
// host once they are parsed.
type plugin struct {
	name  string // with prefix
	usage string // the arguments, in one line
	about string // one sentence for --help
	open  func(*call) func(context.Context) outcome
}

func list() []plugin {
	return []plugin{
		{"check_cert", "HOST [-p PORT] [--starttls PROTOCOL] [-w DAYS] [-c DAYS]", "looks at the certificate a server shows", cert},
		{"check_dns", "HOST [-l NAME] [-T TYPE] [-a VALUE]", "asks a DNS server", dns},
		{"check_ftp", "HOST [-p PORT]", "greets an FTP server, over TLS if it offers that", ftp},
		{"check_http", "HOST [-p PORT] [-u PATH] [-s STRING]", "asks a web server for a page", plainHTTP},
		{"check_https", "HOST [-p PORT] [-u PATH] [-s STRING]", "asks a web server for a page over TLS", overTLS},
		{"check_imap", "HOST [-p PORT]", "greets an IMAP server, over TLS if it offers that", imap},
		{"check_imaps", "HOST [-p PORT]", "greets an IMAP server over TLS", imaps},
		{"check_ldap", "HOST [-p PORT] [--tls] [-b BASE]", "binds to a directory server and reads its root entry", openLDAP},
		{"check_ldaps", "HOST [-p PORT] [-b BASE]", "binds to a directory server over TLS and reads its root entry", openLDAPS},
		{"check_mysql", "HOST [-p PORT] [--login-file FILE] [-q SQL]", "asks a MySQL or MariaDB server whether it takes clients", openMySQL},
		{"check_ntp", "HOST [-w OFFSET] [-c OFFSET]", "asks a time server", ntpServer},
		{"check_ping", "HOST [-p PACKETS] [-w MS,LOSS%] [-c MS,LOSS%]", "sends ICMP echo requests", ping},
		{"check_pop3", "HOST [-p PORT]", "greets a POP3 server, over TLS if it offers that", pop3},
		{"check_pop3s", "HOST [-p PORT]", "greets a POP3 server over TLS", pop3s},
		{"check_postgres", "HOST [-p PORT] [--login-file FILE] [-q SQL]", "asks a PostgreSQL server whether it takes clients", openPostgres},
		{"check_redis", "HOST [-p PORT] [--login-file FILE]", "asks a Redis server whether it takes clients", openRedis},
		{"check_rsync", "HOST [-p PORT] [-m MODULE]", "asks an rsync daemon for its modules", rsync},
		{"check_smtp", "HOST [-p PORT] [-r ADDRESS]", "greets a mail server, over TLS if it offers that", smtp},
		{"check_smtps", "HOST [-p PORT] [-r ADDRESS]", "greets a mail server over TLS", smtps},
		{"check_ssh", "HOST [-p PORT]", "reads the greeting of an SSH server", ssh},
		{"check_tcp", "HOST -p PORT [-s STRING] [-e STRING]", "opens a TCP connection", tcp},
	}
}

// Names lists the plugins as their executables are called, sorted: "check_http" and so on.
func Names() []string {
	var names []string
	for _, p := range list() {
		names = append(names, p.name)
	}
	return names
}

// Has tells whether Run knows the name, with or without its "check_".
func Has(name string) bool {
	_, ok := find(name)
	return ok
}

// Run runs one plugin, called "check_ssh" or "ssh", with the arguments after its name. It reads the environment through
// env (DMONITOR_HOST, DMONITOR_TIMEOUT), writes one line and sometimes some details to stdout, and returns the exit
// code: 0 ok, 1 warning, 2 fail, 3 unknown. It returns 3 if the line couldn't be written.
func Run(ctx context.Context, name string, args []string, env func(string) string, stdout io.Writer) int {
	return run(ctx, name, args, env, net.DefaultResolver).print(stdout)
}

func run(ctx context.Context, name string, args []string, env func(string) string, names resolver) (o outcome) {
	// An uncaught panic would exit with 2, which reads as "the host is down".
	defer func() {
		if p := recover(); p != nil {
			o = unknown("%s itself broke: %v", name, p)
		}
	}()
	p, ok := find(name)
	if !ok {
		return unknown("no plugin %q here; there are %s", name, strings.Join(Names(), " "))
	}
	c := newCall(p, env, names)
	look := p.open(c)
	if err := c.parse(args); err != nil {
		return c.misused(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.budget)
	defer cancel()
	return look(ctx)
}

func find(name string) (plugin, bool) {
	for _, p := range list() {
		if name == p.name || prefix+name == p.name {
			return p, true
		}
	}
	return plugin{}, false
}

// misused is the outcome of arguments that make no sense, or of --help: the node can't tell, and here is how to ask.
func (c *call) misused(err error) outcome {
	o := unknown("usage: %s %s: %v", c.plugin.name, c.plugin.usage, err)
	options := strings.ReplaceAll(c.flags.FlagUsages(), "[=true|false]", "             ") // as long, so that columns stay
	o.detail = append([]string{c.plugin.name + " " + c.plugin.about + ". Options:"},
		strings.Split(strings.TrimRight(options, "\n"), "\n")...)
	return o
}
