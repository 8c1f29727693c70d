// Package mailer tells people about outages by mail. It has two halves that meet only in the work queue NOTICES: one
// turns each committed event into a notice per recipient, the other sends notices. Any number of mailers may run; they
// share both halves.
//
// What holds:
//
//   - An event is acknowledged only after every recipient's notice is in the queue. A notice leaves the queue only after
//     the mail server has taken it with a 250, or a recorded failure: refused for good, or GiveUp has passed.
//   - A notice has the same id whoever makes it, and the queue takes an id once: an event that is delivered again, or to
//     another mailer, makes no second notice.
//   - Trouble with the mail server, its certificate or our own login is retried with growing delay and loses nothing.
//   - The password is sent over TLS or to this host only. It appears in no log, error or record.
//
// What the caller must bear:
//
//   - SMTP is at-least-once. Between the server's 250 and the queue's acknowledgement lies an instant (typically under a
//     millisecond) in which a crash, or a connection that breaks before the 250 arrives, makes the mail go out again. It
//     then has the same Message-ID.
//   - Recipients are those of the moment an event is fanned out, as the leader of the configuration knows them; while it
//     can't be asked the event waits. Who was removed while a check was down isn't told that it is up; who was added
//     then gets a closing mail without an opening one: that is good news which explains itself.
//   - While an opening mail is retried, the closing one may overtake it. The opening then says so, as far as is known.
//   - An event that nobody fanned out for GiveUp is told only if its outage is still open: a mailer that is added to an
//     old cluster doesn't mail its history.
package mailer
