//go:build plugins

package plugins

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

func newRedis(t *testing.T, args ...string) (d *daemon, port string) {
	t.Helper()
	d = server(t, "redis-server")
	port = d.port()
	d.startControlled("", append([]string{"redis-server", "--port", port, "--bind", "127.0.0.1", "::1", "--save", "", "--dir", d.dir}, args...)...)
	d.listens(port)
	return d, port
}

func TestRedis(t *testing.T) {
	t.Parallel()
	d, port := newRedis(t, "--maxmemory", "100mb")
	d.takes("check_redis", "127.0.0.1", "-p", port)
	checks(t, "check_redis", []row{
		{"PING is answered", []string{"127.0.0.1", "-p", port}, 0, "redis answered PING"},
		{"over IPv6", []string{"::1", "-p", port}, 0, "redis answered PING"},
		{"its part", []string{"127.0.0.1", "-p", port, "--role", "master"}, 0, "is a master"},
		{"another part", []string{"127.0.0.1", "-p", port, "--role", "replica"}, 2, "is a master, not a replica"},
		{"memory", []string{"127.0.0.1", "-p", port, "--memory-warning", "90"}, 0, "memory 1% used"},
		{"too much of it", []string{"127.0.0.1", "-p", port, "--memory-warning", "0.1", "--memory-critical", "0.2"}, 2, "more than 0.2%"},
		{"TLS to a port without", []string{"127.0.0.1", "-p", port, "--tls", "-t", "2"}, 2, "TLS"},
		{"not PostgreSQL", []string{"127.0.0.1", "-p", port, "--login-file", loginFile(t, ":x\n")}, 3, "refuses the login of this node"},
	})
	d.frozen("check_redis", "127.0.0.1", "-p", port)
	d.takes("check_redis", "127.0.0.1", "-p", port)
	d.gone("check_redis", "127.0.0.1", "-p", port)
}

func TestRedisPassword(t *testing.T) {
	t.Parallel()
	d, port := newRedis(t, "--requirepass", "secret", "--maxclients", "2")
	d.takes("check_redis", "127.0.0.1", "-p", port)
	right, wrong := loginFile(t, ":secret\n"), loginFile(t, ":guess\n")
	named := loginFile(t, "default:secret\n")
	checks(t, "check_redis", []row{
		{"without a login it is up", []string{"127.0.0.1", "-p", port}, 0, "refuses who has no login: \"NOAUTH"},
		{"but tells no more", []string{"127.0.0.1", "-p", port, "--role", "master"}, 3, "--login-file"},
		{"a login", []string{"127.0.0.1", "-p", port, "--login-file", right}, 0, "is a master"},
		{"a login with a name", []string{"127.0.0.1", "-p", port, "--login-file", named}, 0, "is a master"},
		{"a wrong login", []string{"127.0.0.1", "-p", port, "--login-file", wrong}, 3, "redis is up, but refuses the login of this node: \"WRONGPASS"},
	})
	for range 2 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	rig.Until(t, "it is full", func() bool {
		exit, out := check(t, "check_redis", "127.0.0.1", "-p", port)
		return exit == 2 && strings.Contains(out, `redis says "ERR max number of clients reached"`)
	})
}

func TestRedisReplica(t *testing.T) {
	t.Parallel()
	master, from := newRedis(t)
	master.takes("check_redis", "127.0.0.1", "-p", from)
	_, port := newRedis(t, "--replicaof", "127.0.0.1 "+from, "--replica-serve-stale-data", "no", "--repl-timeout", "5")
	linked := []string{"127.0.0.1", "-p", port, "--role", "replica", "--lag-warning", "60"}
	rig.Until(t, "the replica is linked", func() bool {
		exit, out := check(t, "check_redis", linked...)
		return exit == 0 && strings.Contains(out, "is a replica, replication lag")
	})
	master.signal("KILL")
	<-master.ended
	rig.Until(t, "the replica serves nobody", func() bool {
		exit, out := check(t, "check_redis", "127.0.0.1", "-p", port)
		return exit == 2 && strings.Contains(out, `redis says "MASTERDOWN`)
	})
}

func TestRedisTLS(t *testing.T) {
	t.Parallel()
	d := server(t, "redis-server")
	authority := newCA(t)
	cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1")
	port := d.port()
	d.startControlled("", "redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--save", "", "--dir", d.dir,
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	d.listens(port)
	d.takes("check_redis", "127.0.0.1", "-p", port, "--tls", "--ca-file", authority.file)
	checks(t, "check_redis", []row{
		{"TLS", []string{"127.0.0.1", "-p", port, "--tls", "--ca-file", authority.file}, 0, "redis answered PING"},
		{"a certificate that ends soon", []string{"127.0.0.1", "-p", port, "--ca-file", authority.file, "--certificate", "14"}, 1, "its certificate expires in 47 hours"},
		{"an unknown authority", []string{"127.0.0.1", "-p", port, "--tls"}, 2, "signed by an authority unknown here"},
		{"no TLS to a port with it", []string{"127.0.0.1", "-p", port, "-t", "2"}, 2, ""},
	})
}
