// Package sim runs dmonitor's own decisions (the arbiter's rounds, the schedule, who is there, the notices) on a bus,
// clocks and hosts that are only simulated, with faults drawn from a seed: messages that are lost, late, doubled and out
// of order, nodes that crash, restart, freeze and are cut off, clocks that disagree, plugins that hang, hosts that flap.
// One seed always gives the same story, to the byte, so that a fault that was found can be looked at.
//
// What is checked all the time:
//
//   - No outage is opened without Agree sites that really saw the host down at that moment: each of its votes is a run
//     that took place and failed, and the runs lie no further apart than a round and the messages' delays allow.
//   - Opened and closed alternate for each check.
//   - No notice goes out for an event that isn't committed.
//
// And when the faults have stopped: what is down has an open outage, and what is up has none; and every event of the log
// was told to its recipient exactly once, but for the doubles that SMTP allows (a mailer that died between the mail
// server's 250 and its acknowledgement), which are counted apart.
package sim
