package main

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
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
	User      string                `json:"user"`
	Publish   []string              `json:"publish"`
	Subscribe []string              `json:"subscribe"`
}

// Run says what a file is. Whether it is revoked is for the members to know.
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
	}
	unwell := v.Expired || v.Accepted != nil && !*v.Accepted
	if c.JSON {
		return printJSON(a.stdout, v, exitIf(unwell))
	}
	table(a.stdout, []string{"kind", string(v.Kind)}, v.rows(creds.Credential))
	return exitIf(unwell)
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
		expiry = "EXPIRED on " + moment(c.Expires)
	}
	switch {
	case v.Accepted == nil:
	case *v.Accepted:
		made += ", which is accepted here"
	default:
		made += ", which is NOT ACCEPTED here"
	}
	return [][]string{
		{"name", v.Name},
		{"issued", moment(v.Issued)},
		{"expires", expiry},
		{"cluster key", made},
		{"user", v.User},
		{"may", mayDo(v.Kind, v.Name)},
	}
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
