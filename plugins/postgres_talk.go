package plugins

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/lib/pq/scram"
)

const (
	scramSHA256 = "SCRAM-SHA-256"
	// maxIterations bounds how long a server can make us compute: PostgreSQL's default is 4096.
	maxIterations = 1_000_000
)

// errOrder is a message that is none of those that may come now.
var errOrder = errors.New("a message out of order")

// postgresTalk is a connection to a PostgreSQL server. The messages are pgproto3's and the proof of the password is
// scram's, both small parts of drivers: a driver as a whole costs every plugin's start more than this file is long.
type postgresTalk struct {
	conn    *talk
	front   *pgproto3.Frontend
	scram   *scram.Client
	proven  bool   // the server has shown that it knows the password, too
	version string // the server's, once we are in
}

// postgresError is an error as the server tells it.
type postgresError struct{ severity, code, message string }

// Error implements error.
func (e *postgresError) Error() string {
	return fmt.Sprintf("%s %s (%s)", clean(e.severity, 10), sentence(e.message), clean(e.code, 5))
}

func newPostgresTalk(conn *talk) *postgresTalk {
	s := &postgresTalk{conn: conn, front: pgproto3.NewFrontend(conn, conn)}
	s.front.SetMaxBodyLen(maxHeard)
	return s
}

func (s *postgresTalk) startUp(user, database string) error {
	s.front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{
		"user": user, "database": database, "application_name": "dmonitor",
	}})
	return s.front.Flush()
}

// receive returns the next message. One that says an error is returned as a *postgresError.
func (s *postgresTalk) receive() (pgproto3.BackendMessage, error) {
	m, err := s.front.Receive()
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *pgproto3.ErrorResponse:
		if m.Message == "" {
			return nil, errors.New("an error without a message")
		}
		if m.SeverityUnlocalized == "" { // before PostgreSQL 9.6
			m.SeverityUnlocalized = m.Severity
		}
		return nil, &postgresError{m.SeverityUnlocalized, m.Code, m.Message}
	case *pgproto3.ParameterStatus:
		if m.Name == "server_version" {
			s.version = m.Value
		}
	}
	return m, nil
}

// trusted returns an error if the server says that we are in without having shown, as it should, that it knows the
// password as well.
func (s *postgresTalk) trusted() error {
	if s.scram != nil && !s.proven {
		return errors.New("it takes the password and doesn't show that it knows it")
	}
	return nil
}

// authenticate answers what the server asks for.
func (s *postgresTalk) authenticate(m pgproto3.AuthenticationResponseMessage, l *login) error {
	switch m := m.(type) {
	case *pgproto3.AuthenticationCleartextPassword:
		if err := l.mayTell(s.conn, s.conn.encrypted); err != nil {
			return err
		}
		return s.say(&pgproto3.PasswordMessage{Password: l.password})
	case *pgproto3.AuthenticationMD5Password:
		return s.say(&pgproto3.PasswordMessage{Password: "md5" + hexMD5(hexMD5(l.password+l.user)+string(m.Salt[:]))})
	case *pgproto3.AuthenticationSASL:
		if !slices.Contains(m.AuthMechanisms, scramSHA256) {
			return own("the server wants %s to log in, which this plugin doesn't have", quote(strings.Join(m.AuthMechanisms, ", ")))
		}
		s.scram = scram.NewClient(sha256.New, "", l.password) // the user is the one of the first message
		s.scram.Step(nil)
		return s.say(&pgproto3.SASLInitialResponse{AuthMechanism: scramSHA256, Data: s.scram.Out()})
	}
	return own("the server wants a ticket (GSSAPI) to log in, which this plugin doesn't have")
}

// prove answers the server's challenge.
func (s *postgresTalk) prove(m *pgproto3.AuthenticationSASLContinue) error {
	if s.scram == nil {
		return errors.New("a challenge before it was asked for one")
	}
	if _, count, ok := strings.Cut(string(m.Data), ",i="); ok {
		if n, err := strconv.Atoi(count); err == nil && n > maxIterations {
			return fmt.Errorf("%d iterations, more than %d, to prove the password", n, maxIterations)
		}
	}
	s.scram.Step(m.Data)
	if err := s.scram.Err(); err != nil {
		return err
	}
	return s.say(&pgproto3.SASLResponse{Data: s.scram.Out()})
}

// finish checks the server's own proof.
func (s *postgresTalk) finish(m *pgproto3.AuthenticationSASLFinal) error {
	if s.scram == nil {
		return errors.New("a proof before it was asked for one")
	}
	s.scram.Step(m.Data)
	s.proven = s.scram.Err() == nil
	return s.scram.Err()
}

func (s *postgresTalk) say(m ...pgproto3.FrontendMessage) error {
	for _, one := range m {
		s.front.Send(one)
	}
	return s.front.Flush()
}

// begin runs statements that have no result.
func (s *postgresTalk) begin(sql string) error {
	if err := s.say(&pgproto3.Query{String: sql}); err != nil {
		return err
	}
	return s.drain(func(pgproto3.BackendMessage) {})
}

// first runs one statement and returns the first row of its result, at least columns wide, or none.
func (s *postgresTalk) first(sql string, columns int) (row []postgresValue, some bool, err error) {
	err = s.say(&pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{})
	if err != nil {
		return nil, false, err
	}
	err = s.drain(func(m pgproto3.BackendMessage) {
		data, ok := m.(*pgproto3.DataRow)
		if !ok || some {
			return
		}
		some = true
		for _, v := range data.Values {
			row = append(row, postgresValue{text: string(v), null: v == nil})
		}
	})
	for len(row) < columns {
		row = append(row, postgresValue{null: true})
	}
	return row, some, err
}

// drain reads to the end of an answer. An error in it is returned after that.
func (s *postgresTalk) drain(each func(pgproto3.BackendMessage)) error {
	var failed error
	for {
		m, err := s.receive()
		if refusal, ok := errors.AsType[*postgresError](err); ok && refusal.severity != "FATAL" {
			failed = err
			continue
		}
		if err != nil {
			return err
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			return failed
		}
		each(m)
	}
}

// leave takes leave, so that the server's log needn't complain.
func (s *postgresTalk) leave() { _ = s.say(&pgproto3.Terminate{}) }

// hexMD5 is what the protocol calls for where a server still has such passwords.
func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
