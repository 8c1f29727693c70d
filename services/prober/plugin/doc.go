// Package plugin is the exec contract between dmonitor and the executables that answer its checks: where a plugin is
// looked for, how it is called, how much of it is read, when it is killed, and what its answer means.
//
// What holds:
//
//   - Runner.Run returns. A plugin has until its timeout; then its whole process group is killed, and Run does not wait
//     for a process that even SIGKILL can't end. Its bound is the timeout plus three seconds (deathWait and grace).
//   - Nothing of a run outlives it: what is left of the plugin's process group is killed when the plugin has ended. A
//     process that left the group on purpose (setsid) is its own master and is not hunted down.
//   - Whatever a plugin writes, the Answer keeps the limits of package events: valid UTF-8, no control characters but
//     newline and tab, at most events.MaxOutput bytes read. It never blocks on output that nobody keeps.
//   - A plugin sees PATH, LANG and four DMONITOR_ variables, an empty standard input and the root folder; nothing else
//     of the prober's environment reaches it.
//   - Judge is a pure function: the same end and the same output always mean the same status. A plugin that is missing,
//     crashed or speaks nonsense is unknown, never fail.
//
// What the caller must bear: a plugin that daemonises by setsid survives, and so does one that is stuck in the kernel
// (a dead network file system); the latter is counted, and past MaxStuck of them nothing more is started. When the
// prober itself is killed by SIGKILL, Linux kills the plugins too, but not their children, and not those that are
// setuid; elsewhere they run on to their own end.
package plugin
