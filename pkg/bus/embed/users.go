package embed

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/dmonitor/dmonitor/pkg/events"
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
	if err := described.ProcessConfigString(accounts()); err != nil {
		return fmt.Errorf("describe the accounts: %w", err)
	}
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	for _, a := range described.Accounts {
		if a.Name == globalAccount {
			a.Name = server.DEFAULT_GLOBAL_ACCOUNT
		}
		a.Issuer = nobody
	}
	system.Issuer = nobody
	conf.Accounts, conf.SystemAccount = append(described.Accounts, system), system.Name
	conf.TrustedKeys = []string{nobody}
	s.gate = newGate(s.o, s.systemUser)
	conf.CustomClientAuthentication, conf.AlwaysEnableNonce = s.gate, true
	if !s.o.keyed() { // The gate lets everybody in; this has the server say so in its greeting.
		conf.Users, conf.NoAuthUser = []*server.User{{Username: userAnybody}}, userAnybody
	}
	return nil
}

// The accounts as the configuration language calls them. The global one gets its real name, which can't be written there,
// afterwards.
const (
	globalAccount   = "global"
	operatorAccount = "operators"
)

// accounts describes the global account, and one for operators, who are let see of it what they may ask and hear.
//
// An account of their own is needed because the server checks the subject that somebody publishes to, and not the one on
// which an answer is asked for: the answer is the server's own word and passes everywhere. An operator who asked for a
// message with "$JS.API.STREAM.DELETE.OUTAGES" as the place for the answer would have the log deleted by an answer without a
// body. Answers to another account stay there, where nobody else listens.
func accounts() string {
	publish, subscribe := events.Rights(events.CredentialOperator, operatorAccount)
	inbox := events.InboxPrefix(events.CredentialOperator, operatorAccount)
	var exports, imports []string
	for _, s := range publish {
		there := s
		if call, ok := strings.CutPrefix(s, events.OperatorAPI); ok {
			there = events.JetStreamAPI + call // which, in their own account, the server would answer itself: no JetStream here
		}
		exports = append(exports, fmt.Sprintf("{service: %q, response: stream}", there))
		imports = append(imports, fmt.Sprintf("{service: {account: %s, subject: %q}, to: %q}", globalAccount, there, s))
	}
	for _, s := range subscribe {
		if strings.HasPrefix(s, inbox) {
			continue // their own
		}
		exports = append(exports, fmt.Sprintf("{stream: %q}", s))
		imports = append(imports, fmt.Sprintf("{stream: {account: %s, subject: %q}}", globalAccount, s))
	}
	return fmt.Sprintf("accounts {\n%s { jetstream: enabled, exports: [%s] }\n%s { imports: [%s] }\n}",
		globalAccount, strings.Join(exports, ", "), operatorAccount, strings.Join(imports, ", "))
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
