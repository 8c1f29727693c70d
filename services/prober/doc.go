// Package prober is the service that looks: it runs the plugins it is asked to run, and says what they found.
//
// What holds:
//
//   - A job or confirmation whose id was taken in the last ten minutes is not run again.
//   - Never more plugins run at once than Options.Concurrency and, for confirmations, a quarter more. Confirmations go
//     before jobs.
//   - What waited too long is not run: a job after its interval, a confirmation after its timeout and two seconds (the
//     arbiter's round is over then). It is counted in Presence.Late, and so is what found no room to wait.
//   - The node says each second that it is there, and once that it leaves. The plugins it says it has are those that are
//     there at that moment.
//   - When Run returns, no plugin it started is running (but those that SIGKILL can't end), and no goroutine is left.
//   - Of two processes that bear one node's name the one that started later gives up with ErrNameTaken after some five
//     seconds; the other one goes on and says so in its log.
//
// What may go wrong: results and presence are plain messages. While the bus is not connected they are lost, which is
// right for results: nobody may count them later.
package prober
