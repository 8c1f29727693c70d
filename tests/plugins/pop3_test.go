//go:build plugins

package plugins

import "testing"

func TestDovecotPOP3(t *testing.T) {
	t.Parallel()
	d, authority, _, imaps, port, wrapped := dovecot(t)
	mine := []string{"127.0.0.1", "-p", port, "--ca-file", authority.file}
	checks(t, "check_pop3", []row{
		{"STLS is used since it is offered", mine, 0, ", TLS 1.3 | "},
		{"the greeting is told", mine, 0, `pop3 answered "+OK Dovecot`},
		{"without the authority it is a warning", []string{"127.0.0.1", "-p", port}, 1, "signed by an authority unknown here"},
		{"and with --starttls a fail", []string{"127.0.0.1", "-p", port, "--starttls"}, 2, "signed by an authority unknown here"},
		{"without TLS", []string{"127.0.0.1", "-p", port, "--no-starttls"}, 0, `pop3 answered`},
		{"over IPv6", []string{"::1", "-p", port, "--insecure"}, 0, "TLS 1.3"},
	})
	certOver(t, "pop3", port, authority.file)
	checks(t, "check_pop3s", []row{
		{"TLS from the first byte on", []string{"127.0.0.1", "-p", wrapped, "--ca-file", authority.file}, 0, ", TLS 1.3 | "},
		{"a bad certificate is a fail", []string{"127.0.0.1", "-p", wrapped}, 2, "signed by an authority unknown here"},
		{"IMAP", []string{"127.0.0.1", "-p", imaps, "--insecure"}, 2, "is not POP3 but IMAP"},
	})
	d.silent("check_pop3", mine...)
	d.gone("check_pop3", mine...)
}
