package host

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Greeting is what the host says on its SSH port.
const Greeting = "SSH-2.0-dmonitor_demo_host\r\n"

// grace bounds how long a client may keep a connection without saying anything.
const grace = 30 * time.Second

// greet says the version and hears the client out: enough for check_ssh, no more.
func greet(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(grace)) // fails only on a closed connection
	if _, err := io.WriteString(conn, Greeting); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, 1024)
}

// page is the host's web server. It takes its connections from a door: it is the listener of an http.Server.
type page struct {
	host    *Host
	server  *http.Server
	conns   chan net.Conn
	done    chan struct{}
	serving sync.WaitGroup
}

func newPage(h *Host) *page {
	p := &page{host: h, conns: make(chan net.Conn), done: make(chan struct{})}
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: grace, IdleTimeout: grace, MaxHeaderBytes: 16 << 10,
	}
	p.serving.Go(func() { _ = p.server.Serve(p) }) // it ends with Close, and says so
	return p
}

func (p *page) serve(w http.ResponseWriter, _ *http.Request) {
	_, since := p.host.IsUp()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s is up since %s\n", p.host.opts.Name, since.Format(time.RFC3339))
}

// handle gives a connection to the server and waits until it is closed.
func (p *page) handle(conn net.Conn) {
	c := &watched{Conn: conn, closed: make(chan struct{})}
	select {
	case p.conns <- c:
	case <-p.done:
		return
	}
	select {
	case <-c.closed:
	case <-p.done:
	}
}

func (p *page) close() {
	close(p.done)
	_ = p.server.Close() // all it could say is that a connection was closed already
	p.serving.Wait()
}

// Accept implements net.Listener.
func (p *page) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. The door is who closes.
func (p *page) Close() error { return nil }

// Addr implements net.Listener.
func (p *page) Addr() net.Addr { return &net.TCPAddr{} }

// watched is a connection that tells when it is closed.
type watched struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

// Close implements net.Conn.
func (c *watched) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
