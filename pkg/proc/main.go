package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
)

// Builder makes a part of a process, as its environment says.
type Builder func(*Process) (Part, error)

// Main is the main function of a service's own program: it reads the environment, opens the bus, runs the part that
// build makes, and exits. What says in half a sentence what the program does.
func Main(name, what string, build Builder, options ...Option) {
	os.Exit(run(name, what, os.Args[1:], build, options...))
}

func run(name, what string, args []string, build Builder, options ...Option) int {
	if len(args) > 0 {
		return answer(name, what, args[0], os.Stdout, os.Stderr)
	}
	ctx, cancel := Signals(context.Background())
	defer cancel()
	e, err := Load(os.Environ(), Host())
	if err != nil {
		return Fail(os.Stderr, name, fmt.Errorf("%w: %w", ErrUsage, err))
	}
	log := e.Logger(os.Stderr)
	log.Info().Msg(VersionLine(name) + " starts")
	p, err := Start(ctx, e, log, options...)
	if err == nil {
		err = p.Run(ctx, build)
	}
	if err != nil {
		return Fail(os.Stderr, name, err)
	}
	return ExitFine
}

// answer handles the two flags a service's program has.
func answer(name, what, arg string, stdout, stderr io.Writer) int {
	switch arg {
	case "--version", "-version", "version":
		fmt.Fprintln(stdout, VersionLine(name))
		return ExitFine
	case "--help", "-help", "-h", "help":
		fmt.Fprintf(stdout, "%s %s.\n\nIt takes no arguments; it is set up by its environment:\n\n", name, what)
		Help(stdout)
		return ExitFine
	default:
		fmt.Fprintf(stderr, "%s: no such argument: %s\nhint: it is set up by its environment; %s --help lists it\n", name, arg, name)
		return ExitUsage
	}
}

// Help writes the table of environment variables.
func Help(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings() {
		text := s.Help
		if s.Default != "" {
			text += " (default: " + s.Default + ")"
		}
		fmt.Fprintf(tw, "  %s\t%s\n", s.Name, text)
	}
	tw.Flush()
}

// Signals returns a context that ends on SIGINT or SIGTERM. After the first signal the default handling is back, so
// that a second one ends the process at once.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel)
	return ctx, cancel
}

// Fail prints an error for people, one line per cause, and returns the exit code that belongs to it.
func Fail(w io.Writer, name string, err error) int {
	text := strings.TrimPrefix(err.Error(), ErrUsage.Error()+": ")
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, "%s: %s\n", name, strings.TrimRight(line, "\n"))
	}
	if errors.Is(err, ErrUsage) {
		return ExitUsage
	}
	return ExitFailed
}
