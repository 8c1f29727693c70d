package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

// errBusGone ends a command with exit code 3.
var errBusGone = errors.New("can't reach the bus")

// connectTimeout is how long a command tries to reach the bus: past this, nobody is there.
const connectTimeout = 3 * time.Second

// connect opens a connection to the bus of this host, or to the one DMONITOR_BUS_URL names. It shows DMONITOR_BUS_CREDS if
// that is set. On a host that has the cluster key it makes itself an operator's credential, for this connection only.
func (a *app) connect() (*bus.Bus, proc.Env, error) {
	e, err := a.env()
	if err != nil {
		return nil, e, err
	}
	var there atomic.Bool // Until then the bus's own words about it are in the way of ours.
	log := e.Logger(a.stderr).Hook(zerolog.HookFunc(func(line *zerolog.Event, _ zerolog.Level, _ string) {
		if !there.Load() {
			line.Discard()
		}
	}))
	o := bus.Options{URL: e.BusURL, Creds: e.BusCreds, Kind: events.CredentialOperator, Node: e.Node, Log: log}
	if o.URL == "" {
		o.URL = "nats://" + dialable(e.ClientListen)
	}
	if e.BusCreds != "" {
		err = fitToAsk(e.BusCreds, time.Now())
	} else {
		o.Key, err = keySource(&e)
	}
	if err != nil {
		return nil, e, err
	}
	b, err := bus.Open(a.ctx, o)
	if err == nil {
		err = waitConnected(a.ctx, b)
	}
	if err != nil {
		return nil, e, hintError{fmt.Errorf("%w at %s: %w", errBusGone, o.URL, err), whyNot(err, o, e)}
	}
	there.Store(true)
	return b, e, nil
}

// keySource reads the cluster key of this host, if it has one.
func keySource(e *proc.Env) (key.Source, error) {
	ring, err := e.LoadKey()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, hintError{
			fmt.Errorf("%w: %w", errBusGone, err),
			"without the key: DMONITOR_BUS_CREDS=FILE with credentials that somebody who may read it made (dmonitor creds operator NAME)",
		}
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errBusGone, err)
	case ring == nil:
		return nil, nil
	}
	return func() *key.Ring { return ring }, nil
}

// fitToAsk says what is wrong with credentials before the bus is asked, which would say only that something is.
func fitToAsk(file string, now time.Time) error {
	c, err := key.OpenCreds(file)
	again := "make others on a node: dmonitor creds operator NAME -o FILE"
	switch {
	case errors.Is(err, fs.ErrPermission):
		return hintError{fmt.Errorf("%w: DMONITOR_BUS_CREDS: %w", errBusGone, err), "run it as the user whose file that is"}
	case err != nil:
		return hintError{fmt.Errorf("%w: DMONITOR_BUS_CREDS: %w", errBusGone, err), again}
	case !c.Expires.IsZero() && !now.Before(c.Expires):
		return hintError{fmt.Errorf("%w: DMONITOR_BUS_CREDS: the credentials %s have expired, on %s", errBusGone, file, moment(c.Expires)), again}
	case c.Kind != events.CredentialOperator && c.Kind != events.CredentialNode:
		return hintError{
			fmt.Errorf("%w: DMONITOR_BUS_CREDS: %s has %s credentials, which may not ask what this command asks", errBusGone, file, c.Kind), again,
		}
	}
	return nil
}

// whyNot says what to do about a connection that did not come about.
func whyNot(err error, o bus.Options, e proc.Env) string {
	unknown := x509.UnknownAuthorityError{}
	switch {
	case strings.Contains(err.Error(), "route port"):
		return "that is where the nodes talk among themselves; clients use another port, 4222 by default"
	case errors.Is(err, key.ErrOtherKey) && o.Creds != "":
		return "the credentials are of another cluster, or of a cluster key that was changed since: make others on a node (dmonitor creds operator NAME)"
	case errors.Is(err, key.ErrOtherKey):
		return "the cluster key here is another one than that of the node there: every node has to have the same cluster.key"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the node there has no cluster key: put the same cluster.key on every node (or is there something else at that address?)"
	case errors.As(err, &unknown):
		path, _ := e.KeyPath()
		return "the node there has a cluster key, and there is none at " + path + " (DMONITOR_CONFIG, DMONITOR_KEY_FILE): " +
			"name the right place, ask on the node itself, or set DMONITOR_BUS_CREDS (dmonitor creds operator NAME)"
	case errors.Is(err, nats.ErrAuthorization) && o.Creds != "":
		return "the credentials are revoked, or of a cluster key that isn't accepted any more: make others on a node (dmonitor creds operator NAME)"
	case errors.Is(err, nats.ErrAuthorization):
		return "the node refused; its log says why"
	default:
		return "is dmonitor running here (dmonitor run)? else set DMONITOR_BUS_URL, such as nats://127.0.0.1:4222"
	}
}

// waitConnected waits until there is a connection, or until it is known or to be thought that there will be none.
func waitConnected(ctx context.Context, b *bus.Bus) error {
	nc := b.Conn()
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for !nc.IsConnected() {
		select {
		case <-time.After(20 * time.Millisecond):
			if b.Refused() == nil || len(nc.Servers()) > 1 { // of several members, another may know better
				continue
			}
		case <-ctx.Done():
		}
		nc.Close()
		if err := cmp.Or(b.Refused(), nc.LastError()); err != nil {
			return err
		}
		return errors.New("no answer")
	}
	return nil
}

// dialable turns an address to listen on into one to connect to.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
