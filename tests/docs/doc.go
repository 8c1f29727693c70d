// Package docs holds docs/configuration.md against the code: its examples are parsed as dmonitor parses them, its errors
// are the ones that dmonitor prints, and its tables name every key and variable there is, with its default. After a
// change of the errors, "go test ./docs -update" in this module writes them anew.
package docs
