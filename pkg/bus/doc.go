// Package bus is what dmonitor's services talk over: it opens the bus (as a member that embeds a NATS server, or as a
// client of one), keeps its streams, and gives the messages of pkg/events their ways.
//
// # What is durable
//
// Propose, PutNotice, PutDelivery, PutContribution and leases are written to replicated logs. When they return nil, a
// majority of the replicas has the message, and each of those has synced it to disk: a kill, a power cut of a minority,
// or the loss of a member's disk loses nothing. There are as many replicas as the number of nodes allows: 1 of 1, 2 of
// 2, 3 of 3 or 4, 5 of 5 and more. Two replicas survive the loss of a disk, but nothing can be written while one of the
// two is away.
//
// Publish is not durable: a message goes to whoever is connected at that moment. While this process is cut off from
// the bus Publish fails; nothing is kept to be sent late. Results are also captured in memory for a day, bounded in
// bytes; a capture may miss some, and is forgotten when most members restart at once.
//
// # What is ordered
//
// The events of one check are in one order for everybody, that of Committed.Seq: Propose is a compare-and-swap on it.
// One subscription hands its messages on one at a time, in the order in which each publisher sent them. ConsumeOutages
// is in order too, except that an event whose handling failed comes again after later ones.
//
// # What may be doubled, or missed
//
//   - SubscribeOutages is missed by who is not connected: read Outages or LastOutages on start and after OnReconnect.
//   - ConsumeOutages and ConsumeNotices hand on at least once. A message comes again if its holder dies, is frozen or
//     is cut off for longer than 20 s (ackWait) before it has acknowledged.
//   - A notice is queued once per id for 24 h. The memory of ids whose notices were already sent doesn't survive a
//     restart of all members.
//   - A lease has one holder at a time as long as lead returns when its context ends; the fencing number protects
//     whatever a late holder still writes.
//   - Whatever returns an error that is not ErrConflict or ErrNotFound may still have happened.
//
// # From one member to many, and back
//
// What a member kept while it was alone (events, notices that wait, deliveries, directories, and how far the consumers
// are) goes with it into the first formation of a cluster: same sequences, same times, nothing republished. Where several
// members have a history, that with the newest event is taken; the others' stay in their folders, and their logs say so.
// A cluster that has formed already takes no history in. A member that is alone again goes on with the copies it had.
// Both survive a kill at any moment: they are done again.
//
// SetNodes changes the list of members while the bus runs. Streams get as many copies as the new number allows. Who is
// left out is taken out of the majority when the lists of all members agree and all of them answer, so that nothing
// breaks while the list is edited on one host after the other.
//
// # For how long it may not work
//
// When the member that leads a log dies without a word, nothing can be written to that log until the others have
// elected a new leader: 5 s median, 4 to 9 s measured. A polite Close hands over within 0.1 s. When a member was cut
// off and comes back there may be one more such window. In it calls fail or time out after 5 s at most; callers try
// again. Reads (LastOutage, LastOutages, Outages, Deliveries, Contributions) are answered by any member that has
// a copy, also without a majority; they may then be behind by what that member hasn't heard of yet.
//
// Without a majority of members nothing can be written at all; Majority says so, and who is away. Publish and Subscribe
// go on working among those who still reach each other. A member that starts then can't read anything either; it knows
// what the nodes contributed last, because it keeps that in its data folder (FollowCatalog).
//
// Clocks: a lease's time to live runs on the clock of the log's leader; clocks that disagree cost availability, never
// safety. Nothing else here depends on clocks that agree.
package bus
