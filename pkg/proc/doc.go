// Package proc is how a process of dmonitor starts and stops: it reads the environment, sets up the log, opens the bus,
// runs the parts it was given, serves their metrics, and stops them in order. A main function only names its parts.
//
// What holds:
//
//   - A wrong or misspelt DMONITOR_ variable is told before anything starts, all of them at once.
//   - A part that awaits the log of outages starts when the log can be written, or after LogPatience without it: then a
//     warning says for whom the log waits. The others start at once. The bus goes on getting the log ready.
//   - The first part that fails stops the others. On SIGINT or SIGTERM all parts stop, and then the bus; a second
//     signal ends the process at once.
//   - nodes.txt is watched, unless DMONITOR_NODES is set. A changed list of several nodes is given to the running bus. When
//     several nodes become one, or one several, parts and bus are closed and started again inside the same process, with
//     what was kept. A list that is wrong changes nothing.
//   - The cluster key (DMONITOR_KEY_FILE) is watched too: a changed file counts for whoever connects from then on, and who
//     came in by a key that is no longer in it is disconnected. A file that is wrong, or gone, changes nothing. The first key
//     starts parts and bus again, inside the same process.
//   - Every process serves /metrics and /healthz on DMONITOR_HTTP_LISTEN. If that address is taken, it says so and works on
//     without: nobody should go unwatched for that.
//   - Exit codes: 0 fine, 1 failed, 2 wrong usage or settings, 3 can't reach the bus.
package proc
