package plugins

import (
	"net"
	"strings"
	"testing"
)

// A password in a URL is never shown: neither that of somebody who took a host or a path for a URL, nor that in a redirect.
func TestNoPasswordOfURL(t *testing.T) {
	t.Parallel()
	to := func(url string) func(net.Conn) {
		return says("HTTP/1.1 302 Found\r\nLocation: " + url + "\r\nContent-Length: 0\r\n\r\n")
	}
	cases := []struct {
		rule, plugin string
		talk         func(net.Conn)
		args         []string
		exit         int
		want         string
	}{
		{"a URL for the host", "check_http", nil, []string{"http://joe:s3cret@h/"}, exitUnknown, `"http://…@h/": want a host name or an address, not a URL`},
		{"with @ and / in the password", "check_http", nil, []string{"http://joe:s3cret/s3cret@s3cret@h/"}, exitUnknown, `"http://…@h/"`},
		{"and // in it", "check_ssh", nil, []string{"joe:s3cret@s3cret//s3cret@h"}, exitUnknown, `"…@h"`},
		{"without a scheme", "check_ssh", nil, []string{"joe:s3cret@h"}, exitUnknown, `host "…@h": `},
		{"two of them", "check_tcp", nil, []string{"http://joe:s3cret@h/", "http://joe:s3cret@i/"}, exitUnknown, `"http://…@i/"`},
		{"one and another", "check_tcp", nil, []string{"http://joe:s3cret@h/", "-H", "joe:s3cret@i"}, exitUnknown, `"http://…@h/" and -H "…@i"`},
		{"a URL for the path", "check_https", nil, []string{"127.0.0.1", "-u", "http://joe:s3cret@x/"}, exitUnknown, `path "http://…@x/": want`},
		{"a redirect", "check_http", to("http://joe:s3cret@h/a@b"), nil, exitOK, `to "http://…@h/a@b"`},
		{"one without a login", "check_http", to("http://h/@joe"), nil, exitOK, `to "http://h/@joe"`},
		{"one that is no URL", "check_http", to("http://joe:s3cret@h:x/"), nil, exitFail, `redirect to what is no URL, "http://…@h:x/"`},
		{"one that isn't to be followed", "check_http", to("http://joe:s3cret@h/"), []string{"-f", "host"}, exitFail, `another host, "http://…@h/"`},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if c.talk != nil {
				args = append([]string{"127.0.0.1", "-p", serve(t, c.talk)}, args...)
			}
			exit, out := try(t, nil, c.plugin, args...)
			expect(t, exit, out, c.exit, c.want)
			if strings.Contains(out, "s3cret") {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
}
