package proc

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
)

// TestConsole: what others have said can't take over the terminal on which the log is shown, nor look like a line of it.
func TestConsole(t *testing.T) {
	t.Parallel()
	const nasty = "on \x1b[2J\u202e\x9b here\n12:00:00 WRN all is well"
	var out bytes.Buffer
	l := (&Env{LogFormat: "console", LogLevel: "info", Node: nasty}).Logger(&out)
	l.Warn().Err(errors.New(nasty)).Str("check", nasty).Msg(nasty)
	l.Info().Int("n", 1).Msg("fine")
	text := out.String()
	if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' || r == '\u202e' }); i >= 0 {
		t.Errorf("it holds %q: %q", text[i:i+1], text)
	}
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], "    ") || !strings.Contains(lines[2], "fine") {
		t.Errorf("%q", lines)
	}
}
