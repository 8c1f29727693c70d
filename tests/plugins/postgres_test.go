//go:build plugins

package plugins

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

const pgBin = "/usr/lib/postgresql/15/bin/"

// newPostgres makes a cluster, which knows the user watch, and starts it with these settings. Preparations are made
// after that of the cluster.
func newPostgres(t *testing.T, prepare string, settings ...string) (d *daemon, port string) {
	t.Helper()
	d = server(t, "postgresql-15")
	d.user("postgres")
	port = d.port()
	d.write("password", "super secret\n")
	initial := fmt.Sprintf(`PATH=%[1]s:$PATH
initdb -D %[2]s/data -U postgres -A scram-sha-256 --pwfile=%[2]s/password --locale=C -E UTF8 --no-sync >/dev/null
echo "CREATE ROLE watch LOGIN PASSWORD 'sécret:word'; CREATE ROLE old LOGIN; SET password_encryption = 'md5'; ALTER ROLE old PASSWORD 'secret';
CREATE TABLE hidden (n int);" |
  tr '\n' ' ' | postgres --single -D %[2]s/data postgres >/dev/null
sed -i '1i host all old 127.0.0.1/32 md5\nhost closed all 127.0.0.1/32 reject' %[2]s/data/pg_hba.conf
`, pgBin, d.dir)
	args := []string{pgBin + "postgres", "-D", d.path("data"), "-p", port, "-k", d.dir, "-c", "listen_addresses=127.0.0.1,::1", "-c", "fsync=off"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	d.startControlled(initial+prepare, args...)
	return d, port
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	d, port := newPostgres(t, "")
	d.takes("check_postgres", "127.0.0.1", "-p", port)
	watch, old := loginFile(t, "watch:sécret:word\n"), loginFile(t, "old:secret\n")
	wrong, nobodys := loginFile(t, "watch:guess\n"), loginFile(t, "nobody:guess\n")
	ask := func(args ...string) []string {
		return append([]string{"127.0.0.1", "-p", port, "--login-file", watch}, args...)
	}
	checks(t, "check_postgres", []row{
		{"it asks for a password", []string{"127.0.0.1", "-p", port}, 0, `takes clients: it asks user dmonitor for a password ("SCRAM-SHA-256")`},
		{"over IPv6", []string{"::1", "-p", port}, 0, "takes clients"},
		{"a login", ask(), 0, `" lets watch in and is a primary`},
		{"a login by md5", []string{"127.0.0.1", "-p", port, "--login-file", old}, 0, `" lets old in`},
		{"a wrong password", []string{"127.0.0.1", "-p", port, "--login-file", wrong}, 3, `postgres is up, but refuses the login of this node: FATAL "password authentication failed for user "watch""`},
		{"a user nobody knows", []string{"127.0.0.1", "-p", port, "--login-file", nobodys}, 3, "refuses the login"},
		{"a database nobody knows", ask("-d", "shop"), 2, `postgres says FATAL "database "shop" does not exist" (3D000)`},
		{"a query", ask("-q", "SELECT 6*7"), 0, `the query gave "42"`},
		{"as expected", ask("-q", "SELECT 'x y' UNION ALL SELECT 'z'", "-e", "x y"), 0, `the query gave "x y"`},
		{"not as expected", ask("-q", "SELECT 'x'", "-e", "y"), 2, `the query gave "x" instead of "y"`},
		{"in bounds", ask("-q", "SELECT 4.5", "--query-warning", "5", "--query-critical", "10"), 0, "query=4.5;5;10"},
		{"nearly out of bounds", ask("-q", "SELECT 5.5", "--query-warning", "5", "--query-critical", "10"), 1, "query is out of 5"},
		{"out of bounds", ask("-q", "SELECT 3", "--query-critical", "10:"), 2, "query is out of 10:"},
		{"no row", ask("-q", "SELECT 1 WHERE false", "-e", "1"), 2, "the query gave no row"},
		{"NULL", ask("-q", "SELECT NULL", "--query-warning", "1"), 2, "the query gave NULL, which is not a number"},
		{"a long result", ask("-q", "SELECT repeat('x', 100) FROM generate_series(1, 1000000)"), 0, "xxx…"},
		{"nothing is changed", ask("-q", "CREATE TABLE x (n int)"), 3, "read-only transaction"},
		{"nor by a second statement", ask("-q", "SELECT 1; COMMIT"), 3, "multiple commands"},
		{"what isn't allowed", ask("-q", "SELECT * FROM hidden"), 3, "permission denied for table hidden"},
		{"a slip", ask("-q", "SELEC 1"), 3, "syntax error"},
		{"a slow query", ask("-q", "SELECT pg_sleep(30)", "-t", "1500ms"), 2, "no answer to the query within 1.5 s"},
		{"few connections", ask("--connections-critical", "50"), 0, "connections 1% used"},
		{"no standby", ask("--role", "standby"), 2, "is a primary, not a standby"},
		{"no lag at a primary", ask("--lag-critical", "1"), 0, "is a primary"},
		{"to be refused by address is no outage", []string{"127.0.0.1", "-p", port, "-d", "closed"}, 0, "refuses who has no login: FATAL \"pg_hba.conf rejects connection"},
		{"but with a login it is", ask("-d", "closed"), 3, "refuses the login of this node: FATAL \"pg_hba.conf rejects connection"},
		{"TLS to a server without", []string{"127.0.0.1", "-p", port, "--tls"}, 2, "has no TLS"},
	})
	for _, complaint := range []string{"unexpected EOF", "connection to client lost", "could not"} {
		if strings.Contains(d.said.String(), complaint) {
			t.Errorf("the server's log has %q", complaint)
		}
	}
	checks(t, "check_mysql", []row{{"it is not MySQL", []string{"127.0.0.1", "-p", port, "-t", "2"}, 2, "silence for"}})
	checks(t, "check_redis", []row{{"it is not Redis", []string{"127.0.0.1", "-p", port, "-t", "2"}, 2, ""}})
	d.frozen("check_postgres", "127.0.0.1", "-p", port)
	d.takes("check_postgres", "127.0.0.1", "-p", port)
	d.gone("check_postgres", "127.0.0.1", "-p", port)
}

// Every connection is taken, by clients that don't even log in.
func TestPostgresFull(t *testing.T) {
	t.Parallel()
	d, port := newPostgres(t, "", "max_connections=4", "superuser_reserved_connections=0", "max_wal_senders=0", "authentication_timeout=600")
	d.takes("check_postgres", "127.0.0.1", "-p", port)
	for full := false; !full; {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		hello := []byte("\x00\x00\x00\x00\x00\x03\x00\x00user\x00dmonitor\x00\x00")
		binary.BigEndian.PutUint32(hello, uint32(len(hello)))
		answer := make([]byte, 1)
		if _, err := conn.Write(hello); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			t.Fatal(err)
		}
		full = answer[0] == 'E'
	}
	checks(t, "check_postgres", []row{{"it is full", []string{"127.0.0.1", "-p", port}, 2, `postgres says FATAL "sorry, too many clients already" (53300)`}})
}

// A server that recovers from an archive that doesn't answer, and one that has recovered.
func TestPostgresStartingUp(t *testing.T) {
	t.Parallel()
	wait := `touch "$HOME/data/recovery.signal"`
	d, port := newPostgres(t, wait, `restore_command=while [ ! -e "$HOME/go" ]; do sleep 0.1; done; false`)
	d.until("it says that it starts", func() bool {
		exit, out := check(t, "check_postgres", "127.0.0.1", "-p", port)
		return exit == 2 && strings.Contains(out, `postgres says FATAL "the database system is starting up" (57P03)`)
	})
	d.write("go", "")
	d.takes("check_postgres", "127.0.0.1", "-p", port)
}

func TestPostgresReplication(t *testing.T) {
	t.Parallel()
	d, from := newPostgres(t, `sed -i '1i host replication postgres 127.0.0.1/32 trust' "$HOME/data/pg_hba.conf"`, "wal_level=replica")
	d.takes("check_postgres", "127.0.0.1", "-p", from)
	s := server(t, "postgresql-15")
	s.user("postgres")
	port := s.port()
	copyIt := pgBin + "pg_basebackup -h 127.0.0.1 -p " + from + " -U postgres -D " + s.path("data") + " -R --checkpoint=fast --no-sync"
	s.startControlled(copyIt, pgBin+"postgres", "-D", s.path("data"), "-p", port, "-k", s.dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	ask := func(args ...string) []string {
		return append([]string{"127.0.0.1", "-p", port, "--login-file", loginFile(t, "watch:sécret:word\n")}, args...)
	}
	s.until("the standby streams", func() bool {
		exit, out := check(t, "check_postgres", ask("--lag-critical", "1ms", "--role", "standby")...)
		return exit == 0 && strings.Contains(out, "is a standby, replication lag 0.0 s")
	})
	d.signal("KILL")
	<-d.ended
	s.until("the standby says that it receives nothing", func() bool {
		exit, out := check(t, "check_postgres", ask("--lag-critical", "1ms")...)
		return exit == 2 && strings.Contains(out, "receives nothing (no WAL receiver)")
	})
	checks(t, "check_postgres", []row{{"without a question about the lag it is up", ask(), 0, "is a standby"}})
}

func TestPostgresTLS(t *testing.T) {
	t.Parallel()
	authority := newCA(t)
	d := server(t, "postgresql-15")
	cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1")
	for _, f := range []string{cert, key} {
		defer os.Remove(f)
	}
	certs := readFiles(t, cert, key)
	p, port := newPostgres(t, fmt.Sprintf("cat >$HOME/tls.crt <<'X'\n%sX\ncat >$HOME/tls.key <<'X'\n%sX\nchmod 600 $HOME/tls.key", certs[0], certs[1]),
		"ssl=on", "ssl_cert_file=../tls.crt", "ssl_key_file=../tls.key")
	p.takes("check_postgres", "127.0.0.1", "-p", port)
	secure := []string{"127.0.0.1", "-p", port, "--tls", "--ca-file", authority.file}
	checks(t, "check_postgres", []row{
		{"TLS", secure, 0, "takes clients"},
		{"a certificate that ends soon", append(secure, "--certificate", "14,1"), 1, "its certificate expires in 47 hours"},
		{"sooner", append(secure, "--certificate", "14,7"), 2, "cert_days=2.0;14:;7:"},
		{"a login over it", append(secure, "--login-file", loginFile(t, "watch:sécret:word\n")), 0, "lets watch in"},
		{"an unknown authority", []string{"127.0.0.1", "-p", port, "--tls"}, 2, "signed by an authority unknown here"},
		{"which may be all the same", []string{"127.0.0.1", "-p", port, "--tls", "--insecure"}, 0, "takes clients"},
		{"another name", []string{"localhost", "-4", "-p", port, "--tls", "--ca-file", authority.file}, 2, `certificate is not for localhost but for "127.0.0.1"`},
	})
	certOver(t, "postgres", port, authority.file)
}

func readFiles(t *testing.T, paths ...string) (texts []string) {
	t.Helper()
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	return texts
}
