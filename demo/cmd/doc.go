// Package cmd holds no code but a test: it starts the demo's commands, in the folders next to it, as people do.
package cmd
