// Package demo shows dmonitor on one machine: three real `dmonitor run` processes, a host that goes down, and an inbox,
// all on loopback and on free ports.
//
// What holds:
//
//   - Nothing is acted: the nodes are processes of their own that are really killed, the host really stops answering,
//     the mails really come by SMTP. What the demo prints it has seen on the bus and in the inbox.
//   - The story fails, with an error that says what was expected, if it is not told as it should be.
//   - When the demo ends, however it ends, its nodes end too, and its folder is removed.
package demo
