//go:build plugins

package plugins

import (
	"fmt"
	"testing"
)

const rsyncdConf = `
use chroot = no
lock file = %[1]s/lock
log file = %[1]s/log
motd file = %[1]s/motd
max connections = 4
[pub]
  path = %[1]s
  comment = for everybody
[private]
  path = %[1]s
  auth users = ops
  secrets file = %[1]s/secrets
[hidden]
  path = %[1]s
  list = no
[elsewhere]
  path = %[1]s
  hosts allow = 192.0.2.1
`

func TestRsyncDaemon(t *testing.T) {
	t.Parallel()
	d := server(t, "rsync")
	port := d.port()
	d.write("motd", "Welcome.\n")
	d.write("rsyncd.conf", fmt.Sprintf(rsyncdConf, d.dir))
	d.startControlled("", "rsync", "--daemon", "--no-detach", "--config", d.path("rsyncd.conf"), "--port", port)
	d.listens(port)
	at := func(args ...string) []string { return append([]string{"127.0.0.1", "-p", port}, args...) }
	checks(t, "check_rsync", []row{
		{"a greeting and a list", at(), 0, `rsync answered "@RSYNCD: `},
		{"what is listed is counted", at(), 0, ", 3 modules"},
		{"over IPv6", []string{"::1", "-p", port}, 0, "3 modules"},
		{"a module", at("-m", "pub"), 0, `has module "pub"`},
		{"one that isn't listed", at("-m", "hidden"), 0, `has module "hidden"`},
		{"one that wants a login", at("-m", "private"), 0, `has module "private" and wants a login for it`},
		{"none", at("-m", "gone"), 2, `answered with "@ERROR: Unknown module 'gone'"`},
		{"one that isn't for this node", at("-m", "elsewhere"), 2, `answered with "@ERROR: access denied to elsewhere`},
	})
	checks(t, "check_smtp", []row{{"it is no mail server", at(), 2, "is not SMTP but rsync"}})
	d.silent("check_rsync", at()...)
	d.gone("check_rsync", at()...)
}
