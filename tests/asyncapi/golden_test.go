package asyncapi

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compile makes a validator of one schema of the file.
func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err = yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("asyncapi.json" + schemas + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Real messages are valid by the schemas; without any of the fields that the code always writes they are not, and so
// for the event in a notice and the votes in an event.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../pkg/events/testdata/*.json")
	if err != nil || len(files) < 9 {
		t.Fatalf("golden messages: %v, %v", files, err)
	}
	d := read(t)
	for _, file := range files {
		first, rest, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		kind := strings.ToUpper(first[:1]) + first[1:]
		if rest == "ask" {
			kind += "Ask"
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			s := compile(t, kind)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(decode(t, data)); err != nil {
				t.Error(err)
			}
			for _, field := range d.Components.Schemas[kind].Required {
				m := decode(t, data).(map[string]any)
				delete(m, field)
				if s.Validate(m) == nil {
					t.Errorf("valid without %s", field)
				}
				m[field] = []any{nil}
				if s.Validate(m) == nil {
					t.Errorf("valid with %s: [null]", field)
				}
			}
			m := decode(t, data).(map[string]any)
			m["added-later"] = true
			if err := s.Validate(m); err != nil {
				t.Errorf("a new field: %v", err)
			}
		})
	}
}

// The headers of the golden events are valid as well.
func TestGoldenHeaders(t *testing.T) {
	t.Parallel()
	s := compile(t, "CloudEvent")
	for _, event := range []string{"opened", "closed"} {
		data, err := os.ReadFile("../../pkg/events/testdata/outage-" + event + ".headers.txt")
		if err != nil {
			t.Fatal(err)
		}
		headers := map[string]any{}
		for line := range strings.Lines(string(data)) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
			headers[k] = v
		}
		if err := s.Validate(headers); err != nil {
			t.Error(err)
		}
		headers["ce-type"] = "org.dmonitor.outage.gone"
		if s.Validate(headers) == nil {
			t.Error("an unknown type is valid")
		}
	}
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	if !json.Valid(data) {
		t.Fatal("not JSON")
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
