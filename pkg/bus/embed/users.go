package embed

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// userAnybody is who connects without a name and without a password.
const userAnybody = "anybody"

// users sets up the accounts, and the gate as the only way into them. The key of the system account is made anew at each
// start, and never leaves the process.
//
// Clients are in the server's global account, with a cluster key as without, so that the streams stay where they are when
// a key comes. The server hands a client's JWT to the gate only if it trusts somebody to sign accounts, so it is told to
// trust one whose seed is thrown away; and with that it no longer gives JetStream to the global account by itself, so that
// account is described in its configuration language, which is the only place where this can be said beforehand.
func (s *Server) users(conf *server.Options) error {
	key, err := nkeys.CreateUser()
	if err != nil {
		return fmt.Errorf("make a key for the system account: %w", err)
	}
	s.systemUser, err = key.PublicKey()
	if err != nil {
		return fmt.Errorf("make a key for the system account: %w", err)
	}
	s.systemKey = key
	nobody, err := nobodysKey()
	if err != nil {
		return err
	}
	var described server.Options
	if err := described.ProcessConfigString("accounts { global { jetstream: enabled } }"); err != nil {
		return fmt.Errorf("describe the accounts: %w", err)
	}
	global, system := described.Accounts[0], server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	global.Name = server.DEFAULT_GLOBAL_ACCOUNT
	global.Issuer, system.Issuer = nobody, nobody
	conf.Accounts, conf.SystemAccount = []*server.Account{global, system}, system.Name
	conf.TrustedKeys = []string{nobody}
	s.gate = newGate(s.o, s.systemUser)
	conf.CustomClientAuthentication, conf.AlwaysEnableNonce = s.gate, true
	if !s.o.keyed() { // The gate lets everybody in; this has the server say so in its greeting.
		conf.Users, conf.NoAuthUser = []*server.User{{Username: userAnybody}}, userAnybody
	}
	return nil
}

// nobodysKey is a public key to which nobody has the seed.
func nobodysKey() (string, error) {
	operator, err := nkeys.CreateOperator()
	if err != nil {
		return "", fmt.Errorf("make a key for the accounts: %w", err)
	}
	defer operator.Wipe()
	return operator.PublicKey()
}

// System is the name with which this process connects to the system account, and what proves it.
func (s *Server) System() (user string, sign func(nonce []byte) ([]byte, error)) {
	return s.systemUser, s.systemKey.Sign
}
