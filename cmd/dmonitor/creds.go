package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

type credsCmd struct {
	Prober   credsProberCmd   `cmd:"" help:"Make credentials for a remote prober."`
	Reader   credsReaderCmd   `cmd:"" help:"Make credentials for a tool that hears of outages."`
	Operator credsOperatorCmd `cmd:"" help:"Make credentials for a person with this command line, elsewhere."`
	Show     credsShowCmd     `cmd:"" help:"Say what a credentials file is."`
	Revoke   credsRevokeCmd   `cmd:"" help:"Take credentials back."`
	CA       credsCACmd       `cmd:"" name:"ca" help:"Print the certificate that NATS clients know this cluster by."`
}

// Help is shown under the command's flags.
func (credsCmd) Help() string {
	return "A credentials file is all that somebody outside the nodes needs to talk to them. It is made on a node, with the\n" +
		"cluster key, and nothing has to be registered. Any NATS client takes it; dmonitor takes it as DMONITOR_BUS_CREDS."
}

// mintFlags are those of all commands that make credentials.
type mintFlags struct {
	Expires string `placeholder:"TIME" help:"How long they are good: days such as 90d, or a time such as 36h (default: for ever)."`
	Out     string `short:"o" placeholder:"FILE" help:"Write them to this file, mode 0600."`
	Force   bool   `help:"Replace a file that is there."`
}

type credsProberCmd struct {
	Node string `arg:"" help:"Name of the prober, which takes it from the file: lower-case letters, digits and -."`
	mintFlags
}

// Run makes credentials for a remote prober.
func (c credsProberCmd) Run(a *app) error { return c.mint(a, events.CredentialProber, c.Node) }

type credsReaderCmd struct {
	Name string `arg:"" help:"A name for the tool: lower-case letters, digits and -."`
	mintFlags
}

// Run makes credentials for a tool.
func (c credsReaderCmd) Run(a *app) error { return c.mint(a, events.CredentialReader, c.Name) }

type credsOperatorCmd struct {
	Name string `arg:"" help:"A name for the person: lower-case letters, digits and -."`
	mintFlags
}

// Run makes credentials for a person.
func (c credsOperatorCmd) Run(a *app) error { return c.mint(a, events.CredentialOperator, c.Name) }

func (f mintFlags) mint(a *app, kind events.CredentialKind, name string) error {
	if err := events.ValidateCredential(kind, name); err != nil {
		return fmt.Errorf("%w: %w", proc.ErrUsage, err)
	}
	now, expires := time.Now(), time.Time{}
	if f.Expires != "" {
		d, err := parseSpan(f.Expires)
		if err != nil {
			return fmt.Errorf("%w: --expires: %w", proc.ErrUsage, err)
		}
		expires = now.Add(d)
	}
	ring, _, err := a.ring()
	if err != nil {
		return err
	}
	file, c, err := ring.Mint(kind, name, now, expires)
	if err != nil {
		return err
	}
	if f.Out == "" {
		if _, err := a.stdout.Write(file); err != nil {
			return fmt.Errorf("print the credentials: %w", err)
		}
		return nil
	}
	write := writeNew
	if f.Force {
		write = replace
	}
	if err := write(f.Out, file, 0o600); errors.Is(err, fs.ErrExist) {
		return hintError{fmt.Errorf("%s is there already, and is left alone", f.Out), "another file, or --force"}
	} else if err != nil {
		return fmt.Errorf("write the credentials: %w", err)
	}
	fmt.Fprintf(a.stdout, "wrote credentials of %s %s to %s: good %s\n", kind, name, f.Out, goodUntil(c))
	fmt.Fprintf(a.stdout, "next: %s\n", nextWith(kind))
	return nil
}

// nextWith says what to do with a file of this kind.
func nextWith(kind events.CredentialKind) string {
	switch kind {
	case events.CredentialProber:
		return "on the prober's host, DMONITOR_BUS_URL=nats://NODE:4222 DMONITOR_BUS_CREDS=FILE dmonitor prober"
	case events.CredentialOperator:
		return "DMONITOR_BUS_URL=nats://NODE:4222 DMONITOR_BUS_CREDS=FILE dmonitor status"
	default:
		return "give it to the tool as its NATS credentials, and as its certificate authority (one file is both)"
	}
}

// goodUntil says how long credentials are good.
func goodUntil(c key.Credential) string {
	if c.Expires.IsZero() {
		return "for ever"
	}
	return "until " + moment(c.Expires)
}

// longest is how long credentials may be good at most: longer than that is a slip of the pen.
const longest = 100 * 365 * 24 * time.Hour

// parseSpan reads a time of validity: days as people say them, which time.ParseDuration doesn't know, or its own format.
func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		if err == nil && (math.IsNaN(n) || math.Abs(n) > longest.Hours()/24) {
			n = -1
		}
		d = time.Duration(n * 24 * float64(time.Hour))
	}
	if err != nil {
		return 0, fmt.Errorf("%q is no time: write for example 90d or 36h", s)
	}
	if d < time.Minute || d > longest {
		return 0, fmt.Errorf("%q: want a minute at least and a hundred years at most", s)
	}
	return d, nil
}

type credsCACmd struct{}

// Run prints the authorities of the clients' port, of all keys that are accepted.
func (credsCACmd) Run(a *app) error {
	ring, _, err := a.ring()
	if err != nil {
		return err
	}
	for _, ca := range ring.ClientCAs() {
		if err := pem.Encode(a.stdout, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}); err != nil {
			return fmt.Errorf("print the certificate: %w", err)
		}
	}
	return nil
}
