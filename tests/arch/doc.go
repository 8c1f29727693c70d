// Package arch keeps the shape of the house: which part may import which, what the pure packages must not touch, that
// every package says what it guarantees, that the modules can be built alone, and that ARCHITECTURE.md names only
// paths that exist.
//
// Every rule is a function from a Tree (any fs.FS) to its findings, so that each is tried on small made-up trees as
// well: a rule that could never fail would be noticed there. The rules read source text only; nothing is built or
// run, so they take less than a second and hold for every platform's files at once.
//
// Go's test cache does not see changes in other modules: run these with -count=1, as make test does.
package arch
