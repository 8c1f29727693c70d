package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The opening words of licences, as they stand in front of programs, and a permission that nobody knows.
const (
	gpl = `This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.
This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied warranty of
MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License for more details. You should have
received a copy of the GNU General Public License along with this program. If not, see <https://www.gnu.org/licenses/>.`
	isc = `Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies. THE SOFTWARE IS PROVIDED "AS
IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION,
ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.`
	ownWords = "You may look at this on Sundays, provided that you bake a cake for its author and send it by carrier pigeon."
)

// project writes a program that needs one module, which a replace line takes from the folder next to it.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"app/go.mod":      "module example.invalid/app\n\ngo 1.26.0\n\nrequire example.invalid/part v1.2.3\n\nreplace example.invalid/part v1.2.3 => ../part\n",
		"app/main.go":     "package main\n\nimport \"example.invalid/part/inner\"\n\nfunc main() { inner.Do() }\n",
		"part/go.mod":     "module example.invalid/part\n\ngo 1.26.0\n",
		"part/inner/x.go": "package inner\n\nfunc Do() {}\n",
		"part/other/x.go": "package other\n",
	}
	for name, text := range files {
		all["part/"+name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "app")
}

// TestCheck: a module whose licence is missing, not known or not among those we take fails the build, by its name, and
// what lies beside the packages that are built in doesn't matter.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  string // empty: it is fine
	}{
		"fine":                           {map[string]string{"LICENSE": isc}, ""},
		"in the British way":             {map[string]string{"LICENCE.md": isc}, ""},
		"copyleft":                       {map[string]string{"COPYING": gpl}, "example.invalid/part : COPYING is GPL-3.0"},
		"both":                           {map[string]string{"LICENSE": isc + "\n\n" + gpl}, "which is not among the licences we take"},
		"copyleft in a folder":           {map[string]string{"LICENSE": isc, "inner/LICENSE.txt": gpl}, "inner/LICENSE.txt is GPL-3.0"},
		"copyleft that isn't built in":   {map[string]string{"LICENSE": isc, "other/LICENSE": gpl}, ""},
		"words nobody knows":             {map[string]string{"LICENSE": ownWords}, "the licence in LICENSE is not recognised"},
		"an empty one":                   {map[string]string{"LICENSE": ""}, "the licence in LICENSE is not recognised"},
		"more conditions than licence":   {map[string]string{"LICENSE": isc + strings.Repeat(ownWords+"\n", 6)}, "not recognised"},
		"none":                           {nil, "there is no licence in it"},
		"a notice is none":               {map[string]string{"NOTICE": isc}, "there is no licence in it"},
		"a program with the name is not": {map[string]string{"license.go": "package part // " + strings.ReplaceAll(isc, "\n", " ")}, "there is no licence in it"},
		"only in a folder":               {map[string]string{"inner/LICENSE": isc}, "there is no licence in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			modules, err := list(project(t, c.files), []string{"."}, false, "")
			if err != nil {
				t.Fatal(err)
			}
			err = check(modules)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("fails: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("says %v, want %q", err, c.want)
			case err != nil && !strings.Contains(err.Error(), "example.invalid/part"):
				t.Errorf("does not say which module: %v", err)
			}
		})
	}
}

// TestOurs: what our own programs are made of is fine, and their licences' texts are the same whenever they are written and
// have every module's licence in them.
func TestOurs(t *testing.T) {
	t.Parallel()
	const tree = "../.."
	modules, err := list(tree, []string{"./cmd/dmonitor", "./plugins/cmd/dmonitor-plugins", "./demo/cmd/demo-inbox"}, false, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := check(modules); err != nil {
		t.Error(err)
	}
	var first, second bytes.Buffer
	if err := texts(&first, modules); err != nil {
		t.Fatal(err)
	}
	again, err := list(tree, []string{"./demo/cmd/demo-inbox", "./plugins/cmd/dmonitor-plugins", "./cmd/dmonitor"}, false, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := texts(&second, again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the texts are not the same the second time")
	}
	for _, m := range modules {
		for _, f := range m.Files {
			if !strings.Contains(first.String(), m.Path+" "+m.Version+", "+f.Name+"\n") || !strings.Contains(first.String(), tidy(f.Text)) {
				t.Errorf("the texts lack %s of %s", f.Name, m.Path)
			}
		}
	}
	for _, path := range []string{"/root/", os.TempDir(), modules[1].Root} {
		if strings.Contains(first.String(), path) {
			t.Errorf("the texts name a folder of this machine: %s", path)
		}
	}
}
