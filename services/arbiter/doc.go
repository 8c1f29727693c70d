// Package arbiter listens to results and declares outages. The decision itself is package round; this is the shell
// around it, which owns the clock and speaks to the bus.
//
// Every arbiter decides, none leads: the log's compare-and-swap lets one of them through, and the others adopt what it
// wrote. What holds beside the guarantees of package round:
//
//   - Nothing is lost at the start: an arbiter subscribes before it reads the log. What reached it while it was still
//     reading, and what had to wait inside this process for more than a second, informs it but is no vote, because it
//     would seem to be of the same moment as what comes now.
//   - A committed event is never dropped here, and one that was missed on the way is read from the log within
//     30 s, and after every reconnect.
//   - Results, presence and events are judged in the order in which they reached this process.
//   - After a write of unknown outcome the log is read before anything is written again.
//
// When results come faster than they are judged, the subscription waits; the bus then drops the oldest ones and says
// so. Losing results delays a decision and never makes a wrong one.
package arbiter
