//go:build plugins

package plugins

import (
	"fmt"
	"testing"
	"time"
)

const slapdConf = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /run/slapd.pid
TLSCertificateFile /run/tls.crt
TLSCertificateKeyFile /run/tls.key
%s
database mdb
suffix dc=example,dc=com
directory /run/db
rootdn cn=admin,dc=example,dc=com
rootpw sécret:word
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous read
`

const people = `dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: uid=jane,dc=example,dc=com
objectClass: inetOrgPerson
cn: Jane
sn: Doe
uid: jane

dn: uid=joe,dc=example,dc=com
objectClass: inetOrgPerson
cn: Joe
sn: Doe
uid: joe
`

// newSlapd starts a directory with these global settings. Its certificate is for 127.0.0.1.
func newSlapd(t *testing.T, settings string) (d *daemon, port, secure string, authority *ca) {
	t.Helper()
	d = server(t, "slapd")
	authority = newCA(t)
	cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1")
	port, secure = d.port(), d.port()
	d.write("slapd.conf", fmt.Sprintf(slapdConf, settings))
	d.write("people.ldif", people)
	prepare := fmt.Sprintf("mkdir /run/db; cp %s /run/tls.crt; cp %s /run/tls.key; slapadd -f %[3]s/slapd.conf -l %[3]s/people.ldif", cert, key, d.dir)
	d.startControlled(prepare, "slapd", "-d", "0", "-f", d.path("slapd.conf"),
		"-h", fmt.Sprintf("ldap://127.0.0.1:%[1]s ldap://[::1]:%[1]s ldaps://127.0.0.1:%[2]s", port, secure))
	d.takes("check_ldap", "127.0.0.1", "-p", port)
	return d, port, secure, authority
}

func TestLDAP(t *testing.T) {
	t.Parallel()
	d, port, secure, authority := newSlapd(t, "")
	admin := loginFile(t, "cn=admin,dc=example,dc=com:sécret:word\n")
	ask := func(args ...string) []string { return append([]string{"127.0.0.1", "-p", port}, args...) }
	base := "dc=example,dc=com"
	certOver(t, "ldap", port, authority.file)
	checks(t, "check_ldap", []row{
		{"it takes clients", ask(), 0, "ldap takes clients, in "},
		{"over IPv6", []string{"::1", "-p", port}, 0, "ldap takes clients"},
		{"a base that is there", ask("-b", base), 0, `finds "dc=example,dc=com"`},
		{"and one that isn't", ask("-b", "ou=shop,"+base), 2, `ldap is up, but finds no "ou=shop,dc=example,dc=com"`},
		{"a base that makes no sense", ask("-b", "shop"), 3, "can't make sense"},
		{"somebody", ask("-b", base, "-f", "(uid=jane)"), 0, `finds "(uid=jane)" below "dc=example,dc=com"`},
		{"several", ask("-b", base, "-f", "(sn=Doe)"), 0, `finds "(sn=Doe)"`},
		{"nobody", ask("-b", base, "-f", "(uid=jim)"), 2, `finds no "(uid=jim)"`},
		{"a filter that makes no sense", ask("-b", base, "-f", "uid=jim)("), 3, "filter"},
		{"a login", ask("--login-file", admin), 0, `ldap lets "cn=admin,dc=example,dc=com" in`},
		{"a wrong password", ask("--login-file", loginFile(t, "cn=admin,dc=example,dc=com:guess")), 3, "ldap is up, but refuses the login of this node: Invalid Credentials (49)"},
		{"no password", ask("--login-file", loginFile(t, "cn=admin,dc=example,dc=com:")), 3, "has no password"},
		{"StartTLS", ask("--tls", "--ca-file", authority.file), 0, "ldap takes clients"},
		{"and a login over it", ask("--tls", "--ca-file", authority.file, "--login-file", admin), 0, "in, in"},
		{"an unknown authority", ask("--tls"), 2, "signed by an authority unknown here"},
		{"which may be all the same", ask("--tls", "--insecure"), 0, "ldap takes clients"},
	})
	checks(t, "check_ldaps", []row{
		{"TLS", []string{"127.0.0.1", "-p", secure, "--ca-file", authority.file}, 0, "ldap takes clients"},
		{"a certificate that ends soon", []string{"127.0.0.1", "-p", secure, "--ca-file", authority.file, "--certificate", "14"}, 1, "its certificate expires in 47 hours"},
		{"an unknown authority", []string{"127.0.0.1", "-p", secure}, 2, "signed by an authority unknown here"},
		{"TLS to a port without", []string{"127.0.0.1", "-p", port, "-t", "5"}, 2, "TLS"},
	})
	checks(t, "check_ldap", []row{{"no TLS to a port with it", []string{"127.0.0.1", "-p", secure, "-t", "5"}, 2, ""}})
	d.frozen("check_ldap", "127.0.0.1", "-p", port)
	d.takes("check_ldap", "127.0.0.1", "-p", port)
	d.gone("check_ldap", "127.0.0.1", "-p", port)
}

// A directory that wants to know everybody is up all the same.
func TestLDAPClosed(t *testing.T) {
	t.Parallel()
	_, port, _, _ := newSlapd(t, "disallow bind_anon\nrequire authc")
	admin := loginFile(t, "cn=admin,dc=example,dc=com:sécret:word\n")
	checks(t, "check_ldap", []row{
		{"anonymous", []string{"127.0.0.1", "-p", port}, 0, "ldap takes clients, and refuses who has no login: Unwilling To Perform (53)"},
		{"anonymous, with a question", []string{"127.0.0.1", "-p", port, "-b", "dc=example,dc=com"}, 3, "--login-file"},
		{"a login", []string{"127.0.0.1", "-p", port, "--login-file", admin, "-b", "dc=example,dc=com"}, 0, "finds"},
	})
}
