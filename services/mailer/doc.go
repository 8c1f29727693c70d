// Package mailer tells people by mail about outages, and operators about troubles of dmonitor itself. It has two halves
// that meet only in the work queue NOTICES: one turns each committed event into a notice per recipient, the other sends
// notices. Any number of mailers may run; they share both halves.
//
// What holds:
//
//   - An event is acknowledged only after every recipient's notice is in the queue. A notice leaves the queue only after
//     the mail server has taken it with a 250, or a recorded failure: refused for good, or GiveUp has passed.
//   - A notice has the same id whoever makes it, and the queue takes an id once: an event that is delivered again, or to
//     another mailer, makes no second notice.
//   - Trouble with the mail server, its certificate or our own login is retried with growing delay and loses nothing.
//   - The password is sent over TLS or to this host only. It appears in no log, error or record.
//   - In a storm each outage is named once to each recipient, in few mails: the first goes at once, what comes within
//     the next seconds goes in one mail (package batch). Each mailer does so by itself: with n of them there are up to n
//     mails in the time in which one would send one. An ordinary outage waits for nothing; its closing, or the second
//     outage within 5 s, waits for the end of those seconds. Notices of troubles go alone and at once.
//   - What two sites agree on and can't be committed for events.UncommittedAfter is told without a majority, by one of the
//     mailers that reach each other (package told), and not again when it is committed: before the mailer fans out an
//     event older than 20 s it asks all others whom they have told. Who was told is on disk before the others hear of it,
//     for 30 days; the deliveries say so. In the same way it tells of a committed event whose notices can't be queued for as
//     long.
//
// What the caller must bear:
//
//   - SMTP is at-least-once. Between the server's 250 and the queue's acknowledgement lies an instant (typically under a
//     millisecond, for a mail with many notices some ten; while the queue elects its leader up to 10 s) in which a crash, or a connection that breaks before the 250
//     arrives, makes the mail go out again. It then has the same Message-ID; only the notices of a mail about many, if
//     the mailer died in that instant, come in other company, and thus with another one.
//   - Without a majority people may be told twice: by mailers on both sides of a cut, by one that dies between the 250 and
//     its journal, or by two that don't know of each other's nodes. The mail says so. One told of an outage that is over
//     before there is a majority again hears of its end as the arbiters do: if they never commit it, not at all.
//   - Of a mail about many outages the closings are mails (or lines) of their own. Their In-Reply-To names the opening as if
//     it had been a mail of its own, which the mail about many has among its References (up to 100).
//   - After a 4xx each notice of a mail about many goes back to the queue by itself, and is gathered anew with others that
//     are tried again, apart from new ones. A 5xx for the recipient fails all; one for the content is tried in halves.
//   - Recipients are those of the moment an event is fanned out, as the leader of the configuration knows them; while it
//     can't be asked the event waits. Without a majority they are those that were known last. Who was removed while a
//     check was down isn't told that it is up; who was added then gets a closing mail without an opening one: that is
//     good news which explains itself.
//   - While an opening mail is retried, or waits in another mailer's group, the closing one may overtake it. The opening
//     then says so, as far as is known.
//   - An event that nobody fanned out for GiveUp is told only if its outage is still open: a mailer that is added to an
//     old cluster doesn't mail its history.
package mailer
