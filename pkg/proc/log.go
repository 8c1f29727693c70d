package proc

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
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
		w = zerolog.ConsoleWriter{
			Out: w, TimeFormat: time.TimeOnly, NoColor: !ok || !isatty.IsTerminal(f.Fd()), FormatPrepare: harmless,
		}
	}
	level, err := zerolog.ParseLevel(e.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel // Load has refused it before.
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("node", e.Node).Logger()
}

// maxLine is the longest message that a terminal is shown, in bytes.
const maxLine = 16 << 10

// harmless takes out of a message what would move a terminal's cursor or colour its text: a message may repeat what others
// have said, such as a subject of the bus. The writer itself quotes fields, but not the message. Further lines are
// indented, so that none looks like one of the log's own.
func harmless(line map[string]any) error {
	if text, ok := line[zerolog.MessageFieldName].(string); ok {
		line[zerolog.MessageFieldName] = strings.ReplaceAll(events.CleanText(text, maxLine), "\n", "\n    ")
	}
	return nil
}
