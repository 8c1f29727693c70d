// Package inbox is the demo's mail server: it takes every mail, keeps the last ones in memory, and shows them on a page.
//
// What holds:
//
//   - A mail that was answered with 250 is on the page, in Mails and at /api/mails at once, until newer ones push it out
//     (Options.MaxMails, and maxStored bytes in all).
//   - Nothing of a mail is ever markup on the page: it is escaped text, and the page's content security policy lets
//     nothing run or load but its own two files.
//
// It is no mail server for anything else: it delivers nowhere, asks nobody for a password, and forgets all when it ends.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
)

// Limits of what is kept, and of how many clients there may be at a time.
const (
	defaultMails = 200
	defaultBytes = 1 << 20
	maxStored    = 32 << 20 // bytes of all mails
	maxClients   = 64       // of each server
	stopPatience = 3 * time.Second
)

// Options are the settings of an Inbox. The zero value listens on free ports of loopback.
type Options struct {
	SMTPListen   string         // host:port; empty: 127.0.0.1 and a free port
	HTTPListen   string         // as SMTPListen
	MaxMails     int            // how many are kept; 0: 200
	MaxMailBytes int            // the largest mail that is taken; 0: 1 MiB
	Hint         string         // what the page says while there is no mail; empty: about the demo host
	Log          zerolog.Logger // the zero value is silent
}

// Inbox is a running inbox.
type Inbox struct {
	opts       Options
	store      *store
	smtp, http net.Listener
}

// New opens both ports, so that the addresses are known; nobody is answered before Run. Who has called New calls Run, if
// only with a context that is done, to give the ports back.
func New(o Options) (*Inbox, error) {
	if o.MaxMails < 0 || o.MaxMailBytes < 0 {
		return nil, fmt.Errorf("inbox of %d mails of %d bytes: want no negative number", o.MaxMails, o.MaxMailBytes)
	}
	b := &Inbox{opts: o}
	b.opts.MaxMails = defaulted(o.MaxMails, defaultMails)
	b.opts.MaxMailBytes = defaulted(o.MaxMailBytes, defaultBytes)
	b.opts.Hint = defaulted(o.Hint, "No mail yet. The demo host goes down and comes back by itself. As soon as two nodes agree that it is down, or up again, a mail shows up here.")
	b.store = newStore(b.opts.MaxMails, maxStored)
	var err error
	if b.smtp, err = net.Listen("tcp", defaulted(o.SMTPListen, "127.0.0.1:0")); err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	if b.http, err = net.Listen("tcp", defaulted(o.HTTPListen, "127.0.0.1:0")); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for browsers: %w", err), b.smtp.Close())
	}
	return b, nil
}

func defaulted[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// SMTPAddr is where mail is taken, host:port.
func (b *Inbox) SMTPAddr() string { return b.smtp.Addr().String() }

// HTTPAddr is where the page is, host:port.
func (b *Inbox) HTTPAddr() string { return b.http.Addr().String() }

// Mails returns the mails that are kept, oldest first.
func (b *Inbox) Mails() []Mail {
	mails, _, _ := b.store.all()
	return mails
}

// Wait returns the mails that are kept, once n have come in since New. Its error is that of the context, and then too it
// returns the mails there are.
func (b *Inbox) Wait(ctx context.Context, n int) ([]Mail, error) { return b.store.wait(ctx, n) }

// Run serves until the context is done, which is no error, or a server fails. It closes both ports and every connection
// before it returns.
func (b *Inbox) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	mail := b.smtpServer()
	web := &http.Server{
		Handler:           b.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends the live streams
	}
	var all sync.WaitGroup
	var mailErr, webErr error
	all.Go(func() {
		defer cancel()
		mailErr = mail.Serve(ending{netutil.LimitListener(b.smtp, maxClients), ctx})
	})
	all.Go(func() {
		defer cancel()
		webErr = web.Serve(netutil.LimitListener(b.http, maxClients))
	})
	b.opts.Log.Info().Msgf("inbox takes mail on %s and shows it on http://%s/", b.SMTPAddr(), b.HTTPAddr())
	<-ctx.Done()
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer done()
	_ = web.Shutdown(stop) // what is left after stopPatience, Close cuts off
	_ = web.Close()
	_ = mail.Close()
	_, _ = b.smtp.Close(), b.http.Close() // a server that was stopped before it served knows no listener
	all.Wait()
	if errors.Is(webErr, http.ErrServerClosed) || errors.Is(webErr, net.ErrClosed) {
		webErr = nil
	}
	if errors.Is(mailErr, net.ErrClosed) {
		mailErr = nil
	}
	return errors.Join(mailErr, webErr)
}
