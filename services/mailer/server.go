package mailer

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// Values of the tls= option.
const (
	tlsOffered  = "offered"  // STARTTLS if the server has it
	tlsRequired = "required" // STARTTLS or nothing
	tlsOff      = "off"      // no STARTTLS
)

// maxPassword bounds a password file, in bytes.
const maxPassword = 4096

// server is a mail server, as DMONITOR_SMTP_URL describes it.
type server struct {
	host, port   string
	implicit     bool   // TLS from the first byte
	tls          string // one of the values above; of no meaning with implicit
	noVerify     bool
	user         string // empty: no login
	password     string
	passwordFile string // used instead of password, if set
}

const smtpURLHint = "want smtp://HOST:25, smtps://HOST:465 or smtp://USER:PASSWORD@HOST:587, special characters in user and password percent-encoded"

// parseServer reads DMONITOR_SMTP_URL. No error quotes the URL, or what the standard library says about it: the
// password may be in there.
func parseServer(raw, passwordFile string) (server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return server{}, errors.New("DMONITOR_SMTP_URL: not a URL; " + smtpURLHint + " (or the password in DMONITOR_SMTP_PASSWORD_FILE)")
	}
	s := server{host: u.Hostname(), port: u.Port(), tls: tlsOffered, passwordFile: passwordFile}
	switch u.Scheme {
	case "smtp":
		s.port = orElse(s.port, "25")
	case "smtps":
		s.port, s.implicit = orElse(s.port, "465"), true
	default:
		return server{}, errors.New("DMONITOR_SMTP_URL: neither smtp:// nor smtps://; " + smtpURLHint)
	}
	if s.host == "" {
		return server{}, errors.New("DMONITOR_SMTP_URL: no host; " + smtpURLHint)
	}
	if strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return server{}, errors.New("DMONITOR_SMTP_URL: something follows the host; " + smtpURLHint)
	}
	if err := s.options(u); err != nil {
		return server{}, err
	}
	return s, s.login(u)
}

// options reads what follows the question mark. An option that is not known is refused: a misspelt one would be less
// safe than it looks.
func (s *server) options(u *url.URL) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("DMONITOR_SMTP_URL: options can't be read; want ?tls=required and the like")
	}
	for name, all := range values {
		value := all[len(all)-1]
		switch {
		case name == "tls" && (value == tlsOffered || value == tlsRequired || value == tlsOff) && !s.implicit:
			s.tls = value
		case name == "tls" && value == tlsRequired && s.implicit: // It says what is so anyway.
		case name == "verify" && (value == "yes" || value == "no"):
			s.noVerify = value == "no"
		default:
			return errors.New("DMONITOR_SMTP_URL: an option is not known; there are tls=offered, tls=required, tls=off (smtp:// only), verify=yes and verify=no")
		}
	}
	return nil
}

// login reads user and password.
func (s *server) login(u *url.URL) error {
	s.user = u.User.Username()
	var given bool
	s.password, given = u.User.Password()
	switch {
	case s.user == "" && given:
		return errors.New("DMONITOR_SMTP_URL: a password without a user; " + smtpURLHint)
	case s.user == "" && s.passwordFile != "":
		return errors.New("DMONITOR_SMTP_PASSWORD_FILE is set, but DMONITOR_SMTP_URL names no user; want smtp://USER@HOST:587")
	case s.user == "":
		return nil
	case given && s.passwordFile != "":
		return errors.New("there is a password in DMONITOR_SMTP_URL and another in DMONITOR_SMTP_PASSWORD_FILE; leave one out")
	case !given && s.passwordFile == "":
		return errors.New("DMONITOR_SMTP_URL names a user, but no password; put it in the file that DMONITOR_SMTP_PASSWORD_FILE names")
	case s.tls == tlsOff && !s.implicit && !s.loopback():
		return errors.New("DMONITOR_SMTP_URL: tls=off would send the password in the clear; leave it out, or use smtps://")
	}
	_, err := s.secret()
	return err
}

// secret returns the password. It is read from its file each time, so that it can be changed without a restart.
func (s *server) secret() (string, error) {
	if s.passwordFile == "" {
		return s.password, nil
	}
	data, err := os.ReadFile(s.passwordFile)
	if err != nil {
		return "", fmt.Errorf("DMONITOR_SMTP_PASSWORD_FILE: %w", err)
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	password := strings.TrimSuffix(string(first), "\r")
	if password == "" || len(password) > maxPassword {
		return "", fmt.Errorf("DMONITOR_SMTP_PASSWORD_FILE: %s: first line has %d bytes; want the password, at most %d", s.passwordFile, len(password), maxPassword)
	}
	return password, nil
}

// loopback tells whether the server is named as one on this host.
func (s *server) loopback() bool {
	if a, err := netip.ParseAddr(s.host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(s.host, "localhost")
}

func (s *server) addr() string { return net.JoinHostPort(s.host, s.port) }

// String describes the server for the log, without its password.
func (s *server) String() string {
	how := "STARTTLS " + s.tls
	if s.implicit {
		how = "TLS"
	}
	if s.noVerify {
		how += ", any certificate"
	}
	if s.user != "" {
		how += ", as " + s.user
	}
	return fmt.Sprintf("%s (%s)", s.addr(), how)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
