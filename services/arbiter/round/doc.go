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
//   - The log is right. An event of a newer sequence replaces whatever this arbiter believed, proposed or was asking.
//
// What the caller must bear: an agreement that could not be written is proposed again until it is written or another
// event is, even if all sites say up by then. Two sites really saw it, so people are told; the closing follows. A check
// that is taken out of the configuration while it is down stays open in the log: nobody looks any more, so nobody can
// say that it is up. Its view says that it is not configured.
//
// A State is not safe for concurrent use: one goroutine owns it.
package round
