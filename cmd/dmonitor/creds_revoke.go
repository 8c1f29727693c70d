package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

type credsRevokeCmd struct {
	Kind    events.CredentialKind `arg:"" enum:"prober,reader,operator" help:"prober, reader or operator."`
	Name    string                `arg:"" help:"Whose credentials."`
	Because string                `placeholder:"TEXT" help:"Why, for those who read the file (default: what it says already)."`
}

// Help is shown under the command's flags.
func (credsRevokeCmd) Help() string {
	return "It writes a file into revoked.d of the configuration folder. A node that runs there carries it to all members, which\n" +
		"then refuse the credentials of that name that were issued up to now, and end their connections. Newer ones of the\n" +
		"same name are good. When the file is removed they are all good again, unless they have expired: keep it."
}

// Run takes back what was issued so far.
func (c credsRevokeCmd) Run(a *app) error {
	r := events.Revocation{Kind: c.Kind, Name: c.Name, Before: time.Now().UTC().Truncate(time.Second), Because: c.Because}
	err := events.ValidateRevocable(r.Kind, r.Name)
	if err == nil {
		err = r.Validate()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", proc.ErrUsage, err)
	}
	e, err := a.env()
	if err != nil {
		return err
	}
	if info, err := os.Stat(e.Config); err != nil || !info.IsDir() {
		return hintError{
			fmt.Errorf("%w: %s: no such folder", proc.ErrUsage, e.Config),
			"do it on a node, or set DMONITOR_CONFIG to its configuration folder",
		}
	}
	file := revokedFile(e, r)
	if earlier, ok := earlierRevocation(e, r); ok && r.Because == "" {
		r.Because = earlier.Because
	}
	if err := writeRevocation(file, r); err != nil {
		return hintError{fmt.Errorf("write the revocation: %w", err), "run it as a user who may write into " + e.Config}
	}
	fmt.Fprintf(a.stdout, "wrote %s: credentials of %s %s that were issued until now are refused\n", file, r.Kind, r.Name)
	fmt.Fprintln(a.stdout, "next: a node that runs with this folder tells all members within seconds; keep the file as long as the credentials last")
	fmt.Fprintf(a.stdout, "note: nobody is registered: look at the name %s once more, since a misspelt one can't be noticed\n", r.Name)
	return nil
}

// revokedFile is where a revocation stands on this host.
func revokedFile(e proc.Env, r events.Revocation) string {
	return filepath.Join(e.Config, confdir.RevokedDir, r.String())
}

// earlierRevocation returns what this host's configuration folder says already of the same kind and name.
func earlierRevocation(e proc.Env, r events.Revocation) (events.Revocation, bool) {
	snapshot, _ := confdir.Read(os.DirFS(e.Config), e.Defaults())
	i := slices.IndexFunc(snapshot.Revoked, func(s events.Revocation) bool { return s.Kind == r.Kind && s.Name == r.Name })
	if i < 0 {
		return events.Revocation{}, false
	}
	return snapshot.Revoked[i], true
}

func writeRevocation(file string, r events.Revocation) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	text := "before: " + r.Before.Format(time.RFC3339) + "\n"
	if r.Because != "" {
		text += "because: " + strconv.Quote(r.Because) + "\n"
	}
	return replace(file, []byte(text), 0o644)
}
