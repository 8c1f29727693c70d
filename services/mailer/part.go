package mailer

import "github.com/dmonitor/dmonitor/pkg/proc"

// Part makes the mailer a part of a process, as its environment says.
func Part(p *proc.Process) (proc.Part, error) {
	m, err := New(Options{
		Bus: p.Bus, Node: p.Env.Node, Log: p.Log,
		SMTPURL: p.Env.SMTPURL, PasswordFile: p.Env.SMTPPassword, From: p.Env.MailFrom, Data: p.Env.Data, Metrics: p.Metrics,
	})
	if err != nil {
		return proc.Part{}, err
	}
	return proc.Part{Name: "mailer", AwaitsLog: true, Run: m.Run}, nil
}
