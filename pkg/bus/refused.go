package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/key"
)

const (
	// refusedWait is how long a client waits that was refused before it tries all members again: a refusal lasts until
	// somebody puts something right, and each try costs the members a handshake and a line of log.
	refusedWait = 5 * time.Second
	// refusedEvery is how often it says that it is refused.
	refusedEvery = time.Minute
)

// fileCreds are the credentials in a file. It is read anew for each connection that is tried, since it may have been replaced.
type fileCreds struct {
	path    string
	whose   key.Credential // as it was at first: this process has one name as long as it lives
	refused func(error)
	last    *key.Creds // used by the one goroutine that connects
}

// token and sign are called by the client one after the other, for each connection it tries.
func (f *fileCreds) token() (string, error) {
	c, err := key.OpenCreds(f.path)
	if err == nil && (c.Kind != f.whose.Kind || c.Name != f.whose.Name) {
		err = fmt.Errorf("credentials %s: they were those of %s %s when this process started, and are those of %s %s", f.path, f.whose.Kind, f.whose.Name, c.Kind, c.Name)
	}
	if err != nil {
		f.refused(err)
		return "", err
	}
	f.last = c
	return c.JWT()
}

func (f *fileCreds) sign(nonce []byte) ([]byte, error) {
	if f.last == nil {
		return nil, errors.New("sign a nonce: no credentials were read")
	}
	return f.last.Sign(nonce)
}

// tls trusts members by what the file says at each handshake. First is what it says now; nil if that has nothing to trust by.
func (f *fileCreds) tls(first *tls.Config) *tls.Config {
	if first == nil {
		return nil
	}
	first.VerifyConnection = func(cs tls.ConnectionState) error {
		c, err := key.OpenCreds(f.path)
		if err == nil {
			now := c.TLS()
			if now == nil {
				err = fmt.Errorf("credentials %s: there is no certificate authority in it any more", f.path)
			} else {
				err = now.VerifyConnection(cs)
			}
		}
		if err != nil {
			f.refused(err)
		}
		return err
	}
	return first
}

// distrust is what a client remembers of having been refused.
type distrust struct {
	last atomic.Int64 // when
	said atomic.Int64 // when it was told
	why  atomic.Pointer[error]

	failed atomic.Bool               // connecting failed before it succeeded for the first time
	conn   atomic.Pointer[nats.Conn] // this process's; nil until it is made
}

// over forgets the refusal: there is a connection.
func (d *distrust) over() {
	d.why.Store(nil)
	d.last.Store(0)
}

// failedToConnect takes note of why a connection could not be made, nil if that is not known. As long as there never was one, the
// client itself reports no refusal: what it says then is its last error only, which is looked at again and again.
func (b *Bus) failedToConnect(err error) {
	if err == nil || b.closing.Err() != nil {
		return
	}
	b.distrust.failed.Store(true)
	if !trustError(err) {
		return
	}
	b.refused(err)
	if nc := b.distrust.conn.Load(); nc != nil && nc.IsConnected() { // since the error was asked for
		b.distrust.over()
	}
}

// Refused is the last error by which a member and this process did not trust each other, nil if there was none since they
// were connected last.
func (b *Bus) Refused() error {
	if why := b.distrust.why.Load(); why != nil {
		return *why
	}
	return nil
}

// refused takes note of an error by which member and client don't trust each other, which lasts until somebody puts it right:
// the client then tries less often, and says so now and then.
func (b *Bus) refused(err error) {
	var remedy string
	switch {
	case b.o.Creds == "" && b.o.Key == nil:
		remedy = "they have a cluster key, and this process has neither that nor credentials: make some on a node (dmonitor creds), and set DMONITOR_BUS_CREDS to the file"
	case b.o.Creds == "":
		remedy = "the cluster key here isn't one that they accept: copy cluster.key from a node"
	case errors.Is(err, key.ErrOtherKey):
		remedy = "the credentials here are of another cluster, or of a cluster key that was changed"
	case errors.Is(err, nats.ErrAuthExpired):
		remedy = "the credentials have expired"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthRevoked):
		remedy = "the credentials are revoked, have expired, or are of a cluster key that isn't accepted any more"
	default:
		remedy = "the credentials here can't be used"
	}
	if b.o.Creds != "" {
		if c, err := key.OpenCreds(b.o.Creds); err == nil && !c.Expires.IsZero() && !time.Now().Before(c.Expires) {
			remedy = "the credentials have expired, on " + c.Expires.UTC().Format(time.RFC3339)
		}
		remedy += fmt.Sprintf("; make others on a node (dmonitor creds) and put them in the place of %s: they are taken without a restart", b.o.Creds)
	}
	now := time.Now().UnixNano()
	b.distrust.last.Store(now)
	b.distrust.why.Store(&err)
	if said := b.distrust.said.Load(); now-said >= int64(refusedEvery) && b.distrust.said.CompareAndSwap(said, now) {
		b.log.Error().Err(err).Msg("the members of the bus and this process don't trust each other; trying again, slowly: " + remedy)
	}
}

// trustError tells whether an error is about who this process is, or who the member is.
func trustError(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	return unknown || errors.Is(err, key.ErrOtherKey) ||
		errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked)
}

// delay is how long to wait before all members are tried again.
func (b *Bus) delay(int) time.Duration {
	if nc := b.distrust.conn.Load(); nc != nil {
		b.failedToConnect(nc.LastError())
	}
	wait := reconnectWait
	if time.Since(time.Unix(0, b.distrust.last.Load())) < refusedWait {
		wait = refusedWait
	}
	return wait + rand.N(wait/2) // not all clients at once
}
