// Package shell is what the demo's commands share: the environment, the log, signals and exit codes. A main function
// names its settings and what to run.
//
// What holds: SIGINT and SIGTERM end the context; a second signal ends the process at once. Exit codes are 0 for a
// clean end, 1 for a failure, 2 for wrong usage or settings.
package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/caarlos0/env/v11"
	"github.com/rs/zerolog"
)

// Prefix is what the names of the demo's environment variables start with.
const Prefix = "DEMO_"

// Process is what a command is started with.
type Process struct {
	Args           []string // with the command's name
	Environ        []string // NAME=value
	Stdout, Stderr io.Writer
}

// Main runs a command as a process and ends it with its exit code.
func Main[S any](help string, run func(context.Context, S, zerolog.Logger) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a signal kills, as it does by default
	os.Exit(Run(ctx, Process{os.Args, os.Environ(), os.Stdout, os.Stderr}, help, run))
}

// Run reads the settings S from the environment and calls run with them. It returns the exit code.
func Run[S any](ctx context.Context, p Process, help string, run func(context.Context, S, zerolog.Logger) error) int {
	switch {
	case len(p.Args) == 2 && (p.Args[1] == "-h" || p.Args[1] == "--help" || p.Args[1] == "help"):
		fmt.Fprint(p.Stdout, help)
		return 0
	case len(p.Args) > 1:
		fmt.Fprintf(p.Stderr, "%s takes no arguments but --help; its settings are environment variables\n", p.Args[0])
		return 2
	}
	var settings S
	if err := env.ParseWithOptions(&settings, env.Options{Prefix: Prefix, Environment: env.ToMap(p.Environ)}); err != nil {
		for line := range strings.SplitSeq(err.Error(), "; ") {
			fmt.Fprintln(p.Stderr, line)
		}
		return 2
	}
	log := zerolog.New(p.Stderr).With().Timestamp().Logger()
	if f, ok := p.Stderr.(*os.File); ok && isTerminal(f) {
		log = log.Output(zerolog.ConsoleWriter{Out: f, TimeFormat: "15:04:05"})
	}
	if err := run(ctx, settings, log); err != nil {
		log.Error().Err(err).Msg("stopped")
		return 1
	}
	return 0
}

// isTerminal tells whether people are reading. A character device is good enough a sign.
func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
