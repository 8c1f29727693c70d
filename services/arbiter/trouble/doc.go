// Package trouble decides what the operators are to be told of dmonitor itself: that checks are blind, that a node is
// gone, that no decision can be committed. It is a state machine as package round is, without a clock, a network or a log
// of its own: what is seen and the time go in through Apply, decisions come out.
//
// What holds:
//
//   - An event of a trouble is proposed when what it says is true and has been so for its grace (see Rules), and then
//     only. A proposal that could not be written is forgotten; if it is still true it is made anew.
//   - Of one key there is at most one open trouble in the log: the event is proposed after the last one this arbiter
//     knows of, and what the log has is adopted, whoever wrote it. So a trouble is told once, also across restarts.
//   - After a start, and after the majority was away, the graces of beginnings begin anew: what a minority believed of the
//     others in the meantime is not written.
//   - That the majority was away is put on record when it is back, and ended, if it was told without a majority; also by an
//     arbiter that was restarted in between (Remembered).
//   - A trouble stays open until somebody knows better. Checks that an open trouble lists are presumed to be blind until
//     they are seen to be judged (Presumed lists them); a node it names is gone until it is heard, or until it was taken
//     away: no list of members has its address any more, or the log says so (Trouble.Retired).
//   - A node is there by its own word, or, if it only carries the bus, as long as its member answers (Members).
//   - Two arbiters that see things differently for good don't begin and end a trouble in turns: who is contradicted by an
//     end waits, each time longer.
//
// What the caller must bear: a node that was not heard since the arbiter started, of which the log knows nothing, and that
// the caller doesn't remember from before (Expected), is not missed.
//
// A State is not safe for concurrent use: one goroutine owns it.
package trouble
