package shell

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

type settings struct {
	Count int           `env:"COUNT" envDefault:"7"`
	Up    time.Duration `env:"UP"`
}

func TestRun(t *testing.T) {
	cases := []struct {
		rule    string
		args    []string
		environ []string
		fails   error
		exit    int
		want    string // on either output
	}{
		{"settings are read", nil, []string{"DEMO_COUNT=3", "DEMO_UP=2s", "COUNT=9"}, nil, 0, `ran 3 2s`},
		{"defaults are filled in", nil, nil, nil, 0, "ran 7 0s"},
		{"help", []string{"--help"}, nil, nil, 0, "the help"},
		{"arguments are refused", []string{"start"}, nil, nil, 2, "takes no arguments"},
		{"a setting that makes no sense is named", nil, []string{"DEMO_COUNT=x", "DEMO_UP=y"}, nil, 2, `"Up"`},
		{"a failure is told", nil, nil, errors.New("port taken"), 1, "port taken"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			var out strings.Builder
			p := Process{Args: append([]string{"demo-x"}, c.args...), Environ: c.environ, Stdout: &out, Stderr: &out}
			exit := Run(t.Context(), p, "the help\n", func(_ context.Context, s settings, log zerolog.Logger) error {
				log.Info().Msgf("ran %d %v", s.Count, s.Up)
				return c.fails
			})
			if exit != c.exit || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit %d, %s\nwant %d and %q", exit, out.String(), c.exit, c.want)
			}
		})
	}
}
