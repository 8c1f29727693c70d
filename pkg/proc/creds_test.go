package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// A process doesn't start with what can't prove who it is, or that nobody may reach it; the error is one of settings, and says
// what to do.
func TestStartRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(kind events.CredentialKind) string {
		text, _, err := ring(t, key.New()).Mint(kind, "tokyo-1", time.Now(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, string(kind))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const url = "nats://127.0.0.1:1"
	for name, c := range map[string]struct {
		environ string // words without DMONITOR_
		options []Option
		says    string
	}{
		"a member with a prober's credentials": {"BUS_CREDS=" + file(events.CredentialProber), nil, "DMONITOR_BUS_URL isn't"},
		"a remote prober without an address":   {"BUS_CREDS=" + file(events.CredentialProber), []Option{Plain}, "DMONITOR_BUS_URL isn't"},
		"all parts with a prober's":            {"BUS_URL=" + url + " BUS_CREDS=" + file(events.CredentialProber), nil, "of kind prober, which may not do what is done here; a prober's are for: dmonitor prober"},
		"no such credentials":                  {"BUS_URL=" + url + " BUS_CREDS=" + dir + "/none", nil, "make such a file on a node with: dmonitor creds"},
		"no key, for others to reach":          {"NODES=a.example.com:2929,b.example.com:2929", nil, "there is no cluster key at " + dir + "/cluster.key"},
	} {
		t.Run(name, func(t *testing.T) {
			environ := []string{"DMONITOR_NODE=tokyo-1", "DMONITOR_HTTP_LISTEN=off", "DMONITOR_CONFIG=" + dir, "DMONITOR_DATA=" + t.TempDir(), "DMONITOR_CLIENT_LISTEN=127.0.0.1:0"}
			for v := range strings.FieldsSeq(c.environ) {
				environ = append(environ, "DMONITOR_"+v)
			}
			e, err := Load(environ, "vm")
			if err != nil {
				t.Fatal(err)
			}
			p, err := Start(t.Context(), e, zerolog.Nop(), c.options...)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it started"), p.Close()))
			}
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want an error of usage that says %q", err, c.says)
			}
		})
	}
}

// Who may not read a file doesn't need another one.
func TestCredsError(t *testing.T) {
	err := CredsError(fmt.Errorf("open x: %w", fs.ErrPermission), "dmonitor creds")
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "chown it to the user that dmonitor runs as") || strings.Contains(err.Error(), "make such") {
		t.Error(err)
	}
}

// A process that has no key says so, and where it looked.
func TestNoKeyIsSaid(t *testing.T) {
	_, log := runNode(t, "n0", "127.0.0.1:0", nil)
	for end := time.Now().Add(waiting); len(log.with("there is no cluster key at ")) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it isn't said")
		}
	}
}
