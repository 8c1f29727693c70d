// Package round decides whether a check is down. It is a state machine without a clock, a network or a log of its own:
// results, presence, the configuration, committed events and the time go in through Apply; decisions with their reasons
// and votes come out. The same inputs in the same order give the same decisions.
//
// What holds:
//
//   - An outage is proposed only when Agree distinct sites voted down inside one round, that is by results that arrived
//     between the round's start and its deadline. The event carries those votes.
//   - Arrival decides, not the node's clock. A result that arrived before the round is no vote in it, and one that
//     comes a second time (by its id) is no vote at all. Nor is one that was overtaken: said by its node before another
//     one that has decided the last committed event.
//   - Who abstains, doesn't answer or vanishes has no vote. Nodes that vanish neither open nor close anything: a site
//     whose last vote was down still counts as possibly down, until it has cast no vote for ForgetAfter.
//   - Opened and closed alternate. While a proposal is on its way there is no second one for the same check.
//   - A decision that can't be committed for events.UncommittedAfter is said to be so (Uncommitted), again every 5 s until
//     an event of the check is committed or the check is taken out, if two nodes at least have voted. A node that hears
//     no other one abstains: it is likely to be at fault itself.
//   - What was said to be uncommitted before a restart (Remembered) is proposed as it was decided, unless the log knows
//     something newer of the check, so that the opposite can be told once it can be committed.
//   - A closing says by how much it may be late (Outage.Gap) if nobody looked at the check for longer than usual because the
//     arbiter's process did not run, and nobody has seen it down since. Results of others that are known count as looks.
//   - The log is right. An event of a newer sequence replaces whatever this arbiter believed, proposed or was asking.
//
// What the caller must bear: an agreement that could not be written is proposed again until it is written or another
// event is, even if all sites say up by then. Two sites really saw it, so people are told; the closing follows. A check
// that is taken out of the configuration while it is down stays open in the log: nobody looks any more, so nobody can
// say that it is up. Its view says that it is not configured.
//
// A State is not safe for concurrent use: one goroutine owns it.
package round
