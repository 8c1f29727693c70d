package asyncapi

import (
	"os"
	"testing"

	"github.com/goccy/go-yaml"
)

// document is the part of AsyncAPI 3.0 that is held against the code.
type document struct {
	AsyncAPI   string             `yaml:"asyncapi"`
	Channels   map[string]channel `yaml:"channels"`
	Operations map[string]struct {
		Channel reference `yaml:"channel"`
	} `yaml:"operations"`
	Components struct {
		Messages map[string]struct {
			Headers *reference `yaml:"headers"`
			Payload *reference `yaml:"payload"`
		} `yaml:"messages"`
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

type reference struct {
	Ref string `yaml:"$ref"`
}

type channel struct {
	Address    string `yaml:"address"`
	Parameters map[string]struct {
		Enum []string `yaml:"enum"`
	} `yaml:"parameters"`
	Messages map[string]reference `yaml:"messages"`
	Stream   string               `yaml:"x-stream"`
	Bucket   string               `yaml:"x-bucket"`
}

type schema struct {
	Ref        string            `yaml:"$ref"`
	Type       string            `yaml:"type"`
	Format     string            `yaml:"format"`
	Enum       []string          `yaml:"enum"`
	Const      any               `yaml:"const"`
	Pattern    string            `yaml:"pattern"`
	MaxLength  *int              `yaml:"maxLength"`
	MaxItems   *int              `yaml:"maxItems"`
	Minimum    *int              `yaml:"minimum"`
	Maximum    *int              `yaml:"maximum"`
	Required   []string          `yaml:"required"`
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
}

const path = "../../docs/asyncapi.yaml"

func read(t *testing.T) document {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if d.AsyncAPI != "3.0.0" || len(d.Channels) == 0 {
		t.Fatalf("version %q with %d channels: not the file this test knows", d.AsyncAPI, len(d.Channels))
	}
	return d
}
