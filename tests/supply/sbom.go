package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

type sbomCommand struct {
	Programs []string `arg:"" help:"Programs that have been built." type:"existingfile"`
	Out      string   `required:"" help:"Folder to write PROGRAM.cdx.json into." type:"existingdir"`
	Version  string   `required:"" help:"Version that is stamped into the programs."`
}

func (c *sbomCommand) Run(stdout io.Writer) error {
	moment, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	for _, program := range c.Programs {
		bom, err := describe(program, c.Version, moment)
		if err != nil {
			return err
		}
		path := filepath.Join(c.Out, filepath.Base(program)+".cdx.json")
		if err := write(path, func(w io.Writer) error { _, err := w.Write(bom); return err }); err != nil {
			return fmt.Errorf("write a list of parts: %w", err)
		}
		if _, err := fmt.Fprintln(stdout, path); err != nil {
			return err
		}
	}
	return nil
}

// sourceDate reads the moment that reproducible builds give instead of the clock: seconds since 1970. Empty is none.
func sourceDate(seconds string) (time.Time, error) {
	if seconds == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(n, 0).UTC(), nil
}

// describe returns the list of parts of a program, as JSON. It depends on the program, the version and the moment alone:
// the serial number is made from the rest.
func describe(program, version string, moment time.Time) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read a program: %w", err)
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("read what %s was built from: %w", program, err)
	}
	modules, err := list(".", []string{info.Path}, false, setting(info, "-tags"))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	bom := cyclonedx.NewBOM()
	main := component(cyclonedx.ComponentTypeApplication, info.Path, version)
	main.Name = filepath.Base(program)
	main.Hashes = sha(hex.EncodeToString(sum[:]))
	main.Licenses = choice([]string{"Apache-2.0"})
	main.Properties = properties(info)
	bom.Metadata = &cyclonedx.Metadata{Component: &main}
	if !moment.IsZero() {
		bom.Metadata.Timestamp = moment.Format(time.RFC3339)
	}
	parts, err := components(info, version, modules)
	if err != nil {
		return nil, fmt.Errorf("list the parts of %s: %w", program, err)
	}
	bom.Components = &parts
	unnamed, err := encode(bom)
	if err != nil {
		return nil, err
	}
	bom.SerialNumber = serial(unnamed)
	return encode(bom)
}

// components are the standard library and every module that Go says is in the program, with the licences that were found.
func components(info *debug.BuildInfo, version string, modules []*Module) ([]cyclonedx.Component, error) {
	std := component(cyclonedx.ComponentTypeLibrary, "std", strings.TrimPrefix(info.GoVersion, "go"))
	std.Licenses = choice(modules[0].IDs())
	all := []cyclonedx.Component{std}
	for _, dep := range info.Deps {
		if own(dep.Path) {
			c := component(cyclonedx.ComponentTypeLibrary, dep.Path, version)
			c.Licenses = choice([]string{"Apache-2.0"})
			all = append(all, c)
			continue
		}
		from := dep
		if dep.Replace != nil {
			from = dep.Replace
		}
		i := slices.IndexFunc(modules, func(m *Module) bool { return m.Path == dep.Path && m.Version == from.Version })
		if i < 0 {
			return nil, fmt.Errorf("%s %s is in the program, but not in the source that lies here: build it anew", dep.Path, from.Version)
		}
		c := component(cyclonedx.ComponentTypeLibrary, from.Path, from.Version)
		c.Licenses = choice(modules[i].IDs())
		if h, ok := strings.CutPrefix(from.Sum, "h1:"); ok {
			raw, err := base64.StdEncoding.DecodeString(h)
			if err != nil {
				return nil, fmt.Errorf("read the checksum of %s: %w", from.Path, err)
			}
			c.Hashes = sha(hex.EncodeToString(raw))
		}
		all = append(all, c)
	}
	return all, nil
}

func own(path string) bool { return path == ours || strings.HasPrefix(path, ours+"/") }

func component(kind cyclonedx.ComponentType, path, version string) cyclonedx.Component {
	url := "pkg:golang/" + path + "@" + version
	return cyclonedx.Component{
		BOMRef: url, Type: kind, Name: path, Version: version, PackageURL: url, Scope: cyclonedx.ScopeRequired,
	}
}

func sha(hash string) *[]cyclonedx.Hash {
	return &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hash}}
}

func choice(ids []string) *cyclonedx.Licenses {
	all := cyclonedx.Licenses{}
	for _, id := range ids {
		all = append(all, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}})
	}
	return &all
}

// properties are the settings the program was built with.
func properties(info *debug.BuildInfo) *[]cyclonedx.Property {
	all := []cyclonedx.Property{{Name: "dmonitor:build:go", Value: info.GoVersion}}
	for _, s := range info.Settings {
		all = append(all, cyclonedx.Property{Name: "dmonitor:build:" + s.Key, Value: s.Value})
	}
	return &all
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// serial makes a UUID from a content (version 8 of RFC 9562: made by rules of our own).
func serial(content []byte) string {
	sum := sha256.Sum256(content)
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func encode(bom *cyclonedx.BOM) ([]byte, error) {
	var out bytes.Buffer
	e := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON)
	e.SetPretty(true)
	if err := e.EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("write a list of parts: %w", err)
	}
	return out.Bytes(), nil
}
