package plugins

import (
	"fmt"
	"net"
	"strings"
)

// login is who to be at a server. It comes from a file, never from arguments or the environment: those can be read by
// others on this node. The form is the same for all plugins, one line of user:password, because the tools' own files
// (.pgpass, .my.cnf) are each another language. The first colon counts: a password may have more of them, and either part
// may be empty.
type login struct {
	file      string
	cleartext bool // the password may be sent where others on the way can read it

	user, password string
	bare           [2]string // the same among the arguments, as Nagios' plugins have it
}

// asks declares the options.
func (l *login) asks(c *call) {
	c.flags.StringVar(&l.file, "login-file", "", "log in as this file says, in one line: user:password; others must not be able to read it")
}

// asksCleartext declares the option for protocols that can do without TLS.
func (l *login) asksCleartext(c *call) {
	c.flags.BoolVar(&l.cleartext, "cleartext", false, "send the password even where others on the way can read it")
}

// asksNagios declares how the plugins of Nagios are told user and password, so that who comes from there is told where to
// put them.
func (l *login) asksNagios(c *call, user, u, password, p string) {
	for i, name := range [][2]string{{user, u}, {password, p}} {
		c.flags.StringVarP(&l.bare[i], name[0], name[1], "", "")
		_ = c.flags.MarkHidden(name[0]) // fails only for a flag that isn't there
	}
}

// check returns what is wrong with the options.
func (l *login) check() error {
	if l.bare[0] != "" || l.bare[1] != "" {
		return fmt.Errorf("%w with --login-file", errBareSecret)
	}
	return nil
}

// given tells whether there is to be a login at all.
func (l *login) given() bool { return l.file != "" }

// load reads the file. Its errors are this node's own and never show what is in the file.
func (l *login) load() error {
	if !l.given() {
		return nil
	}
	line, err := secretFile(l.file)
	if err != nil {
		return err
	}
	var ok bool
	if l.user, l.password, ok = strings.Cut(line, ":"); !ok || strings.Contains(line, "\x00") {
		return own("login file %s: want user:password in its first line", l.file)
	}
	return nil
}

// mayTell returns an error if the password would travel in the clear although nobody said that it may. On loopback
// there is no way to listen on.
func (l *login) mayTell(conn net.Conn, encrypted bool) error {
	a, ok := conn.RemoteAddr().(*net.TCPAddr)
	if encrypted || l.cleartext || ok && a.IP.IsLoopback() {
		return nil
	}
	return own("the password would be sent to %s in the clear; use TLS, or --cleartext if nobody else is on the way", portOf(conn))
}
