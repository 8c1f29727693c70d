//go:build plugins

package plugins

import (
	"fmt"
	"strings"
	"testing"
)

// chronyConf is a server that doesn't touch this machine's clock; %[3]s is where it has its time from.
const chronyConf = `
port %[2]s
bindaddress 127.0.0.1
bindcmdaddress /
cmdport 0
pidfile %[1]s/chronyd.pid
allow all
%[3]s
`

func TestChrony(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, source string
		rows         func(port string) []row
	}{
		{"a server that has the time", "local stratum 3", func(port string) []row {
			return []row{
				{"the time", []string{"127.0.0.1", "-p", port}, 0, "this node (give or take"},
				{"its stratum", []string{"127.0.0.1", "-p", port, "-W", "2"}, 1, "stratum 3, answered in"},
			}
		}},
		{"a server that has no time", "", func(port string) []row {
			return []row{{"says so", []string{"127.0.0.1", "-p", port}, 2, "is not synchronised itself"}}
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			d := server(t, "chrony")
			d.root = true // it won't run as anybody else, even if it leaves the clock alone (-x)
			port := d.port()
			d.write("chrony.conf", fmt.Sprintf(chronyConf, d.dir, port, c.source))
			d.start("chronyd", "-x", "-d", "-u", "root", "-f", d.path("chrony.conf"))
			d.until("it answers", func() bool {
				_, out := check(t, "check_ntp", "127.0.0.1", "-p", port, "-t", "2")
				return strings.Contains(out, "stratum")
			})
			checks(t, "check_ntp", c.rows(port))
			d.stop()
			checks(t, "check_ntp", []row{{"nobody there", []string{"127.0.0.1", "-p", port}, 2, "connection refused"}})
		})
	}
}
