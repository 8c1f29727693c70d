package confdir

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing that is wrong in the directory.
type Problem struct {
	File    string `json:"file"`             // relative to the directory, with slashes; "." is the directory itself
	Line    int    `json:"line,omitempty"`   // from 1; 0 if the problem has no line
	Message string `json:"message"`          // what is wrong
	Remedy  string `json:"remedy,omitempty"` // what to do about it
}

// String writes the problem as compilers do: "hosts.d/www.example.com/ssh:3: agree: ...; write 1 to 64".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(printable(p.File))
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	b.WriteString(p.Message)
	if p.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(p.Remedy)
	}
	return b.String()
}

// printable quotes a file's name that could garble a terminal or forge a line in a log.
func printable(name string) string {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// Problems is everything that is wrong, in the order of the files.
type Problems []Problem

// Cover tells whether what the file at path says can't be trusted: the file itself or a directory above it has a
// problem.
func (ps Problems) Cover(path string) bool {
	for _, p := range ps {
		if p.File == "." || p.File == path || strings.HasPrefix(path, p.File+"/") {
			return true
		}
	}
	return false
}

// Err joins the problems to one error, a line each; nil if there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return errors.New(strings.Join(lines, "\n"))
}
