//go:build deb

package deb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Two versions, the second of which Debian takes for an upgrade of the first.
const (
	older, olderDeb = "v0.9.0", "0.9.0"
	newer, newerDeb = "v0.10.0-3-gabc1234", "0.10.0+3.gabc1234"
)

// cache is kept between runs: the Debian that every test gets a copy of.
const cache = "../../.cache/deb"

// What TestMain builds.
var (
	here                      string // a folder for this run
	olderPkg, newerPkg, again string // packages for this machine
	other                     string // the older one for the other architecture
	base                      string // a Debian
)

// TestMain builds the packages and sees to a Debian, and refuses where the tests can't run: a green run that ran nothing
// would be a lie.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Geteuid() != 0 {
		return refuse("a Debian of its own needs root: sudo make test-deb")
	}
	for _, tool := range []string{"debootstrap", "systemd-nspawn", "nsenter", "lintian", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return refuse(tool + " is missing: make test-deb installs it")
		}
	}
	abs, err := filepath.Abs(cache)
	if err == nil {
		err = os.MkdirAll(abs, 0o755)
	}
	if err == nil {
		here, err = os.MkdirTemp(abs, "run-")
	}
	if err != nil {
		return refuse(err.Error())
	}
	defer os.RemoveAll(here)
	if err := prepare(); err != nil {
		return refuse(err.Error())
	}
	return m.Run()
}

func refuse(why string) int {
	fmt.Fprintln(os.Stderr, "FAIL: tests/deb: "+why)
	return 1
}

func prepare() error {
	arch, foreign := runtime.GOARCH, map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	if foreign == "" {
		return fmt.Errorf("there is no package for %s", arch)
	}
	for _, dir := range []string{source, elsewhere} {
		if err := snapshot(filepath.Join(here, dir)); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	errs := make([]error, 5)
	all.Go(func() { olderPkg, errs[0] = pack(source, "deb", "older", older, arch) })
	all.Go(func() { newerPkg, errs[1] = pack(source, "deb", "newer", newer, arch) })
	// The same once more, as somebody else on another machine might.
	all.Go(func() {
		again, errs[2] = pack(elsewhere, "deb", "again", older, arch, "TZ=Asia/Tokyo", "LANG=de_DE.UTF-8", "GOFLAGS=-ldflags=-v", "MASK=077", "HOME="+here)
	})
	all.Go(func() { other, errs[3] = pack(source, "deb", "other", older, foreign) })
	all.Go(func() { base, errs[4] = debian() })
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Copies of the source tree, below the folder of this run: what is built twice has to be built from the same, and in
// two places.
const source, elsewhere = "source", "else/where"

func snapshot(dir string) error {
	cmd := exec.Command("bash", "-c", `set -o pipefail; mkdir -p "$1/.cache" &&
		tar -C ../.. --exclude=./.git --exclude=./.cache --exclude=./bin --exclude=./dist -cf - . | tar -C "$1" -xf -`, "-", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("copy the source: %w\n%s", err, out)
	}
	return nil
}

// pack builds a package or a tarball from a copy of the source, into a folder of its own.
func pack(from, what, folder, version, arch string, env ...string) (string, error) {
	out := filepath.Join(here, folder)
	cache, _ := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output() // HOME may be another
	dirs := bytes.Fields(cache)
	cmd := exec.Command("bash", "-c", `umask ${MASK:-022}; exec packaging/build "$@"`, "-", what, arch)
	cmd.Dir = filepath.Join(here, from)
	cmd.Env = append(os.Environ(), "OUT="+out, "VERSION="+version, "SOURCE_DATE_EPOCH=1767225600",
		"GOCACHE="+string(dirs[0]), "GOMODCACHE="+string(dirs[1]))
	cmd.Env = append(cmd.Env, env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the %s of %s for %s: %w\n%s", what, version, arch, err, text)
	}
	found, _ := filepath.Glob(filepath.Join(out, "dmonitor_*"))
	if len(found) != 1 {
		return "", fmt.Errorf("built %q, want one file", found)
	}
	return found[0], nil
}
