// Package scheduler reads what one node's directory says, tells it to the bus, and publishes the jobs of all checks when
// they are due. Every node runs one; one of them at a time publishes jobs for all, the others stand by, and each orders
// what its own node misses.
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
//   - Who publishes for all holds a lease on the bus; it stops before the lease ends, and another takes over within
//     seconds. For an instant there may be two: then they publish the same jobs with the same ids, and a prober runs an
//     id once.
//   - A node looks as long as it runs. A job for the node's own prober that is due since a second (plan.Grace) and was not
//     heard is published by the node's own scheduler. That takes no lease and no majority, so it bridges the time until
//     another leads, and every time without a majority. See plan.Own for what happens when clocks disagree.
//   - A scheduler that starts without a majority knows what to look at from what the bus remembers (bus.FollowCatalog), or
//     after ten seconds without that, for want of anything better, from its own directory alone.
//   - Jobs are as good as the wall clock of the one who publishes. See plan.Cursor for what happens when it jumps.
//
// If a scheduler dies and its node's prober doesn't, that prober has its jobs from whoever leads; only nobody bridges the
// time until another leads if that one dies, too.
package scheduler
