// Package plugins runs the shipped plugins against the servers they are for, as Debian has them: nginx, Unbound, chrony
// and others, each with a configuration and a port of its own. What is under test is the binary dmonitor-plugins, called
// as a node would call it.
//
// The tests have the build tag "plugins", so that they run only when asked for: make test-plugins. Servers are downloaded
// and unpacked under .cache, not installed: the machine's own servers neither see nor hear of them. To them it looks
// as if they were installed: each runs in a mount namespace in which the unpacked files lie over /usr, /etc and /var, and
// in a process namespace that ends with the test, however it ends. They run as nobody, unless they can't do without root;
// what they write to /usr, /etc and /var stays in the namespace. For that the tests need root, and fail, saying so, where
// they aren't.
//
// A test for a server looks like this:
//
//	d := server(t, "nginx-light")                  // unpacked; a folder, d.dir, of its own
//	port := d.port()                               // free on 127.0.0.1 and ::1
//	d.write("nginx.conf", fmt.Sprintf(conf, port)) // into d.dir
//	d.start("nginx", "-c", d.path("nginx.conf"))   // in the foreground; fails the test with the server's words if it ends
//	d.listens(port)                                // wait for it
//	checks(t, "check_http", []row{{"a page is ok", []string{"127.0.0.1", "-p", port}, 0, "200 OK"}})
//
// Where a server wants users of its own, d.user("mysql") makes names for the one it runs as. Certificates come from
// newCA. Everything is gone when the test ends.
package plugins
