package key

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/nats-io/nkeys"
)

// Ring is what follows from the keys of a file. It doesn't change; a changed file makes another ring. A nil Ring has no
// keys and trusts nobody.
type Ring struct{ keys []*derived }

// Source is asked for the ring in force at each handshake, so that keys change without a restart. It returns nil while
// there is none. It is called from any goroutine.
type Source func() *Ring

// derived is what follows from one key.
type derived struct {
	id      string
	routes  authority
	clients authority
	account nkeys.KeyPair // signs credentials
	issuer  string        // its public half, as it stands in a credential
}

// The labels that keep what is derived for one purpose from being of use for another. They are part of the format: a
// change of one is another key.
const (
	labelRoutes  = "dmonitor key 1: route authority"
	labelClients = "dmonitor key 1: client authority"
	labelAccount = "dmonitor key 1: account"
)

func derive(secret []byte) (*derived, error) {
	k := &derived{}
	seed, err := expand(secret, labelAccount)
	if err != nil {
		return nil, err
	}
	if k.account, err = nkeys.FromRawSeed(nkeys.PrefixByteAccount, seed); err != nil {
		return nil, fmt.Errorf("derive the account: %w", err)
	}
	if k.issuer, err = k.account.PublicKey(); err != nil {
		return nil, fmt.Errorf("derive the account: %w", err)
	}
	k.id = fingerprint(k.issuer)
	if k.routes, err = newAuthority(secret, labelRoutes, "dmonitor routes "+k.id); err != nil {
		return nil, err
	}
	if k.clients, err = newAuthority(secret, labelClients, "dmonitor clients "+k.id); err != nil {
		return nil, err
	}
	return k, nil
}

// expand derives 32 bytes for one purpose.
func expand(secret []byte, label string) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, secret, nil, label, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive from the key: %w", err)
	}
	return out, nil
}

// fingerprint is the short name of a key. It is taken from what every credential shows anyway, the issuer: 40 bits, enough
// to tell the few keys of a cluster apart, and nothing that anybody is let in by.
func fingerprint(issuer string) string {
	sum := sha256.Sum256([]byte("dmonitor key fingerprint\x00" + issuer))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// IDs lists the fingerprints of the keys, the one in use first.
func (r *Ring) IDs() []string {
	var out []string
	if r != nil {
		for _, k := range r.keys {
			out = append(out, k.id)
		}
	}
	return out
}

// Accepts tells whether a key with this fingerprint is among those of the ring.
func (r *Ring) Accepts(id string) bool {
	if r != nil {
		for _, k := range r.keys {
			if k.id == id {
				return true
			}
		}
	}
	return false
}

// String is what a ring shows of itself wherever it is printed: its fingerprints.
func (r *Ring) String() string { return strings.Join(r.IDs(), " ") }

// GoString is String: "%#v" would print the keys.
func (r *Ring) GoString() string { return "key.Ring(" + r.String() + ")" }

// inUse is the first key.
func (r *Ring) inUse() (*derived, error) {
	if r == nil || len(r.keys) == 0 {
		return nil, errNoKey
	}
	return r.keys[0], nil
}

// RouteCAs are the authorities of the routes, that of the key in use first.
func (r *Ring) RouteCAs() []*x509.Certificate {
	return r.authorities(func(k *derived) authority { return k.routes })
}

// ClientCAs are the authorities of the clients' port, that of the key in use first.
func (r *Ring) ClientCAs() []*x509.Certificate {
	return r.authorities(func(k *derived) authority { return k.clients })
}

func (r *Ring) authorities(of func(*derived) authority) []*x509.Certificate {
	var out []*x509.Certificate
	if r != nil {
		for _, k := range r.keys {
			out = append(out, of(k).cert)
		}
	}
	return out
}
