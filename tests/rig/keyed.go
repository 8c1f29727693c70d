package rig

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

// KeyFile is the configuration file that holds the cluster key. All nodes of a process have the same one, unless a test
// gives NewNodes another text for it; with an empty text they have none.
const KeyFile = proc.KeyFile

// envKeyless has all nodes run without a cluster key, if it is set.
const envKeyless = "RIG_KEYLESS"

// Key is the cluster key of the nodes of this process; empty: they have none.
var Key = sync.OnceValue(func() string {
	if os.Getenv(envKeyless) != "" {
		return ""
	}
	return key.New()
})

// WriteKey writes the node's cluster key, or removes it.
func (n *Node) WriteKey(text string) {
	n.t.Helper()
	path := filepath.Join(n.Etc(), KeyFile)
	if text == "" {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			n.t.Fatal(err)
		}
		return
	}
	// As an editor does, so that no node sees half of it.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		n.t.Fatal(err)
	}
}

// Mint makes a credentials file with a cluster key that doesn't expire, and returns what was read from it.
func Mint(t testing.TB, keyText string, kind events.CredentialKind, name string) (file string, c *key.Creds) {
	t.Helper()
	ring, err := key.Parse("key", []byte(keyText))
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := ring.Mint(kind, name, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), name+".creds")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = key.OpenCreds(file); err != nil {
		t.Fatal(err)
	}
	return file, c
}

// everything is a credential that allows everything.
var everything = sync.OnceValues(func() (*key.Creds, error) {
	ring, err := key.Parse("key", []byte(Key()))
	if err != nil {
		return nil, err
	}
	data, _, err := ring.Mint(events.CredentialNode, "rig", time.Now(), time.Time{})
	if err != nil {
		return nil, err
	}
	return key.ParseCreds("rig", data)
})

// Login is how a NATS client of a test gets in, with every right.
func Login(t testing.TB) []nats.Option {
	t.Helper()
	if Key() == "" {
		return nil
	}
	c, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	return As(c)
}

// As is how a NATS client gets in with credentials.
func As(c *key.Creds) []nats.Option {
	return []nats.Option{nats.UserJWT(c.JWT, c.Sign), nats.Secure(c.TLS())}
}

// greet answers a node's greeting, which was read: by TLS and with a credential, if the node asks for them. Nil shows one
// that allows everything. It returns the connection to go on with, and the first line to send.
func greet(conn net.Conn, info string, c *key.Creds) (net.Conn, string, error) {
	connect := map[string]any{"verbose": false, "pedantic": false, "headers": true}
	var said struct {
		TLSRequired bool `json:"tls_required"`
		Nonce       string
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(info, "INFO ")), &said); err != nil {
		return nil, "", err
	}
	if said.TLSRequired {
		var err error
		if c == nil {
			if c, err = everything(); err != nil {
				return nil, "", err
			}
		}
		secured := tls.Client(conn, c.TLS())
		if err := secured.Handshake(); err != nil {
			return nil, "", err
		}
		sig, err := c.Sign([]byte(said.Nonce))
		if err != nil {
			return nil, "", err
		}
		conn, connect["sig"] = secured, base64.RawURLEncoding.EncodeToString(sig)
		connect["jwt"], _ = c.JWT()
	}
	line, err := json.Marshal(connect)
	return conn, fmt.Sprintf("CONNECT %s\r\n", line), err
}
