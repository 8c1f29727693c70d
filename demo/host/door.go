package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// door is a TCP address that can be shut and opened again. Shut, the system refuses connections to it, and those that
// were open are reset. The port stays ours in between: it is bound by a socket that never listens, so that no other
// program, and no outgoing connection, can get it meanwhile.
type door struct {
	addr   string // host:port, the port known
	handle func(net.Conn)
	hold   int // the socket that holds the port

	mu       sync.Mutex
	listener net.Listener // nil while shut
	conns    map[net.Conn]struct{}
	running  sync.WaitGroup
}

// newDoor takes the address; the port may be 0. The door is shut. Handle is called for every connection, which is closed
// when it returns.
func newDoor(addr string, handle func(net.Conn)) (*door, error) {
	at, hold, err := takePort(addr)
	// Between the two binds an outgoing connection may get a port that the system has chosen. It chooses another one then.
	for tries := 0; tries < 10 && errors.Is(err, syscall.EADDRINUSE) && choosesPort(addr); tries++ {
		at, hold, err = takePort(addr)
	}
	if err != nil {
		return nil, err
	}
	return &door{addr: at.String(), handle: handle, hold: hold, conns: map[net.Conn]struct{}{}}, nil
}

func choosesPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port == "0"
}

func takePort(addr string) (at *net.TCPAddr, hold int, err error) {
	// Once without sharing, so that an address that is somebody else's is told.
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, -1, err
	}
	at = l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		return nil, -1, err
	}
	// A program that another goroutine starts just now has a copy of the listening socket until it executes: milliseconds.
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	hold, err = holdPort(at)
	for tries := 0; tries < 200 && errors.Is(err, syscall.EADDRINUSE); tries++ {
		<-again.C
		hold, err = holdPort(at)
	}
	if err != nil {
		return nil, -1, fmt.Errorf("hold %s: %w", at, err)
	}
	return at, hold, nil
}

// holdPort binds a socket to the address and does not listen.
func holdPort(at *net.TCPAddr) (int, error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: at.Port, Addr: [16]byte(at.IP.To16())})
	if ip := at.IP.To4(); ip != nil {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(ip)}
	}
	syscall.ForkLock.RLock() // so that no plugin that is started just now inherits the socket
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, err
	}
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1), unix.Bind(fd, sa)); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// open lets connections in. Opening an open door changes nothing.
func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		return nil
	}
	share := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(cerr, err)
	}}
	l, err := share.Listen(context.Background(), "tcp", d.addr)
	if err != nil {
		return fmt.Errorf("open %s: %w", d.addr, err)
	}
	d.listener = l
	d.running.Go(func() { d.accept(l) })
	return nil
}

func (d *door) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // shut
		}
		if !d.keep(l, conn) {
			resetConn(conn)
			continue
		}
		d.running.Go(func() {
			defer d.forget(conn)
			d.handle(conn)
		})
	}
}

// keep takes note of a connection, unless the door was shut while it came in.
func (d *door) keep(l net.Listener, conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != l {
		return false
	}
	d.conns[conn] = struct{}{}
	return true
}

func (d *door) forget(conn net.Conn) {
	conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, conn)
}

// shut refuses connections from now on and resets the open ones. Shutting a shut door changes nothing.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == nil {
		return
	}
	d.listener.Close()
	d.listener = nil
	for conn := range d.conns {
		resetConn(conn)
	}
}

// close shuts the door for good, waits until the last connection has been handled, and gives the port back.
func (d *door) close() {
	d.shut()
	d.running.Wait()
	unix.Close(d.hold)
}

// resetConn ends a connection as a host does that has lost it: with RST, not with FIN.
func resetConn(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on a connection that is closed already
	}
	conn.Close()
}
