//go:build plugins

package plugins

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// eximConf is a mail server on 127.0.0.1 and ::1 that has a mailbox "ops" and one whose list of users is away. Who comes to
// 127.0.0.2 is told to come later, and to 127.0.0.3 not to come at all.
const eximConf = `
primary_hostname = mail.example.com
spool_directory = %[1]s/spool
log_file_path = %[1]s/%%slog
pid_file_path = %[1]s/pid
local_interfaces = <; 127.0.0.1 ; 127.0.0.2 ; 127.0.0.3 ; ::1
daemon_smtp_ports = %[2]s : %[3]s
tls_on_connect_ports = %[3]s
tls_advertise_hosts = *
tls_certificate = %[4]s
tls_privatekey = %[5]s
log_selector = +smtp_connection +smtp_protocol_error +smtp_syntax_error
acl_smtp_connect = connect
acl_smtp_rcpt = rcpt

begin acl

connect:
  defer   condition = ${if eq{$received_ip_address}{127.0.0.2}}
          message   = too busy
  deny    condition = ${if eq{$received_ip_address}{127.0.0.3}}
          message   = go away
  accept

rcpt:
  defer   local_parts = away
          message     = can't look it up
  require verify = recipient
  accept

begin routers

local:
  driver = accept
  domains = example.com
  local_parts = ops
  transport = nowhere
  cannot_route_message = Unknown user

begin transports

nowhere:
  driver = appendfile
  file = /dev/null
`

func TestExim(t *testing.T) {
	t.Parallel()
	d := server(t, "exim4-daemon-light")
	d.user("Debian-exim")
	authority := newCA(t)
	cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1", "mail.example.com")
	port, wrapped := d.port(), d.port()
	d.write("exim.conf", fmt.Sprintf(eximConf, d.dir, port, wrapped, cert, key))
	d.startControlled("", "exim4", "-C", d.path("exim.conf"), "-bdf")
	d.listens(port)
	d.listens(wrapped)
	mine := []string{"127.0.0.1", "-p", port, "--ca-file", authority.file}
	checks(t, "check_smtp", []row{
		{"STARTTLS is used since it is offered", mine, 0, ", TLS 1.3 | "},
		{"without the authority it is a warning", []string{"127.0.0.1", "-p", port}, 1, "signed by an authority unknown here"},
		{"and with --starttls a fail", []string{"127.0.0.1", "-p", port, "--starttls"}, 2, "signed by an authority unknown here"},
		{"by another name", []string{"127.0.0.1", "-p", port, "--ca-file", authority.file, "-S", "--sni", "mail.example.com", "-D", "30"}, 1, "expires in"},
		{"without TLS", append(mine, "--no-starttls", "-e", "mail.example.com ESMTP Exim"), 0, `smtp answered "220 mail.example.com ESMTP Exim`},
		{"over IPv6", []string{"::1", "-p", port, "--insecure"}, 0, "TLS 1.3"},
		{"a mailbox", append(mine, "-r", "ops@example.com"), 0, "would take mail to ops@example.com"},
		{"no mailbox", append(mine, "-r", "gone@example.com"), 2, `answered RCPT TO:<gone@example.com> with "550 Unknown user"`},
		{"one whose list of users is away", append(mine, "-r", "away@example.com"), 2, `with "451 can't look it up"`},
		{"too busy", []string{"127.0.0.2", "-p", port}, 2, `refuses service: it said "451 too busy"`},
		{"go away", []string{"127.0.0.3", "-p", port}, 2, `refuses service: it said "550 go away"`},
	})
	certOver(t, "smtp", port, authority.file)
	d.log("mainlog", "SMTP protocol error", "SMTP syntax error", "unexpected disconnection")
	checks(t, "check_smtp", []row{
		{"TLS to a port without", []string{"127.0.0.1", "-p", port, "--ssl"}, 2, `does not speak TLS but SMTP: it said "220 mail.example.com`},
		{"no TLS to a port with it", []string{"127.0.0.1", "-p", wrapped, "-t", "1"}, 2, "no sign of a greeting within 1.0 s"},
	})
	checks(t, "check_smtps", []row{
		{"TLS from the first byte on", []string{"127.0.0.1", "-p", wrapped, "--ca-file", authority.file}, 0, ", TLS 1.3 | "},
		{"a bad certificate is a fail", []string{"127.0.0.1", "-p", wrapped}, 2, "signed by an authority unknown here"},
	})
	checks(t, "check_ftp", []row{{"it is no FTP server", []string{"127.0.0.1", "-p", port}, 2, "is not FTP but SMTP"}})
	d.silent("check_smtp", mine...)
	d.gone("check_smtp", mine...)
}

// silent freezes the server: its port takes connections, and nobody answers. That is told, and when it goes on again all
// is well.
func (d *daemon) silent(name string, args ...string) {
	d.t.Helper()
	d.signal("STOP")
	d.until(name+" finds nobody", func() bool {
		exit, out := check(d.t, name, append(args, "-t", "1")...)
		return exit == 2 && strings.Contains(out, "connected, but no sign of a greeting within 1.0 s")
	})
	d.signal("CONT")
	d.takes(name, args...)
}

// log checks the manners of who talked to it so far: it fails the test if the server has logged any of the words.
func (d *daemon) log(name string, bad ...string) {
	d.t.Helper()
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for _, b := range bad {
			if strings.Contains(line, b) {
				d.t.Errorf("the server complains: %s", line)
			}
		}
	}
}
