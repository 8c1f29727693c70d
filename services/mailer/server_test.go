package mailer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
)

func TestParseServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from file\r\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url, file string
		want      string // as String says it
		secret    string
	}{
		{"smtp://localhost", "", "localhost:25 (STARTTLS offered)", ""},
		{"smtp://[::1]:2525/", "", "[::1]:2525 (STARTTLS offered)", ""},
		{"smtp://mail.example.com:587?tls=required", "", "mail.example.com:587 (STARTTLS required)", ""},
		{"smtp://mail.example.com?tls=off&verify=yes", "", "mail.example.com:25 (STARTTLS off)", ""},
		{"smtps://mail.example.com", "", "mail.example.com:465 (TLS)", ""},
		{"smtps://mail.example.com?verify=no&tls=required", "", "mail.example.com:465 (TLS, any certificate)", ""},
		{"smtp://a%40b:p%3Aw%2F@mail.example.com", "", "mail.example.com:25 (STARTTLS offered, as a@b)", "p:w/"},
		{"smtps://ops@mail.example.com", file, "mail.example.com:465 (TLS, as ops)", "from file"},
		{"smtp://ops:x@127.0.0.1?tls=off", "", "127.0.0.1:25 (STARTTLS off, as ops)", "x"},
	} {
		s, err := parseServer(c.url, c.file)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if s.String() != c.want {
			t.Errorf("%s: %s, want %s", c.url, s.String(), c.want)
		}
		if got, err := s.secret(); err != nil || got != c.secret {
			t.Errorf("%s: password %q, %v; want %q", c.url, got, err, c.secret)
		}
	}
}

// TestParseServerRefuses: each mistake is told with the variable and the remedy, and never with the password.
func TestParseServerRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\nlater"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, file, want string }{
		{"smtp://ops:s3cret@host:port", "", "not a URL"},
		{"smtp://ops:s3cret%zz@host", "", "not a URL"},
		{"smtp://ops:s3cret\x00@host", "", "not a URL"},
		{"smtp://ops:#s3cret@host", "", "something follows the host"},
		{"mail.example.com:25", "", "neither smtp:// nor smtps://"},
		{"http://ops:s3cret@host", "", "neither smtp:// nor smtps://"},
		{"smtp://ops:s3cret@", "", "no host"},
		{"smtp:///s3cret", "", "no host"},
		{"smtp://host/s3cret", "", "something follows the host"},
		{"smtp://host#s3cret", "", "something follows the host"},
		{"smtp://host?tls=s3cret", "", "an option is not known"},
		{"smtp://host?s3cret=1", "", "an option is not known"},
		{"smtps://host?tls=off", "", "an option is not known"},
		{"smtp://host?verify=s3cret", "", "an option is not known"},
		{"smtp://host?%zzs3cret", "", "options can't be read"},
		{"smtp://:s3cret@host", "", "a password without a user"},
		{"smtp://ops@host", "", "DMONITOR_SMTP_PASSWORD_FILE"},
		{"smtp://ops:s3cret@host", empty, "leave one out"},
		{"smtp://host", empty, "names no user"},
		{"smtp://ops@host", empty, "first line has 0 bytes"},
		{"smtp://ops@host", empty + "-missing", "no such file"},
		{"smtp://ops:s3cret@mail.example.com?tls=off", "", "in the clear"},
	} {
		_, err := parseServer(c.url, c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "DMONITOR_SMTP_") {
			t.Errorf("%q: %v; want %q and the variable", c.url, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

// TestNew: everything that is wrong is told at once; what is left out has a default.
func TestNew(t *testing.T) {
	_, err := New(Options{Bus: new(bus.Bus), SMTPURL: "mail", From: "nobody", Log: zerolog.Nop()})
	if err == nil || !strings.Contains(err.Error(), "DMONITOR_SMTP_URL") || !strings.Contains(err.Error(), `DMONITOR_MAIL_FROM "nobody"`) {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{Log: zerolog.Nop()}); err == nil {
		t.Error("a mailer without a bus was made")
	}
	m, err := New(Options{Bus: new(bus.Bus), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if m.post.server.addr() != "localhost:25" || !strings.HasPrefix(m.from, "dmonitor@") {
		t.Errorf("defaults: server %s, from %s", m.post.server.addr(), m.from)
	}
}
