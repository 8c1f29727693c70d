//go:build plugins

package plugins

import (
	"fmt"
	"testing"
	"time"
)

// dovecotConf is IMAP and POP3, each with STARTTLS and on a port of its own with TLS from the first byte on.
const dovecotConf = `
protocols = imap pop3
base_dir = %[1]s/run
state_dir = %[1]s/state
listen = 127.0.0.1, ::1
log_path = /dev/stderr
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_uid = nobody
mail_gid = nogroup
ssl = yes
ssl_cert = <%[2]s
ssl_key = <%[3]s
service anvil {
  chroot =
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %[4]s
  }
  inet_listener imaps {
    port = %[5]s
    ssl = yes
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = %[6]s
  }
  inet_listener pop3s {
    port = %[7]s
    ssl = yes
  }
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = home=%[1]s/home
}
`

// dovecot starts a mail store and returns its ports: IMAP, and POP3, each without and with TLS from the first byte on.
func dovecot(t *testing.T) (d *daemon, authority *ca, imap, imaps, pop3, pop3s string) {
	t.Helper()
	d = server(t, "dovecot-imapd", "dovecot-pop3d")
	authority = newCA(t)
	cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1")
	imap, imaps, pop3, pop3s = d.port(), d.port(), d.port(), d.port()
	d.write("dovecot.conf", fmt.Sprintf(dovecotConf, d.dir, cert, key, imap, imaps, pop3, pop3s))
	d.startControlled("", "dovecot", "-F", "-c", d.path("dovecot.conf"))
	for _, port := range []string{imap, imaps, pop3, pop3s} {
		d.listens(port)
	}
	return d, authority, imap, imaps, pop3, pop3s
}

func TestDovecotIMAP(t *testing.T) {
	t.Parallel()
	d, authority, port, wrapped, pop3, _ := dovecot(t)
	mine := []string{"127.0.0.1", "-p", port, "--ca-file", authority.file}
	checks(t, "check_imap", []row{
		{"STARTTLS is used since it is offered", mine, 0, ", TLS 1.3 | "},
		{"the greeting is told", mine, 0, `imap answered "* OK [CAPABILITY IMAP4rev1`},
		{"without the authority it is a warning", []string{"127.0.0.1", "-p", port}, 1, "signed by an authority unknown here"},
		{"and with --starttls a fail", []string{"127.0.0.1", "-p", port, "--starttls"}, 2, "signed by an authority unknown here"},
		{"without TLS", []string{"127.0.0.1", "-p", port, "--no-starttls", "-e", "ready"}, 0, `imap answered`},
		{"over IPv6", []string{"::1", "-p", port, "--insecure"}, 0, "TLS 1.3"},
		{"TLS to a port without", []string{"127.0.0.1", "-p", port, "-S"}, 2, `does not speak TLS but IMAP: it said "* OK`},
		{"no TLS to a port with it", []string{"127.0.0.1", "-p", wrapped, "-t", "1"}, 2, "no sign of a greeting within 1.0 s"},
		{"POP3", []string{"127.0.0.1", "-p", pop3}, 2, "is not IMAP but POP3"},
	})
	certOver(t, "imap", port, authority.file)
	checks(t, "check_imaps", []row{
		{"TLS from the first byte on", []string{"127.0.0.1", "-p", wrapped, "--ca-file", authority.file}, 0, ", TLS 1.3 | "},
		{"a bad certificate is a fail", []string{"127.0.0.1", "-p", wrapped}, 2, "signed by an authority unknown here"},
	})
	d.silent("check_imap", mine...)
	d.gone("check_imap", mine...)
}
