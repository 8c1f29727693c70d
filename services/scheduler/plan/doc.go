// Package plan is when every node looks at every check: a pure function of the checks, the nodes and the wall clock.
//
// What holds:
//
//   - A node looks at a check once per interval. N nodes look N times per interval, evenly spread: of nodes sorted by
//     name, the k-th is k/N of the interval later than the first.
//   - Whoever computes it gets the same jobs with the same ids, so that two schedulers at once cost nothing: a prober runs
//     an id once.
//   - The moment depends on the check's own name and interval and on who looks at it, on no other check: adding one moves
//     nobody else. When a node comes or goes, the shares of those who look at the same checks move once; no interval
//     between two looks of a node gets longer than two intervals by that.
//   - Due moments lie on a grid of 20 ms (Grid). Waking once for all that is due in a while is cheaper than waking for
//     each of it, for the scheduler, the bus and the probers; a prober that starts many plugins in one go has its caches
//     warm. Nobody can tell 20 ms in an interval of 100 ms or more.
//   - Windows of Take don't overlap and leave no gap: Take(a, b) and Take(b, c) together are Take(a, c).
//
// Cursor moves through time in such windows and knows what to do when the wall clock jumps. Own says which of one node's
// jobs nobody orders.
//
// The package never asks what time it is, and does no input or output.
package plan
