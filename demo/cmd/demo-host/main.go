// Command demo-host is a host whose services come and go, for the demo to watch; see package host.
package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/demo/host"
	"github.com/dmonitor/dmonitor/demo/internal/shell"
)

const help = `demo-host is a host that comes and goes: down, it refuses connections and resets those that are open.

Settings, all optional:
  DEMO_NAME            demo host         what it calls itself
  DEMO_HTTP_LISTEN     127.0.0.1:8088    where it answers as a web server; "none" for not at all
  DEMO_SSH_LISTEN      127.0.0.1:2222    where it answers as an SSH server; "none" for not at all
  DEMO_UP, DEMO_DOWN   60s, 40s          how long it is up and down, in turns; 0s and 0s: it stays up
  DEMO_CONTROL_LISTEN                    where POST /up, POST /down and GET / are taken; not at all if empty.
                                         There is no password: keep it to yourself.
`

type settings struct {
	Name          string        `env:"NAME"`
	HTTPListen    string        `env:"HTTP_LISTEN" envDefault:"127.0.0.1:8088"`
	SSHListen     string        `env:"SSH_LISTEN" envDefault:"127.0.0.1:2222"`
	Up            time.Duration `env:"UP" envDefault:"60s"`
	Down          time.Duration `env:"DOWN" envDefault:"40s"`
	ControlListen string        `env:"CONTROL_LISTEN"`
}

func main() { shell.Main(help, run) }

func run(ctx context.Context, s settings, log zerolog.Logger) error {
	h, err := host.New(host.Options{
		Name: s.Name, HTTPListen: listen(s.HTTPListen), SSHListen: listen(s.SSHListen), UpFor: s.Up, DownFor: s.Down, Log: log,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	control := make(chan error, 1)
	go func() {
		defer cancel() // without its control the host ends too
		control <- serveControl(ctx, s.ControlListen, h, log)
	}()
	err = h.Run(ctx)
	cancel()
	return errors.Join(err, <-control)
}

func listen(s string) string {
	if s == "none" {
		return ""
	}
	return s
}

// serveControl returns when the context is done; at once only if the address can't be had.
func serveControl(ctx context.Context, addr string, h *host.Host, log zerolog.Logger) error {
	if addr == "" {
		<-ctx.Done()
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Info().Msgf("control on http://%s/", l.Addr())
	srv := &http.Server{Handler: h.Control(), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
