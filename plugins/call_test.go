package plugins

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	open := serve(t, silent)
	cases := []struct {
		rule string
		env  map[string]string
		args string
		exit int
		want string
	}{
		{"the host is the first argument", nil, "127.0.0.1 -p " + open, exitOK, "answered"},
		{"or comes after the options", nil, "-p " + open + " 127.0.0.1", exitOK, "answered"},
		{"or with -H", nil, "-H 127.0.0.1 -p" + open, exitOK, "answered"},
		{"or in the environment", map[string]string{"DMONITOR_HOST": "127.0.0.1"}, "-p " + open, exitOK, "answered"},
		{"an argument goes before the environment", map[string]string{"DMONITOR_HOST": "192.0.2.1"}, "127.0.0.1 -p " + open, exitOK, "127.0.0.1:"},
		{"no host at all", nil, "-p " + open, exitUnknown, "the host is missing"},
		{"two hosts", nil, "127.0.0.1 -H 127.0.0.2 -p " + open, exitUnknown, `two hosts: "127.0.0.1" and -H "127.0.0.2"`},
		{"three words", nil, "127.0.0.1 22 -p " + open, exitUnknown, `one host, please, not "127.0.0.1 22"`},
		{"a URL is no host", nil, "http://127.0.0.1/ -p " + open, exitUnknown, "not a URL"},
		{"a host that can't be a name", nil, "a;b -p 1", exitUnknown, `';' is not allowed`},
		{"brackets around IPv6 are fine", nil, "[::ffff:127.0.0.1] -p " + open, exitOK, "answered"},
		{"an option nobody knows", nil, "127.0.0.1 --warp 9", exitUnknown, "unknown flag: --warp"},
		{"help is no result", nil, "--help", exitUnknown, "-p, --port"},
		{"both families", nil, "127.0.0.1 -46 -p 1", exitUnknown, "only one of -4 and -6"},
		{"the wrong family", nil, "127.0.0.1 -6 -p 1", exitFail, "127.0.0.1 has no IPv6 address, only 127.0.0.1"},
		{"a timeout that makes no sense", nil, "127.0.0.1 -p 1 -t soon", exitUnknown, `want seconds or a duration`},
		{"a timeout of nothing", nil, "127.0.0.1 -p 1 -t 0", exitUnknown, `want more than 0`},
		{"an environment that makes no sense", map[string]string{"DMONITOR_TIMEOUT": "-3s"}, "127.0.0.1 -p 1", exitUnknown, "DMONITOR_TIMEOUT"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			exit, out := try(t, c.env, "check_tcp", strings.Fields(c.args)...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// A run ends before the prober's timeout does, whatever -t says, so that it can say why.
func TestBudget(t *testing.T) {
	cases := []struct {
		env, flag string
		want      time.Duration
	}{
		{"", "", 10 * time.Second},
		{"10s", "", 9500 * time.Millisecond},
		{"10", "", 9500 * time.Millisecond},
		{"60s", "", 59500 * time.Millisecond},
		{"1s", "", 900 * time.Millisecond},
		{"10ms", "", 9 * time.Millisecond},
		{"10s", "3", 3 * time.Second},
		{"10s", "500ms", 500 * time.Millisecond},
		{"10s", "30", 9500 * time.Millisecond},
		{"", "30", 30 * time.Second},
	}
	for _, c := range cases {
		call := newCall(plugin{name: "check_x"}, func(string) string { return c.env }, nil)
		args := []string{"192.0.2.1"}
		if c.flag != "" {
			args = append(args, "-t", c.flag)
		}
		call.env = func(k string) string { return map[string]string{"DMONITOR_TIMEOUT": c.env}[k] }
		if err := call.parse(args); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if call.budget != c.want {
			t.Errorf("DMONITOR_TIMEOUT=%s -t %s: %v, want %v", c.env, c.flag, call.budget, c.want)
		}
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"10", "10s", "1e9", "NaN", "-1", "Inf", "1h", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := parseSpan(s); err == nil && (d <= 0 || d > maxTimeout) {
			t.Errorf("parseSpan(%q) = %v", s, d)
		}
	})
}

func TestNames(t *testing.T) {
	want := "check_cert check_dns check_ftp check_http check_https check_imap check_imaps check_ldap check_ldaps " +
		"check_mysql check_ntp check_ping check_pop3 check_pop3s check_postgres check_redis check_rsync check_smtp " +
		"check_smtps check_ssh check_tcp"
	if got := strings.Join(Names(), " "); got != want {
		t.Errorf("Names() = %s, want %s", got, want)
	}
	for _, n := range Names() {
		if !Has(n) || !Has(strings.TrimPrefix(n, "check_")) {
			t.Errorf("Has(%s) is false", n)
		}
		exit, out := try(t, nil, n, "--help")
		expect(t, exit, out, exitUnknown, "usage: "+n+" HOST")
	}
	exit, out := try(t, nil, "check_load")
	expect(t, exit, out, exitUnknown, `no plugin "check_load" here`)
}

// A panic would exit with 2, which means the host is down.
func TestPanicIsNotTheHostsFault(t *testing.T) {
	o := run(t.Context(), "check_tcp", []string{"x.example", "-p", "1"}, func(string) string { return "" }, nil)
	if o.exit != exitUnknown || !strings.Contains(o.text, "itself broke") {
		t.Errorf("%+v", o)
	}
}

// Who interrupts a run learns nothing about the host.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	port := serve(t, func(c net.Conn) {
		cancel()
		silent(c)
	})
	for _, args := range [][]string{{"ssh", "-p", port}, {"tcp", "-e", "x", "-p", port}, {"http", "-p", port}, {"tcp", "-p", port}, {"ping"}} {
		o := run(ctx, args[0], append(args[1:], "127.0.0.1"), func(string) string { return "" }, net.DefaultResolver)
		if o.exit != exitUnknown {
			t.Errorf("%v: exit %d, %s", args, o.exit, o.text)
		}
	}
}
