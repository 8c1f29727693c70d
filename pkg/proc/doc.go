// Package proc is how a process of dmonitor starts and stops: it reads the environment, sets up the log, opens the bus,
// runs the parts it was given, and stops them in order. A main function only names its parts.
//
// What holds:
//
//   - A wrong or misspelt DMONITOR_ variable is told before anything starts, all of them at once.
//   - A part that needs the log of outages starts when the log can be written; the others start at once.
//   - The first part that fails stops the others. On SIGINT or SIGTERM all parts stop, and then the bus; a second
//     signal ends the process at once.
//   - Exit codes: 0 fine, 1 failed, 2 wrong usage or settings, 3 can't reach the bus.
package proc
