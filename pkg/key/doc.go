// Package key holds everything that follows from the cluster key: one file, the same on every node, is all there is to
// set up before nodes trust each other.
//
// # What holds
//
//   - From a key follow, by HKDF (RFC 5869) with a label for each: a certificate authority for the routes between members,
//     another for the port of the clients, and an account key that signs credentials. All are the same, byte for byte, on
//     every node that has the key, so nothing has to be handed around.
//   - Who doesn't hold the key gets past no handshake of a route, and has no credential that Verify takes.
//   - A credentials file carries no secret but its own, and the clients' authority only: who has one can't be a member.
//   - The key's text and what is derived from it never stand in an error, a log line or a printed value. What is shown is the
//     fingerprint (IDs), from which nothing about the key can be learnt.
//
// # Changing a key
//
// A file may have several lines. All of its keys are accepted, and the first is the one in use: this node's own
// certificates and what it mints are of that key. So a key is changed without a stop in three steps, each of which has to be
// complete on every node before the next: add the new key as the second line; make it the first; remove the old line. In
// between, nodes at two neighbouring steps understand each other. A node that is two steps ahead shows the others a
// certificate of a key they don't have yet, and isn't let in.
//
// # What does not hold
//
// Time plays no part between holders of the key: nodes whose clocks are years off trust each other all the same. Who can
// read a node's memory has the key. A certificate that was shown stays good until its key is removed; nothing but the
// removal of the key shuts out somebody who had it.
package key
