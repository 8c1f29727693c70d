//go:build plugins

package plugins

import (
	"fmt"
	"testing"
	"time"
)

const vsftpdConf = `
background=NO
run_as_launching_user=YES
seccomp_sandbox=NO
listen=NO
listen_ipv6=YES
listen_port=%[2]s
anonymous_enable=YES
anon_root=%[1]s
max_per_ip=3
ssl_enable=%[3]s
rsa_cert_file=%[4]s
rsa_private_key_file=%[5]s
`

func TestVsftpd(t *testing.T) {
	t.Parallel()
	authority := newCA(t)
	start := func(tls string) (*daemon, string) {
		d := server(t, "vsftpd")
		d.user("ftp")
		cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1")
		port := d.port()
		d.write("vsftpd.conf", fmt.Sprintf(vsftpdConf, d.dir, port, tls, cert, key))
		d.startControlled("", "vsftpd", d.path("vsftpd.conf"))
		d.listens(port)
		return d, port
	}
	_, plain := start("NO")
	d, port := start("YES")
	mine := []string{"127.0.0.1", "-p", port, "--ca-file", authority.file}
	checks(t, "check_ftp", []row{
		{"a server without TLS", []string{"127.0.0.1", "-p", plain}, 0, `ftp answered "220 (vsFTPd `},
		{"that is told", []string{"127.0.0.1", "-p", plain}, 0, "no TLS offered"},
		{"with --starttls it is a fail", []string{"127.0.0.1", "-p", plain, "--starttls"}, 2, "doesn't offer AUTH TLS"},
		{"AUTH TLS is used since it is offered", mine, 0, ", TLS 1."},
		{"without the authority it is a warning", []string{"127.0.0.1", "-p", port}, 1, "signed by an authority unknown here"},
		{"and with --starttls a fail", []string{"127.0.0.1", "-p", port, "--starttls"}, 2, "signed by an authority unknown here"},
		{"over IPv6", []string{"::1", "-p", plain}, 0, "ftp answered"},
	})
	certOver(t, "ftp", port, authority.file)
	checks(t, "check_smtp", []row{{"it is no mail server", []string{"127.0.0.1", "-p", port}, 2, "is not SMTP but FTP"}})
	d.silent("check_ftp", mine...)
	d.gone("check_ftp", mine...)
}
