// Package examples runs the programs that docs/events.md shows, against a real bus, and holds the page's code blocks
// against the files they are taken from. After a change of one of those, "go test ./examples -update" in this module
// writes the blocks anew.
package examples
