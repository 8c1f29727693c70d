package bustest

import (
	"net"
	"sync"
)

// A link is the cable between two members. While it is cut, nothing moves on it and nobody is told: connections stay
// open, new ones are accepted and stay silent. When it is healed, what was sent meanwhile arrives, as with TCP.
type link struct {
	mu  sync.Mutex
	up  chan struct{} // closed while the link is whole
	end chan struct{} // closed when the test is over
}

func newLink(end chan struct{}) *link {
	l := &link{up: make(chan struct{}), end: end}
	close(l.up)
	return l
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.up:
		l.up = make(chan struct{})
	default:
	}
}

func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.up:
	default:
		close(l.up)
	}
}

// wait returns false when the test is over.
func (l *link) wait() bool {
	l.mu.Lock()
	up := l.up
	l.mu.Unlock()
	select {
	case <-up:
		return true
	case <-l.end:
		return false
	}
}

// A proxy is one end of a link: what one member dials to reach another.
type proxy struct {
	ln   net.Listener
	link *link

	mu sync.Mutex
	to string // where the other member listens; "": it isn't there
}

func newProxy(l *link) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{ln: ln, link: l}
	go p.accept()
	return p, nil
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

func (p *proxy) aim(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

func (p *proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		go p.serve(conn)
	}
}

func (p *proxy) serve(near net.Conn) {
	defer near.Close()
	if !p.link.wait() {
		return
	}
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	if to == "" {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	over := make(chan struct{}, 2)
	go func() { p.pump(far, near); over <- struct{}{} }()
	go func() { p.pump(near, far); over <- struct{}{} }()
	select {
	case <-over:
	case <-p.link.end:
	}
}

// pump moves bytes for as long as the link is whole; the end of the stream crosses it like a byte.
func (p *proxy) pump(to, from net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if !p.link.wait() {
			return
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return // serve closes both
		}
	}
}
