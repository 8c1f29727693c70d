package proc

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLoadDefaults(t *testing.T) {
	e, err := Load([]string{"PATH=/bin", "DMONITOR_SITE="}, "Mon-1.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if e.Node != "mon-1-example-com" || e.Site != e.Node || e.MailFrom != "dmonitor@Mon-1.example.com" {
		t.Errorf("node %q, site %q, from %q", e.Node, e.Site, e.MailFrom)
	}
	if e.Interval != time.Minute || e.Timeout != 10*time.Second || e.Agree != 2 || e.Grace != 30*time.Second || e.Listen != ":2929" ||
		e.ClientListen != "127.0.0.1:4222" || e.Config != "/etc/dmonitor" || e.Data != "/var/lib/dmonitor" {
		t.Errorf("defaults: %+v", e)
	}
}

// Several nodes on one machine can't all bear its name, so a loopback address chosen by hand is part of the name.
func TestNodeNameOfLoopbackNodes(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.2:2929":  "vm-127-0-0-2",
		"127.0.0.1:40123": "vm-127-0-0-1-40123",
		":2929":           "vm",
		"10.0.0.1:2929":   "vm",
	} {
		e, err := Load([]string{"DMONITOR_LISTEN=" + listen}, "vm")
		if err != nil || e.Node != want {
			t.Errorf("%s: node %q, want %q (%v)", listen, e.Node, want, err)
		}
	}
}

// Their metrics can't all have one address either.
func TestHTTPListenOfLoopbackNodes(t *testing.T) {
	for _, tc := range []struct{ setting, want string }{
		{"DMONITOR_LISTEN=:2929", "127.0.0.1:8080"},
		{"DMONITOR_LISTEN=127.0.0.2:2929", "127.0.0.2:8080"},
		{"DMONITOR_LISTEN=[::1]:2929", "[::1]:8080"},
		{"DMONITOR_LISTEN=127.0.0.2:2929 DMONITOR_HTTP_LISTEN=127.0.0.1:9", "127.0.0.1:9"},
		{"DMONITOR_LISTEN=127.0.0.2:2929 DMONITOR_HTTP_LISTEN=off", "off"},
		{"DMONITOR_HTTP_LISTEN=localhost:0", "localhost:0"},
		{"DMONITOR_HTTP_LISTEN=:8080 DMONITOR_INSECURE=true", ":8080"},
	} {
		e, err := Load(strings.Fields(tc.setting), "vm")
		if err != nil || e.HTTPListen != tc.want {
			t.Errorf("%s: %q, want %q (%v)", tc.setting, e.HTTPListen, tc.want, err)
		}
	}
}

func TestLoadNodes(t *testing.T) {
	e, err := Load([]string{"DMONITOR_NODES=tokyo, fra:3000,[::1]:2929"}, "vm")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"tokyo:2929", "fra:3000", "[::1]:2929"}; !slices.Equal(e.Nodes, want) {
		t.Errorf("nodes %q, want %q", e.Nodes, want)
	}
}

// Everything that is wrong is told at once, each with the variable's name and what would be right.
func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct{ name, setting, want string }{
		{"a misspelt setting", "DMONITOR_AGRE=1", "DMONITOR_AGRE: no such setting; did you mean DMONITOR_AGREE?"},
		{"an unknown setting", "DMONITOR_SHOESIZE=1", "DMONITOR_SHOESIZE: no such setting; see --help for those there are"},
		{"no number", "DMONITOR_AGREE=two", `DMONITOR_AGREE: "two": want a whole number`},
		{"no duration", "DMONITOR_INTERVAL=5 parsecs", `DMONITOR_INTERVAL: "5 parsecs": want a duration such as 30s or 5m`},
		{"no bool", "DMONITOR_INSECURE=perhaps", `DMONITOR_INSECURE: "perhaps": want true or false`},
		{"agree of nobody", "DMONITOR_AGREE=0", "DMONITOR_AGREE: 0: want 1 to 64"},
		{"a node's name", "DMONITOR_NODE=a.b", `DMONITOR_NODE: node name "a.b": '.' is not allowed; use lower-case letters, digits and -`},
		{"an address without port", "DMONITOR_CLIENT_LISTEN=127.0.0.1", `DMONITOR_CLIENT_LISTEN: "127.0.0.1": want host:port, such as 127.0.0.1:4222`},
		{"metrics without port", "DMONITOR_HTTP_LISTEN=localhost", `DMONITOR_HTTP_LISTEN: "localhost": want host:port, such as 127.0.0.1:8080, or off`},
		{"metrics on no port", "DMONITOR_HTTP_LISTEN=localhost:80800", `DMONITOR_HTTP_LISTEN: "localhost:80800": the port is no number from 0 to 65535`},
		{"metrics for others", "DMONITOR_HTTP_LISTEN=:8080", `DMONITOR_HTTP_LISTEN: ":8080": nothing is encrypted yet`},
		{"metrics for others, with the remedy", "DMONITOR_HTTP_LISTEN=10.0.0.1:81", "set DMONITOR_HTTP_LISTEN=127.0.0.1:81, or DMONITOR_INSECURE=true on a network you trust"},
		{"a log level", "DMONITOR_LOG_LEVEL=loud", `DMONITOR_LOG_LEVEL: "loud": want one of debug, info, warn, error`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load([]string{tc.setting, "DMONITOR_SITE=UPPER"}, "vm")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want %q", err, tc.want)
			}
		})
	}
}

func TestLoadTellsAllAtOnce(t *testing.T) {
	_, err := Load([]string{"DMONITOR_NODE=A", "DMONITOR_AGREE=99", "DMONITOR_LOG_FORMAT=xml", "DMONITOR_NODDE=a", "DMONITOR_INTERVAL=60"}, "vm")
	if n := len(strings.Split(err.Error(), "\n")); n != 5 {
		t.Errorf("%d lines, want 5:\n%v", n, err)
	}
}

func TestNodeName(t *testing.T) {
	for host, want := range map[string]string{
		"www.Example.COM": "www-example-com", "": "node", "---": "node", "a_b": "a-b", strings.Repeat("x", 99): strings.Repeat("x", 63),
	} {
		if got := NodeName(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// Every variable has a line in --help.
func TestHelpNamesEverySetting(t *testing.T) {
	var out bytes.Buffer
	Help(&out)
	for _, s := range settings() {
		if s.Help == "" || !strings.Contains(out.String(), s.Name+" ") {
			t.Errorf("%s is not explained", s.Name)
		}
	}
}

func TestFail(t *testing.T) {
	var out bytes.Buffer
	if code := Fail(&out, "dmonitor", errors.Join(ErrUsage, errors.New("x"))); code != ExitUsage {
		t.Errorf("exit code %d, want %d", code, ExitUsage)
	}
	if code := Fail(&out, "dmonitor", errors.New("x")); code != ExitFailed {
		t.Errorf("exit code %d, want %d", code, ExitFailed)
	}
}

func TestAnswer(t *testing.T) {
	var out, errs bytes.Buffer
	if code := answer("dmonitor-x", "does x", "--help", &out, &errs); code != ExitFine || !strings.Contains(out.String(), "DMONITOR_NODE") {
		t.Errorf("--help: %d %s", code, out.String())
	}
	if code := answer("dmonitor-x", "does x", "--frob", &out, &errs); code != ExitUsage || !strings.Contains(errs.String(), "--help") {
		t.Errorf("--frob: %d %s", code, errs.String())
	}
}
