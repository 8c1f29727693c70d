package host

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds how long a path waits for the host; it is far below any check's timeout.
const dialTimeout = 3 * time.Second

// Path is one node's own way to the host: a TCP forwarder that can be cut. A path can't refuse a connection because the
// host does: it takes it and resets it. What is checked through a path must therefore want an answer, as check_ssh and
// check_http do.
type Path struct {
	to     string
	door   *door
	ctx    context.Context // ends dials when the path is closed
	cancel context.CancelFunc
}

// NewPath opens a path from a free port of loopback to the address host:port. Who has called it calls Close.
func NewPath(to string) (*Path, error) {
	if _, _, err := net.SplitHostPort(to); err != nil {
		return nil, fmt.Errorf("path to %q: %w", to, err)
	}
	p := &Path{to: to}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	var err error
	if p.door, err = newDoor("127.0.0.1:0", p.forward); err != nil {
		p.cancel()
		return nil, fmt.Errorf("path to %s: %w", to, err)
	}
	if err := p.Restore(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Addr is the near end, host:port.
func (p *Path) Addr() string { return p.door.addr }

// Cut refuses connections from now on and resets the open ones.
func (p *Path) Cut() { p.door.shut() }

// Restore lets connections through again.
func (p *Path) Restore() error {
	if err := p.door.open(); err != nil {
		return fmt.Errorf("path to %s: %w", p.to, err)
	}
	return nil
}

// Close cuts the path for good and waits for its connections to end.
func (p *Path) Close() {
	p.cancel()
	p.door.close()
}

// forward carries one connection to the host and back, until either side ends.
func (p *Path) forward(near net.Conn) {
	d := net.Dialer{Timeout: dialTimeout}
	far, err := d.DialContext(p.ctx, "tcp", p.to)
	if err != nil {
		resetConn(near)
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { pour(far, near) })
	both.Go(func() { pour(near, far) })
	both.Wait()
}

// pour copies until from ends, and then ends to as well: politely if from was polite, else with a reset.
func pour(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		resetConn(to)
		resetConn(from)
		return
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // fails only if the other direction has closed it already
	}
}
