package bus

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// prove returns how this process proves to a member who it is, and the member to it; and as what, if it does.
func (o Options) prove(refused func(error)) (events.CredentialKind, []nats.Option, error) {
	switch {
	case o.Creds != "":
		c, err := key.OpenCreds(o.Creds)
		if err != nil {
			return "", nil, fmt.Errorf("connect to the bus (DMONITOR_BUS_CREDS): %w", err)
		}
		file := &fileCreds{path: o.Creds, whose: c.Credential, refused: refused}
		out := append(inbox(c.Kind, c.Name), nats.UserJWT(file.token, file.sign))
		if conf := file.tls(c.TLS()); conf != nil {
			out = append(out, nats.Secure(conf))
		}
		return c.Kind, out, nil
	case o.Key != nil:
		own := &ownCreds{kind: cmp.Or(o.Kind, events.CredentialNode), node: o.Node, source: o.Key}
		return own.kind, append(inbox(own.kind, own.node), nats.UserJWT(own.token, own.sign), nats.Secure(dialTLS(o.Key))), nil
	default:
		return "", nil, nil
	}
}

// inbox has who may do everything get answers as ever, and everybody else in a place of its own.
func inbox(kind events.CredentialKind, name string) []nats.Option {
	if kind == events.CredentialNode || events.ValidateCredential(kind, name) != nil {
		return nil
	}
	return []nats.Option{nats.CustomInboxPrefix(events.InboxPrefix(kind, name))}
}

// ownCreds is the credential of a process that holds the key: made anew for each connection, with the key in use then, and
// never written down. It doesn't expire: who has it has the key itself.
type ownCreds struct {
	kind   events.CredentialKind
	node   string
	source key.Source
	last   *key.Creds
}

// token and sign are called by the client one after the other, for each connection it tries.
func (c *ownCreds) token() (string, error) {
	file, _, err := c.source().Mint(c.kind, c.node, time.Now(), time.Time{})
	if err != nil {
		return "", err
	}
	if c.last, err = key.ParseCreds("made here", file); err != nil {
		return "", err
	}
	return c.last.JWT()
}

func (c *ownCreds) sign(nonce []byte) ([]byte, error) {
	if c.last == nil {
		return nil, errors.New("sign a nonce: no credential was made")
	}
	return c.last.Sign(nonce)
}

// dialTLS trusts members by the ring in force at each handshake.
func dialTLS(source key.Source) *tls.Config {
	conf := source().DialTLS()
	conf.VerifyConnection = func(cs tls.ConnectionState) error { return source().DialTLS().VerifyConnection(cs) }
	return conf
}

// KeyChanged is to be called when Options.Key returns another ring. New connections are held against it at once; those
// that are there and came in by a key that is no longer accepted are closed, and come again if they can.
func (b *Bus) KeyChanged() {
	if b.srv != nil {
		b.srv.KeyChanged()
	}
}
