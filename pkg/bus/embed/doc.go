// Package embed runs a member of the bus inside this process: a NATS server with JetStream, standalone where there is
// one node, as a member of a cluster where there are several. It is the only package of dmonitor that knows the
// server's code.
//
// What holds:
//
//   - What JetStream has acknowledged is synced to this member's disk, whatever happens to the process.
//   - A data folder serves one process: it is locked for as long as the server runs, because two servers on one folder
//     lose messages without an error. A standalone store and a clustered one live in separate folders, because a
//     cluster deletes what it finds in a folder that it didn't write.
//   - Nothing but loopback addresses is listened on without Options.Insecure.
//   - A member whose name is taken by another one doesn't start; if both start at the same moment, both stop (Failed).
//     A cluster that two members of one name take part in would count one vote twice.
//
// Starting is quick and waits for nobody. The first formation of a cluster needs all members that Options.Nodes lists;
// later starts need a majority of them.
package embed
