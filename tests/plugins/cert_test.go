//go:build plugins

package plugins

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// certOver looks at the certificate of a server that begins without TLS. It is for 127.0.0.1 and of that authority.
func certOver(t *testing.T, protocol, port, caFile string) {
	t.Helper()
	ask := func(args ...string) []string { return append([]string{"127.0.0.1", "-p", port}, args...) }
	checks(t, "check_cert", []row{
		{"check_cert over " + protocol, ask("--starttls", protocol, "--ca-file", caFile), 0, "certificate of 127.0.0.1:" + port + " expires in "},
		{"an unknown authority over " + protocol, ask("--starttls", protocol), 2, "signed by an authority unknown here"},
		{"another name over " + protocol, ask("--starttls", protocol, "--ca-file", caFile, "--sni", "www.example.com"), 2, "is not for www.example.com but for"},
	})
}

// A web server shows certificates for several names, one with its authority's that ends sooner.
func TestCertOfNginx(t *testing.T) {
	t.Parallel()
	d := server(t, "nginx-light")
	authority := newCA(t)
	short := authority.authority(5 * 24 * time.Hour)
	fine, fineKey := authority.issue(d, 60*24*time.Hour, "127.0.0.1")
	soon, soonKey := authority.issue(d, 9*24*time.Hour, "soon.example")
	late, lateKey := authority.issue(d, -30*time.Minute, "late.example")
	chained, chainedKey := short.issue(d, 60*24*time.Hour, "chained.example")
	both, err := os.ReadFile(chained)
	if err != nil {
		t.Fatal(err)
	}
	above, err := os.ReadFile(short.file)
	if err != nil {
		t.Fatal(err)
	}
	d.write("chain.crt", string(both)+string(above))
	port := d.port()
	site := func(name, cert, key string) string {
		return fmt.Sprintf("server { listen 127.0.0.1:%s ssl; server_name %s; ssl_certificate %s; ssl_certificate_key %s; return 200; }\n", port, name, cert, key)
	}
	d.write("nginx.conf", fmt.Sprintf(nginxHead, d.dir)+site("127.0.0.1", fine, fineKey)+site("soon.example", soon, soonKey)+
		site("late.example", late, lateKey)+site("chained.example", d.path("chain.crt"), chainedKey)+site("alone.example", chained, chainedKey)+"}")
	d.start("nginx", "-e", "stderr", "-c", d.path("nginx.conf"))
	d.listens(port)
	ask := func(args ...string) []string {
		return append([]string{"127.0.0.1", "-p", port, "--ca-file", authority.file}, args...)
	}
	checks(t, "check_cert", []row{
		{"fine", ask(), 0, `issuer "CN=Test Authority"`},
		{"soon", ask("--sni", "soon.example", "-w", "14", "-c", "7"), 1, "certificate of soon.example:" + port + " expires in "},
		{"too late", ask("--sni", "late.example"), 2, "expired 30 minutes ago"},
		{"its authority ends sooner", ask("--sni", "chained.example"), 2, `has an authority, "CN=Short Authority", whose certificate expires in `},
		{"its authority doesn't come with it", ask("--sni", "alone.example"), 2, "no other certificate came with it"},
		{"the system's authorities don't know it", []string{"127.0.0.1", "-p", port}, 2, "signed by an authority unknown here"},
		{"no matter", []string{"127.0.0.1", "-p", port, "--insecure"}, 0, "expires in "},
	})
}
