package prober

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

// TestNameInCreds: a remote prober is who its credentials say, and nobody else.
func TestNameInCreds(t *testing.T) {
	ring, err := key.Parse("key", []byte(key.New()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(kind events.CredentialKind, name string) string {
		text, _, err := ring.Mint(kind, name, time.Now(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, string(kind)+"-"+name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return "DMONITOR_BUS_CREDS=" + path
	}
	const url = "DMONITOR_BUS_URL=nats://a:4222"
	tokyo, reader := file(events.CredentialProber, "tokyo-1"), file(events.CredentialReader, "grafana")
	for name, c := range map[string]struct {
		environ []string
		node    string
		says    string // the error
		usage   bool
	}{
		"the name is that in the file":       {[]string{url, tokyo}, "tokyo-1", "", false},
		"it may be said once more":           {[]string{url, tokyo, "DMONITOR_NODE=tokyo-1"}, "tokyo-1", "", false},
		"another name is a mistake":          {[]string{url, tokyo, "DMONITOR_NODE=osaka"}, "", "leave DMONITOR_NODE out, or make others on a node with: dmonitor creds prober osaka", true},
		"a reader is no prober":              {[]string{url, reader}, "", "credentials of kind reader, and this is a prober; make others on a node with: dmonitor creds prober NAME", true},
		"nor is it one of another name":      {[]string{url, reader, "DMONITOR_NODE=osaka"}, "", "dmonitor creds prober osaka", true},
		"a file may come later":              {[]string{url, "DMONITOR_BUS_CREDS=" + dir + "/none"}, "", "dmonitor creds prober NAME", false},
		"without a file there is no name":    {[]string{url, "DMONITOR_BUS_CREDS="}, "", "", false},
		"who carries a member needs no file": {[]string{"DMONITOR_BUS_CREDS=" + dir + "/none"}, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			node, err := NameInCreds(c.environ)
			if node != c.node || (err != nil) != (c.says != "") || errors.Is(err, proc.ErrUsage) != c.usage {
				t.Errorf("%q, %v", node, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: want it to say %q", err, c.says)
			}
		})
	}
}
