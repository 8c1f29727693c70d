//go:build plugins

package plugins

import (
	"fmt"
	"testing"
	"time"
)

// nginxHead is the beginning of a configuration, up to the servers.
const nginxHead = `
daemon off;
pid %[1]s/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  default_type text/plain;
`

// nginxSites has a port without TLS and one with it, and a second name.
const nginxSites = `
  server {
    listen 127.0.0.1:%[2]s;
    listen [::1]:%[2]s;
    listen 127.0.0.1:%[3]s ssl http2;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate %[4]s;
    ssl_certificate_key %[5]s;
    location / { return 200 "all is fine here\n"; }
    location /away { return 302 http://other.example:%[2]s/; }
    location /here { return 302 /; }
    location /missing { return 404; }
    location /broken { return 503; }
    location /posted { if ($request_method != POST) { return 405; } return 200 "$content_type $content_length\n"; }
    location /private { auth_basic here; auth_basic_user_file %[1]s/users; alias %[1]s/pages; index index.html; }
  }
  server {
    listen 127.0.0.1:%[2]s;
    server_name other.example;
    location / { return 200 "the other site\n"; }
  }
}
`

func TestNginx(t *testing.T) {
	t.Parallel()
	d := server(t, "nginx-light")
	authority := newCA(t)
	cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1")
	plain, secure := d.port(), d.port()
	d.write("users", "watch:{PLAIN}secret\n")
	d.write("pages/index.html", "for few\n")
	d.write("nginx.conf", fmt.Sprintf(nginxHead, d.dir)+fmt.Sprintf(nginxSites, d.dir, plain, secure, cert, key))
	d.start("nginx", "-e", "stderr", "-c", d.path("nginx.conf"))
	d.listens(plain)
	d.listens(secure)
	ask := func(args ...string) []string { return append([]string{"127.0.0.1", "-p", plain}, args...) }
	checks(t, "check_http", []row{
		{"a page is ok", ask("-s", "fine"), 0, `"200 OK" with "fine"`},
		{"over IPv6", []string{"::1", "-p", plain}, 0, "200 OK"},
		{"TLS to a port without", ask("-S"), 2, "does not speak TLS"},
		{"a page that isn't there warns", ask("-u", "/missing"), 1, "404 Not Found"},
		{"or is what is wanted", ask("-u", "/missing", "-e", "400-404"), 0, "404 Not Found"},
		{"a broken one fails", ask("-u", "/broken"), 2, "503 Service"},
		{"an expression", ask("-R", "ALL IS .* here$"), 0, `and "all is fine here"`},
		{"and its opposite", ask("-r", "fine", "--invert-regex"), 2, `the page has "fine"`},
		{"its size", ask("-m", "5:100"), 0, "size=17B;5:100"},
		{"a redirect on the host", ask("-f", "follow", "-u", "/here", "-s", "fine"), 0, "200 OK"},
		{"and from it", ask("-f", "host", "-u", "/away"), 2, "redirect to another host"},
		{"to its own address", ask("-f", "sticky", "-u", "/away", "-s", "other site"), 0, "http://other.example:"},
		{"a virtual host", []string{"-H", "other.example", "-I", "127.0.0.1", "-p", plain, "-s", "other"}, 0, "200 OK"},
		{"a body", ask("-u", "/posted", "-P", "a=b", "-s", "application/x-www-form-urlencoded 3"), 0, "200 OK"},
		{"a header", ask("-d", "Content-Type: text/plain"), 0, "in its headers"},
		{"HEAD", ask("-j", "HEAD"), 0, "200 OK"},
		{"logged in", ask("-u", "/private/", "--auth-file", loginFile(t, "watch:secret\n"), "-s", "for few"), 0, "200 OK"},
		{"not logged in", ask("-u", "/private/"), 1, "401 Unauthorized"},
	})
	tls := func(args ...string) []string {
		return append([]string{"127.0.0.1", "-p", secure, "--ca-file", authority.file}, args...)
	}
	checks(t, "check_https", []row{
		{"with our authority", tls(), 0, "200 OK"},
		{"without", []string{"127.0.0.1", "-p", secure}, 2, "signed by an authority unknown here"},
		{"TLS 1.2", tls("-S1.2"), 0, "200 OK"},
		{"a newer one only", tls("-S1.3+"), 0, "200 OK"},
		{"the days of its certificate", tls("-C", "30,1"), 1, "its certificate expires in "},
	})
	d.stop()
	checks(t, "check_http", []row{{"nobody there any more", ask(), 2, "connection refused"}})
}
