// Package events is the contract of dmonitor: every message, subject, stream and bucket on the bus is written down
// here once, and built and parsed by functions here. It imports the standard library only, so that any Go program can
// read dmonitor's messages without taking dmonitor's dependencies.
//
// What holds:
//
//   - Encode makes a message fit (text, times, empty lists; see there) and refuses one that then breaks a rule of this
//     package; what it wrote, Decode reads back, equal in every field to what Encode left in the message.
//   - Decode believes nothing: it checks sizes, names, enums and UTF-8, and that the subject a message came on is the
//     one its body claims. A node can therefore speak only for itself, as far as the bus guards the subjects.
//   - Unknown fields are ignored, so that newer members may add some. A message of a newer major version (field "v")
//     is refused with ErrVersion, an event or a kind of trouble of a newer one with ErrEvent: no reader ends what it can't
//     read, it leaves it to newer ones. Other enums may grow with the version only.
//   - A host, test, site or node name that passed Validate* is safe as part of a subject, as a file name and as an argument.
package events
