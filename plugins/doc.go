// Package plugins holds the plugins dmonitor ships; list has them all. One binary carries them, and each is called as
// prober and people call any plugin: an argv, a small environment, one line on standard output and an exit code.
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
//
// The binary starts anew for every look of every check, thousands of times a minute, whichever plugin it is to be. So
// nothing is done at package level but declare: no regexp.MustCompile, no map or table that is filled, no certificate
// pool, no template in a variable; what is needed is made in the function that list names, once its options are parsed.
// That goes for libraries, too: one whose init does more than a few microseconds (GODEBUG=inittrace=1 tells) is not for
// here, or only if nothing smaller does.
package plugins
