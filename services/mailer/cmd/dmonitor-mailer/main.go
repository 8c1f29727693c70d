// Command dmonitor-mailer sends the notices about outages by mail. It is set up by its environment; --help lists it.
package main

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/mailer"
)

func main() {
	proc.Main("dmonitor-mailer", "tells people about outages by mail", func(p *proc.Process) ([]proc.Part, error) {
		m, err := mailer.New(mailer.Options{
			Bus: p.Bus, Node: p.Env.Node, Log: p.Log,
			SMTPURL: p.Env.SMTPURL, PasswordFile: p.Env.SMTPPassword, From: p.Env.MailFrom,
		})
		if err != nil {
			return nil, err
		}
		return []proc.Part{{Name: "mailer", NeedsLog: true, Run: m.Run}}, nil
	})
}
