// Package scheduler reads what one node's directory says, tells it to the bus, and publishes the jobs of all checks when
// they are due. Every node runs one; one of them at a time publishes jobs, the others stand by.
//
// What holds:
//
//   - The directory's content stands on the bus as this node's contribution, and follows its changes (confdir.Watch
//     says how soon). A bad file leaves in force what it said before, also across a restart. A directory that says
//     nothing contributes nothing; one that says nothing any more contributes nothing any more. While the bus can't be
//     written the change waits, and is tried again with growing delay; if the bus loses it, it is written again.
//   - Each problem of the directory, and each check that two nodes define differently, is logged once until it is gone.
//   - Jobs are published when package plan says they are due, each to its node, for the nodes that say that they are
//     there. What was due while nobody published is not made up for.
//   - Who publishes holds a lease on the bus; it stops before the lease ends, and another takes over within seconds. For
//     an instant there may be two: then they publish the same jobs with the same ids, and a prober runs an id once.
//   - Jobs are as good as the wall clock of the one who publishes. See plan.Cursor for what happens when it jumps.
package scheduler
