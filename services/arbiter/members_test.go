package arbiter

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// Which nodes there were is read back as it was written; a file that can't be read is an error, and none is nothing.
func TestNodesAreRemembered(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if got, err := readNodes(data); err != nil || len(got) != 0 {
		t.Errorf("no file: %v, %v", got, err)
	}
	want := map[string]string{"fra": "10.0.0.1:2929", "nyc": ""}
	if err := writeNodes(data, want); err != nil {
		t.Fatal(err)
	}
	if got, err := readNodes(data); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for text, want := range map[string]bool{"{": false, `{"Not A Node":"x"}`: true} {
		if err := os.WriteFile(filepath.Join(data, nodesFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readNodes(data); (err == nil) != want || len(got) != 0 {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
