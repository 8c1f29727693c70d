//go:build deb

package deb

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestLintian: Debian's own checker finds no fault, warnings included, in the packages of either architecture.
func TestLintian(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{olderPkg, other} {
		cmd := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("lintian %s: %v\n%s", filepath.Base(pkg), err, out)
		}
	}
}

// TestReproducible: the same source makes the same bytes, whatever the time zone, the language, the umask and the flags
// of whoever builds; another version makes others.
func TestReproducible(t *testing.T) {
	t.Parallel()
	a, b := content(t, olderPkg), content(t, again)
	if !bytes.Equal(a, b) {
		t.Errorf("%s and %s differ", olderPkg, again)
	}
	if bytes.Equal(a, content(t, newerPkg)) {
		t.Error("two versions are the same")
	}
	var tars [2]string
	for i, env := range []string{"TZ=Asia/Tokyo", "MASK=077"} {
		var err error
		if tars[i], err = pack([]string{source, elsewhere}[i], "tarball", "tar"+string(rune('0'+i)), older, runtime.GOARCH, env); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(content(t, tars[0]), content(t, tars[1])) {
		t.Error("the tarballs differ")
	}
	sums := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	sums.Dir = filepath.Dir(tars[0])
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("SHA256SUMS: %v\n%s", err, out)
	}
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-C", dir, "--strip-components=1", "-xzf", tars[0]).CombinedOutput(); err != nil {
		t.Fatalf("unpack: %v\n%s", err, out)
	}
	if out, err := exec.Command(filepath.Join(dir, "dmonitor"), "version").Output(); err != nil || !strings.Contains(string(out), older+" ") {
		t.Errorf("the tarball's dmonitor says %q (%v)", out, err)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOtherArchitecture: the other package has the other machine's program, static and stripped, and else the same files.
func TestOtherArchitecture(t *testing.T) {
	t.Parallel()
	var lists [2]string
	for i, c := range []struct {
		pkg  string
		arch string
	}{{olderPkg, runtime.GOARCH}, {other, map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]}} {
		dir := t.TempDir()
		if out, err := exec.Command("dpkg-deb", "-x", c.pkg, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := exec.Command("find", dir, "-printf", "%P %M %l\n").Output()
		if err != nil {
			t.Fatal(err)
		}
		lists[i] = string(out)
		bin, err := elf.Open(filepath.Join(dir, "usr/bin/dmonitor"))
		if err != nil {
			t.Fatal(err)
		}
		defer bin.Close()
		if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[c.arch]; bin.Machine != want {
			t.Errorf("%s: a program for %v", c.pkg, bin.Machine)
		}
		for _, p := range bin.Progs {
			if p.Type == elf.PT_INTERP {
				t.Errorf("%s: the program is not static", c.pkg)
			}
		}
		if bin.Section(".symtab") != nil {
			t.Errorf("%s: the program is not stripped", c.pkg)
		}
		field, err := exec.Command("dpkg-deb", "-f", c.pkg, "Architecture").Output()
		if err != nil || strings.TrimSpace(string(field)) != c.arch {
			t.Errorf("%s: Architecture: %s (%v)", c.pkg, field, err)
		}
	}
	if lists[0] != lists[1] {
		t.Errorf("the packages have other files:\n%s\n%s", lists[0], lists[1])
	}
}
