package gate

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// script runs one of .ci's scripts in a folder and returns its exit code and all it printed.
func script(t *testing.T, dir string, env []string, name string, args ...string) (int, string) {
	t.Helper()
	full, err := filepath.Abs(filepath.Join("../../.ci", name))
	if err != nil {
		t.Fatal(err)
	}
	return execute(t, dir, env, full, args...)
}

func execute(t *testing.T, dir string, env []string, name string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// program writes a shell script to stand in for a real program.
func program(t *testing.T, dir, name, body string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	executable(t, p, "#!/bin/sh\n"+body+"\n")
	return p
}

// executable writes a file that is run afterwards. No other test may start a program meanwhile: its child would hold the
// file open for writing for an instant, and then it can't be run ("text file busy").
func executable(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestVuln: only a database that can't be reached is forgiven, and that is said.
func TestVuln(t *testing.T) {
	t.Parallel()
	fetch := func(err string) string {
		return `echo 'govulncheck: fetching vulnerabilities: ` + err + `' >&2; exit 1`
	}
	get := func(err string) string { return fetch(`Get "https://db.invalid/index/modules.json.gz": ` + err) }
	for _, c := range []struct {
		name, says string
		code       int
		forgiven   bool
	}{
		{"nothing found", "echo 'No vulnerabilities found.'", 0, false},
		{"no such host", get("dial tcp: lookup db.invalid on 10.0.0.1:53: no such host"), 0, true},
		{"name server fails", get("dial tcp: lookup db.invalid: Temporary failure in name resolution"), 0, true},
		{"refused", get("dial tcp 192.0.2.1:443: connect: connection refused"), 0, true},
		{"no route", get("dial tcp 192.0.2.1:443: connect: no route to host"), 0, true},
		{"timed out", get("dial tcp 192.0.2.1:443: i/o timeout"), 0, true},
		{"a vulnerability", "echo 'Vulnerability #1: GO-2026-0001'; exit 3", 3, false},
		{"a vulnerability, and then the line goes dead", "echo 'Vulnerability #1'; " + get("no such host"), 1, false},
		{"two errors", "echo 'govulncheck: loading packages: no' >&2; " + get("no such host"), 1, false},
		{"another exit code", strings.Replace(get("no such host"), "exit 1", "exit 2", 1), 2, false},
		{"a certificate nobody trusts", get("tls: failed to verify certificate: x509: certificate signed by unknown authority"), 1, false},
		{"the database answers nonsense", fetch("unexpected status code: 503"), 1, false},
		{"a dead host named elsewhere", "echo 'govulncheck: loading packages: lookup proxy.invalid: no such host' >&2; exit 1", 1, false},
		{"packages that don't load", "echo 'govulncheck: loading packages: no required module' >&2; exit 1", 1, false},
		{"killed without a word", "kill -9 $$", 137, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			code, out := script(t, dir, nil, "vuln", program(t, dir, "govulncheck", c.says), "./...")
			if code != c.code {
				t.Errorf("exit code %d, want %d; it printed:\n%s", code, c.code, out)
			}
			if forgiven := strings.Contains(out, "NOT CHECKED: "); forgiven != c.forgiven {
				t.Errorf("says NOT CHECKED: %t, want %t; it printed:\n%s", forgiven, c.forgiven, out)
			}
		})
	}
}

// TestEach: every module is tried, and one failure is enough to fail.
func TestEach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, m := range []string{"a", "b", "c"} {
		if err := os.MkdirAll(filepath.Join(dir, m), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		modules, command string
		code             int
		want             []string
	}{
		"all fine":        {"./a ./b ./c", "true", 0, []string{"fine  a", "fine  b", "fine  c"}},
		"the middle one":  {"./a ./b ./c", `[ "$(basename "$PWD")" != b ]`, 1, []string{"fine  a", "FAIL  b", "fine  c", "failed in 1 of 3 modules: ./b"}},
		"a missing one":   {"./a ./lost", "true", 1, []string{"FAIL  lost"}},
		"no module":       {"", "true", 1, []string{"nothing was done"}},
		"no such command": {"./a", "exec /no/such/command", 1, []string{"FAIL  a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out := script(t, dir, nil, "each", c.modules, "sh", "-c", c.command)
			if code != c.code {
				t.Errorf("exit code %d, want %d; it printed:\n%s", code, c.code, out)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("does not say %q; it printed:\n%s", want, out)
				}
			}
		})
	}
}

// TestNeed: what is there is passed over, what is missing is installed, and what can't be installed is named.
func TestNeed(t *testing.T) {
	t.Parallel()
	const asRoot, asUser = "echo 0", "echo 1000"
	for name, c := range map[string]struct {
		id, aptGet, thing string
		code              int
		want              string
	}{
		"there":            {asUser, "exit 1", "sh=dash", 0, ""},
		"a file, there":    {asUser, "exit 1", "/bin/sh=dash", 0, ""},
		"not root":         {asUser, "exit 0", "no-such-thing=thing-package", 1, "missing: no-such-thing (on Debian: apt-get install thing-package)"},
		"installed":        {asRoot, "exit 0", "no-such-thing=thing-package", 0, "installing thing-package"},
		"a file, missing":  {asRoot, "exit 0", "/no/such/file=thing-package", 0, "installing thing-package"},
		"not to be had":    {asRoot, `[ "$1" = update ]`, "no-such-thing=thing-package", 1, "could not install thing-package"},
		"old list is fine": {asRoot, `[ "$1" = install ]`, "no-such-thing=thing-package", 0, "installing thing-package"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "id", c.id)
			program(t, dir, "apt-get", c.aptGet)
			code, out := script(t, dir, []string{"PATH=" + dir + ":" + os.Getenv("PATH")}, "need", c.thing)
			if code != c.code || !strings.Contains(out, c.want) || (c.want == "" && out != "") {
				t.Errorf("exit code %d, want %d and %q; it printed:\n%s", code, c.code, c.want, out)
			}
		})
	}
}

// TestUnpack: what is asked for and what it needs ends up in the folder, and nothing is installed; half of it is nothing.
func TestUnpack(t *testing.T) {
	t.Parallel()
	const fine = `case "$1 $2" in
"install -s") echo "Inst lib-one (1.0)"; echo "Remv other-mail-server"; echo "Conf lib-one (1.0)" ;;
install*) echo installed >&2; exit 1 ;;
download*) touch "$3.deb" ;;
esac`
	for name, c := range map[string]struct {
		aptGet string
		code   int
		want   string
		files  int
	}{
		"fine":             {fine, 0, "", 2},
		"not known":        {`[ "$1" != install ] || { echo "E: no such package"; exit 100; } >&2`, 1, "no such package", -1},
		"not to be had":    {strings.Replace(fine, "touch", `[ "$3" != lib-one ] && touch`, 1), 1, "missing: lib-one", -1},
		"old list is fine": {`[ "$1" != update ] || exit 1; ` + fine, 0, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "apt-get", c.aptGet)
			program(t, dir, "dpkg", `f=$(basename "$2"); touch "$3/$f"; chmod u+s "$3/$f"`)
			env := []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
			folder := filepath.Join(dir, "cache/tree")
			code, out := script(t, dir, env, "unpack", folder, "thing")
			if code != c.code || !strings.Contains(out, c.want) || c.code == 0 && out != "" {
				t.Fatalf("exit code %d, want %d and %q; it printed:\n%s", code, c.code, c.want, out)
			}
			files, err := os.ReadDir(folder)
			if err == nil != (c.files >= 0) || len(files) != max(c.files, 0) {
				t.Errorf("in the folder: %v (%v), want %d files", files, err, c.files)
			}
			for _, f := range files {
				if info, err := f.Info(); err != nil || info.Mode()&os.ModeSetuid != 0 {
					t.Errorf("%s has mode %v (%v)", f.Name(), info.Mode(), err)
				}
			}
			if left, err := filepath.Glob(filepath.Join(dir, "cache/*.*")); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
			if c.code == 0 { // It is there now: nobody is asked.
				program(t, dir, "apt-get", "exit 1")
				if code, out := script(t, dir, env, "unpack", folder, "thing"); code != 0 {
					t.Errorf("again: exit code %d; it printed:\n%s", code, out)
				}
			}
		})
	}
}

// TestFuzz: every target is tried, a failing one or one that doesn't compile fails the whole, and no target at all is a
// failure too.
func TestFuzz(t *testing.T) {
	t.Parallel()
	const two = "package x\n\nfunc FuzzA(f *testing.F) {\nfunc FuzzB(f *testing.F) {\n"
	// The stand-in for go "compiles" what it is told to: a test that runs says.
	compiles := func(says string) string {
		return `case "$1" in env) pwd;; test) while [ "$1" != -o ]; do shift; done; printf '#!/bin/sh\n%s\n' '` + says + `' >"$2"; chmod +x "$2";; esac`
	}
	for name, c := range map[string]struct {
		source, goSays string
		only           []string
		code           int
		want           string
	}{
		"fine":            {two, compiles("echo ran"), nil, 0, "2 fuzz targets, none failed"},
		"one fails":       {two, compiles(`case "$*" in *FuzzA*) exit 1;; esac`), nil, 1, "failed: FuzzA\n"},
		"the last fails":  {two, compiles(`case "$*" in *FuzzB*) exit 1;; esac`), nil, 1, "failed: FuzzB\n"},
		"only one":        {two, compiles("echo ran"), []string{"FuzzB"}, 0, "1 fuzz targets, none failed"},
		"no such one":     {two, compiles("echo ran"), []string{"FuzzC"}, 1, "nothing was tried"},
		"doesn't compile": {two, "exit 1", nil, 1, "failed: FuzzA FuzzB"},
		"no targets":      {"package x\n\nfunc TestA(t *testing.T) {\n", compiles("echo ran"), nil, 1, "nothing was tried"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, folder := range []string{"cmd", "demo", "pkg", "plugins", "services", "tests"} {
				if err := os.MkdirAll(filepath.Join(dir, folder, "x"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "pkg/x/x_test.go"), []byte(c.source), 0o600); err != nil {
				t.Fatal(err)
			}
			program(t, dir, "bin/go", c.goSays)
			env := []string{"PATH=" + dir + "/bin:" + os.Getenv("PATH")}
			code, out := script(t, dir, env, "fuzz", append([]string{"1x"}, c.only...)...)
			if code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit code %d, want %d and %q; it printed:\n%s", code, c.code, c.want, out)
			}
		})
	}
}

// TestReproducible: two builds that differ in one program, or in which programs there are, fail; so does a build that makes
// nothing, or that fails. What is made depends on what the stand-in for make looks at.
func TestReproducible(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make string
		code int
		want string
	}{
		"the same":            {"mkdir bin; cat file >bin/a; echo $4 >bin/b", 0, "2 programs, the same in both builds"},
		"the folder is in it": {"mkdir bin; pwd >bin/a; echo >bin/b", 1, "not the same in two builds: a\n"},
		"the time zone":       {"mkdir bin; echo >bin/a; echo $TZ >bin/b", 1, "not the same in two builds: b\n"},
		"the mask":            {"mkdir bin; echo >bin/a; umask >bin/b", 1, "not the same in two builds: b\n"},
		"the caches":          {"mkdir bin; echo $GOCACHE >bin/a", 1, "not the same in two builds: a\n"},
		"git":                 {"mkdir bin; ls -d .git >bin/a || true", 1, "not the same in two builds: a\n"},
		"one program more":    {"mkdir bin; echo >bin/a; [ $TZ = UTC ] || echo >bin/b", 1, "have not made the same programs"},
		"one program less":    {"mkdir bin; echo >bin/a; [ $TZ != UTC ] || echo >bin/b", 1, "have not made the same programs"},
		"no program":          {"mkdir bin", 1, ""},
		"make fails":          {"mkdir bin; echo >bin/a; exit 3", 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			source, err := os.ReadFile("../../.ci/reproducible")
			if err != nil {
				t.Fatal(err)
			}
			executable(t, filepath.Join(dir, ".ci/reproducible"), string(source))
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte("source"), 0o600); err != nil {
				t.Fatal(err)
			}
			program(t, dir, "stubs/make", c.make)
			program(t, dir, "stubs/go", "echo "+dir+"/modules")
			if code, out := execute(t, dir, nil, "git", "init", "-q"); code != 0 {
				t.Fatal(out)
			}
			code, out := execute(t, dir, []string{"PATH=" + dir + "/stubs:" + os.Getenv("PATH")}, filepath.Join(dir, ".ci/reproducible"), "v1")
			if code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit code %d, want %d and %q; it printed:\n%s", code, c.code, c.want, out)
			}
		})
	}
}
