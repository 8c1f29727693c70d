package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// KeyFile is the name of the cluster key in the configuration folder.
const KeyFile = "cluster.key"

// How the key file is looked at: as nodes.txt is, see lookNodes.
const (
	lookKey   = time.Second
	settleKey = 2 * time.Second
)

// KeyPath is where the cluster key is, and whether somebody has said so: else it may be missing.
func (e *Env) KeyPath() (path string, named bool) {
	if e.KeyFile != "" {
		return e.KeyFile, true
	}
	return filepath.Join(e.Config, KeyFile), false
}

// LoadKey reads the cluster key. It is nil if there is none: then this node talks in clear, on loopback addresses.
func (e *Env) LoadKey() (*key.Ring, error) {
	path, named := e.KeyPath()
	ring, err := key.Load(path)
	switch {
	case err == nil:
		return ring, nil
	case !named && errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%sKEY_FILE: %w; copy it from another node, or make one with: dmonitor keygen", Prefix, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; run as root or as the user that dmonitor runs as", err)
	default:
		return nil, err
	}
}

// keyring is the cluster key of a process.
type keyring struct{ ring atomic.Pointer[key.Ring] }

// source is what the bus asks; nil while there is no key.
func (k *keyring) source() key.Source {
	if k.ring.Load() == nil {
		return nil
	}
	return k.ring.Load
}

// openKey reads what proves who this process is, as far as it needs that, so that what is wrong with it is told at once.
func (p *Process) openKey() error {
	if p.Env.BusURL != "" && p.Env.BusCreds != "" {
		c, err := key.OpenCreds(p.Env.BusCreds)
		switch {
		case err != nil:
			return CredsError(err, "dmonitor creds")
		case c.Kind != events.CredentialNode && !p.plain:
			return fmt.Errorf("%sBUS_CREDS: %s has credentials of kind %s, which may not do what is done here; a prober's are for: dmonitor prober", Prefix, p.Env.BusCreds, c.Kind)
		}
		return nil
	}
	if p.Env.BusCreds != "" {
		return fmt.Errorf("%sBUS_CREDS is set and %sBUS_URL isn't: credentials are for who connects to members, and this process would be one; "+
			"set %sBUS_URL to the members' client ports, or leave %sBUS_CREDS out", Prefix, Prefix, Prefix, Prefix)
	}
	ring, err := p.Env.LoadKey()
	if err != nil {
		return err
	}
	switch {
	case ring != nil:
		p.key.ring.Store(ring)
		p.Log.Info().Msgf("the cluster key is %s", words(ring))
	case p.Env.BusURL == "":
		path, _ := p.Env.KeyPath()
		p.Log.Info().Msgf("there is no cluster key at %s", path)
	}
	return nil
}

// CredsError says what to do about a credentials file (DMONITOR_BUS_CREDS) that can't be used; make is the command that makes one.
func CredsError(err error, make string) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%sBUS_CREDS: %w; chown it to the user that dmonitor runs as", Prefix, err)
	}
	return fmt.Errorf("%sBUS_CREDS: %w; make such a file on a node with: %s", Prefix, err, make)
}

// words names the keys by their fingerprints.
func words(r *key.Ring) string {
	ids := r.IDs()
	if len(ids) == 1 {
		return ids[0]
	}
	return fmt.Sprintf("%s; also accepted: %s", ids[0], strings.Join(ids[1:], ", "))
}

// keyLook is what one look at the key file saw: a ring, or what is wrong.
type keyLook struct {
	ring    *key.Ring
	problem string
}

func (l keyLook) same(m keyLook) bool {
	return l.problem == m.problem && slices.Equal(l.ring.IDs(), m.ring.IDs())
}

// keyWatch decides when what the key file says counts.
type keyWatch struct {
	inForce *key.Ring
	last    keyLook
	since   time.Time // that last has been seen
	told    string    // the problem that was told last
}

// step takes a look. It returns the ring that counts from now on, if it is another one than before, and a problem that
// was not told before.
func (w *keyWatch) step(l keyLook, now time.Time) (next *key.Ring, problem string) {
	if !l.same(w.last) || w.since.IsZero() {
		w.last, w.since = l, now
	}
	if now.Sub(w.since) < settleKey {
		return nil, ""
	}
	if l.problem != "" {
		if l.problem == w.told {
			return nil, ""
		}
		w.told = l.problem
		return nil, l.problem
	}
	w.told = ""
	if l.ring == nil || slices.Equal(l.ring.IDs(), w.inForce.IDs()) {
		return nil, ""
	}
	w.inForce = l.ring
	return l.ring, ""
}

// look reads the key file. None is nothing wrong for who has no key.
func (p *Process) lookAtKey() keyLook {
	ring, err := p.Env.LoadKey()
	switch path, _ := p.Env.KeyPath(); {
	case err != nil:
		return keyLook{problem: err.Error()}
	case ring == nil && p.key.ring.Load() != nil:
		return keyLook{problem: path + " is gone"}
	default:
		return keyLook{ring: ring}
	}
}

// watchKey brings the bus in line with the key file until ctx ends, or until the first key comes: that takes a new start,
// for which it returns a modeError.
func (p *Process) watchKey(ctx context.Context) error {
	if p.Env.BusURL != "" && p.Env.BusCreds != "" {
		return nil
	}
	w := &keyWatch{inForce: p.key.ring.Load()}
	tick := time.NewTicker(lookKey)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		next, problem := w.step(p.lookAtKey(), time.Now())
		if problem != "" {
			p.Log.Error().Msgf("%s; the cluster key that was in force stays", problem)
		}
		if next == nil {
			continue
		}
		if p.key.ring.Swap(next) == nil {
			return &modeError{same: true, why: fmt.Sprintf("there is a cluster key now, %s", words(next))}
		}
		p.Log.Info().Msgf("the cluster key has changed: it is %s", words(next))
		p.Bus.KeyChanged()
	}
}
