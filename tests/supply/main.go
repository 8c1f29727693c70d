package main

import (
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// commands are what "make licences" and "make sbom" call. Package patterns are relative to the working directory.
type commands struct {
	Licences licencesCommand `cmd:"" help:"Fail if a module stands under a licence we don't take; write the texts."`
	Sbom     sbomCommand     `cmd:"" help:"Write a CycloneDX list of parts for each program."`
}

type licencesCommand struct {
	Packages []string `arg:"" help:"Packages of the programs, as go build takes them."`
	Tests    bool     `help:"Look at what their tests need, too. Nothing of that is passed on, so no texts are written."`
	Tags     string   `help:"Build tags, separated by commas."`
	Out      string   `help:"Write the licences' texts to this file." type:"path"`
}

func (c *licencesCommand) Run(stdout io.Writer) error {
	modules, err := list(".", c.Packages, c.Tests, c.Tags)
	if err != nil {
		return err
	}
	if err := check(modules); err != nil {
		return err
	}
	if c.Out != "" {
		if err := write(c.Out, func(w io.Writer) error { return texts(w, modules) }); err != nil {
			return fmt.Errorf("write the licences' texts: %w", err)
		}
	}
	_, err = fmt.Fprintln(stdout, summary(modules))
	return err
}

func main() {
	var c commands
	ctx := kong.Parse(&c, kong.Name("supply"), kong.BindTo(os.Stdout, (*io.Writer)(nil)))
	if err := ctx.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "supply:", err)
		os.Exit(1)
	}
}

// write replaces a file as a whole.
func write(path string, fill func(io.Writer) error) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(path + ".new") }() // It is gone after the rename.
	if err := fill(f); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
