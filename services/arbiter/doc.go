// Package arbiter listens to results and declares outages. The decision itself is package round; this is the shell
// around it, which owns the clock and speaks to the bus.
//
// Every arbiter decides, none leads: the log's compare-and-swap lets one of them through, and the others adopt what it
// wrote. What holds beside the guarantees of package round:
//
//   - Nothing is lost at the start: an arbiter subscribes before it reads the log. What reached it while it was still
//     reading, what piled up while this process was frozen, and what had to wait inside it for more than a second,
//     informs it but is no vote (round.Door), because it would seem to be of the same moment as what comes now.
//   - A committed event is never dropped here, and one that was missed on the way is read from the log within
//     30 s, and after every reconnect.
//   - Results, presence and events are judged in the order in which they reached this process.
//   - After a write of unknown outcome the log is read before anything is written again.
//   - A decision that could not be committed for half a minute, and that the majority of members is away, is told to the
//     mailers that can be reached (events.Uncommitted), again every few seconds. When the majority is back, what waits is
//     tried at once, as far as that is noticed, and in any case within 20 s.
//   - What was said to be uncommitted is kept in the data folder, and proposed again after a restart, once the log and the
//     configuration have been read: people were told, so the end of it has to be told as well. It is on the disk a second
//     after it was said, as a rule, and when the arbiter stops.
//   - What is wrong with dmonitor itself is package trouble's to decide. It is written to a log of its own, in the same
//     way. Which nodes there are is kept in the data folder, so that one that doesn't come back with the others is missed.
//   - An arbiter starts without the log, if that can't be read for 5 s, and reads it later.
//   - A recovery that happened while no arbiter ran here says by how much it may be late. For this the arbiter notes in
//     its data folder that it is alive; what others saw meanwhile is known from the captured results, if those can be
//     read.
//
// When results come faster than they are judged, the subscription waits; the bus then drops the oldest ones and says
// so. Losing results delays a decision and never makes a wrong one.
package arbiter
