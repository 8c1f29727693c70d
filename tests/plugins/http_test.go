//go:build plugins

package plugins

import (
	"fmt"
	"testing"
	"time"
)

// nginxConf has a port without TLS and one with it.
const nginxConf = `
daemon off;
pid %[1]s/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  default_type text/plain;
  server {
    listen 127.0.0.1:%[2]s;
    listen [::1]:%[2]s;
    listen 127.0.0.1:%[3]s ssl http2;
    ssl_certificate %[4]s;
    ssl_certificate_key %[5]s;
    location / { return 200 "all is fine here\n"; }
    location /moved { return 302 /; }
  }
}
`

func TestNginx(t *testing.T) {
	d := server(t, "nginx-light")
	authority := newCA(t)
	cert, key := authority.issue(d, 48*time.Hour, "127.0.0.1")
	plain, secure := d.port(), d.port()
	d.write("nginx.conf", fmt.Sprintf(nginxConf, d.dir, plain, secure, cert, key))
	d.start("nginx", "-e", "stderr", "-c", d.path("nginx.conf"))
	d.listens(plain)
	d.listens(secure)
	checks(t, "check_http", []row{
		{"a page is ok", []string{"127.0.0.1", "-p", plain, "-s", "fine"}, 0, `"200 OK" with "fine"`},
		{"over IPv6", []string{"::1", "-p", plain}, 0, "200 OK"},
		{"TLS to a port without", []string{"127.0.0.1", "-p", plain, "-S"}, 2, "does not speak TLS"},
	})
	checks(t, "check_https", []row{
		{"with our authority", []string{"127.0.0.1", "-p", secure, "--ca-file", authority.file}, 0, "200 OK"},
		{"without", []string{"127.0.0.1", "-p", secure}, 2, "signed by an authority unknown here"},
	})
}
