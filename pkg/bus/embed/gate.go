package embed

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// gate is the one way in for clients, with a cluster key or without. The server asks it at each CONNECT, and about
// everybody who is connected when its options change.
//
//   - This process's own connections, which are pipes and nothing that anybody else could open, may do everything.
//   - Without a key so may everybody: the address is what keeps strangers out (Options.Insecure).
//   - With a key everybody else has to show a credential, and may do what events.Rights says of it.
type gate struct {
	log    zerolog.Logger
	source key.Source // nil: there is no key
	system string     // public key of this process's own user of the system account
	ns     *server.Server
	says   *throttle

	mu      sync.Mutex
	in      map[uint64]key.Credential // who was let in, by the server's number of the connection
	prune   int                       // how many of them make it worth looking who has gone
	refuses func(key.Credential) error
}

// pruneFrom is the least number of connections for which it is worth looking who has gone.
const pruneFrom = 256

func newGate(o Options, system string) *gate {
	g := &gate{
		log: o.Log, source: o.Key, system: system, says: newThrottle(),
		in: map[uint64]key.Credential{}, prune: pruneFrom, refuses: o.Refuses,
	}
	if g.refuses == nil {
		g.refuses = func(key.Credential) error { return nil }
	}
	return g
}

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	from := c.RemoteAddress()
	if from == nil || c.Kind() != server.CLIENT {
		return false // gone already; other kinds have no port to come in by
	}
	if from.Network() == "pipe" {
		return c.GetOpts().Nkey == "" || g.letSystem(c)
	}
	if g.source == nil {
		return true
	}
	cred, err := g.verify(c)
	first := false
	if err == nil {
		first, err = g.enter(c.GetID(), cred)
	}
	if err != nil {
		who := "a client"
		if cred.Name != "" {
			who = fmt.Sprintf("%s %s", cred.Kind, cred.Name)
		}
		if g.says.due(hostOf(from.String())+" "+who, time.Now()) {
			g.log.Warn().Err(err).Msgf("refused %s at %s", who, from)
		}
		return false
	}
	u := &server.User{Username: string(cred.Kind) + "." + cred.Name, Permissions: permissions(events.Rights(cred.Kind, cred.Name))}
	if cred.Kind == events.CredentialOperator {
		if u.Account, err = g.ns.LookupAccount(operatorAccount); err != nil {
			g.log.Error().Err(err).Msg("there is no account for operators")
			return false
		}
	}
	if first { // each deadline is a timer of its own, that nothing stops
		u.ConnectionDeadline = cred.Expires
	}
	c.RegisterUser(u)
	return true
}

// letSystem lets this process, and nobody else, connect to the system account, which may remove members.
func (g *gate) letSystem(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	sig, err := base64.RawURLEncoding.DecodeString(o.Sig)
	user, uerr := nkeys.FromPublicKey(g.system)
	if err != nil || uerr != nil || o.Nkey != g.system || user.Verify(c.GetNonce(), sig) != nil {
		return false
	}
	account, err := g.ns.LookupAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	if err != nil {
		return false
	}
	c.RegisterUser(&server.User{Account: account})
	return true
}

// verify reads what a client presents.
func (g *gate) verify(c server.ClientAuthentication) (key.Credential, error) {
	o := c.GetOpts()
	if o.JWT == "" {
		return key.Credential{}, errors.New("it presents no credential, and this node has a cluster key: " +
			"give it a credentials file (dmonitor creds)")
	}
	return g.source().Verify(o.JWT, o.Sig, c.GetNonce(), time.Now())
}

// enter notes who comes in, unless they aren't welcome any more. First tells that this connection did not show the same
// before.
func (g *gate) enter(id uint64, c key.Credential) (first bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.unwelcome(c); err != nil {
		return false, err
	}
	before, known := g.in[id]
	g.in[id] = c
	if len(g.in) > g.prune {
		for id := range g.in {
			if g.ns.GetClient(id) == nil {
				delete(g.in, id)
			}
		}
		g.prune = max(pruneFrom, 2*len(g.in))
	}
	return !known || before != c, nil
}

// unwelcome says why a credential that was good when it was made isn't any more. The caller holds the lock.
func (g *gate) unwelcome(c key.Credential) error {
	if !g.source().Accepts(c.KeyID) {
		return key.ErrIssuer
	}
	return g.refuses(c)
}

// setRefuses gives the gate another rule on who is revoked.
func (g *gate) setRefuses(refuses func(key.Credential) error) {
	g.mu.Lock()
	g.refuses = refuses
	g.mu.Unlock()
	g.sweep()
}

// sweep disconnects those who would not be let in any more. Who comes in meanwhile is held against the rules of now.
func (g *gate) sweep() {
	if g.source == nil {
		return
	}
	out := map[uint64]error{}
	who := map[uint64]key.Credential{}
	g.mu.Lock()
	for id, c := range g.in {
		if err := g.unwelcome(c); err != nil {
			out[id], who[id] = err, c
			delete(g.in, id)
		}
	}
	g.mu.Unlock()
	for id, why := range out {
		if g.ns.DisconnectClientByID(id) == nil { // otherwise it has gone by itself
			g.log.Warn().Err(why).Msgf("disconnected %s %s", who[id].Kind, who[id].Name)
		}
	}
}

// permissions are rights as the server takes them.
func permissions(publish, subscribe []string) *server.Permissions {
	out := &server.Permissions{Publish: only(publish), Subscribe: only(subscribe)}
	for _, s := range subscribe {
		if strings.HasSuffix(s, ".*") { // the server takes a subscription to a.> for one that a.* allows
			out.Subscribe.Deny = append(out.Subscribe.Deny, s+".>")
		}
	}
	return out
}

// only allows these subjects. The server takes an empty list of subscriptions that are allowed for all of them, so
// nothing is written as a denial of everything.
func only(subjects []string) *server.SubjectPermission {
	if len(subjects) == 0 {
		return &server.SubjectPermission{Deny: []string{">"}}
	}
	return &server.SubjectPermission{Allow: subjects}
}
