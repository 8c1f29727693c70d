// Command demo-inbox is the demo's mail server with a page that shows what came in; see package inbox.
package main

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/demo/inbox"
	"github.com/dmonitor/dmonitor/demo/internal/shell"
)

const help = `demo-inbox takes every mail, keeps the last ones in memory and shows them on a page.

Settings, all optional:
  DEMO_SMTP_LISTEN  127.0.0.1:1025  where mail is taken
  DEMO_HTTP_LISTEN  127.0.0.1:8025  where the page is
  DEMO_MAX_MAILS    200             how many mails are kept
  DEMO_HINT                         what the page says while there is no mail
`

type settings struct {
	SMTPListen string `env:"SMTP_LISTEN" envDefault:"127.0.0.1:1025"`
	HTTPListen string `env:"HTTP_LISTEN" envDefault:"127.0.0.1:8025"`
	MaxMails   int    `env:"MAX_MAILS" envDefault:"200"`
	Hint       string `env:"HINT"`
}

func main() { shell.Main(help, run) }

func run(ctx context.Context, s settings, log zerolog.Logger) error {
	box, err := inbox.New(inbox.Options{
		SMTPListen: s.SMTPListen, HTTPListen: s.HTTPListen, MaxMails: s.MaxMails, Hint: s.Hint, Log: log,
	})
	if err != nil {
		return err
	}
	return box.Run(ctx)
}
