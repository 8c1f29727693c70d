// Package plugins holds the plugins dmonitor ships: check_http, check_https, check_ping, check_ssh and check_tcp.
// One binary carries them all, and each is called as prober and people call any plugin: an argv, a small environment,
// one line on standard output and an exit code.
//
// What holds:
//
//   - The first line is never exactly "OK" and starts with the word FAIL only if the run failed, so the exit code and
//     the line always say the same.
//   - FAIL means the host's fault. What keeps this node from looking (a resolver that doesn't answer, no route, no
//     permission, no CA certificates, wrong options) ends as unknown, so that the node abstains.
//   - Every run ends by itself a little before DMONITOR_TIMEOUT and says what it was waiting for.
//   - Whatever a server sends is read up to a limit, and printed only as a short, escaped part of one line.
//
// A name may have several addresses, of both families. A plugin tries at most maxAddrs of them, and one that answers
// is enough.
package plugins
