// Package host is the demo's watched host: services that come and go, and the ways to them that can be cut one by one.
//
// What holds:
//
//   - A Host that is down refuses connections on all its ports and has reset those that were open; its ports stay its
//     own.
//   - A Path that is cut does the same for one way to the host, and leaves the others alone: that is how one node's
//     view is broken while the host is up.
//   - Down, Up, Cut and Restore have taken effect when they return.
package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Options are the settings of a Host.
type Options struct {
	Name       string         // in the log and on the page; empty: "demo host"
	HTTPListen string         // host:port of a web page; the port may be 0; empty: none
	SSHListen  string         // host:port of what greets as an SSH server does, and no more; as HTTPListen
	UpFor      time.Duration  // of the cycle: how long it stays up; 0: no cycle, only Up and Down change it
	DownFor    time.Duration  // how long it stays down; must be set if UpFor is
	Log        zerolog.Logger // the zero value is silent
}

// Host is a demo host. It is up when New returns.
type Host struct {
	opts      Options
	http, ssh *door // nil if there is none
	page      *page

	mu      sync.Mutex
	up      bool
	since   time.Time
	changed chan struct{} // closed, and made anew, with every change
}

// New takes the ports and opens them. Who has called New calls Run, if only with a context that is done, to give them
// back.
func New(o Options) (*Host, error) {
	if o.HTTPListen == "" && o.SSHListen == "" {
		return nil, errors.New("demo host: no address to listen on")
	}
	if o.UpFor < 0 || o.DownFor < 0 || (o.UpFor > 0) != (o.DownFor > 0) {
		return nil, fmt.Errorf("demo host: up for %v and down for %v: want both, or neither", o.UpFor, o.DownFor)
	}
	if o.Name == "" {
		o.Name = "demo host"
	}
	h := &Host{opts: o, changed: make(chan struct{})}
	var err error
	if o.SSHListen != "" {
		if h.ssh, err = newDoor(o.SSHListen, greet); err != nil {
			return nil, fmt.Errorf("demo host: ssh: %w", err)
		}
	}
	if o.HTTPListen != "" {
		h.page = newPage(h)
		if h.http, err = newDoor(o.HTTPListen, h.page.handle); err != nil {
			h.close()
			return nil, fmt.Errorf("demo host: http: %w", err)
		}
	}
	if err := h.Up(); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// HTTPAddr is where the page is, host:port; empty if there is none.
func (h *Host) HTTPAddr() string { return addrOf(h.http) }

// SSHAddr is where SSH is spoken, host:port; empty if it isn't.
func (h *Host) SSHAddr() string { return addrOf(h.ssh) }

func addrOf(d *door) string {
	if d == nil {
		return ""
	}
	return d.addr
}

// IsUp tells whether the host is up, and since when it is as it is.
func (h *Host) IsUp() (up bool, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.up, h.since
}

// Up makes the host answer again. Its error is that a port could not be opened; the host is down then. The cycle goes on:
// what was set here stands until its next step.
func (h *Host) Up() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.up {
		return nil
	}
	for _, d := range h.doors() {
		if err := d.open(); err != nil {
			h.shutAll()
			return fmt.Errorf("demo host: %w", err)
		}
	}
	h.change(true)
	return nil
}

// Down makes the host refuse everybody. As Up, it stands until the next step of the cycle.
func (h *Host) Down() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.up {
		return
	}
	h.shutAll()
	h.change(false)
}

func (h *Host) change(up bool) {
	h.up, h.since = up, time.Now()
	close(h.changed)
	h.changed = make(chan struct{})
	h.opts.Log.Info().Str("host", h.opts.Name).Msg(map[bool]string{
		true: "the host is up: it answers", false: "the host is DOWN: it refuses connections",
	}[up])
}

func (h *Host) shutAll() {
	for _, d := range h.doors() {
		d.shut()
	}
}

func (h *Host) doors() []*door {
	var all []*door
	for _, d := range []*door{h.http, h.ssh} {
		if d != nil {
			all = append(all, d)
		}
	}
	return all
}

// Wait returns once the host is up, or down, as asked for. Its error is that of the context.
func (h *Host) Wait(ctx context.Context, up bool) error {
	for {
		h.mu.Lock()
		now, changed := h.up, h.changed
		h.mu.Unlock()
		if now == up {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the demo host to change: %w", ctx.Err())
		}
	}
}

// Run lets the host come and go as the cycle says, until the context is done, which is no error. It gives back the ports
// before it returns.
func (h *Host) Run(ctx context.Context) error {
	defer h.close()
	h.opts.Log.Info().Str("host", h.opts.Name).Msg(h.describe())
	if h.opts.UpFor == 0 {
		<-ctx.Done()
		return nil
	}
	for {
		if !pause(ctx, h.opts.UpFor) {
			return nil
		}
		h.Down()
		if !pause(ctx, h.opts.DownFor) {
			return nil
		}
		if err := h.Up(); err != nil {
			return err
		}
	}
}

func (h *Host) describe() string {
	s := "the host answers"
	if h.http != nil {
		s += " on http://" + h.http.addr + "/"
	}
	if h.ssh != nil {
		s += " as SSH on " + h.ssh.addr
	}
	if h.opts.UpFor == 0 {
		return s + "; it stays up"
	}
	return s + fmt.Sprintf("; it is up for %v and down for %v in turns", h.opts.UpFor, h.opts.DownFor)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (h *Host) close() {
	h.mu.Lock()
	h.up = false
	h.mu.Unlock()
	for _, d := range h.doors() {
		d.close()
	}
	if h.page != nil {
		h.page.close()
	}
}
