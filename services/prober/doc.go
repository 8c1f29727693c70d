// Package prober is the service that looks: it runs the plugins it is asked to run, and says what they found.
//
// What holds:
//
//   - A job or confirmation whose id was taken in the last ten minutes is not run again.
//   - Never more plugins run at once than Options.Concurrency and, for confirmations, a quarter more. Confirmations go
//     before jobs.
//   - What can't be run in time is not run: a job after its interval, a confirmation half a second after its timeout (the
//     arbiter's round is almost over then), and what finds no room among 8,192 others that wait, or 8 MiB of them. It is
//     counted in Presence.Late, and answered within a second or so by a result of status unknown that says why: this node
//     abstains. Every order is answered once at most, run or not, so an overload puts no more on the bus than its absence.
//   - A slow plugin for one host does not delay the other hosts' checks for ever. A run ends a few seconds after its
//     timeout, so every slot is free again and again, and who came first goes first. The configuration allows no timeout
//     beyond the interval, so the jobs of one check hold two slots at most: while fewer checks hang than half the slots,
//     nobody else waits. When more do, each order waits at most as said above.
//   - A look that ended more than a second after its timeout is no look: this node stood still meanwhile (it was suspended,
//     or frozen), so its answer is unknown.
//   - The node says each second that it is there, and once that it leaves. The plugins it says it has are those that are
//     there at that moment.
//   - When Run returns, no plugin it started is running (but those that SIGKILL can't end), and no goroutine is left.
//   - Of two processes that bear one node's name the one that started later gives up with ErrNameTaken after some five
//     seconds; the other one goes on and says so in its log.
//
// What may go wrong: results and presence are plain messages. While the bus is not connected they are lost, which is
// right for results: nobody may count them later.
package prober
