package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"

	directory "github.com/go-ldap/ldap/v3"
)

const (
	ldapPort  = 389
	ldapsPort = 636
)

// ldap is what check_ldap and check_ldaps were asked.
type ldap struct {
	call   *call
	slow   *slow
	atOnce bool // TLS before anything else
	port   uint16
	tls    encryption
	login  login
	base   string
	filter string
}

func openLDAP(c *call) func(context.Context) outcome  { return newLDAP(c, false).look }
func openLDAPS(c *call) func(context.Context) outcome { return newLDAP(c, true).look }

func newLDAP(c *call, atOnce bool) *ldap {
	l := &ldap{call: c, slow: slowness(c), atOnce: atOnce}
	if atOnce {
		c.flags.Uint16VarP(&l.port, "port", "p", ldapsPort, "TCP port")
		l.tls.on = true
		l.tls.asksTrust(c)
	} else {
		c.flags.Uint16VarP(&l.port, "port", "p", ldapPort, "TCP port")
		l.tls.asks(c, false, "ask for TLS (StartTLS), and fail where the server doesn't have it")
		l.login.asksCleartext(c)
	}
	l.login.asks(c)
	l.login.asksNagios(c, "bind", "D", "pass", "P")
	c.aliases["starttls"] = "tls" // as in Nagios' check_ldap
	c.flags.StringVarP(&l.base, "base", "b", "", "fail unless there is this entry, such as dc=example,dc=com; with --filter, one below it")
	c.flags.StringVarP(&l.filter, "filter", "f", "", "what to look for below --base, such as (uid=jane)")
	return l
}

// look binds, anonymously or as the login file says, and reads the root entry, which every server has, and what --base
// asks for.
func (l *ldap) look(ctx context.Context) outcome {
	if l.filter != "" {
		if _, err := directory.CompileFilter(l.filter); err != nil || l.base == "" {
			return l.call.misused(fmt.Errorf("filter %s: want one such as (uid=jane), and --base", quote(l.filter)))
		}
	}
	if err := l.login.check(); err != nil {
		return l.call.misused(err)
	}
	if err := l.login.load(); err != nil {
		return broken(err)
	}
	if l.login.given() && l.login.password == "" {
		// A server takes a name without a password for nobody, and lets it in: RFC 4513, section 5.1.2.
		return unknown("login file %s has no password: the server would take that for an anonymous bind", l.login.file)
	}
	conn, err := l.call.hear(ctx, l.port)
	if err != nil {
		return broken(err)
	}
	defer bound(ctx, conn)()
	if l.tls.asked() {
		var o outcome
		if conn, o = l.encrypt(ctx, conn); conn == nil {
			return o
		}
	}
	conn.looks = func(first []byte) bool { return len(first) == 0 || first[0] == 0x30 } // a sequence: RFC 4511, section 4.1.1
	if l.login.given() {
		if err := l.login.mayTell(conn, conn.encrypted); err != nil {
			return broken(err)
		}
	}
	return l.call.answered(l.slow, &l.tls, l.talk(ctx, conn))
}

// encrypt begins TLS, after asking for it where that is needed.
func (l *ldap) encrypt(ctx context.Context, conn *talk) (*talk, outcome) {
	if l.atOnce {
		return l.call.secure(ctx, conn, &l.tls)
	}
	return l.call.upgrade(ctx, conn, &l.tls, "LDAP", startLDAP)
}

func (l *ldap) talk(ctx context.Context, conn *talk) outcome {
	// The library is told by the connection's own deadline when to give up; a limit of its own would only hide which
	// side was slow.
	server := directory.NewConn(conn, conn.encrypted)
	server.Start()
	defer server.Close()
	o := good("ldap takes clients")
	if l.login.given() {
		if err := server.Bind(l.login.user, l.login.password); err != nil {
			return l.refused(ctx, conn, "before it answered the bind", err)
		}
		o = good("ldap lets %s in", quote(l.login.user))
	} else if err := server.UnauthenticatedBind(""); err != nil {
		o = l.refused(ctx, conn, "before it answered the bind", err)
		if o.exit != exitOK || l.base != "" {
			return o
		}
	}
	conn.understand()
	if _, err := l.search(server, "", directory.ScopeBaseObject, "(objectClass=*)"); err != nil {
		return l.refused(ctx, conn, "before it answered the search for its root entry", err)
	}
	if l.base == "" {
		return o
	}
	return l.find(ctx, conn, server, o)
}

// find looks for what --base and --filter ask for.
func (l *ldap) find(ctx context.Context, conn *talk, server *directory.Conn, o outcome) outcome {
	scope, filter := directory.ScopeBaseObject, "(objectClass=*)"
	what := quote(l.base)
	if l.filter != "" {
		scope, filter = directory.ScopeWholeSubtree, l.filter
		what = quote(l.filter) + " below " + quote(l.base)
	}
	n, err := l.search(server, l.base, scope, filter)
	switch {
	case directory.IsErrorWithCode(err, directory.LDAPResultNoSuchObject), err == nil && n == 0:
		return fail("ldap is up, but finds no %s", what)
	case err != nil:
		return l.refused(ctx, conn, "before it answered the search for "+what, err)
	}
	o.text += " and finds " + what
	return o
}

// search returns how many entries there are, 1 if there are more than the server may send.
func (l *ldap) search(server *directory.Conn, base string, scope int, filter string) (int, error) {
	seconds := max(1, int((l.call.budget - time.Since(l.call.start)).Seconds()))
	found, err := server.Search(directory.NewSearchRequest(base, scope, directory.NeverDerefAliases, 1, seconds, false, filter, []string{"1.1"}, nil))
	if directory.IsErrorWithCode(err, directory.LDAPResultSizeLimitExceeded) {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	return len(found.Entries), nil
}

// refused is the outcome of an error the server sent, or of a talk that broke off.
func (l *ldap) refused(ctx context.Context, conn *talk, when string, err error) outcome {
	said, ok := serverSaid(err)
	if !ok {
		return l.call.lost(ctx, conn, "LDAP", when, err)
	}
	switch {
	case directory.IsErrorAnyOf(err, directory.LDAPResultInvalidCredentials, directory.LDAPResultInappropriateAuthentication,
		directory.LDAPResultInsufficientAccessRights, directory.LDAPResultAuthMethodNotSupported,
		directory.LDAPResultConfidentialityRequired, directory.LDAPResultStrongAuthRequired):
		if l.login.given() {
			return unknown("ldap is up, but refuses the login of this node: %s", said)
		}
		return l.closed(said)
	case directory.IsErrorWithCode(err, directory.LDAPResultUnwillingToPerform) && !l.login.given():
		return l.closed(said) // OpenLDAP's "require authc" says so
	case directory.IsErrorAnyOf(err, directory.LDAPResultInvalidDNSyntax):
		return unknown("ldap is up, but it can't make sense of what this node asks for: %s", said)
	}
	return fail("ldap says %s", said)
}

// closed is the outcome of a refusal of somebody without a login.
func (l *ldap) closed(said string) outcome {
	if l.base != "" {
		return unknown("ldap is up, but doesn't tell that without --login-file: %s", said)
	}
	return good("ldap takes clients, and refuses who has no login: %s", said)
}

// serverSaid is a result other than success in the server's words; false if the error is something else.
func serverSaid(err error) (string, bool) {
	said, ok := errors.AsType[*directory.Error](err)
	if !ok || said.ResultCode >= directory.ErrorNetwork {
		return "", false
	}
	name := fmt.Sprintf("%s (%d)", directory.LDAPResultCodeMap[said.ResultCode], said.ResultCode)
	if said.Err != nil && said.Err.Error() != "" {
		name += ", " + sentence(said.Err.Error())
	}
	return name, true
}
