package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The golden files are the messages as they stand in the documentation. They are part of the contract: a change that
// makes this test fail is one that other people's programs will notice.
func TestGolden(t *testing.T) {
	want := map[string]bool{}
	for _, s := range samples() {
		data, err := events.Encode(s.message)
		if err != nil {
			t.Fatal(err)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, data, "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		want[s.name+".json"] = true
		checkGolden(t, s.name+".json", pretty.Bytes())
		got, err := s.again(s.message.Subject(), readGolden(t, s.name+".json"))
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		} else if !reflect.DeepEqual(got, s.message) {
			t.Errorf("%s: read back as %+v, want %+v", s.name, got, s.message)
		}
	}
	for _, o := range []events.Outage{openedOutage(), closedOutage()} {
		var text bytes.Buffer
		headers := o.Headers()
		for _, k := range slices.Sorted(maps.Keys(headers)) {
			fmt.Fprintf(&text, "%s: %s\n", k, headers[k])
		}
		name := "outage-" + string(o.Event) + ".headers.txt"
		want[name] = true
		checkGolden(t, name, text.Bytes())
	}
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[filepath.Base(f)] {
			t.Errorf("%s: no test makes this file", f)
		}
	}
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", name), got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readGolden(t, name); !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew)\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

func readGolden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
