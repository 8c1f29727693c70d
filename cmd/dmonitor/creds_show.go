package main

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

type credsShowCmd struct {
	File string `arg:"" help:"The credentials file."`
	JSON bool   `name:"json" help:"Print as JSON."`
}

// credsView is what `dmonitor creds show --json` prints.
type credsView struct {
	Kind      events.CredentialKind `json:"kind"`
	Name      string                `json:"name"`
	Issued    time.Time             `json:"issued"`
	Expires   *time.Time            `json:"expires"` // null: never
	Expired   bool                  `json:"expired"`
	Key       string                `json:"key"`      // fingerprint of the cluster key
	Accepted  *bool                 `json:"accepted"` // by the key file of this host; null: there is none that can be read
	Revoked   *revokedView          `json:"revoked"`  // by the configuration folder of this host; null: not there
	User      string                `json:"user"`
	Publish   []string              `json:"publish"`
	Subscribe []string              `json:"subscribe"`
}

// revokedView is what takes credentials back.
type revokedView struct {
	Before  time.Time `json:"before"` // what was issued then or earlier is refused
	Because string    `json:"because,omitempty"`
	File    string    `json:"file"`
}

// Help is shown under the command's flags.
func (credsShowCmd) Help() string {
	return "On a node it says too whether the cluster key there accepts them, and whether revoked.d of the configuration folder there\n" +
		"takes them back. What stands in the folders of other nodes only the members know. The exit code is 1 if they are no good."
}

// Run says what a file is, and what this host's own folder has to say about it.
func (c credsShowCmd) Run(a *app) error {
	creds, err := key.OpenCreds(c.File)
	if err != nil {
		return err
	}
	v := viewCreds(creds.Credential, time.Now())
	if e, err := a.env(); err == nil {
		if ring, err := e.LoadKey(); err == nil && ring != nil {
			accepted := ring.Accepts(v.Key)
			v.Accepted = &accepted
		}
		v.Revoked = revokedHere(e, creds.Credential)
	}
	unwell := v.Expired || v.Revoked != nil || v.Accepted != nil && !*v.Accepted
	if c.JSON {
		return printJSON(a.stdout, v, exitIf(unwell))
	}
	table(a.stdout, []string{"kind", string(v.Kind)}, v.rows(creds.Credential))
	return exitIf(unwell)
}

// revokedHere looks for a file in revoked.d of this host; nil if none takes these credentials back.
func revokedHere(e proc.Env, c key.Credential) *revokedView {
	r, ok := earlierRevocation(e, events.Revocation{Kind: c.Kind, Name: c.Name})
	if !ok || !r.Refuses(c.Kind, c.Name, c.Issued) {
		return nil
	}
	return &revokedView{Before: r.Before, Because: r.Because, File: revokedFile(e, r)}
}

func viewCreds(c key.Credential, now time.Time) credsView {
	v := credsView{Kind: c.Kind, Name: c.Name, Issued: c.Issued, Key: c.KeyID, User: c.User}
	if !c.Expires.IsZero() {
		v.Expires, v.Expired = &c.Expires, !now.Before(c.Expires)
	}
	v.Publish, v.Subscribe = events.Rights(c.Kind, c.Name)
	v.Publish, v.Subscribe = list(v.Publish), list(v.Subscribe)
	return v
}

func (v credsView) rows(c key.Credential) [][]string {
	expiry, made := goodUntil(c), v.Key
	if v.Expired {
		expiry = "no more: EXPIRED on " + moment(c.Expires)
	}
	switch {
	case v.Accepted == nil:
	case *v.Accepted:
		made += ", which is accepted here"
	default:
		made += ", which is NOT ACCEPTED here"
	}
	rows := [][]string{
		{"name", v.Name},
		{"issued", moment(v.Issued)},
		{"good", expiry},
	}
	if r := v.Revoked; r != nil {
		text := "REVOKED on " + moment(r.Before) + ", by " + r.File
		if r.Because != "" {
			text += ": " + r.Because
		}
		rows = append(rows, []string{"revoked", text})
	}
	return append(rows, [][]string{
		{"cluster key", made},
		{"user", v.User},
		{"may", mayDo(v.Kind, v.Name)},
	}...)
}

// mayDo says in words what events.Rights says in subjects.
func mayDo(kind events.CredentialKind, name string) string {
	switch kind {
	case events.CredentialNode:
		return "do everything"
	case events.CredentialProber:
		return "take the jobs of " + name + " and publish its results"
	case events.CredentialReader:
		return "hear of outages"
	case events.CredentialOperator:
		return "ask what the commands of dmonitor ask, and have a node forgotten"
	default:
		return "do nothing here"
	}
}
