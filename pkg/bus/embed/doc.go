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
//   - What was kept in the other mode is not lost. A node that is alone takes over what it kept in a cluster; for a
//     member of a cluster what it kept alone is opened (Server.Old), and package bus carries it over. Folders are copied
//     or read, and set aside afterwards, never deleted.
//   - The system account, which may remove members, is open to this process only.
//   - Nothing but loopback addresses is listened on without Options.Insecure.
//   - A member whose name is taken by another one doesn't start; if both start at the same moment, both stop (Failed).
//     A cluster that two members of one name take part in would count one vote twice.
//
// Starting is quick and waits for nobody. The first formation of a cluster needs all members that Options.Nodes lists;
// later starts need a majority of them. The list of members may change while the server runs (SetNodes), but not from one
// to several or back.
package embed
