package proc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/key"
)

func ring(t *testing.T, keys ...string) *key.Ring {
	t.Helper()
	r, err := key.Parse("cluster.key", []byte(strings.Join(keys, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What the key file says counts when it has said so for two seconds. What is wrong is told once, and what was in force stays.
func TestKeyWatch(t *testing.T) {
	a, b := key.New(), key.New()
	one, two := keyLook{ring: ring(t, a)}, keyLook{ring: ring(t, a, b)}
	swapped, bad := keyLook{ring: ring(t, b, a)}, keyLook{problem: "x"}
	type at struct {
		second  float64
		look    keyLook
		want    *key.Ring // that counts from now on
		problem string
	}
	for name, looks := range map[string][]at{
		"nothing new":         {{0, one, nil, ""}, {5, keyLook{ring: ring(t, a)}, nil, ""}},
		"a second key":        {{0, one, nil, ""}, {1, two, nil, ""}, {2, two, nil, ""}, {3, two, two.ring, ""}, {4, two, nil, ""}},
		"another one in use":  {{0, two, nil, ""}, {2, two, two.ring, ""}, {3, swapped, nil, ""}, {5, swapped, swapped.ring, ""}},
		"half a file":         {{0, one, nil, ""}, {1, bad, nil, ""}, {2, two, nil, ""}, {3, bad, nil, ""}, {4, one, nil, ""}, {9, one, nil, ""}},
		"something is wrong":  {{0, bad, nil, ""}, {2, bad, nil, "x"}, {3, bad, nil, ""}, {60, bad, nil, ""}},
		"wrong, good, wrong":  {{0, bad, nil, ""}, {2, bad, nil, "x"}, {3, two, nil, ""}, {5, two, two.ring, ""}, {6, bad, nil, ""}, {8, bad, nil, "x"}},
		"no file, and no key": {{0, keyLook{}, nil, ""}, {5, keyLook{}, nil, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &keyWatch{inForce: one.ring}
			start := time.Unix(1e9, 0)
			for _, l := range looks {
				next, problem := w.step(l.look, start.Add(time.Duration(l.second*float64(time.Second))))
				if next != l.want || problem != l.problem {
					t.Errorf("after %v s: %v, %q; want %v, %q", l.second, next, problem, l.want, l.problem)
				}
			}
		})
	}
}

// A missing key is none, unless somebody named it; one that others can read, or that is none, is told with the remedy.
func TestLoadKey(t *testing.T) {
	dir := t.TempDir()
	e := Env{Config: dir}
	if r, err := e.LoadKey(); r != nil || err != nil {
		t.Errorf("no file: %v, %v", r, err)
	}
	path := filepath.Join(dir, KeyFile)
	for _, c := range []struct {
		text, want string
		mode       os.FileMode
	}{
		{key.New(), "", 0o600},
		{key.New(), "chmod 0600", 0o644},
		{"nonsense", path + ":1: ", 0o600},
	} {
		if err := errors.Join(os.WriteFile(path, []byte(c.text), c.mode), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		r, err := e.LoadKey()
		if c.want == "" && (r == nil || err != nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("mode %#o: %v, %v; want %q", c.mode, r, err, c.want)
		}
	}
	e.KeyFile = filepath.Join(dir, "elsewhere")
	if _, err := e.LoadKey(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "DMONITOR_KEY_FILE") || !strings.Contains(err.Error(), "keygen") {
		t.Errorf("a named file that isn't there: %v", err)
	}
}
