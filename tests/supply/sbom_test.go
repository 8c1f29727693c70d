package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestSbom: the list of a program's parts is one that the schema allows, names what Go says is in the program and nothing
// else, and is the same whenever it is written.
func TestSbom(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "demo-inbox")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, "../../demo/cmd/demo-inbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	moment := time.Unix(1_700_000_000, 0).UTC()
	first, err := describe(program, "v1.2.3", moment)
	if err != nil {
		t.Fatal(err)
	}
	second, err := describe(program, "v1.2.3", moment)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("it is not the same the second time")
	}
	if err := valid(t, first); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(first), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range *bom.Components {
		got = append(got, c.Name+" "+c.Version)
		if c.Licenses == nil || len(*c.Licenses) == 0 {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	slices.Sort(got)
	if want := goVersion(t, program); !slices.Equal(got, want) {
		t.Errorf("parts:\n%s\nwant, as go version -m has them:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if main := bom.Metadata.Component; main.Name != "demo-inbox" || main.Version != "v1.2.3" || main.Hashes == nil {
		t.Errorf("the program is %+v", main)
	}
	if got := bom.Metadata.Timestamp; got != "2023-11-14T22:13:20Z" {
		t.Errorf("the moment is %s", got)
	}

	other, err := describe(program, "v1.2.4", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var next cyclonedx.BOM
	if err := json.Unmarshal(other, &next); err != nil {
		t.Fatal(err)
	}
	if next.SerialNumber == bom.SerialNumber || next.Metadata.Timestamp != "" {
		t.Errorf("another list has the number %s and the moment %q", next.SerialNumber, next.Metadata.Timestamp)
	}
	broken := bytes.Replace(first, []byte(`"type": "library"`), []byte(`"type": "bookshop"`), 1)
	if valid(t, broken) == nil {
		t.Error("the schema takes nonsense: it was not used")
	}
}

// goVersion is what the go command says of a program, independent of what we read ourselves.
func goVersion(t *testing.T, program string) []string {
	t.Helper()
	out, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	_, version, _ := strings.Cut(lines[0], ": go")
	all := []string{"std " + version}
	for _, line := range lines[1:] {
		f := strings.Fields(line)
		if f[0] != "dep" {
			continue
		}
		if strings.HasPrefix(f[1], ours+"/") {
			f[2] = "v1.2.3" // Ours have the version of the whole.
		}
		all = append(all, f[1]+" "+f[2])
	}
	if len(all) < 3 {
		t.Fatalf("go version -m names no parts:\n%s", out)
	}
	slices.Sort(all)
	return all
}

// valid holds a list against the schema of CycloneDX, which comes with the library.
func valid(t *testing.T, bom []byte) error {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema")
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		schema, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+name, schema); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(bom))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}
