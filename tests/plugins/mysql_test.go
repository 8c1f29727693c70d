//go:build plugins

package plugins

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// newMariaDB makes a database, which knows the users watch and root, and starts a server on it with these options.
func newMariaDB(t *testing.T, prepare string, options ...string) (d *daemon, port string) {
	t.Helper()
	d = server(t, "mariadb-server")
	d.user("mysql")
	port = d.port()
	d.write("users.sql", `FLUSH PRIVILEGES;
CREATE DATABASE shop;
CREATE TABLE shop.orders (n INT);
INSERT INTO shop.orders VALUES (3);
CREATE USER watch IDENTIFIED BY 'sécret:word';
GRANT SELECT, DELETE ON shop.* TO watch;
GRANT SLAVE MONITOR ON *.* TO watch;
CREATE USER modern IDENTIFIED VIA ed25519 USING PASSWORD('secret');
CREATE USER copy IDENTIFIED BY 'copy';
GRANT REPLICATION SLAVE ON *.* TO copy;
`)
	initial := fmt.Sprintf(`mkdir /run/tmp
mariadb-install-db --no-defaults --datadir=/run/data --tmpdir=/run/tmp --skip-test-db >/dev/null
mariadbd --no-defaults --bootstrap --datadir=/run/data --tmpdir=/run/tmp --plugin-load-add=auth_ed25519 <%[1]s/users.sql
`, d.dir)
	args := []string{
		"mariadbd", "--no-defaults", "--datadir=/run/data", "--tmpdir=/run/tmp", "--port=" + port, "--bind-address=127.0.0.1,::1",
		"--socket=/run/socket", "--plugin-load-add=auth_ed25519", "--log-warnings=2",
	}
	d.startControlled(initial+prepare, append(args, options...)...)
	return d, port
}

func TestMySQL(t *testing.T) {
	t.Parallel()
	d, port := newMariaDB(t, "", "--max-connect-errors=3")
	d.takes("check_mysql", "127.0.0.1", "-p", port)
	watch := loginFile(t, "watch:sécret:word\n")
	ask := func(args ...string) []string {
		return append([]string{"127.0.0.1", "-p", port, "--login-file", watch}, args...)
	}
	checks(t, "check_mysql", []row{
		{"it takes clients", []string{"127.0.0.1", "-p", port}, 0, `takes clients, and refuses who has no login: "Access denied for user 'dmonitor'@`},
		{"over IPv6", []string{"::1", "-p", port}, 0, "takes clients"},
		{"a login", ask(), 0, `lets watch in`},
		{"a login by ed25519", []string{"127.0.0.1", "-p", port, "--login-file", loginFile(t, "modern:secret")}, 0, `lets modern in`},
		{"a wrong password", []string{"127.0.0.1", "-p", port, "--login-file", loginFile(t, "watch:guess")}, 3, `mysql is up, but refuses the login of this node: "Access denied for user 'watch'`},
		{"a database nobody knows", ask("-d", "nowhere"), 3, `nowhere`},
		{"a query", ask("-q", "SELECT n FROM shop.orders", "-e", "3"), 0, `the query gave "3"`},
		{"a number", ask("-d", "shop", "-q", "SELECT n * 1.5 FROM orders", "--query-warning", "4", "--query-critical", "10"), 1, "query=4.5;4;10"},
		{"no row", ask("-q", "SELECT 1 FROM shop.orders WHERE n > 3", "-e", "1"), 2, "the query gave no row"},
		{"NULL", ask("-q", "SELECT NULL", "--query-warning", "1"), 2, "the query gave NULL, which is not a number"},
		{"nothing is changed", ask("-q", "SELECT 1; COMMIT"), 3, "SQL syntax"},
		{"nor by one that may", ask("-q", "DELETE FROM shop.orders"), 3, "READ ONLY transaction"},
		{"what isn't allowed", ask("-q", "SELECT * FROM mysql.user"), 3, "denied"},
		{"a slow query", ask("-q", "SELECT count(*) FROM seq_1_to_1000000 a JOIN seq_1_to_1000000 b ON a.seq < b.seq", "-d", "shop", "-t", "1500ms"), 2, "no answer to the query within 1.5 s"},
		{"a long result", ask("-q", "SELECT repeat('x', 100) FROM seq_1_to_100000", "-d", "shop"), 0, "xxx…"},
		{"few connections", ask("--connections-critical", "50"), 0, "connections 1% used"},
		{"no replica", ask("--lag-critical", "1"), 2, "is no replica"},
		{"TLS to a server without", []string{"127.0.0.1", "-p", port, "--tls"}, 2, "has no TLS"},
	})
	checks(t, "check_postgres", []row{{"it is not PostgreSQL", []string{"127.0.0.1", "-p", port, "-t", "2"}, 2, "is not PostgreSQL: it said"}})
	d.frozen("check_mysql", "127.0.0.1", "-p", port)
	d.takes("check_mysql", "127.0.0.1", "-p", port)
	d.gone("check_mysql", "127.0.0.1", "-p", port)
}

// A server that has no connection left for us says so.
func TestMySQLFull(t *testing.T) {
	t.Parallel()
	d, port := newMariaDB(t, "", "--max-connections=10", "--connect-timeout=600")
	d.takes("check_mysql", "127.0.0.1", "-p", port)
	for range 12 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	d.until("it is full", func() bool {
		exit, out := check(t, "check_mysql", "127.0.0.1", "-p", port)
		return exit == 2 && strings.Contains(out, `mysql says "Too many connections" (1040)`)
	})
}

func TestMySQLReplication(t *testing.T) {
	t.Parallel()
	d, from := newMariaDB(t, "", "--log-bin", "--server-id=1")
	d.takes("check_mysql", "127.0.0.1", "-p", from)
	change := fmt.Sprintf(`CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s, MASTER_USER='copy', MASTER_PASSWORD='copy', MASTER_CONNECT_RETRY=1`, from)
	_, port := newMariaDB(t, "echo \""+change+";\nSTART SLAVE;\" >/run/init.sql", "--server-id=2", "--slave-net-timeout=2", "--init-file=/run/init.sql")
	ask := []string{"127.0.0.1", "-p", port, "--login-file", loginFile(t, "watch:sécret:word\n"), "--lag-critical", "60"}
	rig.Until(t, "the replica follows", func() bool {
		exit, out := check(t, "check_mysql", ask...)
		return exit == 0 && strings.Contains(out, "replication lag 0.0 s")
	})
}

func TestMySQLTLS(t *testing.T) {
	t.Parallel()
	authority := newCA(t)
	cert, key := authority.issue(server(t, "mariadb-server"), 48*time.Hour, "127.0.0.1")
	certs := readFiles(t, cert, key)
	d, port := newMariaDB(t, fmt.Sprintf("cat >/run/tls.crt <<'X'\n%sX\ncat >/run/tls.key <<'X'\n%sX\n", certs[0], certs[1]),
		"--ssl-cert=/run/tls.crt", "--ssl-key=/run/tls.key")
	d.takes("check_mysql", "127.0.0.1", "-p", port)
	secure := []string{"127.0.0.1", "-p", port, "--tls", "--ca-file", authority.file}
	checks(t, "check_mysql", []row{
		{"TLS", secure, 0, "takes clients"},
		{"a certificate that ends soon", append(secure, "--certificate", "14,1"), 1, "its certificate expires in 47 hours"},
		{"sooner", append(secure, "--certificate", "14,7"), 2, "cert_days=2.0;14:;7:"},
		{"a login over it", append(secure, "--login-file", loginFile(t, "watch:sécret:word\n")), 0, "lets watch in"},
		{"an unknown authority", []string{"127.0.0.1", "-p", port, "--tls"}, 2, "signed by an authority unknown here"},
		{"which may be all the same", []string{"127.0.0.1", "-p", port, "--tls", "--insecure"}, 0, "takes clients"},
		{"another name", []string{"localhost", "-4", "-p", port, "--tls", "--ca-file", authority.file}, 2, `certificate is not for localhost but for "127.0.0.1"`},
	})
	certOver(t, "mysql", port, authority.file)
}
