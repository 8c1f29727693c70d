package arch

// Rule is one thing that holds for the whole tree.
type Rule struct {
	Name  string
	Says  string // the rule in one sentence
	Check func(*Tree) []Finding
}

// Rules are all of them. A new one needs a case in rules_test.go that breaks it, or the tests fail.
var Rules = []Rule{
	{"layers", "imports go one way: events ← bus, confdir, proc ← services ← cmd", layers},
	{"events-std", "pkg/events imports the standard library only", eventsStandardOnly},
	{"embed", "only pkg/bus/embed imports the NATS server, tests excepted", serverOnlyInEmbed},
	{"testhelp", "helpers for tests are imported by tests only", testHelpersOnlyInTests},
	{"pure-imports", "pure packages import pkg/events and the standard library, and nothing that reaches the machine", pureImports},
	{"pure-clock", "pure packages never read the clock and never wait", pureClock},
	{"package-doc", "every package has a doc comment", packageDoc},
	{"architecture", "every path that ARCHITECTURE.md names exists", architecturePaths},
	{"workspace", "go.work and the modules agree", workspace},
	{"replace", "every module replaces all siblings it needs, so that it builds alone", replaces},
	{"versions", "all modules ask for the same version of a dependency and of Go", versions},
	{"size", "no file is longer than 400 lines without a reason", fileSize},
}
