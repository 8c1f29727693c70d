package proc

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

var (
	logLevels  = []string{"debug", "info", "warn", "error"}
	logFormats = []string{"auto", "json", "console"}
)

// Logger makes the log of a process on w, in the format and from the level that the environment asks for.
func (e *Env) Logger(w io.Writer) zerolog.Logger {
	console := e.LogFormat == "console"
	if f, ok := w.(*os.File); ok && e.LogFormat == "auto" {
		console = isatty.IsTerminal(f.Fd())
	}
	if console {
		f, ok := w.(*os.File)
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !ok || !isatty.IsTerminal(f.Fd())}
	}
	level, err := zerolog.ParseLevel(e.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel // Load has refused it before.
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("node", e.Node).Logger()
}
